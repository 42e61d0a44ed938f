/* Few outputs of very many inputs: scores = x W + bias, where W is far beyond the caches.
 *
 * The weights are read once from memory for a whole block of examples, in the order in which
 * they lie there, and fetched ahead of their use; the examples are fetched a tile ahead.
 *
 * weights[panel][block][input of the panel][vectors * lanes], bias[block][vectors * lanes]:
 * a panel is MLF_WIDE_PANEL inputs (the last one fewer), a block `vectors` vectors of outputs,
 * zeros fill the last block. Both are of the type computed in, float or double.
 */
#ifndef MLF_NN_WIDE_H
#define MLF_NN_WIDE_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "pool.h"

#define MLF_WIDE_PANEL 256

typedef struct mlf_wide {
    int64_t n_inputs;
    int32_t n_blocks, vectors;
    const void *weights, *bias;
} mlf_wide;

/* n examples, `stride` elements apart. scores: [n][n_blocks * vectors * lanes]. */
typedef void (*mlf_wide_run)(const mlf_wide *model, const void *x, ptrdiff_t stride, int64_t n,
                             void *scores);

typedef struct mlf_wide_kernels {
    int32_t vector_bytes;
    int32_t max_vectors;      /* of a block                                               */
    mlf_wide_run run_float, run_double;
} mlf_wide_kernels;

const mlf_wide_kernels *mlf_wide_kernels_for(mlf_isa isa);

/* The same for n examples in n_parts ranges; size: 4 for float, 8 for double. */
void mlf_wide_batch(const mlf_wide_kernels *kernels, const mlf_wide *model, int size,
                    const void *x, ptrdiff_t stride, int64_t n, void *scores, mlf_runner runner,
                    int n_parts);

#endif
