/* Contents of an .stn file, found and checked in place (docs/stn_format.md). */
#ifndef SPIKING_TASNET_STN_H
#define SPIKING_TASNET_STN_H

#include <stddef.h>
#include <stdint.h>

enum { STN_MOST_BLOCKS = 20 };

/* Weights (out, in, taps), int8 with a scale (out) for each output, which those of a spiking layer lack; or float32. */
typedef struct {
    const float *floats;
    const int8_t *bytes;
    const float *scale;
} stn_weights_t;

/* A dilated layer that spikes: current, threshold and V[0] (hid_chan), float32, or int32 with int8 weights. */
typedef struct {
    stn_weights_t weights;
    const void *current, *threshold, *initial;
} stn_spiking_t;

typedef struct {
    int64_t sample_rate, n_src, n_filters, kernel_size, stride, bn_chan, hid_chan, taps, n_blocks, num_steps;
    int causal, spread, rectify, phased;
    float eps, v_init;
    const float *encoder, *norm_gain, *norm_bias;     /* (n_filters, kernel_size), (n_filters) */
    stn_weights_t encoding;                           /* (bn_chan, n_filters, 1) */
    const float *encoding_bias, *encoding_threshold;  /* (bn_chan) */
    stn_spiking_t spiking[STN_MOST_BLOCKS];           /* n_blocks - 1 */
    const float *amplitude;                           /* of a spike that the readout reads, (in) */
    stn_weights_t readout;                            /* (hid_chan, in, taps) */
    const float *readout_bias, *mask, *mask_bias;     /* (hid_chan), (n_src * n_filters, hid_chan), (n_src * n_filters) */
    const float *decoder;                             /* (n_filters, kernel_size) */
} stn_t;

/* Point `model` to what `data` holds, which lies on a multiple of 4 bytes. Returns NULL, or what is wrong with it. */
const char *stn_read(stn_t *model, const void *data, size_t size);

#endif
