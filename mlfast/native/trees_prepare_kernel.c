/* Rows to keys, ranks and codes (trees_prepare.h). */
#include "trees_ranks.h"

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
            block = 16 * block + mlf_count##bits(pivots + 16 * block, key);                        \
        return 16 * block + mlf_count##bits(cuts + 16 * block, key);                               \
    }
RANK(32)
RANK(64)

static inline int32_t rank_of(const mlf_prepare *p, int32_t c, double x, int32_t *missing)
{
    const mlf_prepared_column *column = &p->columns[c];
    if (p->float32) {
        float f = (float)x;
        *missing = mlf_is_missing(p, c, (double)f);
        return rank32(column, *missing ? INT32_MIN : mlf_key32(f));
    }
    *missing = mlf_is_missing(p, c, x);
#if !defined(__AVX2__)         /* where vectors of 64-bit integers cannot be compared */
    if (column->levels == 8)
        return (int32_t)mlf_tree_rank(column, 0, 8, x);
    if (column->levels == 6)
        return (int32_t)mlf_tree_rank(column, 0, 6, x);
#endif
    return rank64(column, *missing ? INT64_MIN : mlf_key64(x));
}

#if defined(__AVX512F__)
static inline void word_keys(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    for (int32_t c = 0; c < p->n_numeric; c += 8) {
        int32_t left = p->n_numeric - c;
        __mmask8 some = left >= 8 ? 0xff : (__mmask8)((1 << left) - 1);
        __m512i wide = _mm512_setzero_si512();
        __m256i narrow = _mm256_setzero_si256();
        __mmask8 missing = mlf_keys_of_eight(p, x, stride, c, &wide, &narrow);
        _mm256_mask_storeu_epi32(v + c, some, narrow);
        narrow = _mm256_mask_mov_epi32(narrow, missing, _mm256_set1_epi32(MLF_MISSING_RIGHT));
        _mm256_mask_storeu_epi32(v + p->n_columns + c, some, narrow);
    }
}
#else
static inline void word_keys(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    for (int32_t c = 0; c < p->n_numeric; c++) {
        float f = (float)x[p->feature[c] * stride];
        int32_t key = mlf_key32(f), missing = mlf_is_missing(p, c, (double)f);
        v[c] = missing ? MLF_MISSING_LEFT : key;
        v[p->n_columns + c] = missing ? MLF_MISSING_RIGHT : key;
    }
}
#endif

void MLF_FN(mlf_prepare_words)(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    int32_t n = p->n_columns, missing;
    if (!p->ranks)
        word_keys(p, x, stride, v);
    else
        for (int32_t c = 0; c < p->n_numeric; c++) {
            int32_t rank = rank_of(p, c, x[p->feature[c] * stride], &missing);
            v[c] = missing ? MLF_MISSING_LEFT : rank;
            v[n + c] = missing ? MLF_MISSING_RIGHT : rank;
        }
    for (int32_t c = p->n_numeric; c < n; c++)
        v[c] = v[n + c] = mlf_code_of(p, c, x[p->feature[c] * stride]);
    v[2 * n] = INT32_MIN;
}
