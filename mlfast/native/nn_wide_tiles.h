/* The body of nn_wide_kernel.c for one type: REAL, computed in, SOURCE, of the examples, and
 * WIDE(name). */

typedef REAL WIDE(vector) __attribute__((vector_size(4 * MLF_V)));

enum {
    WIDE(lanes) = 4 * MLF_V / sizeof(REAL),
    WIDE(ratio) = sizeof(SOURCE) / sizeof(REAL),
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

/* Copies n numbers. */
MLF_INLINE void WIDE(copy)(REAL *to, const SOURCE *from, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (REAL)from[i];
}

/* Copies as many as fill a line. */
MLF_INLINE void WIDE(copy_line)(char *to, const char *from)
{
    REAL line[64 / sizeof(REAL)];
    MLF_UNROLL for (int part = 0; part < WIDE(ratio); part++) {
        typedef REAL copied __attribute__((vector_size(64 / WIDE(ratio))));
        SOURCE values __attribute__((vector_size(64)));
        memcpy(&values, from + 64 * part, sizeof values);
        const copied numbers = __builtin_convertvector(values, copied);
        memcpy(line + part * (sizeof numbers / sizeof(REAL)), &numbers, sizeof numbers);
    }
    memcpy(to, line, sizeof line);
}

/* sum[row][vector] += x[row] w[vector]. */
MLF_INLINE void WIDE(add)(const int rows, const int vectors, const REAL *x, const REAL *w,
                          WIDE(vector) sum[MAX_ROWS][MAX_VECTORS])
{
    WIDE(vector) weight[MAX_VECTORS];
    MLF_UNROLL for (int v = 0; v < vectors; v++)
        weight[v] = WIDE(load)(w + v * MLF_WIDE_PANEL * WIDE(lanes));
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
        for (; n; n -= STEP * MLF_WIDE_IN_TURN, to += 64) {
            MLF_UNROLL for (int row = 0; row < MLF_WIDE_IN_TURN; row++) {
                if (!--left) {
                    weights = fetch_burst(weights);
                    left = next->period;
                }
                MLF_UNROLL for (int part = 0; part < WIDE(ratio); part++)
                    __builtin_prefetch(fetched + row * stride + 64 * part, 0, 2);
                WIDE(copy_line)(to + row * MLF_WIDE_PITCH, from + row * stride);
                MLF_UNROLL for (int i = 0; i < STEP; i++, x++, w += WIDE(lanes))
                    WIDE(add)(rows, vectors, x, w, sum);
            }
            from += 64 * WIDE(ratio);
            fetched += 64 * WIDE(ratio);
        }
    for (; n >= STEP; n -= STEP) {
        if (!--left) {
            weights = fetch_burst(weights);
            left = next->period;
        }
        MLF_UNROLL for (int i = 0; i < STEP; i++, x++, w += WIDE(lanes))
            WIDE(add)(rows, vectors, x, w, sum);
    }
    for (; n; n--, x++, w += WIDE(lanes))
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
 * begins `shift` numbers into its first, and as many are left for one more. */
typedef struct WIDE(plan) {
    const SOURCE *x;
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
    return copies + row * WIDE(pitch) + plan->shift;
}

/* What the units of the i-th chunk copy of the run that begins at x, and what they fetch. */
MLF_INLINE void WIDE(aim)(const WIDE(plan) *plan, const SOURCE *x, REAL *copies, int i,
                          ahead *next)
{
    const int chunk = WIDE(copied)(plan, i), row = WIDE(chunk_row)(plan, chunk);
    const int wraps = row + MLF_WIDE_IN_TURN == plan->rows;
    const int later = wraps ? 0 : WIDE(chunk_row)(plan, chunk + 1);
    const SOURCE *from = x + row * plan->stride - plan->shift;
    const SOURCE *fetched = x + (wraps ? WIDE(run_inputs) : 0) + later * plan->stride - plan->shift;
    REAL *to = copies + row * WIDE(pitch);
    next->copying = i == 0 || chunk > WIDE(copied)(plan, i - 1);
    next->to = (char *)to;
    next->from = (const char *)from;
    next->fetched = (const char *)fetched;
    if (plan->shift && next->copying)
        MLF_UNROLL for (int r = 0; r < MLF_WIDE_IN_TURN; r++) {
            WIDE(copy)(to + r * WIDE(pitch) + WIDE(run_inputs),
                       from + r * plan->stride + WIDE(run_inputs), plan->shift);
            __builtin_prefetch(fetched + r * plan->stride + WIDE(run_inputs), 0, 2);
        }
}

/* The next part of the same. */
MLF_INLINE void WIDE(advance)(ahead *next)
{
    next->to += LINES * 64;
    next->from += LINES * 64 * WIDE(ratio);
    next->fetched += LINES * 64 * WIDE(ratio);
}

/* squares[row][lane] += the squares of a tile's numbers, which are in the first-level cache. */
MLF_INLINE void WIDE(add_squares)(const REAL *x, int rows, int n, REAL *squares)
{
    for (int r = 0; r < rows; r++, x += WIDE(pitch), squares += WIDE(lanes)) {
        WIDE(vector) sum = WIDE(load)(squares);
        int i = 0;
        for (; i + WIDE(lanes) <= n; i += WIDE(lanes)) {
            const WIDE(vector) value = WIDE(load)(x + i);
            WIDE(add_product)(&sum, value, value);
        }
        for (; i < n; i++)
            sum[0] += x[i] * x[i];
        memcpy(squares, &sum, sizeof sum);
    }
}

/* Adds the sums of a group to its totals; they begin again at zero. */
MLF_INLINE void WIDE(hand_over)(const mlf_wide_totals *totals, REAL *sums, int rows,
                                ptrdiff_t n_sums)
{
    REAL *squares = totals->sums_of_squares;
    for (ptrdiff_t i = 0; i < rows * n_sums; i++)
        totals->scores[i] += sums[i];
    memset(sums, 0, sizeof(REAL) * (size_t)(rows * n_sums));
    for (int i = 0; i < rows * WIDE(lanes); i++)
        totals->squares[i / WIDE(lanes)] += squares[i];
    memset(squares, 0, sizeof(REAL) * (size_t)rows * WIDE(lanes));
}

static void WIDE(group)(const mlf_wide *model, const WIDE(plan) *plan, REAL *sums, REAL *copies,
                        const mlf_wide_totals *totals)
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
    next.stride = plan->stride * (ptrdiff_t)sizeof(SOURCE);

    for (int r = 0; r < rows; r++)
        memcpy(sums + r * n_sums, model->bias, sizeof(REAL) * (size_t)n_sums);
    const REAL *w = model->weights;
    for (int64_t begin = 0; begin < model->n_inputs; begin += WIDE(run_inputs)) {
        const SOURCE *x = plan->x + begin, *x_next = x + WIDE(run_inputs);
        const int64_t inputs = model->n_inputs - begin;
        const int run = inputs < WIDE(run_inputs) ? (int)inputs : WIDE(run_inputs);
        /* Few rows have room in the caches where they are. */
        const int few = rows < MLF_WIDE_IN_TURN, copying = inputs >= 2 * WIDE(run_inputs) && !few;
        const int second = begin / WIDE(run_inputs) % 2;
        REAL *mine = copies + second * half, *others = copies + !second * half;
        if (begin == 0 || run < WIDE(run_inputs) || few)
            for (int r = 0; r < rows; r++) {
                WIDE(copy)(WIDE(copy_of)(plan, mine, r), x + r * plan->stride, run);
                for (int line = 0; few && line < MLF_WIDE_RUN * WIDE(ratio); line += 64)
                    __builtin_prefetch((const char *)(x_next + r * plan->stride) + line, 0, 2);
            }
        next.copying = 0;
        for (int first = 0, unit = 0; first < run; first += MLF_WIDE_PANEL, burst += n_bursts) {
            const int n = run - first < MLF_WIDE_PANEL ? run - first : MLF_WIDE_PANEL;
            next.weights = (const char *)model->weights + burst / ROUND_BURSTS * ROUND
                           + burst % ROUND_BURSTS * 64;
            for (int b = 0; b < n_blocks; b++, w += MLF_WIDE_PANEL * block)
                for (int tile = 0, r = 0; tile < n_tiles; tile++, unit++) {
                    const int height = rows / n_tiles + (tile < rows % n_tiles);
                    if (copying && unit % PARTS == 0)
                        WIDE(aim)(plan, x_next, others, unit / PARTS, &next);
                    else if (copying)
                        WIDE(advance)(&next);
                    const REAL *mine_x = WIDE(copy_of)(plan, mine, r) + first;
                    tiles[height - 1](mine_x, w, n, sums + r * n_sums + b * block, n_sums, &next);
                    if (totals && b == 0)
                        WIDE(add_squares)(mine_x, height, n,
                                          (REAL *)totals->sums_of_squares + r * WIDE(lanes));
                    r += height;
                }
        }
        const int n_runs = MLF_WIDE_SPAN / WIDE(run_panels);
        if (totals && (begin / WIDE(run_inputs) % n_runs == n_runs - 1 || inputs == run))
            WIDE(hand_over)(totals, sums, rows, n_sums);
    }
}

static void WIDE(run)(const mlf_wide *model, const void *x, ptrdiff_t stride, int64_t n,
                      void *scores, void *copies, const mlf_wide_totals *totals)
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
        const SOURCE *first = (const SOURCE *)x + begin * stride;
        const WIDE(plan) plan = { first, stride, (int)(end - begin), n_tiles, units,
                                  units * WIDE(run_panels) / PARTS,
                                  (uintptr_t)first % 64 / sizeof(SOURCE) };
        WIDE(group)(model, &plan, (REAL *)scores + begin * n_sums, copies, totals);
    }
}
