/* Convolution with vectors over positions: for few input channels.
 *
 * The output's positions are numbered y * out_width + x. With pool == 2 the four vectors of a
 * tile are the four places of a pooling window and MLF_V pooled positions are done at once;
 * else they are four vectors of neighbouring positions. Either way vector j of tap t begins at
 * planes + taps[4 * t + j].
 *
 * weights[group][block][channel of the group][tap][plane_channels], bias[group][block][...];
 * an item is MLF_V (pooled) or 4 * MLF_V positions of one block.
 */
#include "nn_kernels.h"

#include <math.h>

#define CHANNELS MLF_NN_PLANE_CHANNELS

MLF_INLINE void tile(const int channels, const mlf_nn_op *op, const float *in, const float *w,
                     const float *bias, float *out, int n_positions)
{
    vec sum[CHANNELS][4];
    MLF_UNROLL for (int c = 0; c < channels; c++)
        MLF_UNROLL for (int j = 0; j < 4; j++)
            sum[c][j] = v_all(bias[c]);
    const int group_channels = op->channels / op->groups;
    for (int i = 0; i < group_channels; i++, in += op->plane) {
        const int32_t *taps = op->taps;
        for (int t = 0; t < op->n_taps; t++, taps += 4, w += CHANNELS) {
            vec weight[CHANNELS];
            MLF_UNROLL for (int c = 0; c < channels; c++)
                weight[c] = v_all(w[c]);
            MLF_UNROLL for (int j = 0; j < 4; j++) {
                vec x = v_load(in + taps[j]);
                MLF_UNROLL for (int c = 0; c < channels; c++)
                    sum[c][j] = v_fma(weight[c], x, sum[c][j]);
            }
        }
    }
    const ptrdiff_t plane = (ptrdiff_t)op->out_height * op->out_width;
    /* what a sum is at least; NaN stays NaN */
    const vec least = v_all(op->activation == MLF_NN_RELU ? 0.0f : -INFINITY);
    if (op->pool == 2) {
        MLF_UNROLL for (int c = 0; c < channels; c++) {
            vec a = v_max_nan(sum[c][0], sum[c][1]), b = v_max_nan(sum[c][2], sum[c][3]);
            vec value = v_max(least, v_max_nan(a, b));
            if (n_positions >= MLF_V)
                v_store(out + c * plane, value);
            else
                v_store_n(out + c * plane, value, n_positions);
        }
        return;
    }
    if (n_positions == 4 * MLF_V) {
        MLF_UNROLL for (int c = 0; c < channels; c++)
            MLF_UNROLL for (int j = 0; j < 4; j++)
                v_store(out + c * plane + j * MLF_V, v_max(least, sum[c][j]));
        return;
    }
    MLF_UNROLL for (int c = 0; c < channels; c++)
        MLF_UNROLL for (int j = 0; j < 4; j++) {
            int n = n_positions - j * MLF_V;
            vec value = v_max(least, sum[c][j]);
            if (n >= MLF_V)
                v_store(out + c * plane + j * MLF_V, value);
            else if (n > 0)
                v_store_n(out + c * plane + j * MLF_V, value, n);
        }
}

MLF_NN_RUN(mlf_nn_conv_planes)
{
    const int group_in = op->channels / op->groups, group_out = op->out_channels / op->groups;
    const int n_blocks = (group_out + CHANNELS - 1) / CHANNELS;
    const int n_positions = op->out_height * op->out_width;
    const int step = op->pool == 2 ? MLF_V : 4 * MLF_V;
    const int n_steps = (n_positions + step - 1) / step;
    const float *planes = mlf_nn_at(base, op->work);
    float *out = mlf_nn_at(base, op->out);
    for (int item = begin; item < end; item++) {
        int block = item / n_steps, first = item % n_steps * step;
        int group = block / n_blocks, channel = block % n_blocks * CHANNELS;
        const float *in = planes + (ptrdiff_t)group * group_in * op->plane + first;
        const float *w = op->weights + (ptrdiff_t)block * group_in * op->n_taps * CHANNELS;
        const float *bias = op->bias + (ptrdiff_t)block * CHANNELS;
        float *to = out + (ptrdiff_t)(group * group_out + channel) * n_positions + first;
        int n = n_positions - first < step ? n_positions - first : step;
        int channels = group_out - channel < CHANNELS ? group_out - channel : CHANNELS;
        switch (channels) {
        case 1: tile(1, op, in, w, bias, to, n); break;
        case 2: tile(2, op, in, w, bias, to, n); break;
        case 3: tile(3, op, in, w, bias, to, n); break;
#if MLF_NN_PLANE_CHANNELS == 6
        case 4: tile(4, op, in, w, bias, to, n); break;
        case 5: tile(5, op, in, w, bias, to, n); break;
        case 6: tile(6, op, in, w, bias, to, n); break;
#endif
        }
    }
}
