/* See nn_wide.h. A tile is some examples by a block of outputs: its sums, a block's weights and
 * a broadcast fill the registers. The panels of weights stay in the second-level cache while
 * the tiles of a group of examples pass over them. */
#include "nn_vec.h"
#include "nn_wide.h"

#define MAX_ROWS (MLF_REGISTERS == 32 ? 12 : 6)
#define MAX_VECTORS 2
/* Examples whose sums stay in the caches while all the weights pass by. */
#define GROUP 240

/* What to fetch while a tile is computed. */
typedef struct ahead {
    const void *weights;
    uint64_t line;            /* of the weights, in the order of fetch_weights             */
    int lines;                /* of the weights, in a step                                 */
    int rows;                 /* of x: one line of each in a step                          */
    const char *x;
    ptrdiff_t stride;         /* bytes                                                     */
} ahead;

/* Memory gives more when several of its pages are read in turn: eight neighbours here. */
MLF_INLINE void fetch_weights(const void *weights, uint64_t line)
{
    uint64_t at = line / 512 * 32768 + line % 8 * 4096 + line / 8 % 64 * 64;
    __builtin_prefetch((const char *)weights + at, 0, 2);
}

#define REAL float
#define WIDE(name) name##_float
#define WIDE_FMA v_fma
#include "nn_wide_tiles.h"
#undef REAL
#undef WIDE
#undef WIDE_FMA

#define REAL double
#define WIDE(name) name##_double
#define WIDE_FMA v_fma_double
#include "nn_wide_tiles.h"

const mlf_wide_kernels MLF_FN(mlf_wide_table) = {
    .vector_bytes = 4 * MLF_V,
    .max_vectors = MAX_VECTORS,
    .run_float = run_float,
    .run_double = run_double,
};
