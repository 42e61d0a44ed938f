/* Pooling. An item is a channel.
 *
 * windows: for each output row, then for each output column: the first input row (column) of
 * the window, the end (both inside the input), and the size that an average divides by.
 */
#include "nn_kernels.h"

#include <math.h>

/* n <= MLF_V pooled pixels of two rows. */
MLF_INLINE vec pool_2(const float *top, const float *bottom, int n)
{
    int n_a = 2 * n < MLF_V ? 2 * n : MLF_V, n_b = 2 * n - n_a;
    vec first = v_max_nan(v_load_n(top, n_a), v_load_n(bottom, n_a));
    vec second = v_max_nan(v_load_n(top + n_a, n_b), v_load_n(bottom + n_a, n_b));
    return v_max_nan(v_even(first, second), v_odd(first, second));
}

#if MLF_V == 16
/* For 8 <= n < 16 pooled pixels: two whole loads that overlap, and where each pixel then is. */
typedef struct narrow {
    __m512i even, odd;
    __mmask16 kept;
} narrow;

static narrow narrow_rows(int n)
{
    int32_t even[16], odd[16];
    for (int x = 0; x < 16; x++) {
        int at = 2 * (x < n ? x : 0); /* the second load begins at 2 n - 16 and is 16 .. 31 */
        even[x] = at < 16 ? at : at - (2 * n - 16) + 16;
        odd[x] = at + 1 < 16 ? at + 1 : at + 1 - (2 * n - 16) + 16;
    }
    return (narrow){ _mm512_loadu_si512(even), _mm512_loadu_si512(odd),
                     (__mmask16)((1u << n) - 1) };
}

MLF_INLINE void pool_2_narrow(const narrow *r, const float *top, const float *bottom, int n,
                              int relu, float *to)
{
    __m512 a = (__m512)v_max_nan(v_load(top), v_load(bottom));
    __m512 b = (__m512)v_max_nan(v_load(top + 2 * n - 16), v_load(bottom + 2 * n - 16));
    vec value = v_max_nan((vec)_mm512_permutex2var_ps(a, r->even, b),
                          (vec)_mm512_permutex2var_ps(a, r->odd, b));
    _mm512_mask_storeu_ps(to, r->kept, (__m512)(relu ? v_relu(value) : value));
}
#endif

/* 2 x 2, stride 2, nothing added. */
MLF_NN_RUN(mlf_nn_max_pool_2)
{
    const int width = op->width, n = op->out_width, relu = op->activation == MLF_NN_RELU;
    const ptrdiff_t plane = (ptrdiff_t)op->height * width, out_plane = (ptrdiff_t)op->out_height * n;
    const float *in = mlf_nn_at(base, op->in);
    float *out = mlf_nn_at(base, op->out);
#if MLF_V == 16
    const int is_narrow = n >= 8 && n < 16;
    const narrow row = narrow_rows(is_narrow ? n : 8);
#endif
    for (int c = begin; c < end; c++) {
        const float *top = in + c * plane;
        float *to = out + c * out_plane;
        for (int y = 0; y < op->out_height; y++, to += n, top += 2 * width) {
#if MLF_V == 16
            if (is_narrow) {
                pool_2_narrow(&row, top, top + width, n, relu, to);
                continue;
            }
#endif
            for (int x = 0; x < n; x += MLF_V) {
                int part = n - x < MLF_V ? n - x : MLF_V;
                vec value = pool_2(top + 2 * x, top + width + 2 * x, part);
                v_store_n(to + x, relu ? v_relu(value) : value, part);
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
