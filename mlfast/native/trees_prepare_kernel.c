/* Rows to keys, ranks and codes (trees_prepare.h). */
#include "trees_prepare.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Number of 16 rising cuts that are <= key. */
static inline int32_t count32(const int32_t *cuts, int32_t key)
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

static inline int32_t count64(const int64_t *cuts, int64_t key)
{
#if defined(__AVX512F__)
    __m512i k = _mm512_set1_epi64(key);
    uint32_t low = _mm512_cmple_epi64_mask(_mm512_load_si512(cuts), k);
    uint32_t high = _mm512_cmple_epi64_mask(_mm512_load_si512(cuts + 8), k);
    return _mm_popcnt_u32(low | high << 8);
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

/* rank = cuts <= key: binary search over blocks of 256 cuts, then over the block's 16 pivots,
 * then over the 16 cuts that the pivots leave; each of the last two is one comparison
 * of a vector and one popcount. */
#define RANK(bits)                                                                             \
    static inline int32_t rank##bits(const mlf_prepared_column *column, int##bits##_t key)     \
    {                                                                                          \
        const int##bits##_t *pivots = column->pivots, *cuts = column->cuts;                    \
        int32_t block = 0;                                                                     \
        if (column->n_pivots > 16)                                                             \
            for (int32_t n = (column->n_pivots + 15) / 16; n > 1;) {                           \
                int32_t half = n / 2;                                                          \
                block += pivots[16 * (block + half) - 1] <= key ? half : 0;                    \
                n -= half;                                                                     \
            }                                                                                  \
        if (column->n_pivots > 1)                                                              \
            block = 16 * block + count##bits(pivots + 16 * block, key);                        \
        return 16 * block + count##bits(cuts + 16 * block, key);                               \
    }
RANK(32)
RANK(64)

static inline int is_missing(const mlf_prepare *p, int32_t c, double x)
{
    return isnan(x) | (p->zero_missing[c] & (fabs(x) <= MLF_ZERO_LIMIT));
}

static inline int32_t code_of(const mlf_prepare *p, int32_t c, double x)
{
    const mlf_prepared_column *column = &p->columns[c];
    if (p->float32)
        x = (double)(float)x;
    if (is_missing(p, c, x))
        return column->n + 1;
    return mlf_code(column, mlf_category(x, p->category_rule, p->float32));
}

static inline int32_t rank_of(const mlf_prepare *p, int32_t c, double x, int *missing)
{
    const mlf_prepared_column *column = &p->columns[c];
    if (p->float32) {
        float f = (float)x;
        *missing = is_missing(p, c, (double)f);
        return rank32(column, *missing ? INT32_MIN : mlf_key32(f));
    }
    *missing = is_missing(p, c, x);
    return rank64(column, *missing ? INT64_MIN : mlf_key64(x));
}

void MLF_FN(mlf_prepare_words)(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    int32_t n = p->n_columns, missing;
    int32_t *left = v, *right = v + n;
    if (p->ranks)
        for (int32_t c = 0; c < p->n_numeric; c++) {
            int32_t rank = rank_of(p, c, x[p->feature[c] * stride], &missing);
            left[c] = missing ? MLF_MISSING_LEFT : rank;
            right[c] = missing ? MLF_MISSING_RIGHT : rank;
        }
    else
        for (int32_t c = 0; c < p->n_numeric; c++) {
            float f = (float)x[p->feature[c] * stride];
            int32_t key = mlf_key32(f);
            missing = is_missing(p, c, (double)f);
            left[c] = missing ? MLF_MISSING_LEFT : key;
            right[c] = missing ? MLF_MISSING_RIGHT : key;
        }
    for (int32_t c = p->n_numeric; c < n; c++)
        left[c] = right[c] = code_of(p, c, x[p->feature[c] * stride]);
    v[2 * n] = INT32_MIN;
}

void MLF_FN(mlf_prepare_bytes)(const mlf_prepare *p, const double *x, ptrdiff_t stride, uint8_t *v)
{
    int32_t n = p->n_columns, missing;
    uint8_t *left = v, *right = v + n;
    for (int32_t c = 0; c < p->n_numeric; c++) {
        int32_t rank = rank_of(p, c, x[p->feature[c] * stride], &missing);
        left[c] = (uint8_t)(missing ? 0 : rank);
        right[c] = (uint8_t)(missing ? 255 : rank);
    }
    for (int32_t c = p->n_numeric; c < n; c++)
        left[c] = right[c] = (uint8_t)code_of(p, c, x[p->feature[c] * stride]);
}
