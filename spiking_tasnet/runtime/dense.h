/* Matrix products over frames: the encoder, the 1x1 convolutions, the readout and the decoder. */
#ifndef SPIKING_TASNET_DENSE_H
#define SPIKING_TASNET_DENSE_H

#include "arena.h"
#include "stn.h"

#define DENSE_BLOCK 16 /* outputs that are summed side by side, 64 bytes */

/* rows (block, in, DENSE_BLOCK), aligned to 64 bytes; bias (blocks * DENSE_BLOCK). */
typedef struct {
    int64_t inputs, outputs;
    float *rows, *bias;
} dense_t;

void dense_lay_out(dense_t *layer, arena_t *arena, int64_t inputs, int64_t outputs);

/* Weights (out, in, taps) as rows whose inputs are in the order (tap, in); `bias` may be NULL. */
void dense_fill(dense_t *layer, const stn_weights_t *weights, const float *bias, int64_t taps);

/* Weights (in, out). */
void dense_fill_transposed(dense_t *layer, const float *weights);

/* y[frame, out] = sum over in of weight[out, in] x[frame * gap + in] + bias[out], zero for less than that where
 * `rectify`. Each sum is taken in one order, however many frames there are. */
void dense_run(const dense_t *layer, const float *x, int64_t gap, int64_t frames, int rectify, float *y);

/* The same, rectified and summed in double: what decides on spikes must not depend on the order of the sums. */
void dense_rectified(const dense_t *layer, const double *x, int64_t gap, int64_t frames, double *y);

/* Give x zero mean and unit variance over the channels of each frame, then gain and bias. */
void dense_normalise(double *x, int64_t chan, int64_t frames, const float *gain, const float *bias, double eps);

/* y = x / (1 + exp(-mask)), n values. */
void dense_mask(const float *mask, const float *x, int64_t n, float *y);

#endif
