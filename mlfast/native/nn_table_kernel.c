/* The kernels of one instruction set. */
#include "nn_kernels.h"

const mlf_nn_kernels MLF_FN(mlf_nn_table) = {
    .width = MLF_V,
    .block = MLF_NN_BLOCK,
    .max_tile = MLF_NN_TILE,
    .plane_channels = MLF_NN_PLANE_CHANNELS,
    .max_rows = MLF_NN_TILE,
    .winograd_channels = MLF_NN_WINOGRAD_CHANNELS,
    .of = {
        [MLF_NN_CONV_CHANNELS] = { MLF_FN(mlf_nn_gather), MLF_FN(mlf_nn_conv_channels), NULL },
        [MLF_NN_CONV_PLANES] = { MLF_FN(mlf_nn_gather), MLF_FN(mlf_nn_conv_planes), NULL },
        [MLF_NN_CONV_WINOGRAD] = { MLF_FN(mlf_nn_gather), MLF_FN(mlf_nn_conv_winograd), NULL },
        [MLF_NN_CONV_VOLUME] = { NULL, MLF_FN(mlf_nn_conv_volume), NULL },
        [MLF_NN_LINEAR] = { MLF_FN(mlf_nn_list_nonzero), MLF_FN(mlf_nn_linear),
                            MLF_FN(mlf_nn_linear_rows) },
        [MLF_NN_LINEAR_EACH] = { NULL, MLF_FN(mlf_nn_linear), NULL },
        [MLF_NN_ROW_DOTS] = { NULL, MLF_FN(mlf_nn_row_dots), NULL },
        [MLF_NN_MAX_POOL_2] = { NULL, MLF_FN(mlf_nn_max_pool_2), NULL },
        [MLF_NN_MAX_POOL] = { NULL, MLF_FN(mlf_nn_max_pool), NULL },
        [MLF_NN_AVERAGE_POOL] = { NULL, MLF_FN(mlf_nn_average_pool), NULL },
        [MLF_NN_ACTIVATION] = { NULL, MLF_FN(mlf_nn_activation), NULL },
        [MLF_NN_ADD] = { NULL, MLF_FN(mlf_nn_add), NULL },
        [MLF_NN_MULTIPLY] = { NULL, MLF_FN(mlf_nn_multiply), NULL },
        [MLF_NN_SOFTMAX] = { NULL, MLF_FN(mlf_nn_softmax), NULL },
        [MLF_NN_COPY] = { NULL, MLF_FN(mlf_nn_copy), NULL },
    },
};
