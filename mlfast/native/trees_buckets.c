#include "trees_buckets.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define FEWEST_BUCKETS 256
#define MOST_BUCKETS 1024
#define MOST_STEPS 3

static double number(const void *numbers, int float32, int32_t i)
{
    return float32 ? (double)((const float *)numbers)[i] : ((const double *)numbers)[i];
}

static int32_t bucket_of(const mlf_buckets *b, const void *numbers, int float32, int32_t i)
{
    return float32 ? mlf_bucket_float(b, ((const float *)numbers)[i])
                   : mlf_bucket_double(b, ((const double *)numbers)[i]);
}

/* Buckets of one width between the first and the last number; most numbers in one of them are
 * `steps`, 0 where they cannot be told apart. */
static mlf_buckets divide(const void *numbers, int float32, int32_t n, int32_t n_buckets)
{
    const double lowest = number(numbers, float32, 0);
    const double width = number(numbers, float32, n - 1) - lowest;
    const double scale = (double)(n_buckets - 1) / width;
    const double most = float32 ? FLT_MAX : DBL_MAX, least = float32 ? FLT_MIN : DBL_MIN;
    mlf_buckets b = { .lowest = lowest, .scale = float32 ? (double)(float)scale : scale,
                      .top = (double)(n_buckets - 1) };
    if (!(width <= most && scale <= most && scale >= least))
        return b;
    for (int32_t i = 0, count = 0, last = -1; i < n; i++) {
        const int32_t bucket = bucket_of(&b, numbers, float32, i);
        count = bucket == last ? count + 1 : 1;
        last = bucket;
        b.steps = count > b.steps ? count : b.steps;
    }
    return b;
}

int mlf_buckets_make(mlf_buckets *buckets, const void *numbers, int float32, int32_t n,
                     mlf_memory *memory)
{
    mlf_buckets best = { .steps = MOST_STEPS + 1 };
    for (int32_t size = FEWEST_BUCKETS; size <= MOST_BUCKETS && best.steps > 1; size *= 2) {
        mlf_buckets b = divide(numbers, float32, n, size);
        if (b.steps > 0 && b.steps < best.steps)
            best = b;
    }
    *buckets = (mlf_buckets){ .steps = 0 };
    if (best.steps > MOST_STEPS)
        return 0;
    const size_t size = (size_t)best.top + 1;
    uint8_t *below = memory->alloc(memory, size + MLF_BUCKET_PADDING);
    if (below == NULL)
        return -1;
    memset(below, 0, size + MLF_BUCKET_PADDING);
    for (int32_t i = 0; i < n; i++) {
        const size_t next = (size_t)bucket_of(&best, numbers, float32, i) + 1;
        if (next < size)
            below[next] = (uint8_t)(i + 1);
    }
    for (size_t i = 1; i < size; i++)
        below[i] = below[i] ? below[i] : below[i - 1];
    best.below = below;
    *buckets = best;
    return 0;
}
