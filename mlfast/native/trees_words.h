/* Rows of floats to keys, a vector of columns at a time (trees_prepare.h). */
#ifndef MLF_TREES_WORDS_H
#define MLF_TREES_WORDS_H

#include "trees_prepare.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Of a vector, in every instruction set: longer stores overlap for most numbers of columns, or
 * cross cache lines, and the walk's loads wait for them. */
#define MLF_WORDS 4

typedef float mlf_floats __attribute__((vector_size(4 * MLF_WORDS)));
typedef int32_t mlf_ints __attribute__((vector_size(4 * MLF_WORDS)));

static inline mlf_floats mlf_floats_of(const double *x)
{
#if defined(__SSE2__)
    return (mlf_floats)_mm_movelh_ps(_mm_cvtpd_ps(_mm_loadu_pd(x)),
                                     _mm_cvtpd_ps(_mm_loadu_pd(x + 2)));
#else
    return (mlf_floats){ (float)x[0], (float)x[1], (float)x[2], (float)x[3] };
#endif
}

/* Words of copy `left`; `missing`: all ones where copy `right` has all ones. */
static inline mlf_ints mlf_words_of(mlf_floats value, mlf_ints *missing)
{
    mlf_ints bits = (mlf_ints)(value + 0.0f);  /* -0.0 is 0.0 */
    *missing = value != value;
#if MLF_X86
    __asm__("" : "+x"(*missing));              /* no blend for the mask: it takes three steps */
#endif
    return (bits ^ ((bits >> 31) | INT32_MIN)) & ~*missing;
}

/* mlf_prepare_words where p->plain; the last vector overlaps the one before it. */
static inline __attribute__((always_inline)) void
mlf_plain_words(const mlf_prepare *p, const double *x, int32_t *v)
{
    const size_t n = (size_t)p->n_columns;
    for (size_t c = 0; c < n; c += MLF_WORDS) {
        mlf_ints missing;
        c = c < n - MLF_WORDS ? c : n - MLF_WORDS;
        mlf_ints left = mlf_words_of(mlf_floats_of(x + c), &missing);
        mlf_ints right = left | missing;
        memcpy(v + c, &left, sizeof left);
        memcpy(v + n + c, &right, sizeof right);
    }
}

#endif
