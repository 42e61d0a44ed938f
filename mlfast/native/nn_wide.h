/* Few outputs of very many inputs: scores = x W + bias, where W is far beyond the caches.
 *
 * The weights lie in the order in which they are used and are read once for a group of examples.
 * While they are multiplied, the next ones are fetched, and the next inputs of the examples,
 * whose rows may fall into the same places of the caches, are copied side by side.
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

#define MLF_WIDE_PANEL 64
/* Bytes of an example that are copied at a time, some panels, and rows copied in turn. */
#define MLF_WIDE_RUN 2048
#define MLF_WIDE_IN_TURN 4
/* Bytes from one copied run to the next. */
#define MLF_WIDE_PITCH (MLF_WIDE_RUN + 64)
/* Examples for which the weights are read once. */
#define MLF_WIDE_GROUP 128

typedef struct mlf_wide {
    int64_t n_inputs;
    int32_t n_blocks, vectors;
    const void *weights, *bias;
} mlf_wide;

/* n examples, `stride` elements apart. scores: [n][n_blocks * vectors * lanes].
 * copies: two runs of min(n, MLF_WIDE_GROUP) examples, aligned to a cache line. */
typedef void (*mlf_wide_run)(const mlf_wide *model, const void *x, ptrdiff_t stride, int64_t n,
                             void *scores, void *copies);

typedef struct mlf_wide_kernels {
    int32_t vector_bytes;
    int32_t max_vectors;      /* of a block                                               */
    mlf_wide_run run_float, run_double;
} mlf_wide_kernels;

const mlf_wide_kernels *mlf_wide_kernels_for(mlf_isa isa);

/* Bytes of scratch for n examples in n_parts ranges. */
size_t mlf_wide_scratch(int64_t n, int n_parts);

/* The same for n examples in n_parts ranges; size: 4 for float, 8 for double.
 * scratch is aligned to a cache line. */
void mlf_wide_batch(const mlf_wide_kernels *kernels, const mlf_wide *model, int size,
                    const void *x, ptrdiff_t stride, int64_t n, void *scores, void *scratch,
                    mlf_runner runner, int n_parts);

#endif
