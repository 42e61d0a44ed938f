/* XGBoost's sigmoid for many rows at once, bit for bit that of single rows (links.c).
 *
 *   exp(t) = 2^k exp(r),   k = round(t / ln 2),   r = t - k ln 2,   exp(r) by its Taylor series
 *
 * in double, to some 37 bits. Rounded to float this is what expf gives, unless it falls so near the
 * middle between two floats that expf's own error decides: those few rows ask expf. Its error
 * is below 0.502 units in the last place in the C library of GNU; MARGIN allows 0.5039.
 */
#include "links_rows.h"

#include <math.h>
#include <string.h>

#if defined(__GLIBC__) && defined(__AVX2__)

enum { LANES = 8 };
typedef double doubles __attribute__((vector_size(64)));
typedef int64_t longs __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(32)));
typedef int32_t ints __attribute__((vector_size(32)));

#define DROPPED ((1 << 29) - 1)        /* the bits of a double that a float has not */
#define MARGIN (1 << 21)               /* 1/256 of a float's last place */

static const double TAYLOR[] = {
    1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
    1.0 / 362880 };

/* exp(t) for eight floats; *unsure: lanes that expf has to answer. */
static inline __attribute__((always_inline)) floats exp_of(floats t, ints *unsure)
{
    const double shift = 0x1.8p52, log2e = 0x1.71547652b82fep0;
    const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
    doubles x = __builtin_convertvector(t, doubles);
    doubles shifted = x * log2e + shift, k = shifted - shift;
    doubles r = x - k * ln2_high - k * ln2_low;
    doubles p = r * TAYLOR[9] + TAYLOR[8];
    for (int i = 7; i >= 0; i--)
        p = p * r + TAYLOR[i];
    doubles scale = (doubles)(((longs)shifted + 1023) << 52);
    doubles y = p * scale;
    ints dropped = __builtin_convertvector((longs)y & DROPPED, ints);
    dropped -= 1 << 28;
    *unsure = (dropped < MARGIN) & (dropped > -MARGIN);
    return __builtin_convertvector(y, floats);
}

/* Lanes of e that are unsure, by expf. */
static __attribute__((noinline)) void ask_expf(const ints *unsure, const floats *t, floats *e)
{
    float in[LANES], out[LANES];
    memcpy(in, t, sizeof in);
    memcpy(out, e, sizeof out);
    for (int i = 0; i < LANES; i++)
        if ((*unsure)[i])
            out[i] = expf(in[i]);
    memcpy(e, out, sizeof out);
}

/* LANES rows. */
static inline __attribute__((always_inline)) void sigmoid(const double *in, double *out)
{
    doubles x;
    memcpy(&x, in, sizeof x);
    const float most = 88.7f, least = -80.0f;      /* as in links.c; expf is denormal below -87 */
    floats t = -__builtin_convertvector(x, floats);
    ints above = t > most;                         /* not NaN, which stays */
    t = (floats)(((ints)t & ~above) | ((ints)((floats){ 0 } + most) & above));
    ints unsure;
    floats e = exp_of(t, &unsure);
    unsure |= t < least;
    uint64_t any[LANES / 2];
    memcpy(any, &unsure, sizeof any);
    if (any[0] | any[1] | any[2] | any[3])
        ask_expf(&unsure, &t, &e);
    x = __builtin_convertvector(1.0f / (e + 1.0f + 1e-16f), doubles);
    memcpy(out, &x, sizeof x);
}

void MLF_FN(mlf_sigmoid_rows)(const double *x, int32_t n, double *out)
{
    int32_t r = 0;
    for (; r + LANES <= n; r += LANES)
        sigmoid(x + r, out + r);
    if (r < n) {
        double some[LANES] = { 0 };
        memcpy(some, x + r, (size_t)(n - r) * sizeof *x);
        sigmoid(some, some);
        memcpy(out + r, some, (size_t)(n - r) * sizeof *x);
    }
}

#else

void MLF_FN(mlf_sigmoid_rows)(const double *x, int32_t n, double *out)
{
    for (int32_t r = 0; r < n; r++) {
        float negative = -(float)x[r];
        float sum = expf(negative > 88.7f ? 88.7f : negative) + 1.0f + 1e-16f;
        out[r] = (double)(1.0f / sum);
    }
}

#endif
