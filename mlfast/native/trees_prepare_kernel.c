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
    v[c] = (missing ? MLF_MISSING_LEFT : word) ^ (int32_t)p->flip;
    v[p->n_columns + c] = (missing ? MLF_MISSING_RIGHT : word) ^ (int32_t)p->flip;
}

#if defined(__AVX2__)
#define WIDTH 8
#else
#define WIDTH 4
#endif

typedef float floats __attribute__((vector_size(4 * WIDTH)));
typedef int32_t words __attribute__((vector_size(4 * WIDTH)));

/* Several columns' words, in every instruction set's vectors: copy `left`, and by the missing
 * ones' bits copy `right`. */
static inline words words_of(floats value, int32_t flip, words *known)
{
    words bits = (words)value;
    *known = value == value;
    words key = bits ^ ((bits >> 31) & INT32_MAX);
    key -= key == -1;                          /* -0.0 is 0.0 */
    return ((key & *known) | (MLF_MISSING_LEFT & ~*known)) ^ flip;
}

static inline floats floats_of(const double *x)
{
#if defined(__AVX2__)
    return (floats)_mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(x + 4)),
                                   _mm256_cvtpd_ps(_mm256_loadu_pd(x)));
#else
    return (floats){ (float)x[0], (float)x[1], (float)x[2], (float)x[3] };
#endif
}

/* Column c is feature c, of a row without gaps; the last vector overlaps the one before it. */
static inline void word_keys_in_order(const mlf_prepare *p, const double *x, int32_t *v)
{
    const int32_t n = p->n_columns, flip = (int32_t)p->flip;
    for (int32_t c = 0; c < n; c += WIDTH) {
        words known;
        c = c < n - WIDTH ? c : n - WIDTH;
        words left = words_of(floats_of(x + c), flip, &known);
        words right = (left & known) | ((MLF_MISSING_RIGHT ^ flip) & ~known);
        memcpy(v + c, &left, sizeof left);
        memcpy(v + n + c, &right, sizeof right);
    }
}

/* Whole vectors are stored: what goes beyond a copy is overwritten by the next one, or is the
 * row's padding. No key is MLF_MISSING_LEFT, so the second loop finds the missing values by it. */
static inline void word_keys(const mlf_prepare *p, const double *x, ptrdiff_t stride, int32_t *v)
{
    const int32_t *f = p->feature;
    const int32_t flip = (int32_t)p->flip, absent = MLF_MISSING_LEFT ^ flip;
    if (p->identity && !p->any_zero && stride == 1 && p->n_columns >= WIDTH) {
        word_keys_in_order(p, x, v);
        return;
    }
    for (int32_t c = 0; c < p->n_numeric; c += WIDTH) {
        floats value;
        words known;
        for (int i = 0; i < WIDTH; i++)
            value[i] = (float)x[f[c + i] * stride];
        words key = words_of(value, flip, &known);
        memcpy(v + c, &key, sizeof key);
    }
    if (p->any_zero)
        for (int32_t c = 0; c < p->n_numeric; c++)
            if (mlf_is_missing(p, c, (double)(float)x[f[c] * stride]))
                v[c] = absent;
    for (int32_t c = 0; c < p->n_numeric; c += WIDTH) {
        words key;
        memcpy(&key, v + c, sizeof key);
        words missing = key == absent;
        key = (key & ~missing) | ((MLF_MISSING_RIGHT ^ flip) & missing);
        memcpy(v + p->n_columns + c, &key, sizeof key);
    }
}

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
