/* Networks: a flat list of operations on float32 arrays, (channels, height, width) or flat.
 *
 * The Python side (mlfast/nn/_lower.py) chooses the kernels, packs the weights and places
 * every array; see there for the packed layouts. A network is never changed by a run: all
 * arrays of a run are in the arena that the caller passes in.
 *
 * An operation's work is cut into items (rows or blocks of the output); the result does not
 * depend on which thread does which item, nor on how many there are.
 */
#ifndef MLF_NN_H
#define MLF_NN_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "plan.h"
#include "pool.h"

/* Where an array is: base[in the run] + offset, in floats. */
typedef enum { MLF_NN_ARENA, MLF_NN_INPUT, MLF_NN_OUTPUT, MLF_NN_BASES } mlf_nn_base;

typedef struct mlf_nn_place {
    int32_t base;
    int64_t offset;
} mlf_nn_place;

typedef enum mlf_nn_kind {
    MLF_NN_CONV_CHANNELS, MLF_NN_CONV_PLANES, MLF_NN_CONV_WINOGRAD, MLF_NN_CONV_VOLUME,
    MLF_NN_LINEAR, MLF_NN_LINEAR_EACH, MLF_NN_ROW_DOTS,
    MLF_NN_MAX_POOL_2, MLF_NN_MAX_POOL, MLF_NN_AVERAGE_POOL,
    MLF_NN_ACTIVATION, MLF_NN_ADD, MLF_NN_MULTIPLY, MLF_NN_SOFTMAX, MLF_NN_COPY,
    MLF_NN_KINDS
} mlf_nn_kind;

typedef enum mlf_nn_activation {
    MLF_NN_IDENTITY, MLF_NN_RELU, MLF_NN_LEAKY_RELU, MLF_NN_SIGMOID, MLF_NN_TANH, MLF_NN_SILU,
    MLF_NN_GELU, MLF_NN_GELU_TANH, MLF_NN_CLIP
} mlf_nn_activation;

/* What a kernel reads of it is said in the kernel's file. */
typedef struct mlf_nn_op {
    int32_t kind;             /* mlf_nn_kind                                              */
    int32_t activation;       /* convolutions, linear: identity or relu                   */
    int32_t n_items;
    int32_t n_parts;          /* for the runner                                           */
    mlf_runner runner;        /* NULL: the items are done one after another               */
    mlf_nn_place in, other, out, work;
    int64_t own_work;         /* floats from a part's `work` to the next one's, if each part
                                 prepares its own: cheaper than to read what another core wrote;
                                 0: one for all                                            */
    const float *weights, *bias; /* packed; of ADD, MULTIPLY, COPY: a constant operand, or NULL */
    int32_t channels, height, width;
    int32_t out_channels, out_height, out_width;
    int32_t groups;
    int32_t tile;             /* output pixels computed at once                           */
    int32_t tile_rows;        /* rows of Winograd's tiles, `tile` columns of which are at once */
    int32_t pool;             /* 2: a max pool of 2 x 2 follows inside; else 1             */
    /* A convolution's input, gathered into planes (n_shifts > 0) or read as it is. */
    int32_t n_taps;
    const int32_t *taps;
    int32_t plane, row_step;
    int32_t n_shifts, row_phases, column_step, rows, columns, pad_top, pad_left;
    const int32_t *shifts;
    const int32_t *windows;   /* pools: (first, end, size) of each output row, then column */
    int32_t dilation_h, dilation_w;
    int32_t skip_zeros;
    float a, b;               /* parameters of the activation; softmax: a != 0 for the log */
    int64_t shape[4];         /* ADD, MULTIPLY, SOFTMAX, CONV_VOLUME                       */
    int64_t in_strides[4], other_strides[4];
} mlf_nn_op;

typedef struct mlf_nn_kernel {
    /* Once before the items, or NULL. base: float *[MLF_NN_BASES]. */
    void (*prepare)(const mlf_nn_op *op, float *const *base);
    void (*run)(const mlf_nn_op *op, float *const *base, int begin, int end);
    /* The same for n <= kernels->max_rows examples, or NULL: array `b` of example r is
     * at base[b] + r * stride[b]; `work` holds max_rows * channels floats, and a vector. */
    void (*rows)(const mlf_nn_op *op, float *const *base, const ptrdiff_t *stride, int n,
                 float *work);
} mlf_nn_kernel;

typedef struct mlf_nn_kernels {
    int32_t width;            /* floats in a vector                                       */
    int32_t block;            /* output channels of a block, convolution and linear        */
    int32_t max_tile;         /* pixels of a tile at most                                  */
    int32_t plane_channels;   /* output channels at once when vectors run over positions   */
    int32_t max_rows;         /* examples that the linear layers take at once             */
    int32_t winograd_channels; /* input channels at once of Winograd's convolution        */
    mlf_nn_kernel of[MLF_NN_KINDS];
} mlf_nn_kernels;

const mlf_nn_kernels *mlf_nn_kernels_for(mlf_isa isa);

typedef struct mlf_nn {
    const mlf_nn_kernels *kernels;
    const mlf_nn_op *ops;
    int32_t n_ops;
    int64_t n_inputs, n_outputs;
    int64_t arena;            /* floats of one example                                    */
    /* From operation `tail` on all are elementwise or linear, and read of what came before
     * only the array at `cut` (cut_size floats): they take several examples at once. */
    int32_t tail;
    mlf_nn_place cut;
    int64_t cut_size;
    int64_t rows_work;        /* floats of `work` for the tail                             */
} mlf_nn;

/* Floats of arena that mlf_nn_batch needs for each thread. */
int64_t mlf_nn_batch_arena(const mlf_nn *net);

/* One example, each operation split as it says.
 * x: float[n_inputs], out: float[n_outputs], arena: float[net->arena], 64-byte aligned. */
void mlf_nn_forward(const mlf_nn *net, const float *x, float *out, float *arena);

/* n examples, cut into n_threads ranges; operations are not split. x: float[n][n_inputs],
 * out: float[n][n_outputs], arena: float[n_threads][mlf_nn_batch_arena], 64-byte aligned. */
void mlf_nn_batch(const mlf_nn *net, const float *x, int64_t n, float *out, float *arena,
                  mlf_runner runner, int n_threads);

/* The network as a head of a plan (plan.h): rounds x to float32. */
void mlf_nn_head(const mlf_nn *net, mlf_head *head);

#endif
