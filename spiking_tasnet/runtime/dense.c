#include "dense.h"

#include <math.h>
#include <string.h>

#if defined(__AVX512F__)
#define REGISTER 64 /* bytes; compilers keep longer vectors in memory */
#elif defined(__AVX__)
#define REGISTER 32
#else
#define REGISTER 16
#endif

enum {
    LANES = REGISTER / 4,
    PARTS = DENSE_BLOCK / LANES, /* registers of a block */
    FRAMES = 8 / PARTS,          /* at a time: eight sums stay in registers */
    WIDE = REGISTER / 8,         /* doubles in a register */
    WIDE_PARTS = DENSE_BLOCK / WIDE,
    WIDE_FRAMES = 8 / WIDE_PARTS
};
typedef float floats_t __attribute__((vector_size(REGISTER), aligned(4), may_alias));
typedef int32_t ints_t __attribute__((vector_size(REGISTER), aligned(4), may_alias));
typedef float narrow_t __attribute__((vector_size(REGISTER / 2), aligned(4), may_alias));
typedef double doubles_t __attribute__((vector_size(REGISTER), aligned(8), may_alias));
typedef int64_t longs_t __attribute__((vector_size(REGISTER), aligned(8), may_alias));

static int64_t blocks_of(int64_t outputs) { return (outputs + DENSE_BLOCK - 1) / DENSE_BLOCK; }

void dense_lay_out(dense_t *layer, arena_t *arena, int64_t inputs, int64_t outputs)
{
    layer->inputs = inputs;
    layer->outputs = outputs;
    layer->rows = arena_take(arena, blocks_of(outputs) * DENSE_BLOCK * inputs, sizeof(float));
    layer->bias = arena_take(arena, blocks_of(outputs) * DENSE_BLOCK, sizeof(float));
}

static float *weight_of(const dense_t *layer, int64_t out, int64_t in)
{
    return layer->rows + (out / DENSE_BLOCK * layer->inputs + in) * DENSE_BLOCK + out % DENSE_BLOCK;
}

static void clear(dense_t *layer)
{
    size_t outputs = (size_t)(blocks_of(layer->outputs) * DENSE_BLOCK);
    memset(layer->rows, 0, sizeof(float) * outputs * (size_t)layer->inputs);
    memset(layer->bias, 0, sizeof(float) * outputs);
}

void dense_fill(dense_t *layer, const stn_weights_t *weights, const float *bias, int64_t taps)
{
    int64_t inputs = layer->inputs / taps;
    clear(layer);
    for (int64_t out = 0; out < layer->outputs; out++) {
        layer->bias[out] = bias ? bias[out] : 0.0f;
        for (int64_t in = 0; in < inputs; in++)
            for (int64_t tap = 0; tap < taps; tap++) {
                int64_t n = (out * inputs + in) * taps + tap;
                float weight = weights->floats ? weights->floats[n] : (float)weights->bytes[n] * weights->scale[out];
                *weight_of(layer, out, tap * inputs + in) = weight;
            }
    }
}

void dense_fill_transposed(dense_t *layer, const float *weights)
{
    clear(layer);
    for (int64_t in = 0; in < layer->inputs; in++)
        for (int64_t out = 0; out < layer->outputs; out++)
            *weight_of(layer, out, in) = weights[in * layer->outputs + out];
}

static inline __attribute__((always_inline)) void run_block(const dense_t *layer, int64_t block, const float *x,
                                                            int64_t gap, int frames, int rectify, float *y)
{
    const floats_t *row = (const floats_t *)(layer->rows + block * layer->inputs * DENSE_BLOCK);
    int64_t first = block * DENSE_BLOCK, width = layer->outputs - first;
    floats_t sum[FRAMES][PARTS];
    for (int n = 0; n < frames; n++)
        for (int part = 0; part < PARTS; part++)
            sum[n][part] = *(const floats_t *)(layer->bias + first + part * LANES);
    for (int64_t in = 0; in < layer->inputs; in++)
        for (int n = 0; n < frames; n++)
            for (int part = 0; part < PARTS; part++)
                sum[n][part] += row[in * PARTS + part] * x[n * gap + in];
    for (int n = 0; n < frames; n++) {
        for (int part = 0; rectify && part < PARTS; part++) /* a NaN stays one */
            sum[n][part] = (floats_t)((ints_t)sum[n][part] & ~(sum[n][part] < 0.0f));
        memcpy(y + n * layer->outputs + first, sum[n],
               sizeof(float) * (size_t)(width < DENSE_BLOCK ? width : DENSE_BLOCK));
    }
}

void dense_run(const dense_t *layer, const float *x, int64_t gap, int64_t frames, int rectify, float *y)
{
    for (int64_t block = 0; block < blocks_of(layer->outputs); block++) {
        int64_t n = 0;
        for (; n + FRAMES <= frames; n += FRAMES)
            run_block(layer, block, x + n * gap, gap, FRAMES, rectify, y + n * layer->outputs);
        for (; n < frames; n++)
            run_block(layer, block, x + n * gap, gap, 1, rectify, y + n * layer->outputs);
    }
}

static inline __attribute__((always_inline)) void run_wide(const dense_t *layer, int64_t block, const double *x,
                                                           int64_t gap, int frames, double *y)
{
    const float *row = layer->rows + block * layer->inputs * DENSE_BLOCK;
    int64_t first = block * DENSE_BLOCK, width = layer->outputs - first;
    doubles_t sum[WIDE_FRAMES][WIDE_PARTS];
    for (int n = 0; n < frames; n++)
        for (int part = 0; part < WIDE_PARTS; part++)
            sum[n][part] = __builtin_convertvector(*(const narrow_t *)(layer->bias + first + part * WIDE), doubles_t);
    for (int64_t in = 0; in < layer->inputs; in++, row += DENSE_BLOCK)
        for (int part = 0; part < WIDE_PARTS; part++) {
            doubles_t weight = __builtin_convertvector(*(const narrow_t *)(row + part * WIDE), doubles_t);
            for (int n = 0; n < frames; n++)
                sum[n][part] += weight * x[n * gap + in];
        }
    for (int n = 0; n < frames; n++) {
        for (int part = 0; part < WIDE_PARTS; part++) /* a NaN stays one */
            sum[n][part] = (doubles_t)((longs_t)sum[n][part] & ~(sum[n][part] < 0.0));
        memcpy(y + n * layer->outputs + first, sum[n],
               sizeof(double) * (size_t)(width < DENSE_BLOCK ? width : DENSE_BLOCK));
    }
}

void dense_rectified(const dense_t *layer, const double *x, int64_t gap, int64_t frames, double *y)
{
    for (int64_t block = 0; block < blocks_of(layer->outputs); block++) {
        int64_t n = 0;
        for (; n + WIDE_FRAMES <= frames; n += WIDE_FRAMES)
            run_wide(layer, block, x + n * gap, gap, WIDE_FRAMES, y + n * layer->outputs);
        for (; n < frames; n++)
            run_wide(layer, block, x + n * gap, gap, 1, y + n * layer->outputs);
    }
}

void dense_normalise(double *x, int64_t chan, int64_t frames, const float *gain, const float *bias, double eps)
{
    for (int64_t n = 0; n < frames; n++, x += chan) {
        double mean = 0, variance = 0;
        for (int64_t c = 0; c < chan; c++)
            mean += x[c];
        mean /= (double)chan;
        for (int64_t c = 0; c < chan; c++)
            variance += (x[c] - mean) * (x[c] - mean);
        double scale = 1 / sqrt(variance / (double)chan + eps);
        for (int64_t c = 0; c < chan; c++)
            x[c] = (x[c] - mean) * scale * gain[c] + bias[c];
    }
}

#define LIMIT(value) ((ints_t)((floats_t){0} + (value)))

/* exp(x) = 2^n exp(r), n the nearest integer to x / ln 2, so |r| <= ln 2 / 2; exp(r) by its series: 1e-7 of it. */
static inline floats_t exponential(floats_t x)
{
    const float round = 12582912.0f; /* 1.5 x 2^23: what is added to it is rounded to an integer */
    ints_t low = x < -87.0f, high = x > 87.0f;
    x = (floats_t)(((ints_t)x & ~(low | high)) | (LIMIT(-87.0f) & low) | (LIMIT(87.0f) & high));
    floats_t shifted = x * 1.44269504f + round, n = shifted - round;
    floats_t r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts, the first exact */
    floats_t e = 1.0f + r * (1.0f + r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720))))));
    ints_t power = ((ints_t)shifted - 0x4B400000) << 23;
    return (floats_t)((ints_t)e + power);
}

void dense_mask(const float *mask, const float *x, int64_t n, float *y)
{
    for (int64_t first = 0; first < n; first += LANES) {
        size_t size = sizeof(float) * (size_t)(n - first < LANES ? n - first : LANES);
        floats_t m = {0}, v = {0};
        memcpy(&m, mask + first, size);
        memcpy(&v, x + first, size);
        floats_t result = v / (1.0f + exponential(-m));
        memcpy(y + first, &result, size);
    }
}
