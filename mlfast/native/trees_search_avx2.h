/* Ranks of 64 values with AVX2: eight values go down the search tree together, whose top stands in
 * registers; the rest is gathered. */
#ifndef MLF_TREES_SEARCH_AVX2_H
#define MLF_TREES_SEARCH_AVX2_H

#include "trees_columns.h"
#include "trees_ranks.h"

#define INLINE static inline __attribute__((always_inline))

/* Of 32 vectors' lanes, which are all ones or zeros, a bit each. */
INLINE uint32_t bits_of(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return (uint32_t)_mm256_movemask_epi8(_mm256_permutevar8x32_epi32(bytes, order));
}

INLINE uint32_t *mlf_half_of(mlf_mask *planes, int32_t plane, int32_t word, int half)
{
    return (uint32_t *)(void *)&planes[plane] + 2 * word + half;
}

INLINE void mlf_mark_floats(const float *numbers, int32_t n, const float *x, int32_t word,
                            mlf_mask *planes)
{
    for (int half = 0; half < 2; half++, x += 32) {
        __m256 v[4];
        for (int i = 0; i < 4; i++)
            v[i] = _mm256_load_ps(x + 8 * i);
        for (int32_t k = 0; k < n; k++) {
            __m256 cut = _mm256_set1_ps(numbers[k]);
            __m256i m[4];
            for (int i = 0; i < 4; i++)
                m[i] = _mm256_castps_si256(_mm256_cmp_ps(v[i], cut, _CMP_GE_OQ));
            *mlf_half_of(planes, k, word, half) = bits_of(m[0], m[1], m[2], m[3]);
        }
    }
}

INLINE void mlf_mark_doubles(const double *numbers, int32_t n, const double *x, int32_t word,
                             mlf_mask *planes)
{
    for (int32_t k = 0; k < n; k++) {
        __m256d cut = _mm256_set1_pd(numbers[k]);
        uint64_t bits = 0;
        for (int i = 0; i < 16; i++) {
            __m256d at_least = _mm256_cmp_pd(_mm256_load_pd(x + 4 * i), cut, _CMP_GE_OQ);
            bits |= (uint64_t)(uint32_t)_mm256_movemask_pd(at_least) << 4 * i;
        }
        planes[k][word] = bits;
    }
}

/* Most columns miss nothing: numbers are looked at in pairs first. */
INLINE void mlf_note_missing(int float32, const mlf_values *x, int32_t word, mlf_mask *planes)
{
    uint64_t bits = 0;
    __m256 any = _mm256_setzero_ps();
    for (int i = 0; i < (float32 ? 4 : 8); i++)
        any = _mm256_or_ps(any, float32
            ? _mm256_cmp_ps(_mm256_load_ps(x->f + 16 * i), _mm256_load_ps(x->f + 16 * i + 8),
                            _CMP_UNORD_Q)
            : _mm256_castpd_ps(_mm256_cmp_pd(_mm256_load_pd(x->d + 8 * i),
                                             _mm256_load_pd(x->d + 8 * i + 4), _CMP_UNORD_Q)));
    if (_mm256_movemask_ps(any) != 0)
        for (int i = 0; i < 16; i++) {
            __m256d d = _mm256_load_pd(x->d + 4 * i);
            __m256 f = _mm256_load_ps(x->f + 8 * (i / 2));
            if (!float32)
                bits |= (uint64_t)(uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(d, d, _CMP_UNORD_Q))
                        << 4 * i;
            else if (i % 2 == 0)
                bits |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(f, f, _CMP_UNORD_Q))
                        << 4 * i;
        }
    planes[MLF_PLANE_MISSING][word] = bits;
}

/* table[i] for i in [2^level, 2^(level + 1)); its first 32 entries are in t. */
INLINE __m256i tree_at(const __m256i *t, const void *table, __m256i i, int level)
{
    if (level < 4)
        return _mm256_permutevar8x32_epi32(t[level == 3], i);
    if (level > 4)
        return _mm256_i32gather_epi32(table, i, 4);
    __m256 bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(i, 28));
    __m256 low = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(t[2], i));
    __m256 high = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(t[3], i));
    return _mm256_castps_si256(_mm256_blendv_ps(low, high, bit3));
}

/* 32 ranks to bits. */
INLINE void put_ranks(const __m256i *rank, int levels, int32_t word, int half, mlf_mask *planes)
{
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(rank[0], rank[1]),
                                        _mm256_packs_epi32(rank[2], rank[3]));
    bytes = _mm256_slli_epi16(_mm256_permutevar8x32_epi32(bytes, order), 8 - levels);
    for (int k = levels - 1; k >= 0; k--, bytes = _mm256_add_epi8(bytes, bytes))
        *mlf_half_of(planes, k, word, half) = (uint32_t)_mm256_movemask_epi8(bytes);
}

INLINE void mlf_search_floats(const mlf_prepared_column *column, const float *x, int levels,
                              int32_t word, mlf_mask *planes)
{
    __m256i t[4], one = _mm256_set1_epi32(1);
    for (int i = 0; i < 4; i++)
        t[i] = _mm256_load_si256((const __m256i *)(const void *)column->floats + i);
    for (int half = 0; half < 2; half++) {
        __m256i rank[4];
        for (int j = 0; j < 4; j++) {
            __m256 v = _mm256_load_ps(x + 32 * half + 8 * j);
            __m256i i = one;
            for (int level = 0; level < levels; level++) {
                __m256 cut = _mm256_castsi256_ps(tree_at(t, column->floats, i, level));
                __m256i right = _mm256_castps_si256(_mm256_cmp_ps(v, cut, _CMP_GE_OQ));
                i = _mm256_sub_epi32(_mm256_add_epi32(i, i), right);
            }
            rank[j] = _mm256_sub_epi32(i, _mm256_set1_epi32(1 << levels));
        }
        put_ranks(rank, levels, word, half, planes);
    }
}

/* The search gathers for each level from the sixth on, buckets once more than their steps. */
INLINE int mlf_takes_buckets(const mlf_prepared_column *column)
{
    const int32_t steps = column->buckets.steps;
    return steps > 0 && (column->levels == 0 || column->levels > 5 + steps);
}

INLINE void mlf_bucket_floats(const mlf_prepared_column *column, const float *x, int steps,
                              int32_t word, mlf_mask *planes)
{
    const mlf_buckets *b = &column->buckets;
    const __m256 lowest = _mm256_set1_ps((float)b->lowest);
    const __m256 scale = _mm256_set1_ps((float)b->scale), top = _mm256_set1_ps((float)b->top);
    for (int half = 0; half < 2; half++) {
        __m256i rank[4];
        for (int j = 0; j < 4; j++) {
            __m256 v = _mm256_load_ps(x + 32 * half + 8 * j);
            __m256 at = _mm256_mul_ps(_mm256_sub_ps(v, lowest), scale);
            at = _mm256_min_ps(_mm256_max_ps(at, _mm256_setzero_ps()), top);    /* NaN: 0 */
            __m256i i = _mm256_i32gather_epi32((const int *)(const void *)b->below,
                                               _mm256_cvttps_epi32(at), 1);
            i = _mm256_and_si256(i, _mm256_set1_epi32(255));
            for (int step = 0; step < steps; step++) {
                __m256 cut = _mm256_i32gather_ps(column->numbers, i, 4);
                __m256i right = _mm256_castps_si256(_mm256_cmp_ps(v, cut, _CMP_GE_OQ));
                i = _mm256_sub_epi32(i, right);
            }
            rank[j] = i;
        }
        put_ranks(rank, mlf_rank_planes(column->n), word, half, planes);
    }
}

/* Four buckets of doubles. */
INLINE __m128i buckets_of(const mlf_buckets *b, __m256d v)
{
    __m256d at = _mm256_mul_pd(_mm256_sub_pd(v, _mm256_set1_pd(b->lowest)),
                               _mm256_set1_pd(b->scale));
    at = _mm256_max_pd(at, _mm256_setzero_pd());                                /* NaN: 0 */
    return _mm256_cvttpd_epi32(_mm256_min_pd(at, _mm256_set1_pd(b->top)));
}

INLINE void mlf_bucket_doubles(const mlf_prepared_column *column, const double *x, int steps,
                               int32_t word, mlf_mask *planes)
{
    const mlf_buckets *b = &column->buckets;
    for (int half = 0; half < 2; half++) {
        __m256i rank[4];
        for (int j = 0; j < 4; j++, x += 8) {
            __m256d v[2] = { _mm256_load_pd(x), _mm256_load_pd(x + 4) };
            __m256i i = _mm256_set_m128i(buckets_of(b, v[1]), buckets_of(b, v[0]));
            i = _mm256_i32gather_epi32((const int *)(const void *)b->below, i, 1);
            i = _mm256_and_si256(i, _mm256_set1_epi32(255));
            for (int step = 0; step < steps; step++) {
                __m256d low = _mm256_i32gather_pd(column->numbers, _mm256_castsi256_si128(i), 8);
                __m256d high = _mm256_i32gather_pd(column->numbers,
                                                   _mm256_extracti128_si256(i, 1), 8);
                low = _mm256_cmp_pd(v[0], low, _CMP_GE_OQ);
                high = _mm256_cmp_pd(v[1], high, _CMP_GE_OQ);
                __m256 halves = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high),
                                                  0x88);
                __m256i right = _mm256_permute4x64_epi64(_mm256_castps_si256(halves), 0xd8);
                i = _mm256_sub_epi32(i, right);
            }
            rank[j] = i;
        }
        put_ranks(rank, mlf_rank_planes(column->n), word, half, planes);
    }
}

/* Eight values' keys, in halves; the missing ones' are below all cuts. */
INLINE __m256i upper_halves(const double *x, __m256i *lower)
{
    __m256 halves[2];
    for (int i = 0; i < 2; i++) {
        /* + 0.0: no -0.0 */
        __m256d value = _mm256_add_pd(_mm256_load_pd(x + 4 * i), _mm256_setzero_pd());
        __m256i bits = _mm256_castpd_si256(value);
        __m256i negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), bits);
        bits = _mm256_xor_si256(bits, _mm256_srli_epi64(negative, 1));
        __m256d missing = _mm256_cmp_pd(value, value, _CMP_UNORD_Q);
        __m256d least = _mm256_castsi256_pd(_mm256_set1_epi64x(INT64_MIN));
        halves[i] = _mm256_castpd_ps(_mm256_blendv_pd(_mm256_castsi256_pd(bits), least, missing));
    }
    *lower = _mm256_permute4x64_epi64(
        _mm256_castps_si256(_mm256_shuffle_ps(halves[0], halves[1], 0x88)), 0xd8);
    return _mm256_permute4x64_epi64(
        _mm256_castps_si256(_mm256_shuffle_ps(halves[0], halves[1], 0xdd)), 0xd8);
}

INLINE void mlf_search_doubles(const mlf_prepared_column *column, const double *x, int levels,
                               int32_t word, mlf_mask *planes)
{
    __m256i t[4], one = _mm256_set1_epi32(1), sign = _mm256_set1_epi32(INT32_MIN);
    for (int i = 0; i < 4; i++)
        t[i] = _mm256_load_si256((const __m256i *)(const void *)column->tree + i);
    for (int half = 0; half < 2; half++) {
        __m256i rank[4];
        for (int j = 0; j < 4; j++) {
            __m256i lower, key = upper_halves(x + 32 * half + 8 * j, &lower), i = one;
            for (int level = 0; level < levels; level++) {
                __m256i cut = _mm256_xor_si256(tree_at(t, column->tree, i, level), sign);
                __m256i left = _mm256_cmpgt_epi32(cut, key);
                i = _mm256_add_epi32(_mm256_add_epi32(i, i), _mm256_add_epi32(one, left));
            }
            i = _mm256_sub_epi32(i, _mm256_set1_epi32(1 << levels));
            __m256i upper = _mm256_i32gather_epi32(column->upper, i, 4);
            __m256i tie = _mm256_cmpeq_epi32(upper, key);
            if (__builtin_expect(_mm256_movemask_epi8(tie) != 0, 0)) {
                __m256i cut = _mm256_i32gather_epi32((const int *)column->lower, i, 4);
                __m256i above = _mm256_cmpgt_epi32(_mm256_xor_si256(cut, sign),
                                                   _mm256_xor_si256(lower, sign));
                i = _mm256_sub_epi32(i, _mm256_andnot_si256(above, tie));
            }
            rank[j] = i;
        }
        put_ranks(rank, levels, word, half, planes);
    }
}

#undef INLINE
#endif
