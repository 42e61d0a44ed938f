/* Ranks of 64 values with AVX-512: the search tree stands in registers, sixteen values go down it
 * together, and each level's comparison is a bit of their ranks already. */
#ifndef MLF_TREES_SEARCH_AVX512_H
#define MLF_TREES_SEARCH_AVX512_H

#include "trees_columns.h"
#include "trees_ranks.h"

#define INLINE static inline __attribute__((always_inline))

/* Sixteen rows of a mask. */
INLINE uint16_t *mlf_sixteen_of(mlf_mask *planes, int32_t plane, int32_t word, int i)
{
    return (uint16_t *)(void *)&planes[plane] + 4 * word + i;
}

INLINE void mlf_mark_floats(const float *numbers, int32_t n, const float *x, int32_t word,
                            mlf_mask *planes)
{
    __m512 v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm512_load_ps(x + 16 * i);
    for (int32_t k = 0; k < n; k++)
        for (int i = 0; i < 4; i++)
            *mlf_sixteen_of(planes, k, word, i) =
                _mm512_cmp_ps_mask(v[i], _mm512_set1_ps(numbers[k]), _CMP_GE_OQ);
}

INLINE void mlf_mark_doubles(const double *numbers, int32_t n, const double *x, int32_t word,
                             mlf_mask *planes)
{
    for (int32_t k = 0; k < n; k++)
        for (int i = 0; i < 8; i++)
            ((uint8_t *)(void *)&planes[k])[8 * word + i] =
                _mm512_cmp_pd_mask(_mm512_load_pd(x + 8 * i), _mm512_set1_pd(numbers[k]),
                                   _CMP_GE_OQ);
}

INLINE void mlf_note_missing(int float32, const mlf_values *x, int32_t word, mlf_mask *planes)
{
    for (int i = 0; i < 4; i++) {
        uint32_t missing;
        if (float32) {
            __m512 v = _mm512_load_ps(x->f + 16 * i);
            missing = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        } else {
            __m512d a = _mm512_load_pd(x->d + 16 * i);
            __m512d b = _mm512_load_pd(x->d + 16 * i + 8);
            missing = _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q);
            missing |= (uint32_t)_mm512_cmp_pd_mask(b, b, _CMP_UNORD_Q) << 8;
        }
        *mlf_sixteen_of(planes, MLF_PLANE_MISSING, word, i) = (uint16_t)missing;
    }
}

/* tree[i] for i in [2^level, 2^(level + 1)), from registers; right[l]: i's decision at level l. */
INLINE __m512i tree_at(const __m512i *t, __m512i i, int level, const __mmask16 *right)
{
    if (level < 4)
        return _mm512_permutexvar_epi32(i, t[0]);
    if (level == 4)
        return _mm512_permutexvar_epi32(i, t[1]);
    if (level == 5)
        return _mm512_permutex2var_epi32(t[2], i, t[3]);
    if (level == 6)
        return _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(t[4], i, t[5]), right[0],
                                     _mm512_permutex2var_epi32(t[6], i, t[7]));
    __m512i a = _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(t[8], i, t[9]), right[1],
                                      _mm512_permutex2var_epi32(t[10], i, t[11]));
    __m512i b = _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(t[12], i, t[13]), right[1],
                                      _mm512_permutex2var_epi32(t[14], i, t[15]));
    return _mm512_mask_mov_epi32(a, right[0], b);
}

INLINE __m512i child_of(__m512i i, __mmask16 right)
{
    i = _mm512_add_epi32(i, i);
    return _mm512_mask_add_epi32(i, right, i, _mm512_set1_epi32(1));
}

INLINE void mlf_search_floats(const mlf_prepared_column *column, const float *x, int levels,
                              int32_t word, mlf_mask *planes)
{
    __m512i t[16];
    for (int j = 0; j < 16; j++)
        t[j] = _mm512_load_si512(column->floats + (j == 0 || 16 * j < 1 << levels ? 16 * j : 0));
    for (int j = 0; j < 4; j++) {
        __m512 v = _mm512_load_ps(x + 16 * j);
        __m512i i = _mm512_set1_epi32(1);
        __mmask16 right[8];
        MLF_UNROLL for (int level = 0; level < levels; level++) {
            __m512 cut = level == 0 ? _mm512_set1_ps(column->floats[1])
                                    : _mm512_castsi512_ps(tree_at(t, i, level, right));
            right[level] = _mm512_cmp_ps_mask(v, cut, _CMP_GE_OQ);
            *mlf_sixteen_of(planes, levels - 1 - level, word, j) = right[level];
            i = child_of(i, right[level]);
        }
    }
}

/* Sixteen values' keys, in halves; the missing ones' are below all cuts. */
INLINE __m512i upper_halves(const double *x, __m512i *lower)
{
    __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1)), halves[2];
    for (int i = 0; i < 2; i++) {
        /* + 0.0: no -0.0 */
        __m512d value = _mm512_add_pd(_mm512_load_pd(x + 8 * i), _mm512_setzero_pd());
        __m512i bits = _mm512_castpd_si512(value);
        bits = _mm512_xor_si512(bits, _mm512_srli_epi64(_mm512_srai_epi64(bits, 63), 1));
        __mmask8 known = _mm512_cmp_pd_mask(value, value, _CMP_ORD_Q);
        halves[i] = _mm512_mask_mov_epi64(_mm512_set1_epi64(INT64_MIN), known, bits);
    }
    *lower = _mm512_permutex2var_epi32(halves[0], even, halves[1]);
    return _mm512_permutex2var_epi32(halves[0], odd, halves[1]);
}

INLINE void mlf_search_doubles(const mlf_prepared_column *column, const double *x, int levels,
                               int32_t word, mlf_mask *planes)
{
    __m512i t[16], sign = _mm512_set1_epi32(INT32_MIN);
    for (int j = 0; j < 16; j++)
        t[j] = _mm512_load_si512(column->tree + (j == 0 || 16 * j < 1 << levels ? 16 * j : 0));
    for (int j = 0; j < 4; j++) {
        __m512i lower, key = upper_halves(x + 16 * j, &lower), i = _mm512_set1_epi32(1);
        __m512i flipped = _mm512_xor_si512(key, sign), next = _mm512_setzero_si512();
        __mmask16 right[8];
        MLF_UNROLL for (int level = 0; level < levels; level++) {
            __m512i cut = level == 0 ? _mm512_set1_epi32((int32_t)column->tree[1])
                                     : tree_at(t, i, level, right);
            right[level] = _mm512_cmple_epu32_mask(cut, flipped);
            next = _mm512_mask_mov_epi32(cut, right[level], next);   /* the last that is above */
            i = child_of(i, right[level]);
        }
        /* The tree has upper halves plus 1: does the next cut have this one? */
        __mmask16 tie = _mm512_cmpeq_epi32_mask(_mm512_sub_epi32(next, _mm512_set1_epi32(1)),
                                                flipped);
        if (__builtin_expect(tie != 0, 0)) {
            __m512i rank = _mm512_sub_epi32(i, _mm512_set1_epi32(1 << levels));
            __m512i cut = _mm512_mask_i32gather_epi32(rank, tie, rank, column->lower, 4);
            tie = _mm512_mask_cmple_epu32_mask(tie, cut, lower);
            i = _mm512_mask_add_epi32(i, tie, i, _mm512_set1_epi32(1));
            for (int level = 0; level < levels; level++)
                right[level] = _mm512_test_epi32_mask(
                    i, _mm512_set1_epi32(1 << (levels - 1 - level)));
        }
        for (int level = 0; level < levels; level++)
            *mlf_sixteen_of(planes, levels - 1 - level, word, j) = right[level];
    }
}

#undef INLINE
#endif
