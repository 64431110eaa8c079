/* Interface of the event-driven kernel (event.c, which describes the algorithm). C includes this file and Python reads
 * it with cffi, so both agree on every type. cffi has no preprocessor: it is given the lines that do not begin with #.
 *
 * A function that takes `threads` works on its span, begin to end, with so many threads and returns 0, or 1 where there
 * was no memory.
 */
#ifndef SPIKING_TASNET_EVENT_H
#define SPIKING_TASNET_EVENT_H
#include <stdint.h>

/* An operator as a 2-D convolution over frames, as in geometry.py. fan_in and fan_out are the channels of one group;
 * chan_in and chan_out, those of all groups, are the strides between frames of words and of what is fired. */
typedef struct {
    int64_t height, width, chan_in, fan_in, out_height, out_width, chan_out, fan_out;
    int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, num_steps;
    int64_t ring; /* 0, or table and starts hold the frames of a stream: frame n of it at n modulo this many */
    int64_t phased; /* whether neurons integrate all steps before they fire */
} geometry_t;

/* 0: entries that must lie behind a pool of lists; 1: most taps of a kernel. */
int64_t event_limit(int64_t which);

/* Length of the list of each frame: active inputs, or, where not `phased`, the windows they are listed for. */
int event_lengths(const geometry_t *g, const int32_t *words, int64_t begin, int64_t end, int64_t threads,
                  int32_t *lengths);

/* Lists of the frames; frame 0 of table and starts is frame `first` of words. */
int event_lists(const geometry_t *g, const int32_t *words, int64_t first, int64_t begin, int64_t end, int64_t threads,
                const int64_t *starts, uint32_t *table, uint16_t *pool);

/* Number of spikes in each word. */
int event_count(const int32_t *words, int64_t begin, int64_t end, int64_t threads, int32_t *counts);

/* Words of the frames of values (frames, chan); threshold and start (chan,). */
int event_encode(const float *values, const float *threshold, int64_t chan, int64_t num_steps, int64_t spread,
                 const float *start, float v_init, int64_t begin, int64_t end, int64_t threads, int32_t *words);

/* Sums of the negative and of the positive weights of each output, weight (outs, size). */
int event_reach(const int8_t *weight, int64_t size, int64_t begin, int64_t end, int64_t threads, int32_t *negative,
                int32_t *positive);

/* Outputs of a block of packed rows. */
int64_t event_block_float32(void);
int64_t event_block_int32(void);
int64_t event_block_int16(void);

/* Rows (block, tap, input, outputs of a block) of weight (fan_out, fan_in, taps); the span is one of blocks. */
int event_pack_float32(const float *weight, int64_t fan_out, int64_t fan_in, int64_t taps, int64_t begin, int64_t end,
                       int64_t threads, float *rows);
int event_pack_int32(const int8_t *weight, int64_t fan_out, int64_t fan_in, int64_t taps, int64_t begin, int64_t end,
                     int64_t threads, int32_t *rows);
int event_pack_int16(const int8_t *weight, int64_t fan_out, int64_t fan_in, int64_t taps, int64_t begin, int64_t end,
                     int64_t threads, int8_t *rows);

/* Spikes of the output frames, begin to end. Frame 0 of table and starts is frame `first` of words; current, threshold,
 * initial and negative have one value per output, up to a whole block; membrane (frames, chan_out) may be NULL. */
int event_run_float32(const geometry_t *g, const float *rows, const float *current, const float *threshold,
                      const float *initial, const float *negative, int64_t first, const int64_t *starts,
                      const uint32_t *table, const uint16_t *pool, int64_t begin, int64_t end, int64_t threads,
                      float *membrane, int32_t *fired);
int event_run_int32(const geometry_t *g, const int32_t *rows, const int32_t *current, const int32_t *threshold,
                    const int32_t *initial, const int32_t *negative, int64_t first, const int64_t *starts,
                    const uint32_t *table, const uint16_t *pool, int64_t begin, int64_t end, int64_t threads,
                    int32_t *membrane, int32_t *fired);
int event_run_int16(const geometry_t *g, const int8_t *rows, const int32_t *current, const int32_t *threshold,
                    const int32_t *initial, const uint16_t *negative, int64_t first, const int64_t *starts,
                    const uint32_t *table, const uint16_t *pool, int64_t begin, int64_t end, int64_t threads,
                    int32_t *membrane, int32_t *fired);

#endif
