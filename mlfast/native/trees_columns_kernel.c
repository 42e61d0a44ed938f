/* Columns of a block to ranks, and those to masks (trees_columns.h).
 *
 * With AVX-512 a column's search tree stands in registers, and 16 values go down it together:
 *
 *   i <- 2 i + (tree[i] <= key)        `levels` times, from 1;   rank = i - 2^levels
 *
 * A 64-bit key goes down with its upper half, as if its lower half were 0; where it meets
 * the upper half of the next cut, the lower halves decide.
 */
#include "trees_columns.h"
#include "trees_ranks.h"

/* Which of the two ways is faster here, as measured. */
#if defined(__AVX2__) && !defined(__AVX512F__)
#define PIVOTS 1
#else
#define PIVOTS 0
#endif

#define INLINE static inline __attribute__((always_inline))

/* Notes sixteen rows' missing values at a time. */
INLINE uint32_t note(uint16_t *missing, int32_t r, int32_t n, uint32_t bits, uint32_t bit)
{
    bits |= bit << (r & 15);
    if ((r & 15) == 15 || r + 1 == n) {
        missing[r / 16] = (uint16_t)bits;
        bits = 0;
    }
    return bits;
}

/* Any column: pivots, then the cuts that they leave. */
static void rank_by_pivots(const mlf_prepare *p, int32_t c, const double *x, int32_t n,
                           uint8_t *ranks, uint16_t *missing)
{
    const mlf_prepared_column *column = &p->columns[c];
    int few = column->n < 16;
    uint32_t bits = 0;
    for (int32_t r = 0; r < n; r++) {
        int32_t absent, rank, block = 0;
        if (p->float32) {
            float f = (float)x[r];
            absent = mlf_is_missing(p, c, (double)f);
            int32_t key = absent ? INT32_MIN : mlf_key32(f);
            if (!few)
                block = mlf_count32(column->pivots, key);
            rank = 16 * block + mlf_count32((const int32_t *)column->cuts + 16 * block, key);
        } else {
            absent = mlf_is_missing(p, c, x[r]);
            int64_t key = absent ? INT64_MIN : mlf_key64(x[r]);
            if (!few)
                block = mlf_count64(column->pivots, key);
            rank = 16 * block + mlf_count64((const int64_t *)column->cuts + 16 * block, key);
        }
        ranks[r] = (uint8_t)rank;
        bits = note(missing, r, n, bits, (uint32_t)absent);
    }
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

INLINE void rank_by_tree(const mlf_prepared_column *column, const double *x, int32_t n,
                              int float32, int zero, int levels, uint8_t *ranks, uint16_t *missing)
{
    __m512i t[16];
    for (int i = 0; i < 16; i++)
        t[i] = i == 0 || 16 * i < 1 << levels ? _mm512_load_si512(column->tree + 16 * i) : t[0];
    for (int32_t r = 0; r < n; r += 16)
        rank_sixteen(column, t, x + r, float32, zero, levels, ranks + r, missing + r / 16);
}
#else
/* The same, a value at a time; the processor overlaps several. */
INLINE void rank_by_tree(const mlf_prepared_column *column, const double *x, int32_t n,
                         int float32, int zero, int levels, uint8_t *ranks, uint16_t *missing)
{
    uint32_t bits = 0;
    for (int32_t r = 0; r < n; r++) {
        double value = float32 ? (double)(float)x[r] : x[r];
        int absent = isnan(value) | (zero & (fabs(value) <= MLF_ZERO_LIMIT));
        uint32_t i = mlf_tree_rank(column, float32, levels, value);
        ranks[r] = (uint8_t)(absent ? 0 : i);
        bits = note(missing, r, n, bits, (uint32_t)absent);
    }
}
#endif

void MLF_FN(mlf_rank_column)(const mlf_prepare *p, int32_t c, const double *x, int32_t n,
                             mlf_mask *planes)
{
    _Alignas(64) uint8_t ranks[MLF_BLOCK];
    const mlf_prepared_column *column = &p->columns[c];
    int levels = PIVOTS ? 0 : column->levels, zero = p->zero_missing[c];
    uint16_t *missing = (uint16_t *)(void *)&planes[MLF_PLANE_MISSING];
    memset(missing, 0, sizeof(mlf_mask));
    switch (2 * levels + p->float32) {
#define CASE(l)                                                                                \
    case 2 * l: rank_by_tree(column, x, n, 0, zero, l, ranks, missing); break;                 \
    case 2 * l + 1: rank_by_tree(column, x, n, 1, zero, l, ranks, missing); break;
    CASE(4) CASE(6) CASE(8)
#undef CASE
    default: rank_by_pivots(p, c, x, n, ranks, missing);
    }
    memset(ranks + n, 0, (size_t)(MLF_BLOCK - n));
    switch (mlf_rank_planes(column->n)) {
    case 4: mlf_planes_of(ranks, 4, planes); break;
    case 6: mlf_planes_of(ranks, 6, planes); break;
    default: mlf_planes_of(ranks, 8, planes);
    }
}
