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
    switch (column->levels) {
#define CASE(levels) case levels: return (int32_t)mlf_tree_rank(column, 0, levels, x);
    CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
    }
#endif
    return rank64(column, *missing ? INT64_MIN : mlf_key64(x));
}

/* Both copies of column c. */
static inline void put_word(const mlf_prepare *p, int32_t c, int32_t word, int32_t missing,
                            int32_t *v)
{
    v[c] = (missing ? MLF_MISSING_LEFT : word) ^ (int32_t)p->flip;
    v[p->n_columns + c] = (missing ? MLF_MISSING_RIGHT : word) ^ (int32_t)p->flip;
}

#if defined(__AVX512F__)
/* Whole registers are stored, never a masked part: that could not be forwarded to the walk's
 * loads. What goes beyond a copy is overwritten by the next one, or is the row's padding. */
static inline void word_keys(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    const __m256i flip = _mm256_set1_epi32((int32_t)p->flip);
    const __m256i absent = _mm256_set1_epi32(MLF_MISSING_LEFT ^ (int32_t)p->flip);
    const __m256i right = _mm256_set1_epi32(MLF_MISSING_RIGHT ^ (int32_t)p->flip);
    for (int32_t c = 0; c < p->n_numeric; c += 8) {
        __m512i wide = _mm512_setzero_si512();
        __m256i narrow = _mm256_setzero_si256();
        mlf_keys_of_eight(p, x, stride, c, &wide, &narrow);
        _mm256_storeu_si256((__m256i *)(v + c), _mm256_xor_si256(narrow, flip));
    }
    for (int32_t c = 0; c < p->n_numeric; c += 8) {     /* no key is MLF_MISSING_LEFT */
        __m256i narrow = _mm256_loadu_si256((const __m256i *)(v + c));
        narrow = _mm256_mask_mov_epi32(narrow, _mm256_cmpeq_epi32_mask(narrow, absent), right);
        _mm256_storeu_si256((__m256i *)(v + p->n_columns + c), narrow);
    }
}
#else
static inline void word_keys(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    for (int32_t c = 0; c < p->n_numeric; c++) {
        float f = (float)x[p->feature[c] * stride];
        put_word(p, c, mlf_key32(f), mlf_is_missing(p, c, (double)f), v);
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
            put_word(p, c, rank, missing, v);
        }
    for (int32_t c = p->n_numeric; c < n; c++)
        v[c] = v[n + c] = mlf_code_of(p, c, x[p->feature[c] * stride]);
    v[2 * n] = INT32_MIN ^ (int32_t)p->flip;
}
