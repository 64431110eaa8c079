/* Integrate-and-fire neurons behind a 1-D convolution, event-driven (Eq. 3-6).
 *
 * A spike adds one row of weights to the current of its step: work follows the spikes, not the steps. Output
 * channels go in blocks whose currents of all steps stay in the first-level cache. When the currents of a frame are
 * complete, its membranes run through the steps.
 *
 * words      (batch, n_frames, chan_in)           bit t: a spike at step t
 * weight     (n_blocks, kernel, chan_in, BLOCK)   times the presynaptic threshold
 * current    (n_blocks, BLOCK)                    bias / num_steps
 * threshold  (n_blocks, BLOCK)                    infinite where the block goes beyond the last channel
 * fired      (batch, out_frames, chan_out)        written for begin <= frame < end, counted over the batch
 */
#include <stdint.h>
#include <string.h>

#define MAX_STEPS 32
#define BLOCK 64

typedef struct {
    int64_t n_frames, chan_in, out_frames, chan_out, kernel, stride, padding, dilation, num_steps;
} geometry_t;

int64_t event_if_block(void) { return BLOCK; }

static void add_spikes(const int32_t *words, const float *rows, int64_t chan_in, float (*z)[BLOCK])
{
    for (int64_t chan = 0; chan < chan_in; chan++) {
        uint32_t word = (uint32_t)words[chan];
        const float *restrict row = rows + chan * BLOCK;
        for (; word; word &= word - 1) {
            float *restrict step = z[__builtin_ctz(word)];
            for (int out = 0; out < BLOCK; out++)
                step[out] += row[out];
        }
    }
}

static void fire(float (*z)[BLOCK], const float *current, const float *threshold, float v_init, int64_t num_steps,
                 uint32_t *code)
{
    float v[BLOCK];
    for (int out = 0; out < BLOCK; out++) {
        v[out] = v_init > 0 ? v_init * threshold[out] : 0.0f; /* 0 x infinity is no number */
        code[out] = 0;
    }
    for (int64_t step = 0; step < num_steps; step++)
        for (int out = 0; out < BLOCK; out++) {
            float charged = v[out] + (z[step][out] + current[out]);
            uint32_t spike = charged >= threshold[out];
            v[out] = spike ? charged - threshold[out] : charged;
            code[out] |= spike << step;
        }
}

void event_if(const geometry_t *g, const int32_t *words, const float *weight, const float *current,
              const float *threshold, float v_init, int64_t begin, int64_t end, int32_t *fired)
{
    float z[MAX_STEPS][BLOCK] __attribute__((aligned(64)));
    uint32_t code[BLOCK] __attribute__((aligned(64)));
    int64_t n_blocks = (g->chan_out + BLOCK - 1) / BLOCK;

    for (int64_t block = 0; block < n_blocks; block++) {
        const float *rows = weight + block * g->kernel * g->chan_in * BLOCK;
        int64_t first = block * BLOCK;
        int64_t width = g->chan_out - first < BLOCK ? g->chan_out - first : BLOCK;
        for (int64_t frame = begin; frame < end; frame++) {
            int64_t item = frame / g->out_frames;
            int64_t origin = (frame % g->out_frames) * g->stride - g->padding;
            memset(z, 0, sizeof(float) * BLOCK * (size_t)g->num_steps);
            for (int64_t tap = 0; tap < g->kernel; tap++) {
                int64_t source = origin + tap * g->dilation;
                if (source < 0 || source >= g->n_frames)
                    continue;
                add_spikes(words + (item * g->n_frames + source) * g->chan_in, rows + tap * g->chan_in * BLOCK,
                           g->chan_in, z);
            }
            fire(z, current + first, threshold + first, v_init, g->num_steps, code);
            memcpy(fired + frame * g->chan_out + first, code, sizeof(uint32_t) * (size_t)width);
        }
    }
}
