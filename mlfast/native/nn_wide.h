/* Few outputs of very many inputs: scores = x W + bias, where W is far beyond the caches.
 *
 * The weights lie in the order in which they are used and are read once for a group of examples.
 * While they are multiplied, the next ones are fetched, and the next inputs of the examples,
 * whose rows may fall into the same places of the caches, are copied side by side.
 *
 * weights[panel][vector][input of the panel][lane], bias[vector][lane]: a panel is
 * MLF_WIDE_PANEL inputs and a block `vectors` vectors of outputs; zeros fill the last of both.
 * All are of the type computed in, float or double.
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
/* Panels after which single precision hands its sums over to totals in double precision. */
#define MLF_WIDE_SPAN 16

typedef struct mlf_wide {
    int64_t n_inputs;
    int32_t n_blocks, vectors;
    const void *weights, *bias;
} mlf_wide;

/* What single precision adds up in double: scores, laid out as those of the run that they belong
 * to, and of each example the squares of its numbers; and room, of zeros, for a vector of sums of
 * squares an example. */
typedef struct mlf_wide_totals {
    double *scores, *squares;
    void *sums_of_squares;
} mlf_wide_totals;

/* n examples, `stride` elements apart. scores: [n][n_blocks * vectors * lanes].
 * copies: two runs of min(n, MLF_WIDE_GROUP) examples, aligned to a cache line.
 * totals: NULL, or for up to MLF_WIDE_GROUP examples; then nothing is left in scores. */
typedef void (*mlf_wide_run)(const mlf_wide *model, const void *x, ptrdiff_t stride, int64_t n,
                             void *scores, void *copies, const mlf_wide_totals *totals);

typedef struct mlf_wide_kernels {
    int32_t vector_bytes;
    int32_t max_vectors;      /* of a block                                               */
    mlf_wide_run run_float, run_double;
    mlf_wide_run run_screen;  /* float weights, double examples                           */
    /* The scores of run_double for the outputs of one vector and one example. */
    void (*column)(const mlf_wide *model, const double *x, int vector, double *scores);
} mlf_wide_kernels;

const mlf_wide_kernels *mlf_wide_kernels_for(mlf_isa isa);

/* Bytes of scratch for n examples in n_parts ranges. */
size_t mlf_wide_scratch(int64_t n, int n_parts);

/* The same for n examples in n_parts ranges; size: 4 for float, 8 for double.
 * scratch is aligned to a cache line. */
void mlf_wide_batch(const mlf_wide_kernels *kernels, const mlf_wide *model, int size,
                    const void *x, ptrdiff_t stride, int64_t n, void *scores, void *scratch,
                    mlf_runner runner, int n_parts);

/* A double model rounded to float, to tell which scores can be the largest at all. */
typedef struct mlf_wide_screen {
    mlf_wide model;           /* its bias is zero: totals begin with the double model's   */
    int64_t n_outputs;
    double norm;              /* of the weights of an output, the largest                 */
    double bias;              /* the largest size                                         */
} mlf_wide_screen;

/* Bytes of scratch of mlf_wide_labels for n examples in n_parts ranges. */
size_t mlf_wide_labels_scratch(const mlf_wide_kernels *kernels, const mlf_wide *model,
                               const mlf_wide_screen *screen, int64_t n, int n_parts);

/* labels: of each example, the index of the largest of the scores that the double model gives,
 * the first one of equals; a NaN counts as the largest. */
void mlf_wide_labels(const mlf_wide_kernels *kernels, const mlf_wide *model,
                     const mlf_wide_screen *screen, const double *x, ptrdiff_t stride, int64_t n,
                     int64_t *labels, void *scratch, mlf_runner runner, int n_parts);

#endif
