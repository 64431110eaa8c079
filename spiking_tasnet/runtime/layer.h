/* Spikes of a layer, in a ring of its last frames, and the dilated layer that fires them. */
#ifndef SPIKING_TASNET_LAYER_H
#define SPIKING_TASNET_LAYER_H

#include "arena.h"
#include "stn.h"

enum { BATCH = 64 }; /* most frames that are computed in a row */

/* What an output frame reads: `taps` frames, `dilation` apart, the last of them `ahead` frames ahead of it. */
typedef struct {
    int64_t taps, dilation, ahead;
} reach_t;

typedef struct {
    int64_t chan, num_steps;
    int phased; /* neurons, its own and those that read it, integrate a whole window before they fire */
    int64_t frames, spikes; /* computed and fired so far */
    int64_t ring;           /* frames that are kept: what the reader reaches over, and a batch */
    int32_t *words;         /* (ring, chan) */
    uint32_t *table;        /* lists of active inputs, in slots as the words; NULL where no spiking layer reads them */
    uint16_t *pool;
    int64_t *starts;

    reach_t reach;
    int64_t inputs; /* channels below; 0 of the encoding layer, which has no neurons of its own here */
    int64_t block, outputs;
    int variant;
    void *rows, *current, *threshold, *initial, *negative;
} layer_t;

/* A layer whose spikes are read over `reader`, by a spiking layer where `listed`. */
void layer_lay_out(layer_t *layer, arena_t *arena, int64_t chan, int64_t num_steps, int phased, const reach_t *reader,
                   int listed);

/* Its neurons, which read `inputs` channels over `own`. */
void layer_lay_out_neurons(layer_t *layer, arena_t *arena, int64_t inputs, const reach_t *own,
                           const stn_spiking_t *from);

/* Fill in what was laid out; `from` is NULL for the encoding layer. */
void layer_fill(layer_t *layer, const stn_spiking_t *from);

/* Bytes that a layer works with while it runs. */
int64_t layer_scratch(const layer_t *layer);

/* Words of analog frames (count, chan): `spread`, or all at once from v_init thresholds (see event_encode). */
void layer_encode(const layer_t *layer, const float *values, const float *threshold, const float *start, float v_init,
                  int spread, int64_t count, int32_t *words);

/* Where the words of the next `*count` frames go; `*count` is made smaller where the ring ends before. */
int32_t *layer_next(const layer_t *layer, int64_t *count);

/* The next `count` frames are filled in: count and list their spikes. */
void layer_done(layer_t *layer, int64_t count, void *scratch);

/* Compute the next `count` frames; of what they read, what the layer below does not have is silent. */
void layer_fire(layer_t *layer, const layer_t *below, int64_t count, void *scratch);

#endif
