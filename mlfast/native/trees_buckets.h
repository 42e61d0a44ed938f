/* Ranks without a search: the line between the first and the last of a column's cuts is divided
 * into buckets of one width, so narrow that few cuts share one.
 *
 *   rank = below[bucket(x)];   rank += x >= numbers[rank]      `steps` times
 *
 * Rounding never turns two numbers' order round, so a cut in a lower bucket than x is below x, and
 * one in a higher bucket above, whatever the rounding. A missing value's rank is 0.
 */
#ifndef MLF_TREES_BUCKETS_H
#define MLF_TREES_BUCKETS_H

#include "plan.h"

#define MLF_BUCKET_PADDING 3           /* bytes: vectors read four at a time */

typedef struct mlf_buckets {
    int32_t steps;                     /* most cuts of a bucket; 0: no buckets */
    double lowest, scale, top;         /* floats' values where the inputs are floats */
    const uint8_t *below;              /* cuts in the buckets before each one */
} mlf_buckets;

/* For n rising `numbers`, floats or doubles, at least 2, at most 255. 0, or -1 without memory. */
int mlf_buckets_make(mlf_buckets *buckets, const void *numbers, int float32, int32_t n,
                     mlf_memory *memory);

#define MLF_BUCKET_(name, number)                                                              \
    static inline __attribute__((always_inline)) int32_t                                       \
    name(const mlf_buckets *b, number x)                                                       \
    {                                                                                          \
        number at = (x - (number)b->lowest) * (number)b->scale;                                \
        at = at > 0 ? at : 0;              /* NaN too */                                       \
        return (int32_t)(at < (number)b->top ? at : (number)b->top);                           \
    }
MLF_BUCKET_(mlf_bucket_float, float)
MLF_BUCKET_(mlf_bucket_double, double)
#undef MLF_BUCKET_

#endif
