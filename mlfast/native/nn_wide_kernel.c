/* See nn_wide.h. A tile is some examples by a block of outputs: its sums, a block's weights and
 * a broadcast fill the registers. A block's panel of weights stays in the first-level cache
 * while the tiles of a group of examples pass over it, and the copies of the examples in the
 * second.
 *
 * What memory has to give meanwhile is asked for between the multiply-adds, evenly: reading and
 * computing then take hardly longer than the longer of both.
 */
#include "nn_vec.h"
#include "nn_wide.h"

#define MAX_ROWS 6
#define MAX_VECTORS (MLF_REGISTERS == 32 ? 4 : 2)
/* Memory gives more when some of its pages are read in turn. Of the weights, a burst is a line
 * of each of eight neighbouring pages, a round all lines of theirs. */
#define PAGE 4096
#define ROUND (8 * PAGE)
#define ROUND_BURSTS 64
/* Inputs of a tile between which a line is copied; lines of each row that a tile copies. */
#define STEP 2
#define LINES (MLF_WIDE_PANEL / STEP / MLF_WIDE_IN_TURN)
/* Tiles that copy a run of MLF_WIDE_IN_TURN rows together. */
#define PARTS (MLF_WIDE_RUN / 64 / LINES)

/* What to do while a tile is computed: if `copying`, lines of rows to copy and of others to fetch,
 * both `stride` bytes apart, and in every `period`-th step, next in `left` steps, a burst. */
typedef struct ahead {
    const char *from, *fetched, *weights;
    char *to;
    ptrdiff_t stride;
    int period, left, copying;
} ahead;

MLF_INLINE const char *fetch_burst(const char *weights)
{
    MLF_UNROLL for (int page = 0; page < 8; page++)
        __builtin_prefetch(weights + page * PAGE, 0, 2);
    weights += 64;
    return (uintptr_t)weights % PAGE ? weights : weights + ROUND - PAGE;
}

/* *sum += a b, where the sum is: left to themselves, GCC moves the sums about between registers
 * and clang keeps some in memory. */
MLF_INLINE void add_product_float(vec *sum, vec a, vec b)
{
#if defined(__FMA__)
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#else
    *sum = v_fma(a, b, *sum);
#endif
}

MLF_INLINE void add_product_double(dvec *sum, dvec a, dvec b)
{
#if defined(__FMA__)
    __asm__("vfmadd231pd %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#else
    *sum = v_fma_double(a, b, *sum);
#endif
}

#define REAL float
#define SOURCE float
#define WIDE(name) name##_float
#include "nn_wide_tiles.h"
#undef SOURCE
#undef WIDE

#define SOURCE double
#define WIDE(name) name##_screen
#define add_product_screen add_product_float
#include "nn_wide_tiles.h"
#undef REAL
#undef SOURCE
#undef WIDE

#define REAL double
#define SOURCE double
#define WIDE(name) name##_double
#include "nn_wide_tiles.h"

/* The sums in the order of the tiles, so that their bits are the same. */
static void column(const mlf_wide *model, const double *x, int vector, double *scores)
{
    const ptrdiff_t page = lanes_double * MLF_WIDE_PANEL;
    const ptrdiff_t panel = model->n_blocks * model->vectors * page;
    const double *w = (const double *)model->weights + vector * page;
    vector_double total = load_double((const double *)model->bias + vector * lanes_double);
    for (int64_t begin = 0; begin < model->n_inputs; begin += MLF_WIDE_PANEL, w += panel) {
        const int64_t left = model->n_inputs - begin;
        const int n = left < MLF_WIDE_PANEL ? (int)left : MLF_WIDE_PANEL;
        vector_double sum = { 0 };
        for (int i = 0; i < n; i++) {
            __builtin_prefetch(w + panel + i * lanes_double);
            add_product_double(&sum, x[begin + i] - (vector_double){ 0 },
                               load_double(w + i * lanes_double));
        }
        total += sum;
    }
    memcpy(scores, &total, sizeof total);
}

const mlf_wide_kernels MLF_FN(mlf_wide_table) = {
    .vector_bytes = 4 * MLF_V,
    .max_vectors = MAX_VECTORS,
    .run_float = run_float,
    .run_double = run_double,
    .run_screen = run_screen,
    .column = column,
};
