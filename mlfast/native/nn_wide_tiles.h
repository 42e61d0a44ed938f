/* The body of nn_wide_kernel.c for one type: REAL, WIDE(name). */

typedef REAL WIDE(vector) __attribute__((vector_size(4 * MLF_V)));

enum {
    WIDE(lanes) = 4 * MLF_V / sizeof(REAL),
    WIDE(run_inputs) = MLF_WIDE_RUN / sizeof(REAL),
    WIDE(run_panels) = WIDE(run_inputs) / MLF_WIDE_PANEL,
    WIDE(pitch) = MLF_WIDE_PITCH / sizeof(REAL)
};

MLF_INLINE WIDE(vector) WIDE(load)(const REAL *p)
{
    WIDE(vector) v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* sum[row][vector] += x[row] w[vector]. */
MLF_INLINE void WIDE(add)(const int rows, const int vectors, const REAL *x, const REAL *w,
                          WIDE(vector) sum[MAX_ROWS][MAX_VECTORS])
{
    WIDE(vector) weight[MAX_VECTORS];
    MLF_UNROLL for (int v = 0; v < vectors; v++)
        weight[v] = WIDE(load)(w + v * WIDE(lanes));
    MLF_UNROLL for (int r = 0; r < rows; r++) {
        WIDE(vector) value = x[r * WIDE(pitch)] - (WIDE(vector)){ 0 };
        MLF_UNROLL for (int v = 0; v < vectors; v++)
            WIDE(add_product)(&sum[r][v], value, weight[v]);
    }
}

/* sums[row][vector] += x[row][0 .. n) w[0 .. n)[vector]. */
MLF_INLINE void WIDE(tile)(const int rows, const int vectors, const REAL *x, const REAL *w,
                           int n, REAL *sums, ptrdiff_t sums_stride, ahead *next)
{
    WIDE(vector) sum[MAX_ROWS][MAX_VECTORS];
    MLF_UNROLL for (int r = 0; r < rows; r++)
        MLF_UNROLL for (int v = 0; v < vectors; v++)
            sum[r][v] = (WIDE(vector)){ 0 };
    const char *from = next->from, *fetched = next->fetched, *weights = next->weights;
    char *to = next->to;
    const ptrdiff_t stride = next->stride;
    int left = next->left;
    if (n == MLF_WIDE_PANEL && next->copying)
        for (; n; n -= STEP * MLF_WIDE_IN_TURN, from += 64, fetched += 64, to += 64)
            MLF_UNROLL for (int row = 0; row < MLF_WIDE_IN_TURN; row++) {
                if (!--left) {
                    weights = fetch_burst(weights);
                    left = next->period;
                }
                __builtin_prefetch(fetched + row * stride, 0, 2);
                memcpy(to + row * MLF_WIDE_PITCH, from + row * stride, 64);
                MLF_UNROLL for (int i = 0; i < STEP; i++, x++, w += vectors * WIDE(lanes))
                    WIDE(add)(rows, vectors, x, w, sum);
            }
    for (; n >= STEP; n -= STEP) {
        if (!--left) {
            weights = fetch_burst(weights);
            left = next->period;
        }
        MLF_UNROLL for (int i = 0; i < STEP; i++, x++, w += vectors * WIDE(lanes))
            WIDE(add)(rows, vectors, x, w, sum);
    }
    for (; n; n--, x++, w += vectors * WIDE(lanes))
        WIDE(add)(rows, vectors, x, w, sum);
    next->weights = weights;
    next->left = left;
    MLF_UNROLL for (int r = 0; r < rows; r++)
        MLF_UNROLL for (int v = 0; v < vectors; v++) {
            REAL *to = sums + r * sums_stride + v * WIDE(lanes);
            WIDE(vector) total = WIDE(load)(to) + sum[r][v];
            memcpy(to, &total, sizeof total);
        }
}

typedef void (*WIDE(tile_function))(const REAL *x, const REAL *w, int n, REAL *sums,
                                    ptrdiff_t sums_stride, ahead *next);

#define TILE(rows, vectors) \
    static void WIDE(tile_##rows##_##vectors)(const REAL *x, const REAL *w, int n, REAL *sums, \
                                              ptrdiff_t sums_stride, ahead *next) \
    { WIDE(tile)(rows, vectors, x, w, n, sums, sums_stride, next); }
#define ENTRY(rows, vectors) WIDE(tile_##rows##_##vectors),
#define ROWS(X, vectors) X(1, vectors) X(2, vectors) X(3, vectors) X(4, vectors) X(5, vectors) \
    X(6, vectors)
ROWS(TILE, 1)
ROWS(TILE, 2)
#if MLF_REGISTERS == 32
ROWS(TILE, 3)
ROWS(TILE, 4)
#endif
static const WIDE(tile_function) WIDE(tiles)[MAX_VECTORS][MAX_ROWS] = {
    { ROWS(ENTRY, 1) }, { ROWS(ENTRY, 2) },
#if MLF_REGISTERS == 32
    { ROWS(ENTRY, 3) }, { ROWS(ENTRY, 4) },
#endif
};
#undef TILE
#undef ENTRY
#undef ROWS

/* A group of examples, at most MLF_WIDE_GROUP, and how it is cut. A unit is a tile's work on a
 * panel; PARTS units copy a chunk of MLF_WIDE_IN_TURN rows. Whole lines are copied, so that a run
 * begins `shift` bytes into its first, and as many bytes are left for one more. */
typedef struct WIDE(plan) {
    const REAL *x;
    ptrdiff_t stride;
    int rows, n_tiles, panel_units, n_chunks, shift;
} WIDE(plan);

/* The chunk that is copied in the i-th place, or was before: there is time to spare. */
MLF_INLINE int WIDE(copied)(const WIDE(plan) *plan, int i)
{
    const int n = (plan->rows + MLF_WIDE_IN_TURN - 1) / MLF_WIDE_IN_TURN;
    return (n * (i + 1) - 1) / plan->n_chunks;
}

/* A chunk's first row: the last chunk ends with the last row. */
MLF_INLINE int WIDE(chunk_row)(const WIDE(plan) *plan, int chunk)
{
    const int row = chunk * MLF_WIDE_IN_TURN, last = plan->rows - MLF_WIDE_IN_TURN;
    return row < last ? row : last;
}

/* A row's run among the copies of all rows'. */
MLF_INLINE REAL *WIDE(copy_of)(const WIDE(plan) *plan, REAL *copies, int row)
{
    return (REAL *)((char *)(copies + row * WIDE(pitch)) + plan->shift);
}

/* What the units of the i-th chunk copy of the run that begins at x, and what they fetch. */
MLF_INLINE void WIDE(aim)(const WIDE(plan) *plan, const REAL *x, REAL *copies, int i, ahead *next)
{
    const int chunk = WIDE(copied)(plan, i), row = WIDE(chunk_row)(plan, chunk);
    const int wraps = row + MLF_WIDE_IN_TURN == plan->rows;
    const int later = wraps ? 0 : WIDE(chunk_row)(plan, chunk + 1);
    const REAL *later_x = x + (wraps ? WIDE(run_inputs) : 0) + later * plan->stride;
    next->copying = i == 0 || chunk > WIDE(copied)(plan, i - 1);
    next->to = (char *)(copies + row * WIDE(pitch));
    next->from = (const char *)(x + row * plan->stride) - plan->shift;
    next->fetched = (const char *)later_x - plan->shift;
    if (plan->shift && next->copying)
        MLF_UNROLL for (int r = 0; r < MLF_WIDE_IN_TURN; r++) {
            const char *rest = next->from + r * next->stride + MLF_WIDE_RUN;
            memcpy(next->to + r * MLF_WIDE_PITCH + MLF_WIDE_RUN, rest, (size_t)plan->shift);
            __builtin_prefetch(next->fetched + r * next->stride + MLF_WIDE_RUN, 0, 2);
        }
}

/* The next part of the same. */
MLF_INLINE void WIDE(advance)(ahead *next)
{
    next->to += LINES * 64;
    next->from += LINES * 64;
    next->fetched += LINES * 64;
}

static void WIDE(group)(const mlf_wide *model, const WIDE(plan) *plan, REAL *sums, REAL *copies)
{
    const int block = model->vectors * WIDE(lanes), n_blocks = model->n_blocks;
    const ptrdiff_t n_sums = (ptrdiff_t)n_blocks * block;
    const WIDE(tile_function) *tiles = WIDE(tiles)[model->vectors - 1];
    const int rows = plan->rows, n_tiles = plan->n_tiles;
    const ptrdiff_t half = rows * (ptrdiff_t)WIDE(pitch);
    const int64_t panel_bytes = (int64_t)sizeof(REAL) * MLF_WIDE_PANEL * n_sums;
    const int64_t n_bursts = panel_bytes / (ROUND / ROUND_BURSTS);
    /* Whole rounds are fetched before any of their lines is used. */
    int64_t burst = n_bursts % ROUND_BURSTS ? n_bursts + ROUND_BURSTS : n_bursts;
    ahead next = { .period = (int)(plan->panel_units * (MLF_WIDE_PANEL / STEP) / n_bursts) };
    next.left = next.period;
    next.stride = plan->stride * (ptrdiff_t)sizeof(REAL);

    for (int r = 0; r < rows; r++)
        memcpy(sums + r * n_sums, model->bias, sizeof(REAL) * (size_t)n_sums);
    const REAL *w = model->weights;
    for (int64_t begin = 0; begin < model->n_inputs; begin += WIDE(run_inputs)) {
        const REAL *x = plan->x + begin, *x_next = x + WIDE(run_inputs);
        const int64_t inputs = model->n_inputs - begin;
        const int run = inputs < WIDE(run_inputs) ? (int)inputs : WIDE(run_inputs);
        /* Few rows have room in the caches where they are. */
        const int few = rows < MLF_WIDE_IN_TURN, copying = inputs >= 2 * WIDE(run_inputs) && !few;
        const int second = begin / WIDE(run_inputs) % 2;
        REAL *mine = copies + second * half, *others = copies + !second * half;
        if (begin == 0 || run < WIDE(run_inputs) || few)
            for (int r = 0; r < rows; r++) {
                memcpy(WIDE(copy_of)(plan, mine, r), x + r * plan->stride,
                       sizeof(REAL) * (size_t)run);
                for (int line = 0; few && line < MLF_WIDE_RUN; line += 64)
                    __builtin_prefetch((const char *)(x_next + r * plan->stride) + line, 0, 2);
            }
        next.copying = 0;
        for (int first = 0, unit = 0; first < run; first += MLF_WIDE_PANEL, burst += n_bursts) {
            const int n = run - first < MLF_WIDE_PANEL ? run - first : MLF_WIDE_PANEL;
            next.weights = (const char *)model->weights + burst / ROUND_BURSTS * ROUND
                           + burst % ROUND_BURSTS * 64;
            for (int b = 0; b < n_blocks; b++, w += n * block)
                for (int tile = 0, r = 0; tile < n_tiles; tile++, unit++) {
                    const int height = rows / n_tiles + (tile < rows % n_tiles);
                    if (copying && unit % PARTS == 0)
                        WIDE(aim)(plan, x_next, others, unit / PARTS, &next);
                    else if (copying)
                        WIDE(advance)(&next);
                    tiles[height - 1](WIDE(copy_of)(plan, mine, r) + first, w, n,
                                      sums + r * n_sums + b * block, n_sums, &next);
                    r += height;
                }
        }
    }
}

static void WIDE(run)(const mlf_wide *model, const void *x, ptrdiff_t stride, int64_t n,
                      void *scores, void *copies)
{
    const ptrdiff_t n_sums = (ptrdiff_t)model->n_blocks * model->vectors * WIDE(lanes);
    const int64_t n_groups = (n + MLF_WIDE_GROUP - 1) / MLF_WIDE_GROUP;
    /* As many rows of a tile as all tiles have time to copy. */
    const int time = WIDE(run_panels) * model->n_blocks * MLF_WIDE_IN_TURN / PARTS;
    const int most = time < MAX_ROWS ? time : MAX_ROWS;
    for (int64_t i = 0; i < n_groups; i++) {
        const int64_t begin = n * i / n_groups, end = n * (i + 1) / n_groups;
        const int n_tiles = ((int)(end - begin) + most - 1) / most;
        const int units = n_tiles * model->n_blocks;
        const REAL *first = (const REAL *)x + begin * stride;
        const WIDE(plan) plan = { first, stride, (int)(end - begin), n_tiles, units,
                                  units * WIDE(run_panels) / PARTS, (uintptr_t)first % 64 };
        WIDE(group)(model, &plan, (REAL *)scores + begin * n_sums, copies);
    }
}
