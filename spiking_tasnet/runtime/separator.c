/* The network frame by frame: encoder, norm, spiking layers, mask, decoder, each as soon as its inputs are there.
 *
 * A frame is computed once. In a network that looks ahead, a dilated layer is behind the layer below by half its filter;
 * in a causal one it is not. All run on up to BATCH new frames at a time, after which a layer has computed all that the
 * frames of the layer below allow. So a ring of spikes holds what its reader reaches over, and a batch.
 */
#include "separator.h"

#include <stdlib.h>
#include <string.h>

#include "dense.h"
#include "layer.h"

struct separator {
    stn_t model;            /* its sizes; what points to the file is of no use after separator_open */
    int64_t look_ahead, memory;
    void *allocated;
    dense_t encoder, encoding, readout, mask, decoder;
    float *norm_gain, *norm_bias, *threshold, *start, *amplitude;
    layer_t layer[STN_MOST_BLOCKS]; /* the encoding layer, then the dilated ones that spike */
    reach_t reach[STN_MOST_BLOCKS]; /* of the dilated layers; the last is the readout's */

    float *input;            /* samples of the frames that are still to be encoded */
    int64_t held, taken;     /* in `input`; pushed in all */
    int64_t zeros;           /* samples of silence that complete the last frame, still to come */
    int finished, ended;     /* separator_finish was called; the last frame was encoded */
    float *encoded;          /* (encoded_ring, n_filters), until the masks come */
    int64_t encoded_ring, decoded;
    float *output;           /* (n_src, room): `ready` samples, then sums that are not complete */
    int64_t room, ready, given;
    double *samples;         /* `input` again, for the encoder */
    double *exact, *charges; /* a batch of encoded frames, and of what they charge the encoding neurons with */
    float *frames, *values;  /* a batch of the widest layer, twice */
    float *gathered, *masks; /* a batch of what the readout reads, and of masks */
    void *scratch;
};

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static layer_t *last_layer(separator_t *s) { return &s->layer[s->model.n_blocks - 1]; }

/* ---- Opening. */

static void lay_out(separator_t *s, arena_t *arena)
{
    const stn_t *model = &s->model;
    int64_t filters = model->n_filters, chan = model->bn_chan, scratch = 0;
    dense_lay_out(&s->encoder, arena, model->kernel_size, filters);
    dense_lay_out(&s->encoding, arena, filters, chan);
    s->norm_gain = arena_take(arena, filters, sizeof(float));
    s->norm_bias = arena_take(arena, filters, sizeof(float));
    s->threshold = arena_take(arena, chan, sizeof(float));
    s->start = arena_take(arena, chan, sizeof(float));
    for (int64_t n = 0; n < model->n_blocks; n++) {
        layer_lay_out(&s->layer[n], arena, n ? model->hid_chan : chan, model->num_steps, model->phased,
                      &s->reach[n], n < model->n_blocks - 1);
        if (n)
            layer_lay_out_neurons(&s->layer[n], arena, s->layer[n - 1].chan, &s->reach[n - 1], &model->spiking[n - 1]);
        scratch = most(scratch, layer_scratch(&s->layer[n]));
    }
    chan = last_layer(s)->chan;
    s->amplitude = arena_take(arena, chan, sizeof(float));
    dense_lay_out(&s->readout, arena, chan * model->taps, model->hid_chan);
    dense_lay_out(&s->mask, arena, model->hid_chan, model->n_src * filters);
    dense_lay_out(&s->decoder, arena, filters, model->kernel_size);

    s->encoded_ring = s->look_ahead + BATCH;
    s->room = model->kernel_size + (BATCH - 1) * model->stride;
    int64_t widest = most(most(filters, model->kernel_size), most(model->bn_chan, model->hid_chan));
    s->input = arena_take(arena, model->kernel_size - 1 + BATCH * model->stride, sizeof(float));
    s->samples = arena_take(arena, model->kernel_size - 1 + BATCH * model->stride, sizeof(double));
    s->exact = arena_take(arena, BATCH * filters, sizeof(double));
    s->charges = arena_take(arena, BATCH * model->bn_chan, sizeof(double));
    s->encoded = arena_take(arena, s->encoded_ring * filters, sizeof(float));
    s->output = arena_take(arena, model->n_src * s->room, sizeof(float));
    s->frames = arena_take(arena, BATCH * widest, sizeof(float));
    s->values = arena_take(arena, BATCH * widest, sizeof(float));
    s->gathered = arena_take(arena, BATCH * s->readout.inputs, sizeof(float));
    s->masks = arena_take(arena, BATCH * s->mask.outputs, sizeof(float));
    s->scratch = arena_take(arena, scratch, 1);
}

static void fill(separator_t *s)
{
    const stn_t *model = &s->model;
    stn_weights_t encoder = {model->encoder, NULL, NULL}, mask = {model->mask, NULL, NULL};
    dense_fill(&s->encoder, &encoder, NULL, 1);
    dense_fill(&s->encoding, &model->encoding, model->encoding_bias, 1);
    dense_fill(&s->readout, &model->readout, model->readout_bias, model->taps);
    dense_fill(&s->mask, &mask, model->mask_bias, 1);
    dense_fill_transposed(&s->decoder, model->decoder);
    memcpy(s->norm_gain, model->norm_gain, sizeof(float) * (size_t)model->n_filters);
    memcpy(s->norm_bias, model->norm_bias, sizeof(float) * (size_t)model->n_filters);
    memcpy(s->threshold, model->encoding_threshold, sizeof(float) * (size_t)model->bn_chan);
    memcpy(s->amplitude, model->amplitude, sizeof(float) * (size_t)last_layer(s)->chan);
    for (int64_t n = 0; n < model->bn_chan; n++)
        s->start[n] = s->threshold[n] * model->v_init;
    for (int64_t n = 0; n < model->n_blocks; n++)
        layer_fill(&s->layer[n], n ? &model->spiking[n - 1] : NULL);
}

separator_t *separator_open(const void *model, size_t size, const char **error)
{
    separator_t found = {.look_ahead = 0};
    *error = stn_read(&found.model, model, size);
    if (*error)
        return NULL;
    for (int64_t n = 0; n < found.model.n_blocks; n++) {
        int64_t dilation = (int64_t)1 << n, taps = found.model.taps;
        found.reach[n] = (reach_t){taps, dilation, found.model.causal ? 0 : dilation * (taps - 1) / 2};
        found.look_ahead += found.reach[n].ahead;
    }
    arena_t arena = {NULL, 0};
    separator_t *s = arena_take(&arena, sizeof found, 1);
    lay_out(&found, &arena);
    *error = "its sizes take more than 256 MiB of memory; export a smaller network";
    if (arena.used > ARENA_MOST)
        return NULL;
    found.memory = (int64_t)arena.used + ARENA_ALIGNMENT;
    found.allocated = malloc((size_t)found.memory);
    *error = "not enough memory; close other programs";
    if (!found.allocated)
        return NULL;
    uintptr_t place = (uintptr_t)found.allocated;
    arena = (arena_t){(uint8_t *)found.allocated + (ARENA_ALIGNMENT - place % ARENA_ALIGNMENT), 0};
    s = arena_take(&arena, sizeof found, 1);
    *s = found;
    lay_out(s, &arena);
    fill(s);
    separator_reset(s);
    *error = NULL;
    return s;
}

void separator_close(separator_t *s)
{
    if (s)
        free(s->allocated);
}

void separator_reset(separator_t *s)
{
    for (int64_t n = 0; n < s->model.n_blocks; n++)
        s->layer[n].frames = s->layer[n].spikes = 0;
    s->held = s->taken = s->zeros = s->decoded = s->ready = s->given = 0;
    s->finished = s->ended = 0;
    memset(s->output, 0, sizeof(float) * (size_t)(s->model.n_src * s->room));
}

/* ---- Frames. */

static void narrow(const double *from, int64_t count, float *to)
{
    for (int64_t n = 0; n < count; n++)
        to[n] = (float)from[n];
}

/* The next `count` frames of encoder, norm and encoding layer. */
static void encode(separator_t *s, int64_t count)
{
    const stn_t *model = &s->model;
    layer_t *layer = &s->layer[0];
    const double *samples = s->samples;
    for (int64_t n = 0; n < s->held; n++)
        s->samples[n] = s->input[n];
    for (int64_t part = count; count; count -= part, part = count) {
        int64_t slot = layer->frames % s->encoded_ring;
        int32_t *words = layer_next(layer, &part);
        part = least(part, s->encoded_ring - slot);
        dense_rectified(&s->encoder, samples, model->stride, part, s->exact);
        narrow(s->exact, part * model->n_filters, s->encoded + slot * model->n_filters);
        dense_normalise(s->exact, model->n_filters, part, s->norm_gain, s->norm_bias, model->eps);
        dense_rectified(&s->encoding, s->exact, model->n_filters, part, s->charges);
        narrow(s->charges, part * model->bn_chan, s->values);
        layer_encode(layer, s->values, s->threshold, s->start, model->v_init, model->spread, part, words);
        layer_done(layer, part, s->scratch);
        samples += part * model->stride;
    }
}

/* Frames that may be computed next, of a layer that has `done` and looks `ahead`, where the layer below has `below`. */
static int64_t allowed(separator_t *s, int64_t done, int64_t below, int64_t ahead)
{
    int64_t last = s->ended && below == s->layer[0].frames; /* behind it is silence */
    return least(most((last ? below : below - ahead) - done, 0), BATCH);
}

/* What the readout reads for its output `frame`, the taps one after the other, in activation units. */
static void gather(separator_t *s, int64_t frame, float *to)
{
    const layer_t *below = last_layer(s);
    const reach_t *reach = &s->reach[s->model.n_blocks - 1];
    int64_t source = frame + reach->ahead - reach->dilation * (reach->taps - 1);
    for (int64_t tap = 0; tap < reach->taps; tap++, source += reach->dilation, to += below->chan) {
        int there = source >= 0 && source < below->frames;
        const int32_t *words = below->words + (there ? source % below->ring * below->chan : 0);
        for (int64_t c = 0; c < below->chan; c++)
            to[c] = there ? (float)__builtin_popcount((uint32_t)words[c]) * s->amplitude[c] : 0.0f;
    }
}

/* Add the next frame of each talker to the sums of the samples that it covers. */
static void decode(separator_t *s, const float *masks)
{
    const stn_t *model = &s->model;
    const float *encoded = s->encoded + s->decoded % s->encoded_ring * model->n_filters;
    for (int64_t talker = 0; talker < model->n_src; talker++) {
        float *sums = s->output + talker * s->room + s->ready;
        dense_mask(masks + talker * model->n_filters, encoded, model->n_filters, s->frames);
        dense_run(&s->decoder, s->frames, model->n_filters, 1, 0, s->values);
        for (int64_t n = 0; n < model->kernel_size; n++)
            sums[n] += s->values[n];
    }
    s->ready += model->stride;
    s->decoded++;
}

/* Frames that the output has room for. */
static int64_t room_for(const separator_t *s)
{
    int64_t left = s->room - s->model.kernel_size - s->ready;
    return left < 0 ? 0 : left / s->model.stride + 1;
}

/* Run every layer on what is there: of the frames in `input` no more than the output has room for. */
static void run(separator_t *s)
{
    const stn_t *model = &s->model;
    int64_t count = s->held < model->kernel_size ? 0 : (s->held - model->kernel_size) / model->stride + 1;
    encode(s, count);
    s->held -= count * model->stride;
    memmove(s->input, s->input + count * model->stride, sizeof(float) * (size_t)s->held);
    s->ended = s->finished && !s->zeros;
    for (int64_t n = 1; n < model->n_blocks; n++) {
        layer_t *layer = &s->layer[n], *below = layer - 1;
        layer_fire(layer, below, allowed(s, layer->frames, below->frames, layer->reach.ahead), s->scratch);
    }
    count = allowed(s, s->decoded, last_layer(s)->frames, s->reach[model->n_blocks - 1].ahead);
    for (int64_t n = 0; n < count; n++)
        gather(s, s->decoded + n, s->gathered + n * s->readout.inputs);
    dense_run(&s->readout, s->gathered, s->readout.inputs, count, model->rectify, s->frames);
    dense_run(&s->mask, s->frames, model->hid_chan, count, 0, s->masks);
    for (int64_t n = 0; n < count; n++)
        decode(s, s->masks + n * s->mask.outputs);
}

/* ---- Samples. */

/* Take in what there is room for, of samples or, where NULL, of silence, and run on it. */
static int64_t take_in(separator_t *s, const float *samples, int64_t count)
{
    count = least(count, s->model.kernel_size - 1 + room_for(s) * s->model.stride - s->held);
    if (samples)
        memcpy(s->input + s->held, samples, sizeof(float) * (size_t)count);
    else
        memset(s->input + s->held, 0, sizeof(float) * (size_t)count);
    s->held += count;
    return count;
}

int64_t separator_push(separator_t *s, const float *samples, int64_t count)
{
    if (s->finished)
        return -1;
    for (int64_t n = 0; n < count; n++)
        if (!(samples[n] - samples[n] == 0.0f))
            return -1;
    int64_t taken = 0;
    for (int64_t part = 1; taken < count && part; taken += part) {
        part = take_in(s, samples + taken, count - taken);
        run(s);
    }
    s->taken += taken;
    return taken;
}

void separator_finish(separator_t *s)
{
    int64_t kernel = s->model.kernel_size, stride = s->model.stride, beyond;
    if (s->finished)
        return;
    s->finished = 1;
    if (s->taken) { /* as many samples as frames cover */
        beyond = most(s->taken - kernel, 0);
        s->zeros = kernel + (beyond + stride - 1) / stride * stride - s->taken;
    }
}

/* With no sample ready, compute the next ones of a mixture that has come to its end. */
static void drain(separator_t *s)
{
    while (!s->ready && s->given < s->taken) {
        s->zeros -= take_in(s, NULL, s->zeros);
        run(s);
        if (s->ended && s->decoded == s->layer[0].frames)
            s->ready += s->model.kernel_size - s->model.stride; /* no frame follows, so the sums are complete */
        s->ready = least(s->ready, s->taken - s->given);
    }
}

int64_t separator_pull(separator_t *s, float *sources, int64_t count)
{
    int64_t given = 0;
    while (given < count) {
        if (!s->ready && s->finished)
            drain(s);
        if (!s->ready)
            break;
        int64_t part = least(s->ready, count - given);
        for (int64_t talker = 0; talker < s->model.n_src; talker++) {
            float *from = s->output + talker * s->room;
            memcpy(sources + talker * count + given, from, sizeof(float) * (size_t)part);
            memmove(from, from + part, sizeof(float) * (size_t)(s->room - part));
            memset(from + s->room - part, 0, sizeof(float) * (size_t)part);
        }
        s->ready -= part;
        s->given += part;
        given += part;
    }
    return given;
}

/* ---- Facts. */

int64_t separator_latency(const separator_t *s) { return s->look_ahead * s->model.stride + s->model.kernel_size - 1; }
int64_t separator_sample_rate(const separator_t *s) { return s->model.sample_rate; }
int64_t separator_n_src(const separator_t *s) { return s->model.n_src; }
int64_t separator_memory(const separator_t *s) { return s->memory; }
int64_t separator_num_steps(const separator_t *s) { return s->model.num_steps; }
int64_t separator_stride(const separator_t *s) { return s->model.stride; }
int64_t separator_layers(const separator_t *s) { return s->model.n_blocks; }

static const layer_t *layer_of(const separator_t *s, int64_t layer)
{
    return layer >= 0 && layer < s->model.n_blocks ? &s->layer[layer] : NULL;
}

int64_t separator_channels(const separator_t *s, int64_t layer) { return layer_of(s, layer) ? layer_of(s, layer)->chan : 0; }
int64_t separator_frames(const separator_t *s, int64_t layer) { return layer_of(s, layer) ? layer_of(s, layer)->frames : 0; }
int64_t separator_spikes(const separator_t *s, int64_t layer) { return layer_of(s, layer) ? layer_of(s, layer)->spikes : 0; }

const int32_t *separator_words(const separator_t *s, int64_t layer, int64_t frame)
{
    const layer_t *found = layer_of(s, layer);
    if (!found || frame < 0 || frame >= found->frames || frame < found->frames - found->ring)
        return NULL;
    return found->words + frame % found->ring * found->chan;
}

int64_t separator_count(const separator_t *s, int64_t layer, int64_t frame)
{
    const int32_t *words = separator_words(s, layer, frame);
    int64_t count = words ? 0 : -1;
    for (int64_t n = 0; words && n < s->layer[layer].chan; n++)
        count += __builtin_popcount((uint32_t)words[n]);
    return count;
}
