/* Memory that is wanted soon, fetched into the second cache bit by bit. */
#ifndef MLF_TREES_FETCH_H
#define MLF_TREES_FETCH_H

#include <stdint.h>

typedef struct mlf_ahead {
    const char *at, *end;
} mlf_ahead;

static inline void mlf_fetch(mlf_ahead *ahead, int32_t lines)
{
    for (; lines > 0 && ahead->at < ahead->end; lines--, ahead->at += 64)
        __builtin_prefetch(ahead->at, 0, 2);
}

/* Lines at a time, for half of what is left at so many times. */
static inline int32_t mlf_fetch_share(const mlf_ahead *ahead, int32_t times)
{
    return (int32_t)((ahead->end - ahead->at) / 128 / (times + 1)) + 1;
}

#endif
