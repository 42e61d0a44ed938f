/* exp and what follows from it, a vector at a time: within 2 ulp; NaN gives NaN, infinities
 * their limits, results below the normal range are rounded as floats are. */
#ifndef MLF_NN_EXP_H
#define MLF_NN_EXP_H

#include "nn_vec.h"

MLF_INLINE vec v_abs(vec x)
{
    return (vec)((ivec)x & 0x7fffffff);
}

/* exp(x) = 2^n exp(r) with |r| <= ln(2) / 2. */
MLF_INLINE vec v_exp(vec x)
{
    const vec magic = v_all(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    x = v_max(v_all(-104.0f), v_min(v_all(89.0f), x));
    vec shifted = v_fma(x, v_all(1.44269504f), magic);
    vec n = shifted - magic;
    vec r = v_fma(n, v_all(-0.693359375f), x); /* ln(2) in two parts */
    r = v_fma(n, v_all(2.12194440e-4f), r);
    vec p = v_all(1.9875691500e-4f);
    p = v_fma(p, r, v_all(1.3981999507e-3f));
    p = v_fma(p, r, v_all(8.3334519073e-3f));
    p = v_fma(p, r, v_all(4.1665795894e-2f));
    p = v_fma(p, r, v_all(1.6666665459e-1f));
    p = v_fma(p, r, v_all(5.0000001201e-1f));
    p = v_fma(p, r * r, r) + v_all(1.0f);
    /* Two factors: 2^n itself may be beyond the range of floats. */
    ivec exponent = (ivec)shifted - (ivec)magic;
    ivec half = exponent >> 1;
    vec low = (vec)((half + 127) << 23), high = (vec)((exponent - half + 127) << 23);
    return p * low * high;
}

MLF_INLINE vec v_sigmoid(vec x)
{
    return 1.0f / (1.0f + v_exp(-x));
}

MLF_INLINE vec v_tanh(vec x)
{
    vec size = v_abs(x), square = x * x;
    vec far = 1.0f - 2.0f / (v_exp(size + size) + 1.0f);
    far = (vec)((ivec)far | ((ivec)x & (int32_t)0x80000000));
    vec p = v_all(-5.70498872745e-3f);
    p = v_fma(p, square, v_all(2.06390887954e-2f));
    p = v_fma(p, square, v_all(-5.37397155531e-2f));
    p = v_fma(p, square, v_all(1.33314422036e-1f));
    p = v_fma(p, square, v_all(-3.33332819422e-1f));
    vec near = v_fma(p * square, x, x);
    return v_select(size < 0.625f, near, far);
}

#endif
