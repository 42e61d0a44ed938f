/* Vectors of MLF_V floats, as wide as the instruction set's registers.
 *
 * Arithmetic, comparisons and `?:` are the compiler's vector extensions; here is what those
 * lack. MLF_REGISTERS is the number of vector registers: it sets the size of tiles.
 */
#ifndef MLF_NN_VEC_H
#define MLF_NN_VEC_H

#include <stdint.h>
#include <string.h>

#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define MLF_V 16
#define MLF_REGISTERS 32
#elif defined(__AVX2__)
#define MLF_V 8
#define MLF_REGISTERS 16
#else
#define MLF_V 4
#if defined(__aarch64__)
#define MLF_REGISTERS 32
#else
#define MLF_REGISTERS 16
#endif
#endif

#define MLF_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * MLF_V)));
typedef int32_t ivec __attribute__((vector_size(4 * MLF_V)));

MLF_INLINE vec v_load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

MLF_INLINE void v_store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

MLF_INLINE vec v_all(float x)
{
    return x - (vec){ 0 };
}

#if defined(__AVX2__) && !defined(__AVX512F__)
MLF_INLINE __m256i v_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first n floats (0 <= n <= MLF_V), zeros after them; nothing else is read. */
MLF_INLINE vec v_load_n(const float *p, int n)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_ps(p, v_first(n));
#else
    if (n == MLF_V) /* a copy of unknown length is a call */
        return v_load(p);
    vec v = { 0 };
    memcpy(&v, p, 4 * (size_t)n);
    return v;
#endif
}

MLF_INLINE void v_store_n(float *p, vec v, int n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, v_first(n), (__m256)v);
#else
    if (n == MLF_V)
        v_store(p, v);
    else
        memcpy(p, &v, 4 * (size_t)n);
#endif
}

/* mask ? a : b, for a comparison's result. */
MLF_INLINE vec v_select(ivec mask, vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_mask_mov_ps((__m512)b, _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask),
                                   (__m512)a);
#elif defined(__AVX2__)
    return (vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
#endif
}

/* a * b + c; in one rounding where the processor can. */
MLF_INLINE vec v_fma(vec a, vec b, vec c)
{
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

typedef double dvec __attribute__((vector_size(4 * MLF_V)));

MLF_INLINE dvec v_fma_double(dvec a, dvec b, dvec c)
{
#if defined(__AVX512F__)
    return (dvec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
    return (dvec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    return (dvec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

/* a > b ? a : b, so b where either is NaN. */
MLF_INLINE vec v_max(vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_select(a > b, a, b);
#endif
}

/* a < b ? a : b, so b where either is NaN. */
MLF_INLINE vec v_min(vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return v_select(a < b, a, b);
#endif
}

/* The larger; NaN where either is NaN. */
MLF_INLINE vec v_max_nan(vec a, vec b)
{
    vec m = v_max(a, b);
#if defined(__AVX512F__)
    return (vec)_mm512_mask_mov_ps((__m512)m, _mm512_cmp_ps_mask((__m512)a, (__m512)a,
                                                                 _CMP_UNORD_Q), (__m512)a);
#else
    return v_select(a != a, a, m);
#endif
}

/* Which floats are NaN, in any of several pairs of vectors; without AVX-512's masks all bits of
 * those that are, with them no bit: a comparison under a mask adds to it for nothing. */
#if defined(__AVX512F__)
typedef __mmask16 v_nans;
#define MLF_NO_NANS ((v_nans)0xffff)
#else
typedef ivec v_nans;
#define MLF_NO_NANS ((v_nans){ 0 })
#endif

MLF_INLINE void v_note_nans(v_nans *nans, vec a, vec b)
{
#if defined(__AVX512F__)
    *nans = _mm512_mask_cmp_ps_mask(*nans, (__m512)a, (__m512)b, _CMP_ORD_Q);
#elif defined(__AVX2__)
    *nans |= (ivec)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q);
#else
    *nans |= (a != a) | (b != b);
#endif
}

MLF_INLINE int v_any_nan(v_nans nans)
{
#if defined(__AVX512F__)
    return nans != MLF_NO_NANS;
#else
    int32_t any = 0;
    for (int i = 0; i < MLF_V; i++)
        any |= nans[i];
    return any != 0;
#endif
}

MLF_INLINE vec v_relu(vec x)
{
    return v_max(v_all(0.0f), x); /* NaN stays NaN */
}

/* Floats of a and then b, by number. */
#if defined(__clang__) || __GNUC__ >= 12
#define v_shuffle(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define v_shuffle(a, b, ...) __builtin_shuffle(a, b, (ivec){ __VA_ARGS__ })
#endif

/* Every second float of a and then b, from the first (v_even) or the second (v_odd) on. */
#if MLF_V == 16
#define MLF_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define MLF_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif MLF_V == 8
#define MLF_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define MLF_ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define MLF_EVEN 0, 2, 4, 6
#define MLF_ODD 1, 3, 5, 7
#endif
#define v_even(a, b) v_shuffle(a, b, MLF_EVEN)
#define v_odd(a, b) v_shuffle(a, b, MLF_ODD)

/* Float i + 1 in the place of float i; the last one stays. */
#if MLF_V == 16
#define v_next(a) v_shuffle(a, a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15)
#elif MLF_V == 8
#define v_next(a) v_shuffle(a, a, 1, 2, 3, 4, 5, 6, 7, 7)
#else
#define v_next(a) v_shuffle(a, a, 1, 2, 3, 3)
#endif

/* Steps of a transposition, blocks of h floats at a time:
 * low[k] = k & h ? b[k - h] : a[k], high[k] = k & h ? b[k] : a[k + h]. */
#if MLF_V == 16
#define v_low8(a, b) \
    v_shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define v_high8(a, b) \
    v_shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define v_low4(a, b) \
    v_shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define v_high4(a, b) \
    v_shuffle(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define v_low2(a, b) \
    v_shuffle(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define v_high2(a, b) \
    v_shuffle(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define v_low1(a, b) \
    v_shuffle(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define v_high1(a, b) \
    v_shuffle(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#elif MLF_V == 8
#define v_low4(a, b) v_shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define v_high4(a, b) v_shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#define v_low2(a, b) v_shuffle(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define v_high2(a, b) v_shuffle(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define v_low1(a, b) v_shuffle(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define v_high1(a, b) v_shuffle(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#else
#define v_low2(a, b) v_shuffle(a, b, 0, 1, 4, 5)
#define v_high2(a, b) v_shuffle(a, b, 2, 3, 6, 7)
#define v_low1(a, b) v_shuffle(a, b, 0, 4, 2, 6)
#define v_high1(a, b) v_shuffle(a, b, 1, 5, 3, 7)
#endif

#define MLF_TRANSPOSE_STEP(rows, h) \
    MLF_UNROLL for (int i_ = 0; i_ < MLF_V; i_++) \
        if (!(i_ & h)) { \
            vec low_ = v_low##h(rows[i_], rows[i_ + h]); \
            rows[i_ + h] = v_high##h(rows[i_], rows[i_ + h]); \
            rows[i_] = low_; \
        }

/* rows[i][j] and rows[j][i] change places. */
MLF_INLINE void v_transpose(vec rows[MLF_V])
{
#if MLF_V == 16
    MLF_TRANSPOSE_STEP(rows, 8)
#endif
#if MLF_V >= 8
    MLF_TRANSPOSE_STEP(rows, 4)
#endif
    MLF_TRANSPOSE_STEP(rows, 2)
    MLF_TRANSPOSE_STEP(rows, 1)
}

#define MLF_SUM_STEP(rows, h) \
    MLF_UNROLL for (int i_ = 0; i_ < h; i_++) \
        rows[i_] = v_low##h(rows[i_], rows[i_ + h]) + v_high##h(rows[i_], rows[i_ + h]);

/* One vector whose float i is the sum of the floats of rows[i]. */
MLF_INLINE vec v_sums(vec rows[MLF_V])
{
#if MLF_V == 16
    MLF_SUM_STEP(rows, 8)
#endif
#if MLF_V >= 8
    MLF_SUM_STEP(rows, 4)
#endif
    MLF_SUM_STEP(rows, 2)
    MLF_SUM_STEP(rows, 1)
    return rows[0];
}

MLF_INLINE float v_sum(vec v)
{
    float total = 0;
    for (int i = 0; i < MLF_V; i++)
        total += v[i];
    return total;
}

#endif
