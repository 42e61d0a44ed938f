/* Pooling. An item is a channel.
 *
 * windows: for each output row, then for each output column: the first input row (column) of
 * the window, the end (both inside the input), and the size that an average divides by.
 */
#include "nn_kernels.h"

#include <math.h>

/* 2 x 2, stride 2, nothing added: rows in pairs first, then columns. */
MLF_NN_RUN(mlf_nn_max_pool_2)
{
    const int width = op->width, out_width = op->out_width, relu = op->activation == MLF_NN_RELU;
    const ptrdiff_t plane = (ptrdiff_t)op->height * width;
    const ptrdiff_t out_plane = (ptrdiff_t)op->out_height * out_width;
    const float *in = mlf_nn_at(base, op->in);
    float *out = mlf_nn_at(base, op->out);
    for (int c = begin; c < end; c++) {
        float *to = out + c * out_plane;
        for (int y = 0; y < op->out_height; y++, to += out_width) {
            const float *top = in + c * plane + (ptrdiff_t)2 * y * width, *bottom = top + width;
            for (int x = 0; x < out_width; x += MLF_V) {
                int n = 2 * (out_width - x);
                int n_a = n < MLF_V ? n : MLF_V, n_b = n < 2 * MLF_V ? n - n_a : MLF_V;
                const float *t = top + 2 * x, *b = bottom + 2 * x;
                vec first, second = { 0 };
                if (n >= 2 * MLF_V) {
                    first = v_max_nan(v_load(t), v_load(b));
                    second = v_max_nan(v_load(t + MLF_V), v_load(b + MLF_V));
                } else {
                    first = v_max_nan(v_load_n(t, n_a), v_load_n(b, n_a));
                    if (n_b > 0)
                        second = v_max_nan(v_load_n(t + MLF_V, n_b), v_load_n(b + MLF_V, n_b));
                }
                vec value = v_max_nan(v_even(first, second), v_odd(first, second));
                value = relu ? v_relu(value) : value;
                v_store_n(to + x, value, n >= 2 * MLF_V ? MLF_V : n / 2);
            }
        }
    }
}

MLF_INLINE void pool(const int average, const mlf_nn_op *op, float *const *base, int begin, int end)
{
    const int32_t *columns = op->windows + 3 * op->out_height;
    const ptrdiff_t plane = (ptrdiff_t)op->height * op->width;
    float *out = mlf_nn_at(base, op->out) + (ptrdiff_t)begin * op->out_height * op->out_width;
    for (int c = begin; c < end; c++) {
        const float *in = mlf_nn_at(base, op->in) + c * plane;
        for (int y = 0; y < op->out_height; y++) {
            const int32_t *row = op->windows + 3 * y;
            for (int x = 0; x < op->out_width; x++) {
                const int32_t *column = columns + 3 * x;
                float value = average ? 0.0f : -INFINITY;
                for (int i = row[0]; i < row[1]; i += op->dilation_h)
                    for (int j = column[0]; j < column[1]; j += op->dilation_w) {
                        float v = in[(ptrdiff_t)i * op->width + j];
                        if (average)
                            value += v;
                        else if (!(v <= value)) /* larger, or NaN; NaN stays */
                            value = value != value ? value : v;
                    }
                if (average)
                    value /= (float)row[2] * (float)column[2];
                if (op->activation == MLF_NN_RELU && value < 0.0f)
                    value = 0.0f;
                *out++ = value;
            }
        }
    }
}

MLF_NN_RUN(mlf_nn_max_pool)
{
    pool(0, op, base, begin, end);
}

MLF_NN_RUN(mlf_nn_average_pool)
{
    pool(1, op, base, begin, end);
}
