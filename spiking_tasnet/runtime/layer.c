/* The event kernel is the one that PyTorch's layers run on, with the same order of its sums: the same spikes come out.
 *
 * The lists of active inputs that it sorts out of a frame's words are kept beside them, as every tap of the reader
 * comes to them again.
 */
#include "layer.h"

#ifndef FRACTION_BITS
#define FRACTION_BITS 8
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#include "../snn/kernels/event.c"

enum { FLOAT32, INT32, INT16 }; /* variants of the kernel */

static geometry_t geometry_of(const layer_t *layer)
{
    return (geometry_t){.width = 1,
                        .chan_in = layer->inputs,
                        .fan_in = layer->inputs,
                        .out_width = 1,
                        .chan_out = layer->chan,
                        .fan_out = layer->chan,
                        .kernel_h = layer->reach.taps,
                        .kernel_w = 1,
                        .stride_h = 1,
                        .stride_w = 1,
                        .dilation_h = layer->reach.dilation,
                        .dilation_w = 1,
                        .num_steps = layer->num_steps,
                        .phased = layer->phased};
}

static geometry_t geometry_of_lists(const layer_t *layer)
{
    return (geometry_t){
        .chan_in = layer->chan, .fan_in = layer->chan, .num_steps = layer->num_steps, .phased = layer->phased};
}

/* Entries of a slot: at most one an input and window, and what the kernel reads and writes beyond. */
static int64_t capacity_of(const layer_t *layer)
{
    return layer->chan * ((layer->num_steps + WINDOW - 1) / WINDOW) + SLACK;
}

void layer_lay_out(layer_t *layer, arena_t *arena, int64_t chan, int64_t num_steps, int phased,
                   const reach_t *reader, int listed)
{
    layer->chan = chan;
    layer->num_steps = num_steps;
    layer->phased = phased;
    layer->ring = reader->dilation * (reader->taps - 1) + BATCH;
    layer->words = arena_take(arena, layer->ring * chan, sizeof(int32_t));
    if (listed) {
        layer->table = arena_take(arena, layer->ring * (BUCKETS + 1), sizeof(uint32_t));
        layer->pool = arena_take(arena, layer->ring * capacity_of(layer) + SLACK, sizeof(uint16_t));
        layer->starts = arena_take(arena, layer->ring, sizeof(int64_t));
    }
}

/* Sums of int8 weights lie within 16 bits where the magnitudes of each neuron's weights add up to less than 2^16. */
static int variant_of(const stn_weights_t *weights, int64_t outputs, int64_t size)
{
    if (weights->floats)
        return FLOAT32;
    for (int64_t n = 0; n < outputs; n++) {
        int32_t negative, positive;
        add_up(weights->bytes + n * size, size, 0, 1, &negative, &positive);
        if (negative + positive >= 1 << 16)
            return INT32;
    }
    return INT16;
}

void layer_lay_out_neurons(layer_t *layer, arena_t *arena, int64_t inputs, const reach_t *own,
                           const stn_spiking_t *from)
{
    layer->reach = *own;
    layer->inputs = inputs;
    layer->variant = variant_of(&from->weights, layer->chan, inputs * own->taps);
    layer->block = layer->variant == FLOAT32 ? event_block_float32()
                   : layer->variant == INT32 ? event_block_int32()
                                             : event_block_int16();
    layer->outputs = (layer->chan + layer->block - 1) / layer->block * layer->block;
    layer->rows = arena_take(arena, layer->outputs * inputs * own->taps, layer->variant == INT16 ? 1 : 4);
    layer->current = arena_take(arena, layer->outputs, 4);
    layer->threshold = arena_take(arena, layer->outputs, 4);
    layer->initial = arena_take(arena, layer->outputs, 4);
    layer->negative = arena_take(arena, layer->outputs, 4);
}

/* Currents, thresholds, V[0]; neurons that only complete a block never fire. Where the kernel sums in 16 bits, sums
 * start from the least that they can be, `negative`, and the current makes up for it. */
static void fill_neurons(layer_t *layer, const stn_spiking_t *from)
{
    int64_t size = layer->inputs * layer->reach.taps;
    size_t given = 4 * (size_t)layer->chan, all = 4 * (size_t)layer->outputs;
    memset(layer->current, 0, all);
    memset(layer->initial, 0, all);
    memset(layer->negative, 0, all);
    memcpy(layer->current, from->current, given);
    memcpy(layer->initial, from->initial, given);
    memcpy(layer->threshold, from->threshold, given);
    for (int64_t n = layer->chan; n < layer->outputs; n++)
        if (layer->variant == FLOAT32)
            ((float *)layer->threshold)[n] = __builtin_inff();
        else
            ((int32_t *)layer->threshold)[n] = INT32_MAX;
    for (int64_t n = 0; layer->variant == INT16 && n < layer->chan; n++) {
        int32_t negative, positive;
        add_up(from->weights.bytes + n * size, size, 0, 1, &negative, &positive);
        ((uint16_t *)layer->negative)[n] = (uint16_t)negative;
        ((uint32_t *)layer->current)[n] -= (uint32_t)negative << FRACTION_BITS;
    }
}

void layer_fill(layer_t *layer, const stn_spiking_t *from)
{
    for (int64_t n = 0; layer->starts && n < layer->ring; n++)
        layer->starts[n] = n * capacity_of(layer);
    if (!from)
        return;
    int64_t taps = layer->reach.taps, blocks = layer->outputs / layer->block;
    if (layer->variant == FLOAT32)
        pack_float32(from->weights.floats, layer->chan, layer->inputs, taps, 0, blocks, layer->rows);
    else if (layer->variant == INT32)
        pack_int32(from->weights.bytes, layer->chan, layer->inputs, taps, 0, blocks, layer->rows);
    else
        pack_int16(from->weights.bytes, layer->chan, layer->inputs, taps, 0, blocks, layer->rows);
    fill_neurons(layer, from);
}

int64_t layer_scratch(const layer_t *layer)
{
    geometry_t geometry = geometry_of(layer), lists = geometry_of_lists(layer);
    size_t tile = layer->inputs ? tile_memory(&geometry) : 0, list = layer->starts ? lists_memory(&lists) : 0;
    return (int64_t)(tile > list ? tile : list);
}

void layer_encode(const layer_t *layer, const float *values, const float *threshold, const float *start, float v_init,
                  int spread, int64_t count, int32_t *words)
{
    encode_frames(values, threshold, layer->chan, layer->num_steps, spread, start, v_init, 0, count, words);
}

int32_t *layer_next(const layer_t *layer, int64_t *count)
{
    int64_t slot = layer->frames % layer->ring;
    *count = *count < layer->ring - slot ? *count : layer->ring - slot;
    return layer->words + slot * layer->chan;
}

void layer_done(layer_t *layer, int64_t count, void *scratch)
{
    int64_t slot = layer->frames % layer->ring;
    const int32_t *words = layer->words + slot * layer->chan;
    geometry_t lists = geometry_of_lists(layer);
    for (int64_t n = 0; n < count * layer->chan; n++)
        layer->spikes += __builtin_popcount((uint32_t)words[n]);
    if (layer->starts)
        fill_lists(&lists, words, 0, 0, count, layer->starts + slot, layer->table + slot * (BUCKETS + 1), layer->pool,
                   scratch);
    layer->frames += count;
}

void layer_fire(layer_t *layer, const layer_t *below, int64_t count, void *scratch)
{
    geometry_t g = geometry_of(layer);
    g.ring = below->ring;
    g.height = below->frames;
    for (int64_t part = count; count; count -= part, part = count) {
        int32_t *fired = layer_next(layer, &part);
        /* The kernel's output frames count from this layer's next one, its input frames from the first of all. */
        g.out_height = part;
        g.padding_h = g.dilation_h * (g.kernel_h - 1) - layer->reach.ahead - layer->frames;
#define RUN(variant)                                                                                                   \
    simulate_##variant(&g, layer->rows, layer->current, layer->threshold, layer->initial, layer->negative, 0,          \
                       below->starts, below->table, below->pool, 0, part, NULL, fired, scratch)
        if (layer->variant == FLOAT32)
            RUN(float32);
        else if (layer->variant == INT32)
            RUN(int32);
        else
            RUN(int16);
#undef RUN
        layer_done(layer, part, scratch);
    }
}
