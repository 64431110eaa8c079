/* The separator as a stream: samples of a mixture in, samples of each talker out.
 *
 * All memory is taken by separator_open. There is no global state; separators of several threads know nothing of each
 * other. Samples are float32 of full scale 1, at the model's own rate. Talkers come at a level of the network's own.
 *
 *     separator_t *separator = separator_open(model, size, &error);
 *     for each block: while samples are left: taken = separator_push(...); separator_pull(...) until it gives 0;
 *     separator_finish(separator); separator_pull(...) until it gives 0;
 *     separator_close(separator);
 *
 * As many samples of each talker come out as went in, the same for blocks of any sizes.
 */
#ifndef SPIKING_TASNET_SEPARATOR_H
#define SPIKING_TASNET_SEPARATOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct separator separator_t;

/* A separator of the contents of an .stn file (docs/stn_format.md), which are not needed afterwards.
 * NULL where they are none or memory does not suffice; *error then says why. */
separator_t *separator_open(const void *model, size_t size, const char **error);

/* Take up to `count` samples and separate what they complete.
 * Returns how many it took, fewer than `count` where samples wait to be pulled first; -1 where one is not finite, or
 * after separator_finish: then none is taken. */
int64_t separator_push(separator_t *separator, const float *samples, int64_t count);

/* Give up to `count` samples of each talker: sample n of talker k goes to sources[k * count + n].
 * Returns how many it gave of each. */
int64_t separator_pull(separator_t *separator, float *sources, int64_t count);

/* The mixture ends here; what is left is there to be pulled. */
void separator_finish(separator_t *separator);

/* Begin another mixture. */
void separator_reset(separator_t *separator);

void separator_close(separator_t *separator);

/* Most samples that are held back: of n that were pushed, at least n - latency can be pulled. */
int64_t separator_latency(const separator_t *separator);

int64_t separator_sample_rate(const separator_t *separator); /* Hz */
int64_t separator_n_src(const separator_t *separator);       /* talkers */
int64_t separator_memory(const separator_t *separator);      /* bytes, all that it will ever hold */

/* What the layers fired: layer 0 encodes, the others follow. */
int64_t separator_num_steps(const separator_t *separator); /* N_s of a window, which is a frame */
int64_t separator_stride(const separator_t *separator);    /* samples between frames */
int64_t separator_layers(const separator_t *separator);    /* that spike */
int64_t separator_channels(const separator_t *separator, int64_t layer);
int64_t separator_frames(const separator_t *separator, int64_t layer); /* computed so far */
int64_t separator_spikes(const separator_t *separator, int64_t layer); /* fired so far */

/* Spikes of one frame; -1 where it is not yet or no longer there. */
int64_t separator_count(const separator_t *separator, int64_t layer, int64_t frame);

/* Words of one frame, one a channel, bit t for a spike at step t; NULL where it is not yet or no longer there. */
const int32_t *separator_words(const separator_t *separator, int64_t layer, int64_t frame);

#ifdef __cplusplus
}
#endif
#endif
