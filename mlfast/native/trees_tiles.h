/* 64 rows of a few neighbouring features of an array, transposed: a column of 64 values each. */
#ifndef MLF_TREES_TILES_H
#define MLF_TREES_TILES_H

#include "trees_search.h"
#include "transpose.h"

#define INLINE static inline __attribute__((always_inline))
#define MLF_TILE 8

/* Any number of features. */
INLINE void mlf_load_columns(const char *const *rows, ptrdiff_t at, int from_float, int32_t width,
                             int to_float, mlf_values *values)
{
    for (int32_t k = 0; k < width; k++)
        for (int r = 0; r < 64; r++) {
            const char *from = rows[r] + at + k * (ptrdiff_t)(from_float ? 4 : 8);
            float f;
            double d;
            if (from_float) {
                memcpy(&f, from, sizeof f);
                d = (double)f;
            } else {
                memcpy(&d, from, sizeof d);
                f = (float)d;
            }
            if (to_float)
                values[k].f[r] = f;
            else
                values[k].d[r] = d;
        }
}

#if defined(__AVX512F__)

INLINE __m256 mlf_eight_floats(const char *from, int from_float)
{
    return from_float ? _mm256_loadu_ps((const float *)(const void *)from)
                      : _mm512_cvtpd_ps(_mm512_loadu_pd(from));
}

/* Sixteen rows: registers of two rows each, so chosen that the columns come out in order. */
INLINE void mlf_tile_of_floats(const char *const *rows, ptrdiff_t at, int from_float,
                               mlf_values *values, int r)
{
    __m512 m[8], t[8];
    for (int i = 0; i < 8; i++) {
        int low = r + i + i / 4 * 4;
        __m256 a = mlf_eight_floats(rows[low] + at, from_float);
        __m256 b = mlf_eight_floats(rows[low + 4] + at, from_float);
        m[i] = _mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1);
    }
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_ps(m[i], m[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(m[i], m[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {   /* lanes: features 0-3 and 4-7 of rows i .. and i + 4 .. */
        m[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        m[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        m[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        m[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int k = 0; k < 4; k++) {
        _mm512_store_ps(values[k].f + r, _mm512_shuffle_f32x4(m[k], m[4 + k], 0x88));
        _mm512_store_ps(values[4 + k].f + r, _mm512_shuffle_f32x4(m[k], m[4 + k], 0xdd));
    }
}

INLINE void mlf_tile_of_doubles(const char *const *rows, ptrdiff_t at, int from_float,
                                mlf_values *values, int r)
{
    __m512i m[8];
    for (int i = 0; i < 8; i++)
        m[i] = from_float ? _mm512_castpd_si512(_mm512_cvtps_pd(_mm256_loadu_ps(
                                (const float *)(const void *)(rows[r + i] + at))))
                          : _mm512_loadu_si512(rows[r + i] + at);
    mlf_transpose_words(m);
    for (int k = 0; k < 8; k++)
        _mm512_store_si512(values[k].d + r, m[k]);
}

INLINE void mlf_load_eight(const char *const *rows, ptrdiff_t at, int from_float, int32_t skip,
                           int to_float, mlf_values *values)
{
    (void)skip;
    for (int r = 0; r < 64; r += 16) {
        if (to_float) {
            mlf_tile_of_floats(rows, at, from_float, values, r);
            continue;
        }
        mlf_tile_of_doubles(rows, at, from_float, values, r);
        mlf_tile_of_doubles(rows, at, from_float, values, r + 8);
    }
}

#elif defined(__AVX2__)

/* Four rows of four features. */
INLINE void mlf_tile_of_four(const char *const *rows, ptrdiff_t at, int from_float, int to_float,
                             mlf_values *values, int r)
{
    if (to_float) {
        __m128 m[4];
        for (int i = 0; i < 4; i++) {
            const void *four = rows[r + i] + at;
            m[i] = from_float ? _mm_loadu_ps(four) : _mm256_cvtpd_ps(_mm256_loadu_pd(four));
        }
        _MM_TRANSPOSE4_PS(m[0], m[1], m[2], m[3]);
        for (int k = 0; k < 4; k++)
            _mm_store_ps(values[k].f + r, m[k]);
        return;
    }
    __m256d m[4];
    for (int i = 0; i < 4; i++) {
        const char *row = rows[r + i] + at;
        m[i] = from_float ? _mm256_cvtps_pd(_mm_loadu_ps((const float *)(const void *)row))
                          : _mm256_loadu_pd((const double *)(const void *)row);
    }
    mlf_transpose_doubles(m);
    for (int k = 0; k < 4; k++)
        _mm256_store_pd(values[k].d + r, m[k]);
}

INLINE void mlf_load_eight(const char *const *rows, ptrdiff_t at, int from_float, int32_t skip,
                           int to_float, mlf_values *values)
{
    const ptrdiff_t four = from_float ? 4 * sizeof(float) : 4 * sizeof(double);
    for (int r = 0; r < 64; r += 4) {
        if (skip < 4)
            mlf_tile_of_four(rows, at, from_float, to_float, values, r);
        mlf_tile_of_four(rows, at + four, from_float, to_float, values + 4, r);
    }
}

#else

#if defined(__SSE2__)
/* Four rows of two features, doubles to floats. */
INLINE void mlf_tile_of_two(const char *const *rows, ptrdiff_t at, mlf_values *values, int r)
{
    __m128 m[4];
    for (int i = 0; i < 4; i++)
        m[i] = _mm_cvtpd_ps(_mm_loadu_pd((const double *)(const void *)(rows[r + i] + at)));
    m[0] = _mm_unpacklo_ps(m[0], m[1]);
    m[2] = _mm_unpacklo_ps(m[2], m[3]);
    _mm_store_ps(values[0].f + r, _mm_movelh_ps(m[0], m[2]));
    _mm_store_ps(values[1].f + r, _mm_movehl_ps(m[2], m[0]));
}
#endif

INLINE void mlf_load_eight(const char *const *rows, ptrdiff_t at, int from_float, int32_t skip,
                           int to_float, mlf_values *values)
{
#if defined(__SSE2__)
    const ptrdiff_t size = sizeof(double);
    if (to_float && !from_float) {
        for (int r = 0; r < 64; r += 4) {
            for (int k = 0; k < 4 && skip < 4; k += 2)
                mlf_tile_of_two(rows, at + k * size, values + k, r);
            for (int k = 4; k < 8; k += 2)
                mlf_tile_of_two(rows, at + k * size, values + k, r);
        }
        return;
    }
#endif
    (void)skip;
    mlf_load_columns(rows, at, from_float, 8, to_float, values);
}

#endif

/* `width` features, at most MLF_TILE, from byte `at` of each row: floats or doubles, to floats or
 * doubles. The first `skip` of them may be left out. */
INLINE void mlf_load_tile(const char *const *rows, ptrdiff_t at, int from_float, int32_t width,
                          int32_t skip, int to_float, mlf_values *values)
{
    if (width < MLF_TILE)
        mlf_load_columns(rows, at, from_float, width, to_float, values);
    else if (from_float)
        mlf_load_eight(rows, at, 1, skip, to_float, values);
    else
        mlf_load_eight(rows, at, 0, skip, to_float, values);
}

#undef INLINE
#endif
