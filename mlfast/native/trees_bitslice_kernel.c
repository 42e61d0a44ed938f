/* Bit slicing of blocks of rows (trees_bitslice.h).
 *
 *   decision:     mask[r] = rank[column][r] >= rank of the decision
 *   multiplexer:  mask[r] = select[r] ? right[r] : left[r]
 *   label:        byte[r] = sum of plane_k[r] << k;   sum[r] += table[byte[r]]
 */
#include "trees_columns.h"
#include "trees_labels.h"
#include "trees_ranks.h"

#define INLINE static inline __attribute__((always_inline))

typedef mlf_mask word;

typedef struct work {
    word *planes;              /* [n_numeric][MLF_RANK_PLANES] */
    word *codes;               /* rows that have the code, by mlf_bitslice.code_masks */
    word *masks;               /* by slot */
    void *sums;                /* float or double [outputs at once][MLF_BLOCK] */
    int32_t words;             /* of 64 rows, of the 8 that a mask has: others are ignored */
} work;

/* One mask a code: the rows that have it. */
static void mask_codes(const mlf_bitslice *slice, int32_t member, const double *x, int32_t n,
                       word *masks)
{
    int32_t column = slice->prepare->n_numeric + member;
    int32_t first = slice->code_masks[member], count = slice->code_masks[member + 1] - first;
    memset(masks + first, 0, (size_t)count * sizeof(word));
    uint64_t *bits = (uint64_t *)(void *)(masks + first);
    for (int32_t r = 0; r < n; r++)
        bits[8 * mlf_code_of(slice->prepare, column, x[r]) + r / 64] |= UINT64_C(1) << r % 64;
}

/* at_least[v] = rows whose 2 or 4 bits are v or more, for all v; at_least[2^n] none. */
INLINE void compare_pair(const word *planes, word *at_least)
{
    at_least[0] = ~(word){ 0 };
    at_least[1] = planes[0] | planes[1];
    at_least[2] = planes[1];
    at_least[3] = planes[0] & planes[1];
    at_least[4] = (word){ 0 };
}

INLINE void compare_four(const word *planes, word *at_least)
{
    word low[5], high[5];
    compare_pair(planes, low);
    compare_pair(planes + 2, high);
    for (int v = 0; v < 16; v++)
        at_least[v] = high[v / 4 + 1] | (high[v / 4] & low[v % 4]);
    at_least[16] = (word){ 0 };
}

/* Masks of a segment's numeric decisions:
 *   rank >= 16 a + b   where   rank / 16 >= a + 1, or rank / 16 >= a and rank % 16 >= b */
static void decide_ranks(const mlf_segment *segment, const mlf_bitslice *slice, const work *w)
{
    word low[17], high[17], *out = w->masks + MLF_SLOT_DECISION;
    const mlf_prepared_column *columns = slice->prepare->columns;
    for (int32_t i = 0, column = -1; i < segment->n_runs; i++) {
        const mlf_slice_run *run = &segment->runs[i];
        const word *planes = w->planes + (size_t)run->column * MLF_RANK_PLANES;
        int32_t n_planes = mlf_rank_planes(columns[run->column].n);
        int32_t n_high = 1 << (n_planes - 4);
        if (mlf_is_marked(columns[run->column].n)) {
            word missing = run->right ? planes[MLF_PLANE_MISSING] : (word){ 0 };
            for (int32_t j = 0; j < run->count; j++)
                *out++ = planes[run->ranks[j] - 1] | missing;
            continue;
        }
        if (run->column != column) {
            column = run->column;
            compare_four(planes, low);
            if (n_planes == 8)
                compare_four(planes + 4, high);
            else if (n_planes == 6)
                compare_pair(planes + 4, high);
            else {
                high[0] = ~(word){ 0 };
                high[1] = (word){ 0 };
            }
        }
        if (run->right)            /* of a column the second run */
            for (int32_t v = 1; v <= n_high; v++)
                high[v] |= planes[MLF_PLANE_MISSING];
        for (int32_t j = 0; j < run->count; j++) {
            int32_t rank = run->ranks[j];
            *out++ = high[rank / 16 + 1] | (high[rank / 16] & low[rank % 16]);
        }
    }
}

static void decide_sets(const mlf_segment *segment, const mlf_bitslice *slice, const work *w)
{
    word *out = w->masks + segment->first_set;
    for (int32_t i = 0; i < segment->n_sets; i++) {
        const mlf_slice_set *set = &segment->sets[i];
        const word *codes = w->codes + slice->code_masks[set->column];
        word any = { 0 };
        for (int32_t j = 0; j < set->count; j++)
            any |= codes[set->codes[j]];
        *out++ = set->inverted ? ~any : any;
    }
}

/* ---------------------------------------------------------------- programs */

/* As much of a mask as a register holds. */
#if defined(__AVX512F__)
typedef uint64_t lane __attribute__((vector_size(64), may_alias));
#elif defined(__AVX2__)
typedef uint64_t lane __attribute__((vector_size(32), may_alias));
#else
typedef uint64_t lane __attribute__((vector_size(16), may_alias));
#endif

INLINE lane choose(lane select, lane right, lane left)
{
#if defined(__AVX512F__)
    return (lane)_mm512_ternarylogic_epi64((__m512i)select, (__m512i)right, (__m512i)left, 0xca);
#else
    return left ^ (select & (left ^ right));
#endif
}

static void run_muxes(const mlf_slice_tree *tree, word *masks, word *planes)
{
    const mlf_mux *ops = tree->ops;
    for (int32_t i = 0, n = tree->n_ops; i < n; i++) {
        const lane *select = (const lane *)&masks[ops[i].select];
        const lane *right = (const lane *)&masks[ops[i].right];
        const lane *left = (const lane *)&masks[ops[i].left];
        lane *out = (lane *)&masks[ops[i].out];
        for (size_t j = 0; j < sizeof(word) / sizeof(lane); j++)
            out[j] = choose(select[j], right[j], left[j]);
    }
    for (int32_t k = 0; k < tree->n_planes; k++)
        planes[k] = masks[tree->planes[k]];
}

/* A complete heap: plane l of the label is the decision of level l that planes 0 .. l - 1 lead to.
 * pick<n>: the decision n levels below `node`, by planes[p] .. planes[p + n - 1]. */
typedef struct heap {
    const char *masks;
    const uint16_t *slots;
    lane planes[MLF_HEAP_LEVELS];
} heap;

INLINE lane pick0(const heap *h, int p, int node)
{
    (void)p;
    return *(const lane *)(const void *)(h->masks + h->slots[node] * sizeof(word));
}

#define PICK(n, below)                                                                         \
    INLINE lane pick##n(const heap *h, int p, int node)                                        \
    {                                                                                          \
        lane left = pick##below(h, p + 1, 2 * node + 1);                                       \
        lane right = pick##below(h, p + 1, 2 * node + 2);                                      \
        return choose(h->planes[p], right, left);                                              \
    }
PICK(1, 0)
PICK(2, 1)
PICK(3, 2)
PICK(4, 3)
PICK(5, 4)

INLINE void run_heap(const mlf_slice_tree *tree, const word *masks, word *planes, int levels)
{
    for (size_t j = 0; j < sizeof(word) / sizeof(lane); j++) {
        heap h = { .masks = (const char *)masks + j * sizeof(lane), .slots = tree->heap };
#define LEVEL(l)                                                                               \
        if (levels > l) {                                                                      \
            h.planes[l] = pick##l(&h, 0, 0);                                                   \
            ((lane *)&planes[l])[j] = h.planes[l];                                             \
        }
        LEVEL(0) LEVEL(1) LEVEL(2) LEVEL(3) LEVEL(4) LEVEL(5)
#undef LEVEL
    }
}

static void run_program(const mlf_slice_tree *tree, word *masks, word *planes)
{
    switch (tree->heap == NULL ? 0 : tree->n_planes) {
#define CASE(levels) case levels: run_heap(tree, masks, planes, levels); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
    default: run_muxes(tree, masks, planes);
    }
}

/* ---------------------------------------------------------------- sums */

/* Sums of output k, held in place `at`: begin, and end. */
static void begin(const mlf_bitslice *slice, const work *w, int32_t k, int32_t at)
{
    double start = mlf_sum_start(&slice->sum, k);
    for (int32_t r = at * MLF_BLOCK; r < (at + 1) * MLF_BLOCK; r++)
        if (slice->sum.float32)
            ((float *)w->sums)[r] = (float)start;
        else
            ((double *)w->sums)[r] = start;
}

static void end(const mlf_bitslice *slice, const work *w, int32_t k, int32_t at, double *raw,
                int32_t n)
{
    const size_t row = (size_t)at * MLF_BLOCK;
    if (slice->sum.float32) {
        float *sums = (float *)w->sums + row;
        mlf_order_sums(sums, 1, w->words);
        mlf_sum_finish_floats(&slice->sum, k, sums, n, raw);
    } else {
        double *sums = (double *)w->sums + row;
        mlf_order_sums(sums, 0, w->words);
        mlf_sum_finish_doubles(&slice->sum, k, sums, n, raw);
    }
}

static work layout_of(const mlf_bitslice *slice, void *scratch)
{
    int32_t n_members = slice->prepare->n_columns - slice->prepare->n_numeric;
    work w = { .planes = scratch };
    w.codes = w.planes + slice->prepare->n_numeric * MLF_RANK_PLANES;
    w.masks = w.codes + slice->code_masks[n_members];
    w.sums = w.masks + slice->n_masks;
    return w;
}

/* From the masks of columns to sums. */
static void run_segments(const mlf_bitslice *slice, work w, int32_t n, double *raw,
                         ptrdiff_t stride, mlf_ahead *ahead)
{
    const int32_t share = 2 * mlf_fetch_share(ahead, slice->sum.n_trees);
    const mlf_sum *sum = &slice->sum;
    int32_t width = sum->vectors ? sum->n_outputs : 1, tree = 0, k = 0;
    mlf_waiting waiting;
    waiting.n = 0;
    for (int32_t at = 0; at < width; at++)
        begin(slice, &w, at, at);
    for (int32_t s = 0; s < slice->n_segments; s++) {
        const mlf_segment *segment = &slice->segments[s];
        decide_ranks(segment, slice, &w);
        decide_sets(segment, slice, &w);
        for (int32_t t = 0; t < segment->n_trees; t++, tree++) {
            for (; !sum->vectors && tree == sum->first[k + 1]; k++) {
                mlf_add_waiting(slice, w.words, w.sums, &waiting);
                end(slice, &w, k, 0, raw + k * stride, n);
                begin(slice, &w, k + 1, 0);
            }
            word planes[MLF_MOST_PLANES];
            run_program(&segment->trees[t], w.masks, planes);
            mlf_add_tree(slice, &segment->trees[t], planes, w.words, w.sums, &waiting);
            mlf_fetch(ahead, share);
        }
    }
    mlf_add_waiting(slice, w.words, w.sums, &waiting);
    if (sum->vectors)
        for (; k < sum->n_outputs; k++)
            end(slice, &w, k, k, raw + k * stride, n);
    else
        for (; k < sum->n_outputs; k++) {
            end(slice, &w, k, 0, raw + k * stride, n);
            if (k + 1 < sum->n_outputs)
                begin(slice, &w, k + 1, 0);
        }
}

static work begin_block(const mlf_bitslice *slice, int32_t n, void *scratch)
{
    work w = layout_of(slice, scratch);
    w.words = (n + 63) / 64;
    memset(w.masks + MLF_SLOT_ZEROS, 0, sizeof(word));
    memset(w.masks + MLF_SLOT_ONES, 0xff, sizeof(word));
    return w;
}

/* GCC 12 forgets it after the call of `end`. */
static void leave_vectors(void)
{
#if defined(__AVX__)
    _mm256_zeroupper();
#endif
}

void MLF_FN(mlf_bitslice_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                                double *raw, void *scratch)
{
    const mlf_bitslice *slice = data;
    const mlf_prepare *p = slice->prepare;
    work w = begin_block(slice, n, scratch);
    for (int32_t c = 0; c < p->n_numeric; c++)
        MLF_FN(mlf_rank_column)(p, c, x + p->feature[c] * stride, n,
                                w.planes + (size_t)c * MLF_RANK_PLANES);
    for (int32_t c = p->n_numeric; c < p->n_columns; c++)
        mask_codes(slice, c - p->n_numeric, x + p->feature[c] * stride, n, w.codes);
    mlf_ahead nothing = { NULL, NULL };
    run_segments(slice, w, n, raw, stride, &nothing);
    leave_vectors();
}

void MLF_FN(mlf_bitslice_array)(const void *data, const mlf_array *x, int32_t n, double *raw,
                                ptrdiff_t stride, void *scratch)
{
    const mlf_bitslice *slice = data;
    work w = begin_block(slice, n, scratch);
    mlf_ahead ahead = { x->next, x->next + x->next_bytes };
    MLF_FN(mlf_rank_array)(slice->prepare, x, n, w.planes, &ahead);
    run_segments(slice, w, n, raw, stride, &ahead);
    leave_vectors();
}

/* A block of one row. */
void MLF_FN(mlf_bitslice_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_bitslice *slice = data;
    size_t n_features = (size_t)slice->prepare->n_features;
    size_t n_outputs = (size_t)slice->sum.n_outputs;
    double *rows = scratch, *out = rows + 64 * n_features;
    for (size_t f = 0; f < n_features; f++)
        rows[64 * f] = x[f];
    MLF_FN(mlf_bitslice_block)(data, rows, 64, 1, out, out + 64 * n_outputs);
    for (size_t k = 0; k < n_outputs; k++)
        raw[k] = out[64 * k];
}
