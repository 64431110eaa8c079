/* Event-driven integrate-and-fire neurons behind a Linear, Conv1d or Conv2d (Eq. 3-6).
 *
 * The current of a step is z[t] = W s[t] + current. Adding the row of weights of every input that spikes, step by step,
 * costs as many row-adds as there are spikes. Fewer will do. Time is cut into windows of 4 steps. In a window an input
 * shows one of 15 patterns p of spikes, or none, and all inputs with the same pattern belong to one bucket. With
 *
 *     S_p  =  sum of the rows of the inputs in bucket p               each active input adds its row once
 *     z[t] =  sum of S_p over the patterns p that have bit t          the fold, 22 vector additions for 4 steps
 *
 * a row that spikes 3 times in a window is added once. Trains are often bursts, so an input that spikes in all 8 steps
 * of an even window and the next adds its row once for both, to the sum of bucket 0, which no pattern needs: that sum
 * joins S_15 in both windows. A neuron that spikes 3.9 times costs about two row-adds.
 *
 * Three inputs and N_s = 16, the first step on the left:
 *
 *                window 0   window 1   window 2   window 3
 *     input 0     1 0 1 0    0 0 0 0    1 1 1 1    1 1 1 1
 *     input 1     1 0 1 0    0 1 1 0    0 0 0 0    0 0 0 0
 *     input 2     0 0 0 0    0 1 1 0    0 0 0 1    0 0 0 0
 *
 *     window   bucket         pattern            inputs   what is added
 *        0     16*0 +  5      1 0 1 0 (1 + 4)    0  1     S_5 = w0 + w1        z[0] = z[2] = S_5
 *        1     16*1 +  6      0 1 1 0 (2 + 4)    1  2     S_6 = w1 + w2        z[5] = z[6] = S_6
 *        2     16*2 +  0      all 8 steps        0        S_0 = w0             z[8] to z[15] have S_0
 *        2     16*2 +  8      0 0 0 1            2        S_8 = w2             z[11] = S_0 + S_8
 *        3                                                nothing: S_0 of window 2 still holds
 *
 *     the frame's list    0 1 | 1 2 | 0 | 2        and in `table` where each bucket begins
 *
 * The 17 spikes took 6 row-adds. Which inputs are in which bucket is sorted out once per input frame; all taps and all
 * blocks of outputs then read these lists.
 *
 * Neurons that integrate the whole window before they fire (`phased`) take no steps, only the counts of their inputs: one
 * that spikes c times adds its row c times. All with the same count belong to one bucket, and with
 *
 *     T_c  =  sum of the rows of the inputs that spike c times or more
 *     V    =  V[0] + T_1 + T_2 + ... + T_N_s + N_s current
 *
 * each active input adds its row once: T_c is what T_(c + 1) was, and the rows of bucket c. It is a sum over some of the
 * inputs, as a z[t] is, and needs no more bits.
 *
 * A frame is a pixel of Conv2d, a frame of Conv1d (width 1), an item of Linear (1 tap). Groups are run one by one:
 * pointers to words and fired then point to the group's first channel, and chan_in, chan_out are strides.
 *
 * The functions that Python calls cut their span, begin to end, in parts, which `threads` threads of OpenMP take in
 * turns. They are PyTorch's own threads where both load the same OpenMP; others would wait for cores that PyTorch's
 * still hold. The functions return 0, or 1 where there was no memory.
 *
 * words   (frames, chan_in)            int32, bit t: a spike at step t
 * table   (frames, BUCKETS + 1)        where the inputs of bucket window * 16 + pattern begin in the frame's list
 * pool    lists of inputs, uint16; that of a frame begins at `starts` and has SLACK to spare behind it
 */
#include "event.h"

#include <stdlib.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define WINDOW 4
#define PATTERNS 16
#define BUCKETS (8 * PATTERNS)
#define PIECE 16             /* entries that are copied at a time */
#define SLACK 32             /* entries that may be read or written beyond a list: two pieces, more than AHEAD */
#define TILE 64              /* most output frames between two visits of a block of weights */
#define TILE_ENTRIES 65536   /* most entries of merged lists in that time: they share the second-level cache with it */
#define AHEAD 12             /* entries between a row that is added and the one that is fetched meanwhile */
#define MAX_TAPS 1024
#define PARTS 4              /* the share of a thread is cut in so many: a core that is busy otherwise takes fewer */
#define VECTORS 8            /* sums of one pattern, in registers */
#ifdef __AVX512BW__
#define VECTOR 64            /* bytes of a register */
#elif defined(__AVX2__)
#define VECTOR 32
#else
#define VECTOR 16
#endif

typedef uint16_t inputs_t __attribute__((vector_size(2 * PIECE), aligned(2), may_alias));

/* Run `part` on pieces `from` to `to` of a span. There are more pieces than threads, and each thread takes the next one
 * when it is done, so that one slow core does not hold up the others. */
#define TEXT(words) _Pragma(#words)
#define RUN_THREADED(part)                                                                                             \
    int failed = 0;                                                                                                    \
    int64_t parts = threads > 1 ? threads * PARTS : 1;                                                                 \
    TEXT(omp parallel for schedule(dynamic) num_threads((int)threads) if (threads > 1) reduction(| : failed))          \
    for (int64_t n = 0; n < parts; n++) {                                                                              \
        int64_t from = begin + (end - begin) * n / parts, to = begin + (end - begin) * (n + 1) / parts;                \
        failed |= part;                                                                                                \
    }                                                                                                                  \
    return failed

int64_t event_limit(int64_t which) { return which ? MAX_TAPS : SLACK; }

static uint32_t used_bits(int64_t num_steps) { return num_steps < 32 ? (1u << num_steps) - 1 : 0xFFFFFFFFu; }

static int64_t windows_of(const geometry_t *g) { return (g->num_steps + WINDOW - 1) / WINDOW; }

/* Buckets of a frame: bucket c - 1 for a count of c, or windows * 16 + patterns. */
static int64_t buckets_of(const geometry_t *g) { return g->phased ? g->num_steps : windows_of(g) * PATTERNS; }

/* Windows for which an input is listed, a bit at the first step of each. Where it spikes in a whole byte, an even
 * window and the next, only the even one is listed, and its pattern is cleared from the word.
 *
 * All windows are looked at at once. x | x >> 1, and then that | itself >> 2, has in bit i the OR of bits i to i + 3:
 * bits 0, 4, 8, ... say in which windows there is a spike. The same with AND, one doubling further, has in bit i the
 * AND of bits i to i + 7: bits 0, 8, 16, 24 say which bytes are all ones. all * 15 puts four ones at each of these. */
static inline uint32_t listed(uint32_t *word)
{
    uint32_t x = *word, any = x | x >> 1, all = x & x >> 1;
    any = (any | any >> 2) & 0x11111111u;
    all &= all >> 2;
    all = all & all >> 4 & 0x01010101u;
    *word = x & ~(all * 15);
    return any & ~(all << 4);
}

static int list_lengths(const geometry_t *g, const int32_t *words, int64_t begin, int64_t end, int32_t *lengths)
{
    uint32_t used = used_bits(g->num_steps);
    for (int64_t frame = begin; frame < end; frame++) {
        const int32_t *word = words + frame * g->chan_in;
        uint32_t total = 0;
        for (int64_t i = 0; i < g->fan_in; i++) {
            uint32_t x = (uint32_t)word[i] & used, windows;
            if (g->phased) {
                total += x != 0;
                continue;
            }
            windows = listed(&x);
            /* One bit for each window; first the two of a byte are added. The product by 0x01010101 is the sum of the
             * number shifted by 0, 1, 2 and 3 bytes, so its highest byte is the sum of all four: at most 8. */
            windows = (windows + (windows >> 4)) & 0x03030303u;
            total += (windows * 0x01010101u) >> 24;
        }
        lengths[frame] = (int32_t)total;
    }
    return 0;
}

int event_lengths(const geometry_t *g, const int32_t *words, int64_t begin, int64_t end, int64_t threads,
                  int32_t *lengths)
{
    RUN_THREADED(list_lengths(g, words, from, to, lengths));
}

/* Copy a list, `base` added to each entry. Two pieces are copied whatever the length: nearly every list is as short as
 * that, and a loop that ends after none, one or two rounds would often be predicted wrong. What is copied beyond the
 * length is overwritten by the next list; behind the last one there is SLACK for it. */
static inline void copy_list(uint16_t *to, const uint16_t *from, uint32_t length, uint16_t base)
{
    ((inputs_t *)to)[0] = ((const inputs_t *)from)[0] + base;
    ((inputs_t *)to)[1] = ((const inputs_t *)from)[1] + base;
    for (uint32_t n = SLACK; n < length; n += PIECE)
        *(inputs_t *)(to + n) = *(const inputs_t *)(from + n) + base;
}

/* Bytes of `memory` that fill_lists works with. */
static size_t lists_memory(const geometry_t *g)
{
    return sizeof(uint16_t) * (2 * PATTERNS + 1) * (size_t)(g->fan_in + SLACK);
}

/* Numbers of the inputs that spike in some of the steps `mask`; returns how many.
 *
 * No branches: which inputs are silent cannot be predicted. Every input is written to the end of the list, and the end
 * moves on only behind an active one. AVX-512 takes 16 inputs at a time: compress puts the active ones side by side. */
static __attribute__((noinline)) int64_t list_active(const int32_t *word, int64_t fan_in, uint32_t mask,
                                                     uint16_t *active)
{
    int64_t n_active = 0, i = 0;
#ifdef __AVX512F__
    __m512i input = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (; i + 16 <= fan_in; i += 16, input = _mm512_add_epi32(input, _mm512_set1_epi32(16))) {
        __mmask16 spikes = _mm512_test_epi32_mask(_mm512_loadu_si512(word + i), _mm512_set1_epi32((int)mask));
        __m512i first = _mm512_maskz_compress_epi32(spikes, input);
        _mm256_storeu_si256((__m256i *)(active + n_active), _mm512_cvtepi32_epi16(first));
        n_active += __builtin_popcount(spikes);
    }
#endif
    for (; i < fan_in; i++) {
        active[n_active] = (uint16_t)i;
        n_active += ((uint32_t)word[i] & mask) != 0;
    }
    return n_active;
}

/* Put the active inputs in the buckets of two windows: p of the even one, 16 + p of the odd one.
 *
 * No branches here either: each input is written twice. One that spikes in only one of the windows, or in all 8 steps,
 * is also written to bucket 16, which stands for no pattern and is emptied afterwards. */
static __attribute__((noinline)) void fill_buckets(const int32_t *word, const uint16_t *active, int64_t n_active,
                                                   uint32_t shift, uint32_t used, uint16_t **head)
{
    for (const uint16_t *last = active + n_active; active < last; active++) {
        uint16_t input = *active;
        uint32_t x = (uint32_t)word[input] >> shift & used, even = x & 15, odd = PATTERNS + (x >> WINDOW);
        even = even ? even : PATTERNS;
        if (x == 255) /* so seldom that the branch is predicted */
            even = 0, odd = PATTERNS;
        *head[even]++ = input;
        *head[odd]++ = input;
    }
}

/* Put the active inputs in the buckets of their counts. */
static __attribute__((noinline)) void fill_counts(const int32_t *word, const uint16_t *active, int64_t n_active,
                                                  uint32_t used, uint16_t **head)
{
    for (const uint16_t *last = active + n_active; active < last; active++)
        *head[__builtin_popcount((uint32_t)word[*active] & used) - 1]++ = *active;
}

static void fill_lists(const geometry_t *g, const int32_t *words, int64_t first, int64_t begin, int64_t end,
                       const int64_t *starts, uint32_t *table, uint16_t *pool, void *memory)
{
    /* Two windows at a time, or all steps where only counts matter: in either case at most 32 buckets. */
    int64_t capacity = g->fan_in + SLACK, rounds = g->phased ? 1 : (windows_of(g) + 1) / 2;
    int64_t buckets = g->phased ? g->num_steps : 2 * PATTERNS;
    uint16_t *scratch = memory, *active = scratch + 2 * PATTERNS * capacity;
    for (int64_t frame = begin; frame < end; frame++) {
        const int32_t *word = words + frame * g->chan_in;
        uint32_t *ends = table + (frame - first) * (BUCKETS + 1), *last = ends + BUCKETS, position = 0;
        uint16_t *list = pool + starts[frame - first];
        for (int64_t round = 0; round < rounds; round++) {
            uint32_t shift = (uint32_t)round * 2 * WINDOW, used = used_bits(g->num_steps);
            uint16_t *head[2 * PATTERNS], *bucket = scratch;
            for (int64_t n = 0; n < buckets; n++)
                head[n] = scratch + n * capacity;
            if (g->phased)
                fill_counts(word, active, list_active(word, g->fan_in, used, active), used, head);
            else {
                used = used >> shift & 255;
                fill_buckets(word, active, list_active(word, g->fan_in, used << shift, active), shift, used, head);
                head[PATTERNS] = scratch + PATTERNS * capacity; /* no pattern: forget */
            }
            for (int64_t n = 0; n < buckets; n++, bucket += capacity) {
                uint32_t length = (uint32_t)(head[n] - bucket);
                *ends++ = position;
                copy_list(list + position, bucket, length, 0);
                position += length;
            }
        }
        while (ends <= last)
            *ends++ = position;
    }
}

static int make_lists(const geometry_t *g, const int32_t *words, int64_t first, int64_t begin, int64_t end,
                      const int64_t *starts, uint32_t *table, uint16_t *pool)
{
    void *memory = malloc(lists_memory(g));
    if (!memory)
        return 1;
    fill_lists(g, words, first, begin, end, starts, table, pool, memory);
    free(memory);
    return 0;
}

int event_lists(const geometry_t *g, const int32_t *words, int64_t first, int64_t begin, int64_t end, int64_t threads,
                const int64_t *starts, uint32_t *table, uint16_t *pool)
{
    RUN_THREADED(make_lists(g, words, first, from, to, starts, table, pool));
}

static int count_bits(const int32_t *words, int64_t begin, int64_t end, int32_t *counts)
{
    for (int64_t i = begin; i < end; i++)
        counts[i] = __builtin_popcount((uint32_t)words[i]);
    return 0;
}

int event_count(const int32_t *words, int64_t begin, int64_t end, int64_t threads, int32_t *counts)
{
    RUN_THREADED(count_bits(words, from, to, counts));
}

/* Spikes of analog values: `spread`, a / N_s enters at every step, from V[0] = start; otherwise all of a at once, from
 * v_init thresholds, discharged one spike per step. The operations are the reference's, one by one, so the spikes are
 * too. A burst of c spikes from the first step is the word 2^c - 1, in 64 bits because c may be 32. */
static int encode_frames(const float *values, const float *threshold, int64_t chan, int64_t num_steps, int64_t spread,
                         const float *start, float v_init, int64_t begin, int64_t end, int32_t *words)
{
    enum { PART = 64 }; /* channels at a time: their membranes and words stay in the first-level cache */
    for (int64_t frame = begin; frame < end; frame++)
        for (int64_t first = 0; first < chan; first += PART) {
            int64_t width = chan - first < PART ? chan - first : PART;
            const float *a = values + frame * chan + first, *theta = threshold + first;
            uint32_t code[PART] = {0};
            float v[PART], z[PART];
            if (spread) {
                for (int64_t c = 0; c < width; c++) {
                    v[c] = start[first + c];
                    z[c] = a[c] / (float)num_steps;
                }
                for (int64_t step = 0; step < num_steps; step++)
                    for (int64_t c = 0; c < width; c++) {
                        float charged = v[c] + z[c];
                        uint32_t fires = charged >= theta[c];
                        v[c] = charged - (fires ? theta[c] : 0.0f);
                        code[c] |= fires << step;
                    }
            } else
                for (int64_t c = 0; c < width; c++) {
                    float count = __builtin_floorf(a[c] / theta[c] + v_init);
                    count = count > 0.0f ? count : 0.0f;
                    count = count < (float)num_steps ? count : (float)num_steps;
                    code[c] = (uint32_t)(((uint64_t)1 << (int)count) - 1);
                }
            memcpy(words + frame * chan + first, code, sizeof(int32_t) * (size_t)width);
        }
    return 0;
}

int event_encode(const float *values, const float *threshold, int64_t chan, int64_t num_steps, int64_t spread,
                 const float *start, float v_init, int64_t begin, int64_t end, int64_t threads, int32_t *words)
{
    RUN_THREADED(encode_frames(values, threshold, chan, num_steps, spread, start, v_init, from, to, words));
}

/* With s the sum and m the sum of magnitudes, the positive weights add up to (m + s) / 2 and the negative ones to
 * -(m - s) / 2: one pass without branches gives both. */
static int add_up(const int8_t *weight, int64_t size, int64_t begin, int64_t end, int32_t *negative, int32_t *positive)
{
    for (int64_t out = begin; out < end; out++) {
        int32_t sum = 0, magnitude = 0;
        for (int64_t i = 0; i < size; i++) {
            int32_t w = weight[out * size + i];
            sum += w;
            magnitude += w < 0 ? -w : w;
        }
        negative[out] = (magnitude - sum) / 2;
        positive[out] = (magnitude + sum) / 2;
    }
    return 0;
}

int event_reach(const int8_t *weight, int64_t size, int64_t begin, int64_t end, int64_t threads, int32_t *negative,
                int32_t *positive)
{
    RUN_THREADED(add_up(weight, size, from, to, negative, positive));
}

/* Bytes of `memory` that the simulation of a layer works with: the merged lists of a tile, and where they begin. */
static size_t tile_memory(const geometry_t *g)
{
    int64_t longest = g->kernel_h * g->kernel_w * g->fan_in * windows_of(g) + SLACK;
    return sizeof(uint32_t) * (BUCKETS + 1) * TILE + sizeof(uint16_t) * (size_t)(TILE_ENTRIES + longest);
}

typedef int32_t mask_t __attribute__((vector_size(VECTOR), aligned(4), may_alias));
#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)
#define NAME(function) PASTE(function, VARIANT)

#define VARIANT float32 /* float weights, float sums */
#define GIVEN float
#define ROW float
#define SUM float
#define STATE float
#define INPUT(z) (z)
#define REACHED(v, theta) ((v) >= (theta))
#define BYTES 0
#include "event_variant.inc"

#define VARIANT int32 /* int8 weights whose sums may need more than 16 bits */
#define GIVEN int8_t
#define ROW int32_t
#define SUM int32_t
#define STATE int32_t
#define INPUT(z) ((z) << FRACTION_BITS)
#define REACHED(v, theta) ((v) > (theta) - 1) /* for integers the same as >=, of which AVX2 has no comparison */
#define BYTES 0
#include "event_variant.inc"

#define VARIANT int16 /* int8 weights, sums modulo 2^16 */
#define GIVEN int8_t
#define ROW int8_t
#define SUM uint16_t
#define STATE int32_t
#define INPUT(z) ((z) << FRACTION_BITS)
#define REACHED(v, theta) ((v) > (theta) - 1)
#define BYTES 1
#include "event_variant.inc"
