/* Ranks of a column's values by its search tree.
 *
 *   i <- 2 i + (tree[i] <= key)        `levels` times, from 1;   rank = i - 2^levels
 *
 * With AVX-512 the tree stands in registers, and 16 values go down it together; with AVX2 its top
 * does. A 64-bit key goes down with its upper half, as if its lower half were 0; where it meets the
 * upper half of the next cut, the lower halves decide.
 */
#ifndef MLF_TREES_SEARCH_H
#define MLF_TREES_SEARCH_H

#include "trees_ranks.h"

#define INLINE static inline __attribute__((always_inline))

/* Notes sixteen rows' missing values at a time. */
INLINE uint32_t mlf_note(uint16_t *missing, int32_t r, int32_t n, uint32_t bits, uint32_t bit)
{
    bits |= bit << (r & 15);
    if ((r & 15) == 15 || r + 1 == n) {
        missing[r / 16] = (uint16_t)bits;
        bits = 0;
    }
    return bits;
}

#if defined(__AVX512F__)

/* Sixteen values' 32-bit keys, or the halves of their 64-bit keys; which are missing. */
INLINE __mmask16 keys_of_sixteen(const double *x, int float32, int zero, __m512i *key,
                                 __m512i *lower)
{
    __m512d a = _mm512_loadu_pd(x), b = _mm512_loadu_pd(x + 8);
    __mmask16 missing;
    if (float32) {
        __m256 fa = _mm512_cvtpd_ps(a), fb = _mm512_cvtpd_ps(b);
        __m512 f = _mm512_insertf32x8(_mm512_castps256_ps512(fa), fb, 1);
        __m512i bits = _mm512_castps_si512(f);
        missing = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
        bits = _mm512_xor_si512(bits, _mm512_srli_epi32(_mm512_srai_epi32(bits, 31), 1));
        *key = _mm512_mask_mov_epi32(_mm512_setzero_si512(),
                                     _mm512_cmpneq_epi32_mask(bits, _mm512_set1_epi32(-1)), bits);
        a = _mm512_cvtps_pd(fa);
        b = _mm512_cvtps_pd(fb);
    } else {
        __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        __m512i halves[2], minus_one = _mm512_set1_epi64(-1);
        __m512d values[2] = { a, b };
        for (int i = 0; i < 2; i++) {
            __m512i bits = _mm512_castpd_si512(values[i]);
            bits = _mm512_xor_si512(bits, _mm512_srli_epi64(_mm512_srai_epi64(bits, 63), 1));
            halves[i] = _mm512_maskz_mov_epi64(_mm512_cmpneq_epi64_mask(bits, minus_one), bits);
        }
        *lower = _mm512_permutex2var_epi32(halves[0], even, halves[1]);
        *key = _mm512_permutex2var_epi32(halves[0], odd, halves[1]);
        missing = (__mmask16)(_mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q)
                              | _mm512_cmp_pd_mask(b, b, _CMP_UNORD_Q) << 8);
    }
    if (zero) {
        __m512d limit = _mm512_set1_pd(MLF_ZERO_LIMIT);
        missing |= (__mmask16)(_mm512_cmp_pd_mask(_mm512_abs_pd(a), limit, _CMP_LE_OQ)
                               | _mm512_cmp_pd_mask(_mm512_abs_pd(b), limit, _CMP_LE_OQ) << 8);
    }
    return missing;
}

/* tree[i] for i in [2^level, 2^(level + 1)), from registers. */
INLINE __m512i tree_at(const __m512i *t, __m512i i, int level)
{
    if (level < 4)
        return _mm512_permutexvar_epi32(i, t[0]);
    if (level == 4)
        return _mm512_permutexvar_epi32(i, t[1]);
    if (level == 5)
        return _mm512_permutex2var_epi32(t[2], i, t[3]);
    __mmask16 bit5 = _mm512_test_epi32_mask(i, _mm512_set1_epi32(32));
    if (level == 6)
        return _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(t[4], i, t[5]), bit5,
                                     _mm512_permutex2var_epi32(t[6], i, t[7]));
    __mmask16 bit6 = _mm512_test_epi32_mask(i, _mm512_set1_epi32(64));
    __m512i a = _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(t[8], i, t[9]), bit5,
                                      _mm512_permutex2var_epi32(t[10], i, t[11]));
    __m512i b = _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(t[12], i, t[13]), bit5,
                                      _mm512_permutex2var_epi32(t[14], i, t[15]));
    return _mm512_mask_mov_epi32(a, bit6, b);
}

INLINE __m512i descend(const __m512i *t, __m512i key, int levels)
{
    __m512i i = _mm512_set1_epi32(1), one = i;
    for (int level = 0; level < levels; level++) {
        __mmask16 right = _mm512_cmple_epi32_mask(tree_at(t, i, level), key);
        i = _mm512_add_epi32(i, i);
        i = _mm512_mask_add_epi32(i, right, i, one);
    }
    return _mm512_sub_epi32(i, _mm512_set1_epi32(1 << levels));
}

INLINE void rank_sixteen(const mlf_prepared_column *column, const __m512i *t, const double *x,
                         int float32, int zero, int levels, uint8_t *ranks, uint16_t *missing)
{
    __m512i key, lower;
    __mmask16 absent = keys_of_sixteen(x, float32, zero, &key, &lower);
    __m512i rank = descend(t, key, levels);
    if (!float32) {
        __m512i upper = _mm512_i32gather_epi32(rank, column->upper, 4);
        __mmask16 tie = _mm512_cmpeq_epi32_mask(upper, key);
        if (tie != 0) {
            __m512i cut = _mm512_i32gather_epi32(rank, column->lower, 4);
            tie &= _mm512_cmple_epu32_mask(cut, lower);
            rank = _mm512_mask_add_epi32(rank, tie, rank, _mm512_set1_epi32(1));
        }
    }
    __m128i bytes = _mm512_cvtepi32_epi8(rank);
    _mm_store_si128((__m128i *)ranks, _mm_maskz_mov_epi8((__mmask16)~absent, bytes));
    *missing = absent;
}

INLINE void mlf_rank_by_tree(const mlf_prepared_column *column, const double *x, int32_t n,
                              int float32, int zero, int levels, uint8_t *ranks, uint16_t *missing)
{
    __m512i t[16];
    for (int i = 0; i < 16; i++)
        t[i] = i == 0 || 16 * i < 1 << levels ? _mm512_load_si512(column->tree + 16 * i) : t[0];
    for (int32_t r = 0; r < n; r += 16)
        rank_sixteen(column, t, x + r, float32, zero, levels, ranks + r, missing + r / 16);
}
#elif defined(__AVX2__)

/* Eight values' 32-bit keys, or the upper halves of their 64-bit keys; a bit for each missing one. */
INLINE int keys_of_eight(const double *x, int float32, int zero, __m256i *key, __m256i *lower)
{
    __m256d a = _mm256_loadu_pd(x), b = _mm256_loadu_pd(x + 4);
    int missing;
    if (float32) {
        __m128 fa = _mm256_cvtpd_ps(a), fb = _mm256_cvtpd_ps(b);
        __m256 f = _mm256_insertf128_ps(_mm256_castps128_ps256(fa), fb, 1);
        __m256i bits = _mm256_castps_si256(f);
        missing = _mm256_movemask_ps(_mm256_cmp_ps(f, f, _CMP_UNORD_Q));
        bits = _mm256_xor_si256(bits, _mm256_srli_epi32(_mm256_srai_epi32(bits, 31), 1));
        *key = _mm256_andnot_si256(_mm256_cmpeq_epi32(bits, _mm256_set1_epi32(-1)), bits);
        a = _mm256_cvtps_pd(fa);
        b = _mm256_cvtps_pd(fb);
    } else {
        __m256d values[2] = { a, b };
        __m256 halves[2];
        for (int i = 0; i < 2; i++) {
            __m256i bits = _mm256_castpd_si256(values[i]);
            __m256i sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), bits);
            bits = _mm256_xor_si256(bits, _mm256_srli_epi64(sign, 1));
            bits = _mm256_andnot_si256(_mm256_cmpeq_epi64(bits, _mm256_set1_epi64x(-1)), bits);
            halves[i] = _mm256_castsi256_ps(bits);
        }
        *lower = _mm256_permute4x64_epi64(
            _mm256_castps_si256(_mm256_shuffle_ps(halves[0], halves[1], 0x88)), 0xd8);
        *key = _mm256_permute4x64_epi64(
            _mm256_castps_si256(_mm256_shuffle_ps(halves[0], halves[1], 0xdd)), 0xd8);
        missing = _mm256_movemask_pd(_mm256_cmp_pd(a, a, _CMP_UNORD_Q))
                | _mm256_movemask_pd(_mm256_cmp_pd(b, b, _CMP_UNORD_Q)) << 4;
    }
    if (zero) {
        __m256d limit = _mm256_set1_pd(MLF_ZERO_LIMIT), sign = _mm256_set1_pd(-0.0);
        a = _mm256_cmp_pd(_mm256_andnot_pd(sign, a), limit, _CMP_LE_OQ);
        b = _mm256_cmp_pd(_mm256_andnot_pd(sign, b), limit, _CMP_LE_OQ);
        missing |= _mm256_movemask_pd(a) | _mm256_movemask_pd(b) << 4;
    }
    return missing;
}

/* tree[i] for i in [2^level, 2^(level + 1)), level below 5. */
INLINE __m256i tree_at(const __m256i *t, __m256i i, int level)
{
    if (level < 4)
        return _mm256_permutevar8x32_epi32(t[level == 3], i);
    __m256 bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(i, 28));
    __m256 low = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(t[2], i));
    __m256 high = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(t[3], i));
    return _mm256_castps_si256(_mm256_blendv_ps(low, high, bit3));
}

/* Up to five levels in registers; the last three of more than that as one comparison with eight
 * cuts, value by value. */
INLINE void mlf_rank_by_tree(const mlf_prepared_column *column, const double *x, int32_t n,
                             int float32, int zero, int levels, uint8_t *ranks,
                             uint16_t *missing)
{
    const int32_t *cuts = float32 ? column->cuts : column->upper;
    int top = levels > 5 ? levels - 3 : levels;
    __m256i t[4];
    for (int i = 0; i < 4; i++)
        t[i] = _mm256_load_si256((const __m256i *)column->tree + i);
    for (int32_t r = 0; r < n; r += 8) {
        __m256i key, lower, i = _mm256_set1_epi32(1);
        int absent = keys_of_eight(x + r, float32, zero, &key, &lower);
        for (int level = 0; level < top; level++) {
            __m256i left = _mm256_cmpgt_epi32(tree_at(t, i, level), key);
            i = _mm256_add_epi32(_mm256_add_epi32(i, i), _mm256_set1_epi32(1));
            i = _mm256_add_epi32(i, left);
        }
        i = _mm256_sub_epi32(i, _mm256_set1_epi32(1 << top));
        _Alignas(32) int32_t keys[8], at[8];
        _Alignas(32) uint32_t lowers[8];
        _mm256_store_si256((__m256i *)keys, key);
        _mm256_store_si256((__m256i *)at, i);
        if (!float32)
            _mm256_store_si256((__m256i *)lowers, lower);
        for (int j = 0; j < 8; j++) {
            uint32_t rank = (uint32_t)at[j];
            if (levels > 5) {
                const __m256i *eight = (const __m256i *)(const void *)(cuts + 8 * rank);
                __m256i k = _mm256_set1_epi32(keys[j]), v = _mm256_load_si256(eight);
                __m256i passed = float32 ? _mm256_cmpgt_epi32(v, k) : _mm256_cmpgt_epi32(k, v);
                uint32_t bits = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(passed));
                uint32_t count = (uint32_t)_mm_popcnt_u32(bits);
                rank = 8 * rank + (float32 ? 8 - count : count);
            }
            if (!float32)
                rank += (column->upper[rank & 255] == keys[j]) & (column->lower[rank & 255] <= lowers[j]);
            ranks[r + j] = (uint8_t)(absent >> j & 1 ? 0 : rank);
        }
        ((uint8_t *)missing)[r / 8] = (uint8_t)absent;
    }
}
#else

/* Few cuts: all of them are counted, for as many values at once as a register of 16 bytes holds. A
 * cut as a number is the least that reaches it. */
#define MOST_COUNTED_FLOATS 31
#define MOST_COUNTED_DOUBLES 15

#define COUNT(name, number, integer, key_t, key_of)                                            \
    INLINE uint32_t name(const mlf_prepared_column *column, const double *x, uint8_t *ranks)   \
    {                                                                                          \
        enum { LANES = 16 / sizeof(number) };                                                  \
        typedef number values __attribute__((vector_size(16)));                                \
        typedef integer counts __attribute__((vector_size(16)));                               \
        values v[16 / LANES];                                                                  \
        counts passed[16 / LANES] = { { 0 } };                                                 \
        uint32_t absent = 0;                                                                   \
        for (int i = 0; i < 16; i++)                                                           \
            v[i / LANES][i % LANES] = (number)x[i];                                            \
        for (int32_t c = 0; c < column->n; c++) {                                              \
            number cut = key_of(((const key_t *)column->cuts)[c]);                             \
            for (int i = 0; i < 16 / LANES; i++)                                               \
                passed[i] -= v[i] >= cut;                                                      \
        }                                                                                      \
        for (int i = 0; i < 16; i++) {                                                         \
            ranks[i] = (uint8_t)passed[i / LANES][i % LANES];                                  \
            absent |= (uint32_t)isnan(x[i]) << i;                                              \
        }                                                                                      \
        return absent;                                                                         \
    }

static inline float float_of(int32_t key)
{
    float x;
    key ^= (key >> 31) & INT32_MAX;
    memcpy(&x, &key, sizeof x);
    return x;
}

static inline double double_of(int64_t key)
{
    double x;
    key ^= (key >> 63) & INT64_MAX;
    memcpy(&x, &key, sizeof x);
    return x;
}

COUNT(count_floats, float, int32_t, int32_t, float_of)
COUNT(count_doubles, double, int64_t, int64_t, double_of)
#undef COUNT

/* Whether it was done: few cuts, and no zeros that are missing. */
INLINE int rank_by_counting(const mlf_prepared_column *column, const double *x, int32_t n,
                            int float32, int zero, uint8_t *ranks, uint16_t *missing)
{
    if (zero || column->n > (float32 ? MOST_COUNTED_FLOATS : MOST_COUNTED_DOUBLES))
        return 0;
    for (int32_t r = 0; r < n; r += 16)
        missing[r / 16] = (uint16_t)(float32 ? count_floats(column, x + r, ranks + r)
                                             : count_doubles(column, x + r, ranks + r));
    return 1;
}

/* The same, a value at a time; the processor overlaps several. */
INLINE void mlf_rank_by_tree(const mlf_prepared_column *column, const double *x, int32_t n,
                         int float32, int zero, int levels, uint8_t *ranks, uint16_t *missing)
{
    uint32_t bits = 0;
    if (levels <= 5 && rank_by_counting(column, x, n, float32, zero, ranks, missing))
        return;
    for (int32_t r = 0; r < n; r++) {
        double value = float32 ? (double)(float)x[r] : x[r];
        int absent = isnan(value) | (zero & (fabs(value) <= MLF_ZERO_LIMIT));
        uint32_t i = mlf_tree_rank(column, float32, levels, value);
        ranks[r] = (uint8_t)(absent ? 0 : i);
        bits = mlf_note(missing, r, n, bits, (uint32_t)absent);
    }
}
#endif

#undef INLINE
#endif
