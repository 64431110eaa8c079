/* The reader of .stn files: every size is checked before anything is read, every value before it is used. */
#include "stn.h"

#include <float.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file is little-endian, and so must be the machine that reads it"
#endif

#define CUT "it ends before its last value; copy it again"
#define VALUES "it holds a value that no export writes; export it again"

enum { CAUSAL = 1, SPREAD = 2, RECTIFY = 4, PHASED = 8 };
enum { FLOAT32 = 0, INT8 = 1 };

typedef struct {
    char magic[8];
    uint32_t version, checksum; /* CRC-32 of all that follows */
    uint64_t size;              /* of the file, bytes */
    uint32_t sizes[10], flags;
    float eps, v_init;
    uint32_t fraction_bits;
} header_t;

typedef struct {
    const uint8_t *at;
    uint64_t left;
    const char *fault; /* the first that was met */
} reader_t;

static uint32_t crc32_of(const uint8_t *data, uint64_t size)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xFFFFFFFFu;
    for (uint64_t n = 0; n < size; n++) {
        crc ^= data[n];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* `count` values of `size` bytes; a section ends on a multiple of 4 bytes. Counts are below 2^43. */
static const void *take(reader_t *reader, int64_t count, int64_t size)
{
    uint64_t bytes = ((uint64_t)count * (uint64_t)size + 3) / 4 * 4;
    if (reader->fault || bytes > reader->left) {
        reader->fault = reader->fault ? reader->fault : CUT;
        return NULL;
    }
    const uint8_t *section = reader->at;
    reader->at += bytes;
    reader->left -= bytes;
    return section;
}

/* `count` float32, finite and from `least`, or above it where `open`. */
static const float *floats(reader_t *reader, int64_t count, float least, int open)
{
    const float *section = take(reader, count, 4);
    for (int64_t n = 0; section && n < count; n++)
        if (!(section[n] >= least && section[n] <= FLT_MAX) || (open && section[n] == least))
            reader->fault = VALUES;
    return reader->fault ? NULL : section;
}

static const float *any_floats(reader_t *reader, int64_t count) { return floats(reader, count, -FLT_MAX, 0); }

/* `count` int32 from `least`, whose multiple by N_s stays within 32 bits. */
static const int32_t *integers(reader_t *reader, int64_t count, int64_t least, int64_t num_steps)
{
    const int32_t *section = take(reader, count, 4);
    for (int64_t n = 0; section && n < count; n++) {
        int64_t value = section[n];
        if (value < least || (value < 0 ? -value : value) * num_steps > INT32_MAX)
            reader->fault = VALUES;
    }
    return reader->fault ? NULL : section;
}

static stn_weights_t weights(reader_t *reader, int64_t out, int64_t inputs, int scaled)
{
    stn_weights_t found = {NULL, NULL, NULL};
    const uint32_t *kind = take(reader, 1, 4);
    if (kind && *kind == FLOAT32) {
        found.floats = any_floats(reader, out * inputs);
    } else if (kind && *kind == INT8) {
        found.scale = scaled ? floats(reader, out, 0.0f, 1) : NULL;
        found.bytes = take(reader, out * inputs, 1);
    } else if (kind) {
        reader->fault = VALUES;
    }
    return found;
}

static stn_spiking_t spiking(reader_t *reader, const stn_t *model, int64_t chan_in)
{
    int64_t out = model->hid_chan, steps = model->num_steps;
    stn_spiking_t layer = {weights(reader, out, chan_in * model->taps, 0), NULL, NULL, NULL};
    if (layer.weights.bytes) {
        layer.current = integers(reader, out, -INT32_MAX, steps);
        layer.threshold = integers(reader, out, 1, steps);
        layer.initial = integers(reader, out, 0, steps);
    } else {
        layer.current = any_floats(reader, out);
        layer.threshold = floats(reader, out, 0.0f, 1);
        layer.initial = floats(reader, out, 0.0f, 0);
    }
    return layer;
}

static const char *read_header(stn_t *model, const uint8_t *data, size_t size)
{
    static const uint32_t most[10] = {192000, 8, 65536, 65536, 65536, 65536, 65536, 1001, STN_MOST_BLOCKS, 32};
    int64_t *sizes[10] = {&model->sample_rate, &model->n_src,    &model->n_filters, &model->kernel_size, &model->stride,
                          &model->bn_chan,     &model->hid_chan, &model->taps,      &model->n_blocks,    &model->num_steps};
    header_t header;
    if (size < sizeof header || memcmp(data, "\x89STN\r\n\x1a\n", 8))
        return "it is no .stn file; spiking-tasnet export makes one";
    memcpy(&header, data, sizeof header);
    if (header.version != 1)
        return "it is of another version than this program reads; export it again";
    if (header.size != size)
        return "it is not as long as it says; copy it again";
    if (header.checksum != crc32_of(data + 16, size - 16))
        return "its checksum is wrong, so it was altered or damaged; copy it again";
    for (int n = 0; n < 10; n++) {
        if (header.sizes[n] < 1 || header.sizes[n] > most[n])
            return "it holds a size out of range; export it again";
        *sizes[n] = header.sizes[n];
    }
    if (model->stride > model->kernel_size || (model->taps % 2 == 0 && !(header.flags & CAUSAL)) ||
        header.flags > 15 || header.fraction_bits != 8 || !(header.eps > 0 && header.eps < 1) ||
        !(header.v_init >= 0 && header.v_init < 1))
        return VALUES;
    if (model->bn_chan * model->taps > 65536 || model->hid_chan * model->taps > 65536)
        return "it has more than 65536 inputs a neuron, which the event kernel does not take";
    model->causal = (header.flags & CAUSAL) != 0;
    model->spread = (header.flags & SPREAD) != 0;
    model->phased = (header.flags & PHASED) != 0;
    model->rectify = (header.flags & RECTIFY) != 0;
    model->eps = header.eps;
    model->v_init = header.v_init;
    return NULL;
}

const char *stn_read(stn_t *model, const void *data, size_t size)
{
    memset(model, 0, sizeof *model);
    const char *fault = (uintptr_t)data % 4 ? "it does not lie on a multiple of 4 bytes" : read_header(model, data, size);
    if (fault)
        return fault;
    reader_t reader = {(const uint8_t *)data + sizeof(header_t), size - sizeof(header_t), NULL};
    int64_t filters = model->n_filters, chan = model->bn_chan, masks = model->n_src * filters;
    model->encoder = any_floats(&reader, filters * model->kernel_size);
    model->norm_gain = any_floats(&reader, filters);
    model->norm_bias = any_floats(&reader, filters);
    model->encoding = weights(&reader, chan, filters, 1);
    model->encoding_bias = any_floats(&reader, chan);
    model->encoding_threshold = floats(&reader, chan, 0.0f, 1);
    for (int64_t block = 0; block < model->n_blocks - 1; block++) {
        model->spiking[block] = spiking(&reader, model, chan);
        chan = model->hid_chan;
    }
    model->amplitude = floats(&reader, chan, 0.0f, 1);
    model->readout = weights(&reader, model->hid_chan, chan * model->taps, 1);
    model->readout_bias = any_floats(&reader, model->hid_chan);
    model->mask = any_floats(&reader, masks * model->hid_chan);
    model->mask_bias = any_floats(&reader, masks);
    model->decoder = any_floats(&reader, filters * model->kernel_size);
    return reader.fault || !reader.left ? reader.fault : "it goes on behind its last value; export it again";
}
