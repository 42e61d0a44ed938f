/* Ranks of 64 values of a column, as the bits of masks (trees_columns.h).
 *
 *   i <- 2 i + (tree[i] <= key)        `levels` times, from 1;   rank = i - 2^levels
 *
 * Floats are compared as they are; a double's key goes down with its upper half, as if its lower
 * half were 0, and where it meets the upper half of the next cut, the lower halves decide. A column
 * of few cuts is compared with each of them instead, and one with buckets (trees_buckets.h) needs
 * no search where that is faster. The instruction sets differ in:
 *
 *   mlf_takes_buckets                        whether buckets are faster than the search
 *   mlf_bucket_floats, mlf_bucket_doubles    ranks by buckets
 *   mlf_mark_floats, mlf_mark_doubles        one mask a cut
 *   mlf_search_floats, mlf_search_doubles    the search, missing values' ranks are 0
 *   mlf_note_missing                         plane MLF_PLANE_MISSING
 */
#ifndef MLF_TREES_SEARCH_H
#define MLF_TREES_SEARCH_H

#include "trees_columns.h"

/* 64 values of a column: floats where inputs are. NaN is missing. */
typedef union mlf_values {
    _Alignas(64) float f[64];
    double d[64];
} mlf_values;

#if defined(__AVX512F__)
#include "trees_search_avx512.h"
#elif defined(__AVX2__)
#include "trees_search_avx2.h"
#else
#include "trees_search_portable.h"
#endif

#define INLINE static inline __attribute__((always_inline))

/* Doubles of a column without a tree: pivots, then the cuts that they leave. */
static void search_pivots(const mlf_prepared_column *column, const double *x, int32_t word,
                          mlf_mask *planes)
{
    for (int k = 0; k < 8; k++)
        planes[k][word] = 0;
    for (int32_t r = 0; r < 64; r++) {
        int64_t key = isnan(x[r]) ? INT64_MIN : mlf_key64(x[r]);
        int32_t block = column->n < 16 ? 0 : mlf_count64(column->pivots, key);
        int32_t rank = mlf_count64((const int64_t *)column->cuts + 16 * block, key);
        rank += 16 * block;
        for (int k = 0; k < 8; k++)
            planes[k][word] |= (uint64_t)(rank >> k & 1) << r;
    }
}

INLINE void mlf_rank_values(const mlf_prepared_column *column, int float32, const mlf_values *x,
                            int32_t word, mlf_mask *planes)
{
    mlf_note_missing(float32, x, word, planes);
    if (mlf_is_marked(column->n)) {
        if (float32)
            mlf_mark_floats(column->numbers, column->n, x->f, word, planes);
        else
            mlf_mark_doubles(column->numbers, column->n, x->d, word, planes);
        return;
    }
#if !defined(__AVX512F__)              /* whose search is faster */
    switch (mlf_takes_buckets(column) ? 2 * column->buckets.steps + float32 : 0) {
#define CASE(steps)                                                                            \
    case 2 * steps: mlf_bucket_doubles(column, x->d, steps, word, planes); return;             \
    case 2 * steps + 1: mlf_bucket_floats(column, x->f, steps, word, planes); return;
    CASE(1) CASE(2) CASE(3)
#undef CASE
    }
#endif
    for (int k = column->levels; k < mlf_rank_planes(column->n); k++)
        planes[k][word] = 0;
    switch (2 * column->levels + float32) {
#define CASE(l)                                                                                \
    case 2 * l: mlf_search_doubles(column, x->d, l, word, planes); break;                         \
    case 2 * l + 1: mlf_search_floats(column, x->f, l, word, planes); break;
    CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
    default: search_pivots(column, x->d, word, planes);
    }
}

#undef INLINE
#endif
