/* Pooling. An item is a channel.
 *
 * windows: for each output row, then for each output column: the first input row (column) of
 * the window, the end (both inside the input), and the size that an average divides by.
 */
#include "nn_kernels.h"

#include <math.h>

/* The larger: with `exact` NaN where either is NaN, else wrong there but `nans` says so. */
MLF_INLINE vec larger(const int exact, vec a, vec b, v_nans *nans)
{
    if (exact)
        return v_max_nan(a, b);
    v_note_nans(nans, a, b);
    return v_max(a, b);
}

MLF_INLINE vec larger_of_two(const int exact, vec a, vec b)
{
    return exact ? v_max_nan(a, b) : v_max(a, b);
}

/* n <= MLF_V pooled pixels of two rows. */
MLF_INLINE vec pool_2(const int exact, const float *top, const float *bottom, int n, v_nans *nans)
{
    int n_a = 2 * n < MLF_V ? 2 * n : MLF_V, n_b = 2 * n - n_a;
    vec first = larger(exact, v_load_n(top, n_a), v_load_n(bottom, n_a), nans);
    vec second = larger(exact, v_load_n(top + n_a, n_b), v_load_n(bottom + n_a, n_b), nans);
    return larger_of_two(exact, v_even(first, second), v_odd(first, second));
}

#if MLF_V == 16
/* A channel whose rows have 8 .. 12 pooled pixels: the end of each row is a shorter load, which
 * crosses fewer cache lines than a second whole one. */
MLF_INLINE int pool_plane_narrow(const int exact, const mlf_nn_op *op, const float *top, float *to)
{
    const int width = op->width, n = op->out_width, relu = op->activation == MLF_NN_RELU;
    const __mmask8 rest = (__mmask8)((1u << (2 * n - 16)) - 1);
    const __mmask8 kept = (__mmask8)((1u << (n - 8)) - 1);
    v_nans nans = MLF_NO_NANS, rest_nans = MLF_NO_NANS;
    for (int y = 0; y < op->out_height; y++, to += n, top += 2 * width) {
        MLF_UNROLL for (int ahead = 0; ahead < 48; ahead += 16)
            __builtin_prefetch(top + 512 + ahead);
        const float *bottom = top + width;
        __m256 a = _mm256_maskz_loadu_ps(rest, top + 16);
        __m256 b = _mm256_maskz_loadu_ps(rest, bottom + 16);
        vec whole = v_load(bottom);
        __asm__("" : "+v"(whole)); /* else GCC loads it twice, and it often crosses a line */
        vec first = larger(exact, v_load(top), whole, &nans);
        vec second = larger(exact, (vec)_mm512_zextps256_ps512(a), (vec)_mm512_zextps256_ps512(b),
                            &rest_nans);
        vec value = larger_of_two(exact, v_even(first, second), v_odd(first, second));
        __m512 result = (__m512)(relu ? v_relu(value) : value);
        _mm256_storeu_ps(to, _mm512_castps512_ps256(result));
        _mm_mask_storeu_ps(to + 8, kept, _mm512_extractf32x4_ps(result, 2));
    }
    return v_any_nan(nans) || v_any_nan(rest_nans);
}
#endif

/* One channel; without `exact` only right when the result, whether there was a NaN, is 0. */
MLF_INLINE int pool_plane(const int exact, const mlf_nn_op *op, const float *top, float *to)
{
    const int width = op->width, n = op->out_width, relu = op->activation == MLF_NN_RELU;
    v_nans nans = MLF_NO_NANS;
#if MLF_V == 16
    if (n >= 8 && n <= 12)
        return pool_plane_narrow(exact, op, top, to);
#endif
    for (int y = 0; y < op->out_height; y++, to += n, top += 2 * width)
        for (int x = 0; x < n; x += MLF_V) {
            int part = n - x < MLF_V ? n - x : MLF_V;
            vec value = pool_2(exact, top + 2 * x, top + width + 2 * x, part, &nans);
            v_store_n(to + x, relu ? v_relu(value) : value, part);
        }
    return v_any_nan(nans);
}

/* 2 x 2, stride 2, nothing added. A channel with a NaN, which is rare, is done twice. */
MLF_NN_RUN(mlf_nn_max_pool_2)
{
    const ptrdiff_t plane = (ptrdiff_t)op->height * op->width;
    const ptrdiff_t out_plane = (ptrdiff_t)op->out_height * op->out_width;
    const float *in = mlf_nn_at(base, op->in);
    float *out = mlf_nn_at(base, op->out);
    for (int c = begin; c < end; c++)
        if (pool_plane(0, op, in + c * plane, out + c * out_plane))
            pool_plane(1, op, in + c * plane, out + c * out_plane);
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
