/* The functions of nn_*_kernel.c, for the table in nn_table_kernel.c. */
#ifndef MLF_NN_KERNELS_H
#define MLF_NN_KERNELS_H

#include "nn.h"
#include "nn_vec.h"

#define MLF_NN_PREPARE(name) void MLF_FN(name)(const mlf_nn_op *op, float *const *base)
#define MLF_NN_RUN(name) \
    void MLF_FN(name)(const mlf_nn_op *op, float *const *base, int begin, int end)
#define MLF_NN_ROWS(name) \
    void MLF_FN(name)(const mlf_nn_op *op, float *const *base, const ptrdiff_t *stride, int n, \
                      float *work)

MLF_NN_PREPARE(mlf_nn_gather);
MLF_NN_RUN(mlf_nn_conv_channels);
MLF_NN_RUN(mlf_nn_conv_planes);
MLF_NN_RUN(mlf_nn_conv_volume);
MLF_NN_RUN(mlf_nn_conv_winograd);
MLF_NN_PREPARE(mlf_nn_list_nonzero);
MLF_NN_RUN(mlf_nn_linear);
MLF_NN_ROWS(mlf_nn_linear_rows);
MLF_NN_RUN(mlf_nn_row_dots);
MLF_NN_RUN(mlf_nn_max_pool_2);
MLF_NN_RUN(mlf_nn_max_pool);
MLF_NN_RUN(mlf_nn_average_pool);
MLF_NN_RUN(mlf_nn_activation);
MLF_NN_RUN(mlf_nn_add);
MLF_NN_RUN(mlf_nn_multiply);
MLF_NN_RUN(mlf_nn_softmax);
MLF_NN_RUN(mlf_nn_copy);

/* Blocks of output channels: two vectors where an operation has the channels for it. */
#define MLF_NN_BLOCK (2 * MLF_V)
/* Accumulators, the weights and a broadcast fill the registers. */
#if MLF_REGISTERS == 32
#define MLF_NN_TILE 11
#define MLF_NN_PLANE_CHANNELS 6
#else
#define MLF_NN_TILE 6
#define MLF_NN_PLANE_CHANNELS 3
#endif
/* Input channels of a few tiles that Winograd's convolution keeps on the stack. */
#define MLF_NN_WINOGRAD_CHANNELS 64

/* Of nn_channels_kernel.c, by pixels - 1 and whether a block has more than one vector:
 * out[pixel][b] = bias[b] + sum over c < channels, t < n_taps of
 *                 w[c][t][b] * in[c * plane + taps[t] + pixel]    for b < MLF_NN_BLOCK;
 * where bias is NULL, added to what is there. */
typedef void (*mlf_nn_tile)(const float *in, int channels, ptrdiff_t plane, const int32_t *taps,
                            int n_taps, const float *w, const float *bias, float *out);
extern const mlf_nn_tile MLF_FN(mlf_nn_tiles)[MLF_NN_TILE][2];
/* out[c * plane + x] = strip[x][MLF_NN_BLOCK][c] for x < n, c < channels; reads whole vectors
 * of pixels. */
void MLF_FN(mlf_nn_store_strip)(const float *strip, int n, int channels, float *out,
                                ptrdiff_t plane, int relu);

MLF_INLINE float *mlf_nn_at(float *const *base, mlf_nn_place place)
{
    return base[place.base] + place.offset;
}

#endif
