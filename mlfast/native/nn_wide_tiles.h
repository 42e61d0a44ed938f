/* The body of nn_wide_kernel.c for one type: REAL, WIDE(name), WIDE_FMA(a, b, c). */

typedef REAL WIDE(vector) __attribute__((vector_size(4 * MLF_V)));

enum { WIDE(lanes) = 4 * MLF_V / sizeof(REAL), WIDE(step) = 64 / sizeof(REAL) };

MLF_INLINE WIDE(vector) WIDE(load)(const REAL *p)
{
    WIDE(vector) v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* sum[row][vector] += x[row][0 .. n) w[0 .. n)[vector]. */
MLF_INLINE void WIDE(add)(const int rows, const int vectors, const REAL *x, const REAL *w,
                          const int n, WIDE(vector) sum[MAX_ROWS][MAX_VECTORS])
{
    for (int i = 0; i < n; i++, w += vectors * WIDE(lanes)) {
        WIDE(vector) weight[MAX_VECTORS];
        MLF_UNROLL for (int v = 0; v < vectors; v++)
            weight[v] = WIDE(load)(w + v * WIDE(lanes));
        MLF_UNROLL for (int r = 0; r < rows; r++) {
            WIDE(vector) value = x[r * MLF_WIDE_PANEL + i] - (WIDE(vector)){ 0 };
            MLF_UNROLL for (int v = 0; v < vectors; v++)
                sum[r][v] = WIDE_FMA(value, weight[v], sum[r][v]);
        }
    }
}

/* sums[row][vector] += x[row][0 .. n) w[0 .. n)[vector]. */
MLF_INLINE void WIDE(tile)(const int rows, const int vectors, const REAL *x, const REAL *w,
                           int n, REAL *sums, ptrdiff_t sums_stride, const ahead *next)
{
    WIDE(vector) sum[MAX_ROWS][MAX_VECTORS];
    MLF_UNROLL for (int r = 0; r < rows; r++)
        MLF_UNROLL for (int v = 0; v < vectors; v++)
            sum[r][v] = (WIDE(vector)){ 0 };
    uint64_t line = next->line;
    const char *x_line = next->x;
    for (; n >= WIDE(step); n -= WIDE(step)) {
        for (uint64_t last = line + next->lines; line < last; line++)
            fetch_weights(next->weights, line);
        for (int r = 0; r < next->rows; r++)
            __builtin_prefetch(x_line + r * next->stride, 0, 2);
        x_line += 64;
        WIDE(add)(rows, vectors, x, w, WIDE(step), sum);
        x += WIDE(step);
        w += WIDE(step) * vectors * WIDE(lanes);
    }
    WIDE(add)(rows, vectors, x, w, n, sum);
    MLF_UNROLL for (int r = 0; r < rows; r++)
        MLF_UNROLL for (int v = 0; v < vectors; v++) {
            REAL *to = sums + r * sums_stride + v * WIDE(lanes);
            WIDE(vector) total = WIDE(load)(to) + sum[r][v];
            memcpy(to, &total, sizeof total);
        }
}

typedef void (*WIDE(tile_function))(const REAL *x, const REAL *w, int n, REAL *sums,
                                    ptrdiff_t sums_stride, const ahead *next);

#define TILE(rows, vectors) \
    static void WIDE(tile_##rows##_##vectors)(const REAL *x, const REAL *w, int n, REAL *sums, \
                                              ptrdiff_t sums_stride, const ahead *next) \
    { WIDE(tile)(rows, vectors, x, w, n, sums, sums_stride, next); }
#define ENTRY(rows, vectors) WIDE(tile_##rows##_##vectors),
#if MLF_REGISTERS == 32
#define MORE_ROWS(X, vectors) X(7, vectors) X(8, vectors) X(9, vectors) X(10, vectors) \
    X(11, vectors) X(12, vectors)
#else
#define MORE_ROWS(X, vectors)
#endif
#define ROWS(X, vectors) X(1, vectors) X(2, vectors) X(3, vectors) X(4, vectors) X(5, vectors) \
    X(6, vectors) MORE_ROWS(X, vectors)
ROWS(TILE, 1)
ROWS(TILE, 2)
static const WIDE(tile_function) WIDE(tiles)[MAX_VECTORS][MAX_ROWS] = {
    { ROWS(ENTRY, 1) }, { ROWS(ENTRY, 2) },
};
#undef TILE
#undef ENTRY
#undef ROWS
#undef MORE_ROWS

static void WIDE(run)(const mlf_wide *model, const void *data, ptrdiff_t stride, int64_t n,
                      void *result)
{
    const int block = model->vectors * WIDE(lanes);
    const ptrdiff_t n_sums = (ptrdiff_t)model->n_blocks * block;
    const WIDE(tile_function) *tiles = WIDE(tiles)[model->vectors - 1];
    const REAL *bias = model->bias;
    /* A tile's own copy of its examples: theirs may fall into the same cache lines' places. */
    REAL own[MAX_ROWS][MLF_WIDE_PANEL] __attribute__((aligned(64)));
    for (int64_t group = 0; group < n; group += GROUP) {
        const REAL *x = (const REAL *)data + group * stride;
        REAL *sums = (REAL *)result + group * n_sums;
        const int rows = n - group < GROUP ? (int)(n - group) : GROUP;
        const int n_tiles = (rows + MAX_ROWS - 1) / MAX_ROWS;
        for (int r = 0; r < rows; r++)
            memcpy(sums + r * n_sums, bias, sizeof(REAL) * (size_t)n_sums);
        const REAL *w = model->weights;
        for (int64_t first = 0; first < model->n_inputs; first += MLF_WIDE_PANEL) {
            const int64_t left = model->n_inputs - first;
            const int width = left < MLF_WIDE_PANEL ? (int)left : MLF_WIDE_PANEL;
            /* Lines of the next panel, over all steps of this one. */
            const int64_t panel = (int64_t)sizeof(REAL) * MLF_WIDE_PANEL * n_sums / 64;
            const int steps = n_tiles * model->n_blocks * (MLF_WIDE_PANEL / WIDE(step));
            ahead next = { .weights = model->weights, .stride = (ptrdiff_t)sizeof(REAL) * stride };
            next.lines = (int)((panel + steps - 1) / steps);
            next.line = (first / MLF_WIDE_PANEL + 1) * panel;
            for (int t = 0; t < n_tiles; t++) {
                const int begin = rows * t / n_tiles, end = rows * (t + 1) / n_tiles;
                const int wraps = t + 1 == n_tiles;
                const int to = wraps ? 0 : end;
                const int n_next = rows * ((wraps ? 0 : t + 1) + 1) / n_tiles - to;
                const REAL *x_next = x + to * stride + first + (wraps ? MLF_WIDE_PANEL : 0);
                for (int r = begin; r < end; r++)
                    memcpy(own[r - begin], x + r * stride + first, sizeof(REAL) * (size_t)width);
                for (int b = 0; b < model->n_blocks; b++) {
                    const int from = n_next * b / model->n_blocks;
                    /* The last bytes of a line: what was before is in the panel at work. */
                    next.x = (const char *)(x_next + from * stride) + 63;
                    next.rows = n_next * (b + 1) / model->n_blocks - from;
                    tiles[end - begin - 1](own[0], w + (ptrdiff_t)b * width * block, width,
                                           sums + begin * n_sums + b * block, n_sums, &next);
                    next.line += next.lines * (MLF_WIDE_PANEL / WIDE(step));
                }
            }
            w += width * n_sums;
        }
    }
}
