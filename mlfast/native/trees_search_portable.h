/* Ranks of 64 values in any instruction set. */
#ifndef MLF_TREES_SEARCH_PORTABLE_H
#define MLF_TREES_SEARCH_PORTABLE_H

#include "trees_columns.h"
#include "trees_ranks.h"

#define INLINE static inline __attribute__((always_inline))

/* Which of 64 numbers are at least `cut`, or, without one, missing. */
#if defined(__SSE2__)
INLINE uint64_t mlf_compare_floats(const float *x, const float *cut)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++, x += 16) {
        __m128i m[4];
        for (int j = 0; j < 4; j++) {
            __m128 v = _mm_load_ps(x + 4 * j);
            m[j] = _mm_castps_si128(cut != NULL ? _mm_cmpge_ps(v, _mm_set1_ps(*cut))
                                                : _mm_cmpunord_ps(v, v));
        }
        __m128i bytes = _mm_packs_epi16(_mm_packs_epi32(m[0], m[1]), _mm_packs_epi32(m[2], m[3]));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(bytes) << 16 * i;
    }
    return bits;
}

INLINE uint64_t mlf_compare_doubles(const double *x, const double *cut)
{
    uint64_t bits = 0;
    for (int i = 0; i < 32; i++) {
        __m128d v = _mm_load_pd(x + 2 * i);
        v = cut != NULL ? _mm_cmpge_pd(v, _mm_set1_pd(*cut)) : _mm_cmpunord_pd(v, v);
        bits |= (uint64_t)(uint32_t)_mm_movemask_pd(v) << 2 * i;
    }
    return bits;
}
#else
/* The lowest bits of 64 bytes. */
INLINE uint64_t low_bits(const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {      /* 8 bytes' bits into the product's highest byte */
        uint64_t eight = 0;
        for (int j = 0; j < 8; j++)
            eight |= (uint64_t)(bytes[8 * i + j] & 1) << 8 * j;
        bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
    }
    return bits;
}

#define COMPARE(name, number)                                                                  \
    INLINE uint64_t name(const number *x, const number *cut)                                   \
    {                                                                                          \
        uint8_t bytes[64];                                                                     \
        for (int r = 0; r < 64; r++)                                                           \
            bytes[r] = cut != NULL ? x[r] >= *cut : x[r] != x[r];                              \
        return low_bits(bytes);                                                            \
    }
COMPARE(mlf_compare_floats, float)
COMPARE(mlf_compare_doubles, double)
#undef COMPARE
#endif

INLINE void mlf_mark_floats(const float *numbers, int32_t n, const float *x, int32_t word,
                            mlf_mask *planes)
{
#if defined(__SSE2__)
    for (int half = 0; half < 2; half++, x += 32) {
        __m128 v[8];
        for (int i = 0; i < 8; i++)
            v[i] = _mm_load_ps(x + 4 * i);
        for (int32_t k = 0; k < n; k++) {
            const __m128 cut = _mm_set1_ps(numbers[k]);
            __m128i m[8];
            for (int i = 0; i < 8; i++)
                m[i] = _mm_castps_si128(_mm_cmple_ps(cut, v[i]));
            for (int i = 0; i < 8; i += 4)
                m[i] = _mm_packs_epi16(_mm_packs_epi32(m[i], m[i + 1]),
                                       _mm_packs_epi32(m[i + 2], m[i + 3]));
            ((uint32_t *)(void *)&planes[k])[2 * word + half] =
                (uint32_t)_mm_movemask_epi8(m[0]) | (uint32_t)_mm_movemask_epi8(m[4]) << 16;
        }
    }
#else
    for (int32_t k = 0; k < n; k++)
        planes[k][word] = mlf_compare_floats(x, &numbers[k]);
#endif
}

INLINE void mlf_mark_doubles(const double *numbers, int32_t n, const double *x, int32_t word,
                             mlf_mask *planes)
{
    for (int32_t k = 0; k < n; k++)
        planes[k][word] = mlf_compare_doubles(x, &numbers[k]);
}

/* Most columns miss nothing: numbers are looked at in pairs first. */
INLINE void mlf_note_missing(int float32, const mlf_values *x, int32_t word, mlf_mask *planes)
{
    uint64_t *missing = (uint64_t *)(void *)&planes[MLF_PLANE_MISSING] + word;
#if defined(__SSE2__)
    __m128 any = _mm_setzero_ps();
    for (int i = 0; i < (float32 ? 8 : 16); i++)
        any = _mm_or_ps(any, float32
            ? _mm_cmpunord_ps(_mm_load_ps(x->f + 8 * i), _mm_load_ps(x->f + 8 * i + 4))
            : _mm_castpd_ps(_mm_cmpunord_pd(_mm_load_pd(x->d + 4 * i),
                                            _mm_load_pd(x->d + 4 * i + 2))));
    *missing = 0;
    if (_mm_movemask_ps(any) == 0)
        return;
#endif
    *missing = float32 ? mlf_compare_floats(x->f, NULL) : mlf_compare_doubles(x->d, NULL);
}

/* 64 ranks to bits. */
INLINE void put_ranks(const uint8_t *ranks, int n_planes, int32_t word, mlf_mask *planes)
{
#if defined(__SSE2__)
    __m128i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm_slli_epi16(_mm_load_si128((const __m128i *)(const void *)ranks + i),
                              8 - n_planes);
    for (int k = n_planes - 1; k >= 0; k--)
        for (int i = 0; i < 4; i++, v[i - 1] = _mm_add_epi8(v[i - 1], v[i - 1]))
            ((uint16_t *)(void *)&planes[k])[4 * word + i] = (uint16_t)_mm_movemask_epi8(v[i]);
#else
    for (int k = 0; k < n_planes; k++) {
        uint8_t bits[64];
        for (int r = 0; r < 64; r++)
            bits[r] = ranks[r] >> k;
        planes[k][word] = low_bits(bits);
    }
#endif
}

INLINE int mlf_takes_buckets(const mlf_prepared_column *column)
{
    return column->buckets.steps > 0;
}

#define BUCKETS(type)                                                                          \
    INLINE void mlf_bucket_##type##s(const mlf_prepared_column *column, const type *x,         \
                                     int steps, int32_t word, mlf_mask *planes)                \
    {                                                                                          \
        const mlf_buckets buckets = column->buckets;                                           \
        const type *numbers = column->numbers;                                                 \
        _Alignas(16) uint8_t ranks[64];                                                        \
        int32_t at[64];                                                                        \
        for (int r = 0; r < 64; r++)                                                           \
            at[r] = mlf_bucket_##type(&buckets, x[r]);                                         \
        MLF_UNROLL                                                                             \
        for (int r = 0; r < 64; r++) {                                                         \
            uint64_t rank = buckets.below[at[r]];                                              \
            for (int step = 0; step < steps; step++)                                           \
                rank = mlf_step_##type(rank, x[r], &numbers[rank]);                                \
            ranks[r] = (uint8_t)rank;                                                          \
        }                                                                                      \
        put_ranks(ranks, mlf_rank_planes(column->n), word, planes);                            \
    }
BUCKETS(float)
BUCKETS(double)
#undef BUCKETS

/* A search tree's ranks, which missing values have too. */
INLINE void put_tree_ranks(const uint8_t *ranks, int levels, int32_t word, mlf_mask *planes)
{
    put_ranks(ranks, levels, word, planes);
    for (int k = 0; k < levels; k++)
        planes[k][word] &= ~planes[MLF_PLANE_MISSING][word];
}

/* A value after the other; the processor overlaps several. */
INLINE void mlf_search_floats(const mlf_prepared_column *column, const float *x, int levels,
                              int32_t word, mlf_mask *planes)
{
    _Alignas(16) uint8_t ranks[64];
    int32_t keys[64];
    for (int r = 0; r < 64; r++) {
        int32_t bits;
        memcpy(&bits, &x[r], sizeof bits);
        bits ^= (bits >> 31) & INT32_MAX;
        keys[r] = bits + (bits == -1);
    }
    for (int r = 0; r < 64; r++)
        ranks[r] = (uint8_t)(mlf_tree_leaf(column, levels, keys[r]) - (1u << levels));
    put_tree_ranks(ranks, levels, word, planes);
}

INLINE void mlf_search_doubles(const mlf_prepared_column *column, const double *x, int levels,
                               int32_t word, mlf_mask *planes)
{
    _Alignas(16) uint8_t ranks[64];
    for (int r = 0; r < 64; r++)
        ranks[r] = (uint8_t)mlf_tree_rank(column, levels, x[r]);
    put_tree_ranks(ranks, levels, word, planes);
}

#undef INLINE
#endif
