/* The part of event.c that depends on the type of the weights; included once for each.
 *
 * GIVEN is the type of the weights, ROW that of a packed row, SUM that of the sums of a pattern, STATE that of the
 * membranes, INPUT the current of a step as it enters them, REACHED whether a membrane is at its threshold. A row holds
 * BLOCK outputs: VECTORS registers of sums. STATES of them are one vector of membranes.
 *
 * BYTES: two 8-bit weights share each 16-bit lane: a in the high byte, b + 128 in the low one. One sum takes whole lanes,
 * 256 a + b + 128, one takes the high bytes, a; both modulo 2^16. They give the sums of a and b after the folds, which
 * are linear: three instructions for 32 weights where widening takes four or more. Modulo 2^16 is enough: the true
 * currents lie between -`negative` and the sum of positive weights, less than 2^16 apart, and start from `negative`.
 * Outputs n and STATES + n are neighbouring lanes of the sums, so that a mask or a shift widens them.
 */
#define LANES (VECTOR / (int)sizeof(SUM))
#define BLOCK (VECTORS * LANES)
#define ROW_BYTES (BLOCK * (int)sizeof(ROW))
#define vec NAME(vec)
#define state_t NAME(state_t)
#define STATES (VECTOR / 4)
typedef SUM vec __attribute__((vector_size(VECTOR), may_alias));
typedef STATE state_t __attribute__((vector_size(VECTOR), aligned(4), may_alias)); /* 32-bit states, as many sums */
#if BYTES
typedef int16_t NAME(lanes) __attribute__((vector_size(VECTOR), may_alias));
typedef uint32_t NAME(pairs) __attribute__((vector_size(VECTOR), may_alias));
#endif

/* Lane of the sums of output `out` of those of one vector. */
static inline int64_t NAME(lane)(int64_t out) { return BYTES ? 2 * (out % STATES) + out / STATES : out; }

int64_t NAME(event_block)(void) { return BLOCK; }

static int NAME(pack)(const GIVEN *weight, int64_t fan_out, int64_t fan_in, int64_t taps, int64_t begin, int64_t end,
                      ROW *rows)
{
    enum { LINE = 64 / sizeof(GIVEN) }; /* one cache line of each output at a time */
    ROW line[LINE][BLOCK];
    int64_t size = fan_in * taps;
    memset(line, 0, sizeof line);
    for (int64_t block = begin; block < end; block++) {
        int64_t width = fan_out - block * BLOCK < BLOCK ? fan_out - block * BLOCK : BLOCK;
        const GIVEN *from = weight + block * BLOCK * size;
        ROW *to = rows + block * size * BLOCK;
        for (int64_t start = 0; start < size; start += LINE) {
            int64_t length = size - start < LINE ? size - start : LINE;
            for (int64_t out = 0; out < width; out++) {
#if BYTES
                int64_t within = out % (2 * LANES), high = within >= LANES;
                int64_t place = out - within + 2 * NAME(lane)(within - high * LANES) + high;
                for (int64_t n = 0; n < length; n++)
                    line[n][place] = (ROW)(from[out * size + start + n] + (high ? 0 : 128));
#else
                for (int64_t n = 0; n < length; n++)
                    line[n][out] = (ROW)from[out * size + start + n];
#endif
            }
            for (int64_t n = 0; n < length; n++) {
                int64_t tap = (start + n) % taps, input = (start + n) / taps;
                memcpy(to + (tap * fan_in + input) * BLOCK, line[n], sizeof line[n]);
            }
        }
    }
    return 0;
}

/* Rows (block, tap, input, BLOCK) of weight (fan_out, fan_in, taps); the span is one of blocks. */
int NAME(event_pack)(const GIVEN *weight, int64_t fan_out, int64_t fan_in, int64_t taps, int64_t begin, int64_t end,
                     int64_t threads, ROW *rows)
{
    SPREAD(NAME(pack)(weight, fan_out, fan_in, taps, from, to, rows));
}

/* Sum of the rows of one list. */
static inline void NAME(add_rows)(const uint16_t *entry, const uint16_t *end, const char *rows, vec *restrict sums)
{
    vec sum[VECTORS];
#if BYTES
    SUM offset = (SUM)(-128 * (end - entry));
    for (int k = 0; k < VECTORS / 2; k++) {
        sum[k] = (vec){0} + offset;
        sum[k + VECTORS / 2] = (vec){0};
    }
    for (; entry < end; entry++) {
        const vec *row = (const vec *)(rows + (size_t)*entry * ROW_BYTES);
        for (int byte = 0; byte < ROW_BYTES; byte += 64)
            __builtin_prefetch(rows + (size_t)entry[AHEAD] * ROW_BYTES + byte);
        for (int k = 0; k < VECTORS / 2; k++) {
            vec lanes = row[k];
#ifdef __AVX2__
            __asm__("" : "+x"(lanes)); /* a register: gcc would read memory once for each of its two uses */
#endif
            sum[k] += lanes;
            sum[k + VECTORS / 2] += (vec)((NAME(lanes))lanes >> 8);
        }
    }
#else
    for (int k = 0; k < VECTORS; k++)
        sum[k] = (vec){0};
    for (; entry < end; entry++) {
        const vec *row = (const vec *)(rows + (size_t)*entry * ROW_BYTES);
        for (int byte = 0; byte < ROW_BYTES; byte += 64)
            __builtin_prefetch(rows + (size_t)entry[AHEAD] * ROW_BYTES + byte);
        for (int k = 0; k < VECTORS; k++)
            sum[k] += row[k];
    }
#endif
    for (int k = 0; k < VECTORS; k++)
        sums[k] = sum[k];
}

/* Sums of the 4 steps from those of the 15 patterns, and of bucket 0: 22 additions where the definition has 28. */
static inline __attribute__((always_inline)) void NAME(fold)(vec (*restrict sums)[VECTORS], int k, vec *restrict step)
{
    vec a[8], last = sums[8][k];
    sums[15][k] += sums[0][k];
    for (int p = 1; p < 8; p++) {
        last += sums[8 + p][k];
        a[p] = sums[p][k] + sums[8 + p][k];
    }
    step[3] = last;
    step[2] = (a[4] + a[5]) + (a[6] + a[7]);
    step[1] = (a[2] + a[6]) + (a[3] + a[7]);
    step[0] = (a[1] + a[5]) + (a[3] + a[7]);
}

/* Currents z of the 4 steps. */
static inline void NAME(currents)(vec (*restrict sums)[VECTORS], const vec *negative, vec (*restrict z)[VECTORS])
{
#if BYTES
    for (int k = 0; k < VECTORS / 2; k++) {
        vec whole[WINDOW], high[WINDOW];
        NAME(fold)(sums, k, whole);
        NAME(fold)(sums, k + VECTORS / 2, high);
        for (int step = 0; step < WINDOW; step++) {
            z[step][2 * k] = whole[step] - (high[step] << 8) + negative[2 * k];
            z[step][2 * k + 1] = high[step] + negative[2 * k + 1];
        }
    }
#else
    (void)negative;
    for (int k = 0; k < VECTORS; k++) {
        vec sum[WINDOW];
        NAME(fold)(sums, k, sum);
        for (int step = 0; step < WINDOW; step++)
            z[step][k] = sum[step];
    }
#endif
}

/* What enters the membranes of outputs `out` to out + STATES in the step whose currents are z. */
static inline __attribute__((always_inline)) state_t NAME(input)(const SUM *z, int out)
{
#if BYTES
    NAME(pairs) pairs = *(const NAME(pairs) *)(z + out / LANES * LANES);
    if (out / STATES % 2)
        return (state_t)INPUT(pairs >> 16);
    return (state_t)INPUT(pairs & 0xFFFF);
#else
    return INPUT(*(const state_t *)(z + out));
#endif
}

/* Integrate and fire over `steps` steps from step `first`. */
static inline __attribute__((always_inline)) void NAME(scan)(const SUM (*z)[BLOCK], int64_t steps, int64_t first,
                                                             const STATE *current, const STATE *threshold, STATE *v,
                                                             uint32_t *code)
{
    for (int lanes = 0; lanes < BLOCK; lanes += LANES)
        for (int out = lanes; out < lanes + LANES; out += STATES) {
            state_t state = *(const state_t *)(v + out), bias = *(const state_t *)(current + out);
            state_t theta = *(const state_t *)(threshold + out);
            mask_t bits = {0};
            for (int64_t step = 0; step < steps; step++) {
                state_t charged = state + (NAME(input)(z[step], out) + bias);
                mask_t fires = REACHED(charged, theta);
                state = charged - (state_t)((mask_t)theta & fires);
                bits |= fires & (1 << step);
            }
            *(state_t *)(v + out) = state;
            *(mask_t *)(code + out) |= bits << (int)first;
        }
}

/* Spikes of one block of outputs of one frame, whose merged list begins at `entries`. */
static void NAME(fire)(const uint16_t *entries, const uint32_t *ends, const char *rows, int64_t num_steps,
                       const STATE *current, const STATE *threshold, const vec *negative, STATE *v, uint32_t *code)
{
    vec sums[PATTERNS][VECTORS], z[WINDOW][VECTORS];
    for (int64_t first = 0; first < num_steps; first += WINDOW) {
        const uint32_t *bucket = ends + first / WINDOW * PATTERNS;
        for (int pattern = first / WINDOW % 2; pattern < PATTERNS; pattern++) /* sum 0 stays for the odd window */
            NAME(add_rows)(entries + bucket[pattern], entries + bucket[pattern + 1], rows, sums[pattern]);
        NAME(currents)(sums, negative, z);
        const SUM(*folded)[BLOCK] = (const SUM(*)[BLOCK])z;
        if (num_steps - first >= WINDOW)
            NAME(scan)(folded, WINDOW, first, current, threshold, v, code);
        else
            NAME(scan)(folded, num_steps - first, first, current, threshold, v, code);
    }
}

/* Lists of the taps of output frame `frame` in one, as numbers of rows; returns where it ends. */
static uint32_t NAME(merge)(const geometry_t *g, int64_t frame, int64_t first, const int64_t *starts,
                            const uint32_t *table, const uint16_t *pool, uint16_t *entries, uint32_t *ends)
{
    int64_t area = g->out_height * g->out_width, taps = 0;
    int64_t item = frame / area, row = frame % area / g->out_width, column = frame % g->out_width;
    const uint16_t *lists[MAX_TAPS];
    const uint32_t *tables[MAX_TAPS];
    uint16_t bases[MAX_TAPS];
    uint32_t position = 0;
    for (int64_t i = 0; i < g->kernel_h; i++) {
        int64_t y = row * g->stride_h - g->padding_h + i * g->dilation_h;
        for (int64_t j = 0; j < g->kernel_w; j++) {
            int64_t x = column * g->stride_w - g->padding_w + j * g->dilation_w;
            if (y < 0 || y >= g->height || x < 0 || x >= g->width)
                continue;
            int64_t source = (item * g->height + y) * g->width + x - first;
            if (g->ring)
                source %= g->ring;
            lists[taps] = pool + starts[source];
            tables[taps] = table + source * (BUCKETS + 1);
            bases[taps++] = (uint16_t)((i * g->kernel_w + j) * g->fan_in);
        }
    }
    int64_t windows = (g->num_steps + WINDOW - 1) / WINDOW;
    for (int64_t bucket = 0; bucket < windows * PATTERNS; bucket++) {
        ends[bucket] = position;
        for (int64_t tap = 0; tap < taps; tap++) {
            const uint16_t *from = lists[tap] + tables[tap][bucket];
            uint32_t length = tables[tap][bucket + 1] - tables[tap][bucket];
            copy_list(entries + position, from, length, bases[tap]);
            position += length;
        }
    }
    ends[windows * PATTERNS] = position;
    return position;
}

static void NAME(simulate)(const geometry_t *g, const ROW *rows, const STATE *current, const STATE *threshold,
                           const STATE *initial, const SUM *negative, int64_t first, const int64_t *starts,
                           const uint32_t *table, const uint16_t *pool, int64_t begin, int64_t end, STATE *membrane,
                           int32_t *fired, void *memory)
{
    int64_t size = g->kernel_h * g->kernel_w * g->fan_in, blocks = (g->fan_out + BLOCK - 1) / BLOCK;
    uint32_t(*ends)[BUCKETS + 1] = memory;
    uint16_t *entries = (uint16_t *)(ends + TILE);
    while (begin < end) {
        uint32_t offsets[TILE], position = 0;
        int64_t tile = 0;
        for (; tile < TILE && begin + tile < end && position < TILE_ENTRIES; tile++) {
            offsets[tile] = position;
            position += NAME(merge)(g, begin + tile, first, starts, table, pool, entries + position, ends[tile]);
        }
        for (int64_t block = 0; block < blocks; block++) {
            int64_t out = block * BLOCK, width = g->fan_out - out < BLOCK ? g->fan_out - out : BLOCK;
            vec least[VECTORS] = {{0}};
            for (int n = 0; n < BLOCK; n++)
                least[n / LANES][NAME(lane)(n % LANES)] = negative[out + n];
            for (int64_t n = 0; n < tile; n++) {
                STATE v[BLOCK] __attribute__((aligned(VECTOR)));
                uint32_t code[BLOCK] __attribute__((aligned(VECTOR))) = {0};
                int64_t place = (begin + n) * g->chan_out + out;
                memcpy(v, initial + out, sizeof v);
                if (membrane)
                    memcpy(v, membrane + place, sizeof(STATE) * (size_t)width);
                NAME(fire)(entries + offsets[n], ends[n], (const char *)(rows + block * size * BLOCK), g->num_steps,
                           current + out, threshold + out, least, v, code);
                memcpy(fired + place, code, sizeof(uint32_t) * (size_t)width);
                if (membrane)
                    memcpy(membrane + place, v, sizeof(STATE) * (size_t)width);
            }
        }
        begin += tile;
    }
}

static int NAME(simulate_anew)(const geometry_t *g, const ROW *rows, const STATE *current, const STATE *threshold,
                               const STATE *initial, const SUM *negative, int64_t first, const int64_t *starts,
                               const uint32_t *table, const uint16_t *pool, int64_t begin, int64_t end,
                               STATE *membrane, int32_t *fired)
{
    void *memory = malloc(tile_memory(g));
    if (!memory)
        return 1;
    NAME(simulate)(g, rows, current, threshold, initial, negative, first, starts, table, pool, begin, end, membrane,
                   fired, memory);
    free(memory);
    return 0;
}

/* Spikes of the output frames. Frame 0 of table and starts is frame `first` of words; current, threshold, initial and
 * negative have a value an output, up to a whole block; membrane (frames, chan_out) may be NULL. */
int NAME(event_run)(const geometry_t *g, const ROW *rows, const STATE *current, const STATE *threshold,
                    const STATE *initial, const SUM *negative, int64_t first, const int64_t *starts,
                    const uint32_t *table, const uint16_t *pool, int64_t begin, int64_t end, int64_t threads,
                    STATE *membrane, int32_t *fired)
{
    SPREAD(NAME(simulate_anew)(g, rows, current, threshold, initial, negative, first, starts, table, pool, from, to,
                               membrane, fired));
}

#undef LANES
#undef BLOCK
#undef ROW_BYTES
#undef vec
#undef state_t
#undef STATES
#undef VARIANT
#undef GIVEN
#undef ROW
#undef SUM
#undef STATE
#undef INPUT
#undef REACHED
#undef BYTES
