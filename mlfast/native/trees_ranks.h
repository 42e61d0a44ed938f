/* Pieces of feature preparation that kernels share, for the instruction set that they are compiled
 * for. */
#ifndef MLF_TREES_RANKS_H
#define MLF_TREES_RANKS_H

#include "trees_prepare.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Number of 16 rising cuts that are <= key. */
static inline int32_t mlf_count32(const int32_t *cuts, int32_t key)
{
#if defined(__AVX512F__)
    return _mm_popcnt_u32(_mm512_cmple_epi32_mask(_mm512_load_si512(cuts), _mm512_set1_epi32(key)));
#elif defined(__AVX2__)
    __m256i k = _mm256_set1_epi32(key);
    __m256i a = _mm256_cmpgt_epi32(_mm256_load_si256((const __m256i *)cuts), k);
    __m256i b = _mm256_cmpgt_epi32(_mm256_load_si256((const __m256i *)cuts + 1), k);
    int above = _mm256_movemask_epi8(_mm256_packs_epi32(a, b));
    return 16 - _mm_popcnt_u32((uint32_t)above) / 2;
#else
    int32_t n = 0;
    for (int i = 0; i < 16; i++)
        n += cuts[i] <= key;
    return n;
#endif
}

#if defined(__AVX512F__)
static inline int32_t mlf_count_eight(const int64_t *cuts, int64_t key)
{
    return _mm_popcnt_u32(_mm512_cmple_epi64_mask(_mm512_load_si512(cuts),
                                                  _mm512_set1_epi64(key)));
}
#endif

static inline int32_t mlf_count64(const int64_t *cuts, int64_t key)
{
#if defined(__AVX512F__)
    return mlf_count_eight(cuts, key) + mlf_count_eight(cuts + 8, key);
#elif defined(__AVX2__)
    __m256i k = _mm256_set1_epi64x(key);
    const __m256i *c = (const __m256i *)cuts;
    __m256i a = _mm256_cmpgt_epi64(_mm256_load_si256(c), k);
    __m256i b = _mm256_cmpgt_epi64(_mm256_load_si256(c + 1), k);
    __m256i d = _mm256_cmpgt_epi64(_mm256_load_si256(c + 2), k);
    __m256i e = _mm256_cmpgt_epi64(_mm256_load_si256(c + 3), k);
    int above = _mm256_movemask_epi8(
        _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(d, e)));
    return 16 - _mm_popcnt_u32((uint32_t)above) / 2;
#else
    int32_t n = 0;
    for (int i = 0; i < 16; i++)
        n += cuts[i] <= key;
    return n;
#endif
}

/* 2 i + (*key < value): the comparison sets the carry that the addition takes. Compilers
 * find neither that from the C nor from the intrinsics, and take twice as many instructions. */
static inline __attribute__((always_inline)) uint64_t
mlf_child(uint64_t i, const uint32_t *key, uint32_t value)
{
#if MLF_X86
    __asm__("cmpl %[value], %[key]\n\tadcq %[i], %[i]"
            : [i] "+r"(i) : [key] "m"(*key), [value] "r"(value) : "cc");
    return i;
#else
    return 2 * i + (*key < value);
#endif
}

/* i + (x >= *number): a comparison clears the carry where that holds. */
#if MLF_X86
#define STEP(name, type, compare)                                                              \
    static inline __attribute__((always_inline)) uint64_t                                      \
    name(uint64_t i, type x, const type *number)                                               \
    {                                                                                          \
        __asm__(compare " %[number], %[x]\n\tsbbq $-1, %[i]"                                   \
                : [i] "+r"(i) : [number] "m"(*number), [x] "x"(x) : "cc");                     \
        return i;                                                                              \
    }
#else
#define STEP(name, type, compare)                                                              \
    static inline uint64_t name(uint64_t i, type x, const type *number)                        \
    {                                                                                          \
        return i + (x >= *number);                                                             \
    }
#endif
#if defined(__AVX__)
STEP(mlf_step_float, float, "vcomiss")
STEP(mlf_step_double, double, "vcomisd")
#else
STEP(mlf_step_float, float, "comiss")
STEP(mlf_step_double, double, "comisd")
#endif
#undef STEP

/* Where a key ends in a column's search tree: its rank, or that of a key of lower half 0, and
 * 2^levels. */
static inline __attribute__((always_inline)) uint32_t
mlf_tree_leaf(const mlf_prepared_column *column, int levels, int32_t key)
{
    uint64_t i = 1;
    for (int level = 0; level < levels; level++)
        i = mlf_child(i, column->tree + i, ((uint32_t)key ^ MLF_SIGN) + 1);
    return (uint32_t)i;
}

/* The rank of a double by the search tree over upper halves. */
static inline __attribute__((always_inline)) uint32_t
mlf_tree_rank(const mlf_prepared_column *column, int levels, double value)
{
    int64_t wide = mlf_key64(value);
    int32_t key = (int32_t)(wide >> 32);
    uint32_t i = mlf_tree_leaf(column, levels, key) - (UINT32_C(1) << levels);
    return i + ((column->upper[i & 255] == key) & (column->lower[i & 255] <= (uint32_t)wide));
}

static inline int mlf_is_missing(const mlf_prepare *p, int32_t c, double x)
{
    return isnan(x) | (p->zero_missing[c] & (fabs(x) <= MLF_ZERO_LIMIT));
}

static inline int32_t mlf_code_of(const mlf_prepare *p, int32_t c, double x)
{
    const mlf_prepared_column *column = &p->columns[c];
    if (p->float32)
        x = (double)(float)x;
    if (mlf_is_missing(p, c, x))
        return column->n + 1;
    return mlf_code(column, mlf_category(x, p->category_rule, p->float32));
}

#if defined(__AVX512F__)
/* Eight columns from `c` on: their keys, missing values as the smallest, and which are missing. */
static inline __mmask8 mlf_keys_of_eight(const mlf_prepare *p, const double *x, ptrdiff_t stride,
                                     int32_t c, __m512i *keys64, __m256i *keys32)
{
    int32_t left = p->n_numeric - c;
    __mmask8 some = left >= 8 ? 0xff : (__mmask8)((1 << left) - 1);
    __m512d value;
    if (p->identity && stride == 1)
        value = _mm512_maskz_loadu_pd(some, x + c);
    else {
        __m512i at = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(some, p->feature + c));
        if (stride != 1)
            at = _mm512_mullo_epi64(at, _mm512_set1_epi64(stride));
        value = _mm512_mask_i64gather_pd(_mm512_setzero_pd(), some, at, x, 8);
    }
    __mmask8 missing;
    if (p->float32) {
        __m256 f = _mm512_cvtpd_ps(value);
        __m256i bits = _mm256_castps_si256(f);
        missing = _mm256_cmp_ps_mask(f, f, _CMP_UNORD_Q);
        value = _mm512_cvtps_pd(f);
        bits = _mm256_xor_si256(bits, _mm256_srli_epi32(_mm256_srai_epi32(bits, 31), 1));
        __m256i minus_one = _mm256_set1_epi32(-1);
        *keys32 = _mm256_sub_epi32(bits, _mm256_cmpeq_epi32(bits, minus_one));
    } else {
        __m512i bits = _mm512_castpd_si512(value), minus_one = _mm512_set1_epi64(-1);
        missing = _mm512_cmp_pd_mask(value, value, _CMP_UNORD_Q);
        bits = _mm512_xor_si512(bits, _mm512_srli_epi64(_mm512_srai_epi64(bits, 63), 1));
        *keys64 = _mm512_maskz_mov_epi64(_mm512_cmpneq_epi64_mask(bits, minus_one), bits);
    }
    if (p->any_zero) {
        __m128i zero = _mm_loadl_epi64((const __m128i *)(p->zero_missing + c));
        __mmask8 small = _mm512_cmp_pd_mask(_mm512_abs_pd(value), _mm512_set1_pd(MLF_ZERO_LIMIT),
                                            _CMP_LE_OQ);
        missing |= small & (__mmask8)_mm_test_epi8_mask(zero, zero);
    }
    if (p->float32)
        *keys32 = _mm256_mask_mov_epi32(*keys32, missing, _mm256_set1_epi32(INT32_MIN));
    else
        *keys64 = _mm512_mask_mov_epi64(*keys64, missing, _mm512_set1_epi64(INT64_MIN));
    return missing & some;
}

/* The ranks of eight keys in the columns from `c` on, of at most 255 cuts, as bytes. The keys go
 * through memory (the barrier makes sure): loads that broadcast leave the shuffle port alone, which
 * comparisons need. */
static inline __attribute__((always_inline)) uint64_t
mlf_ranks_of_eight32(const mlf_prepare *p, int32_t c, __m256i keys)
{
    uint64_t ranks = 0;
    int32_t key[8];
    _mm256_storeu_si256((__m256i *)(void *)key, keys);
    __asm__("" : "+m"(key));
    for (int j = 0; j < 8 && c + j < p->n_numeric; j++) {
        const int32_t *pivots = p->pivots[c + j];
        uint32_t block = 16 * (uint32_t)mlf_count32(pivots, key[j]);
        ranks |= (uint64_t)(block + (uint32_t)mlf_count32(pivots + 16 + block, key[j])) << 8 * j;
    }
    return ranks;
}

static inline __attribute__((always_inline)) uint64_t
mlf_ranks_of_eight64(const mlf_prepare *p, int32_t c, __m512i keys)
{
    uint64_t ranks = 0;
    int64_t key[8];
    _mm512_storeu_si512(key, keys);
    __asm__("" : "+m"(key));
    for (int j = 0; j < 8 && c + j < p->n_numeric; j++) {
        const int64_t *pivots = p->pivots[c + j];
        uint32_t block = 16 * (uint32_t)mlf_count_eight(pivots, key[j]);
        if (p->many[c + j])
            block += 16 * (uint32_t)mlf_count_eight(pivots + 8, key[j]);
        ranks |= (uint64_t)(block + (uint32_t)mlf_count64(pivots + 16 + block, key[j])) << 8 * j;
    }
    return ranks;
}

/* A row's bytes in registers, byte c column c: ranks with missing values left (0), with missing
 * values right (255), codes in both. Columns have at most 255 cuts and fit `registers` registers.
 * Bytes never pass through memory: short stores could not be forwarded to wide loads. */
static inline __attribute__((always_inline)) void
mlf_row_registers(const mlf_prepare *p, const double *x, ptrdiff_t stride, int float32,
                  int registers, __m512i *left, __m512i *right)
{
    uint64_t missing[2] = { 0, 0 };
    left[0] = left[1] = right[0] = right[1] = _mm512_setzero_si512();
    for (int32_t c = 0; c < p->n_numeric; c += 8) {
        __m512i wide = _mm512_setzero_si512();
        __m256i narrow = _mm256_setzero_si256();
        uint64_t absent = mlf_keys_of_eight(p, x, stride, c, &wide, &narrow);
        uint64_t ranks = float32 ? mlf_ranks_of_eight32(p, c, narrow)
                                 : mlf_ranks_of_eight64(p, c, wide);
        int r = registers > 1 && c >= 64;
        missing[r] |= absent << c % 64;
        left[r] = _mm512_mask_set1_epi64(left[r], (__mmask8)(1 << c % 64 / 8), (int64_t)ranks);
    }
    for (int r = 0; r < registers; r++)
        right[r] = _mm512_mask_mov_epi8(left[r], missing[r], _mm512_set1_epi8(-1));
    for (int32_t c = p->n_numeric; c < p->n_columns; c++) {
        int r = registers > 1 && c >= 64;
        char code = (char)mlf_code_of(p, c, x[p->feature[c] * stride]);
        left[r] = _mm512_mask_set1_epi8(left[r], UINT64_C(1) << c % 64, code);
        right[r] = _mm512_mask_set1_epi8(right[r], UINT64_C(1) << c % 64, code);
    }
}
#endif

#endif
