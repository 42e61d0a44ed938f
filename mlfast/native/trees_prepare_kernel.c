/* Rows to keys, ranks and codes (trees_prepare.h). */
#include "trees_ranks.h"
#include "trees_words.h"

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

/* The same by the column's buckets; 0 where x is missing. */
#define BUCKET_RANK(type)                                                                      \
    static inline int32_t bucket_rank_##type(const mlf_prepared_column *column, type x)        \
    {                                                                                          \
        const type *numbers = column->numbers;                                                 \
        uint64_t rank = column->buckets.below[mlf_bucket_##type(&column->buckets, x)];         \
        rank = mlf_step_##type(rank, x, &numbers[rank]);                                       \
        for (int32_t step = 1; step < column->buckets.steps; step++)                           \
            rank = mlf_step_##type(rank, x, &numbers[rank]);                                   \
        return (int32_t)rank;                                                                  \
    }
BUCKET_RANK(float)
BUCKET_RANK(double)

static inline int32_t rank_of(const mlf_prepare *p, int32_t c, double x, int32_t *missing)
{
    const mlf_prepared_column *column = &p->columns[c];
    if (p->float32) {
        float f = (float)x;
        *missing = mlf_is_missing(p, c, (double)f);
        if (column->buckets.steps > 0)
            return bucket_rank_float(column, *missing ? NAN : f);
        return rank32(column, *missing ? INT32_MIN : mlf_key32(f));
    }
    *missing = mlf_is_missing(p, c, x);
    if (column->buckets.steps > 0)
        return bucket_rank_double(column, *missing ? (double)NAN : x);
#if !defined(__AVX2__)         /* where vectors of 64-bit integers cannot be compared */
    switch (column->levels) {
#define CASE(levels) case levels: return (int32_t)mlf_tree_rank(column, levels, x);
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
    v[c] = missing ? 0 : word ^ INT32_MIN;
    v[p->n_columns + c] = missing ? -1 : word ^ INT32_MIN;
}

/* Whole vectors are stored: what goes beyond a copy is overwritten by the next one, or is the
 * row's padding. No number's word is 0, so the second loop finds the missing values by it. */
static inline void word_keys(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    const int32_t *f = p->feature;
    for (int32_t c = 0; c < p->n_numeric; c += MLF_WORDS) {
        mlf_floats value;
        mlf_ints missing;
        for (int i = 0; i < MLF_WORDS; i++)
            value[i] = (float)x[f[c + i] * stride];
        mlf_ints left = mlf_words_of(value, &missing);
        memcpy(v + c, &left, sizeof left);
    }
    if (p->any_zero)
        for (int32_t c = 0; c < p->n_numeric; c++)
            if (mlf_is_missing(p, c, (double)(float)x[f[c] * stride]))
                v[c] = 0;
    for (int32_t c = 0; c < p->n_numeric; c += MLF_WORDS) {
        mlf_ints word;
        memcpy(&word, v + c, sizeof word);
        word |= word == 0;
        memcpy(v + p->n_columns + c, &word, sizeof word);
    }
}

void MLF_FN(mlf_prepare_words)(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    int32_t n = p->n_columns, missing;
    if (p->plain && stride == 1)
        mlf_plain_words(p, x, v);
    else if (!p->ranks)
        word_keys(p, x, stride, v);
    else
        for (int32_t c = 0; c < p->n_numeric; c++) {
            int32_t rank = rank_of(p, c, x[p->feature[c] * stride], &missing);
            put_word(p, c, rank, missing, v);
        }
    for (int32_t c = p->n_numeric; c < n; c++)
        v[c] = v[n + c] = mlf_code_of(p, c, x[p->feature[c] * stride]);
    v[2 * n] = 0;
}

void MLF_FN(mlf_prepare_codes)(const mlf_prepare *p, const double *x, ptrdiff_t stride,
                               int32_t *codes)
{
    int32_t missing;
    for (int32_t c = 0; c < p->n_numeric; c++) {
        int32_t rank = rank_of(p, c, x[p->feature[c] * stride], &missing);
        codes[c] = missing ? p->columns[c].n + 1 : rank;
    }
    for (int32_t c = p->n_numeric; c < p->n_columns; c++)
        codes[c] = mlf_code_of(p, c, x[p->feature[c] * stride]);
}
