/* Feature preparation: a row's features become integers once, for all trees.
 *
 * key:   the order-preserving integer of a float or double, k = bits ^ ((bits >> 31) & INT_MAX),
 *        with -0.0 as 0.0. x < t and x <= t are key(x) < K with K = key(t), key(t) + 1.
 * rank:  number of a column's cuts K that are <= key(x); right at cut j when rank > j.
 * code:  place of a category among the column's categories; n: none of them, n + 1: missing.
 *
 * A missing value has no key: copy `left` of the row holds a number below, copy `right` one above
 * all thresholds, and a node reads the copy of its default direction. No walk tests for NaN.
 */
#ifndef MLF_TREES_PREPARE_H
#define MLF_TREES_PREPARE_H

#include <math.h>
#include <string.h>

#include "isa.h"
#include "trees_buckets.h"
#include "trees_forest.h"

#define MLF_MISSING_LEFT INT32_MIN
#define MLF_MISSING_RIGHT INT32_MAX
#define MLF_SIGN UINT32_C(0x80000000)
#define MLF_ALWAYS_LEFT INT32_MAX      /* a K that nothing in copy `left` reaches        */

#define MLF_MARKED_CUTS 8      /* so few cuts are compared one by one (trees_columns.h)  */

typedef struct mlf_prepared_column {
    int32_t feature;
    int32_t n;                 /* cuts or categories                                     */
    int32_t n_pivots;          /* blocks of 16 cuts                                      */
    const void *pivots;        /* int32 or int64: last cut of each block, then INT_MAX up to
                                * a multiple of 16; the cuts follow                      */
    const void *cuts;          /* [16 * n_pivots], padded with INT_MAX                   */
    const void *numbers;       /* float or double [n + 1]: the least that reaches each cut, NaN */
    mlf_buckets buckets;       /* for blocks, at most 255 cuts                           */
    /* For blocks, at most 255 cuts: a search tree of 4 to 8 levels over them, node i above
     * nodes 2i and 2i + 1, over the upper halves (plus 1) of 64-bit cuts. Upper halves are
     * then distinct, and a tie is settled with `upper` and `lower`. levels 0: no tree. */
    int32_t levels;
    const uint32_t *tree;      /* [256], as unsigned numbers, padded with the largest    */
    const float *floats;       /* [256], float inputs: the same cuts as numbers, or NaN  */
    const int32_t *upper;      /* [256], padded with INT_MAX                             */
    const uint32_t *lower;     /* [256]                                                  */
    const int32_t *categories; /* member columns                                         */
    const int32_t *codes;      /* code of category c, or NULL: search categories         */
    int32_t n_codes;
} mlf_prepared_column;

typedef struct mlf_prepare {
    int32_t n_features, n_columns, n_numeric;
    int32_t float32;           /* inputs are rounded to float                            */
    int32_t ranks;             /* 1: values are ranks; 0: 32-bit keys (needs float32)    */
    int32_t any_zero;          /* some column takes zeros for missing                    */
    int32_t identity;          /* column c reads feature c                               */
    int32_t plain;             /* and keys, 4 or more, are all that there is to do       */
    uint8_t category_rule;
    const uint8_t *zero_missing;   /* (n_columns + 8,)                                   */
    const int32_t *feature;        /* (n_columns + 8,)                                   */
    /* With ranks, (n_numeric,): a column's pivots, and whether they are more than 8. */
    const void *const *pivots;
    const uint8_t *many;
    const mlf_prepared_column *columns;
} mlf_prepare;

/* Copies what the walks need of a forest's columns; NULL: no memory. */
mlf_prepare *mlf_prepare_make(const mlf_forest *forest, int ranks, mlf_memory *memory);

/* 32-bit keys of all features as they stand, used or not: rows are read without indices. */
mlf_prepare *mlf_prepare_features(const mlf_ensemble *ensemble, mlf_memory *memory);

/* A row as words: v[c] is column c's copy with missing values left, v[n_columns + c] the copy
 * with missing values right; codes are in both. Keys and ranks are `^ MLF_SIGN`, so that they are
 * in the order of unsigned numbers, in which missing values are 0 or the largest.
 * x: feature f at x[f * stride]. v: int32[2 * n_columns + 8], v[2 * n_columns] 0; the rest is
 * undefined.
 * Or as codes alone: column c's rank or category, n + 1 where it is missing. codes:
 * int32[n_columns + 8]; needs ranks. */
#define MLF_DECLARE_(isa)                                                                       \
    void mlf_prepare_words_##isa(const mlf_prepare *p, const double *x, ptrdiff_t stride,      \
                                 int32_t *v);                                              \
    void mlf_prepare_codes_##isa(const mlf_prepare *p, const double *x, ptrdiff_t stride,      \
                                 int32_t *codes);
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

static inline int32_t mlf_key32(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (bits >> 31) & INT32_MAX;
    return bits + (bits == -1);
}

static inline int64_t mlf_key64(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (bits >> 63) & INT64_MAX;
    return bits + (bits == -1);
}

/* K of a threshold. With float inputs the threshold first moves to the float that cuts
 * the floats in the same place: up for `<`, down for `<=`. */
static inline int64_t mlf_cut_key(double threshold, uint8_t comparison, int float32)
{
    if (!float32)
        return mlf_key64(threshold) + (comparison == 1);
    float t = (float)threshold;
    if (comparison == 0 && (double)t < threshold)
        t = nextafterf(t, INFINITY);
    if (comparison == 1 && (double)t > threshold)
        t = nextafterf(t, -INFINITY);
    return mlf_key32(t) + (comparison == 1);
}

/* LightGBM: a zero is |x| <= 1e-35f. */
#define MLF_ZERO_LIMIT ((double)1e-35f)

/* The category of a value, or a negative number: -1 none, -2 missing. */
static inline int64_t mlf_category(double x, uint8_t rule, int float32)
{
    if (isnan(x))
        return -2;
    if (rule == 0)             /* lightgbm: static_cast<int>, negative is missing */
        return x > -1.0 && x < 2147483648.0 ? (int64_t)x : -2;
    if (rule == 1)             /* xgboost */
        return x >= 0.0 && x < 16777216.0 ? (int64_t)x : -1;
    double limit = float32 ? 16777216.0 : 9007199254740992.0;
    return x >= 0.0 && x <= limit ? (int64_t)x : -1;
}

/* Code of a category among n; `categories` is rising. */
static inline int32_t mlf_code(const mlf_prepared_column *column, int64_t category)
{
    int32_t n = column->n;
    if (category < 0)
        return category == -2 ? n + 1 : n;
    if (column->codes != NULL)
        return category < column->n_codes ? column->codes[category] : n;
    int32_t low = 0, high = n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (column->categories[middle] < category)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && column->categories[low] == category ? low : n;
}

#endif
