/* Dot products. A row's sum has the same order everywhere, eight running sums over the features
 * and then a tree, so that single records, blocks and all instruction sets agree to the bit.
 * (BLAS has an order of its own, which changes with the processor: see docs/exactness.md.)
 */
#include "linear.h"

enum { LANES = 8 };

static inline double reduce(const double s[LANES])
{
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

void MLF_FN(mlf_linear_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_linear *m = data;
    (void)scratch;
    for (int32_t k = 0; k < m->n_outputs; k++) {
        const double *w = m->coef + (ptrdiff_t)k * m->n_features;
        double s[LANES] = { 0 };
        int32_t i = 0;
        for (; i + LANES <= m->n_features; i += LANES)
            for (int32_t lane = 0; lane < LANES; lane++)
                s[lane] += w[i + lane] * x[i + lane];
        for (int32_t lane = 0; i < m->n_features; i++, lane++)
            s[lane] += w[i] * x[i];
        raw[k] = reduce(s) + m->intercept[k];
    }
}

void MLF_FN(mlf_linear_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                              double *raw, void *scratch)
{
    enum { ROWS = 16 };
    const mlf_linear *m = data;
    (void)scratch;
    for (int32_t k = 0; k < m->n_outputs; k++) {
        const double *w = m->coef + (ptrdiff_t)k * m->n_features;
        for (int32_t r0 = 0; r0 < n; r0 += ROWS) {
            const int32_t rows = n - r0 < ROWS ? n - r0 : ROWS;
            double s[LANES][ROWS] = { { 0 } };
            for (int32_t i = 0; i < m->n_features; i++)
                for (int32_t r = 0; r < rows; r++)
                    s[i % LANES][r] += w[i] * x[i * stride + r0 + r];
            for (int32_t r = 0; r < rows; r++) {
                double lane[LANES];
                for (int32_t l = 0; l < LANES; l++)
                    lane[l] = s[l][r];
                raw[k * stride + r0 + r] = reduce(lane) + m->intercept[k];
            }
        }
    }
}
