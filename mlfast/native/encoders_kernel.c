/* The encoder's interpreter: a list of steps, one value in, one value out for most of them.
 *
 * Every such step is one expression in MAPS below, from which the loop over a block and
 * the case for a single record are both generated.
 */
#include <math.h>

#include "encoders.h"
#include "vocabulary.h"

/* np.clip: NaN stays NaN. */
static inline double clip(double x, double low, double high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* Number of edges <= x: np.searchsorted(edges, x, side="right"); NaN comes last. */
static inline int32_t rank(const double *edges, int32_t n, double x)
{
    const double *base = edges;
    while (n > 1) {       /* the answer is in [base, base + n]; a select, not a branch */
        int32_t half = n / 2;
        base += base[half - 1] > x ? 0 : half;
        n -= half;
    }
    return (int32_t)(base - edges) + (n == 1 && !(base[0] > x));
}

/* QuantileTransformer over the m distinct quantiles u[0] < ... < u[m-1].
 *
 * The mean of np.interp forwards and backwards. Between u[i] and u[i+1] both follow the same
 * line, anchored at its left end (u[i], left[i]) forwards and its right end (u[i+1], right[i])
 * backwards; a repeated quantile has two references, so at[i], the mean there, is computed before.
 * Beyond the ends the answer is s->a and s->b. Where infinity - infinity gives NaN, np.interp takes
 * the other end, and so do we. */
static inline double interpolate(double slope, double x, double x0, double y0, double x1, double y1)
{
    double y = slope * (x - x0) + y0;
    if (y != y) {
        y = slope * (x - x1) + y1;
        if (y != y && y0 == y1)
            y = y0;
    }
    return y;
}

static double quantile(const mlf_step *s, double x)
{
    const int32_t m = s->size;
    const double *u = s->table, *at = u + m, *slope = at + m, *left = slope + m, *right = left + m;
    const double threshold = 1e-7;
    double y;
    if (x != x)
        return x;
    int32_t i = rank(u, m, x) - 1;
    if (i < 0)
        y = s->a;
    else if (x > u[m - 1])
        y = s->b;
    else if (i == m - 1 || u[i] == x)
        y = at[i];
    else
        y = 0.5 * (interpolate(slope[i], x, u[i], left[i], u[i + 1], right[i])
                   - interpolate(slope[i], -x, -u[i + 1], -right[i], -u[i], -left[i]));
    if (!(s->flags & 1))
        return y;
    if (x + threshold > u[m - 1])
        y = 1.0;
    if (x - threshold < u[0])
        y = 0.0;
    return clip(mlf_ndtri(y) + 0.0, s->low, s->high);   /* + 0.0: norm.ppf adds its loc */
}

/* ---- one value in, one value out: name, expression of x and the step s */
#define MAPS(MAP)                                                                                  \
    MAP(COPY, x)                                                                                   \
    MAP(SHIFT_DIVIDE, (x - s->a) / s->b)                                                           \
    MAP(MULTIPLY_ADD, x * s->a + s->b)                                                             \
    MAP(MULTIPLY_ADD_CLIP, clip(x * s->a + s->b, s->low, s->high))                                 \
    MAP(SQRT, sqrt(x))                                                                             \
    MAP(ABS, fabs(x))                                                                              \
    MAP(SQUARE, x * x)                                                                             \
    MAP(IMPUTE_NAN, x != x ? s->b : x)                                                             \
    MAP(IMPUTE, x == s->a ? s->b : x)                                                              \
    MAP(INDICATE_NAN, x != x ? 1.0 : 0.0)                                                          \
    MAP(INDICATE, x == s->a ? 1.0 : 0.0)                                                           \
    MAP(MISSING, x == s->a ? NAN : x)                                                              \
    MAP(CONSTANT, s->a)                                                                            \
    MAP(ROUND, (double)(float)x)                                                                   \
    MAP(QUANTILE, quantile(s, x))                                                                  \
    MAP(DIGITIZE, (double)rank(s->table, s->size, x))                                              \
    MAP(LOOKUP, (double)mlf_find_number(s->vocabulary, x))                                         \
    MAP(RECODE, ((const double *)s->table)[(int32_t)x])                                            \
    MAP(TABLE, ((const double *)s->table)[(int32_t)x])

/* ---- steps of another shape; x points at row 0 of slot 0 */

static inline int is_bad(double x, int flags)
{
    return ((flags & 1) && x != x) || ((flags & 2) && isinf(x))
        || ((flags & 4) && isinf((float)x));
}

/* Sums in NumPy's order, since the last bit depends on it.
 * |x|: np.sum is pairwise: eight running sums for up to 128 values, halves beyond. */
static double sum_abs(const int32_t *in, const double *x, ptrdiff_t stride, int32_t n)
{
    if (n < 8) {
        double sum = 0.0;
        for (int32_t i = 0; i < n; i++)
            sum += fabs(x[in[i] * stride]);
        return sum;
    }
    if (n <= 128) {
        double r[8], sum;
        int32_t i = 8;
        for (int32_t k = 0; k < 8; k++)
            r[k] = fabs(x[in[k] * stride]);
        for (; i < n - n % 8; i += 8)
            for (int32_t k = 0; k < 8; k++)
                r[k] += fabs(x[in[i + k] * stride]);
        sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; i < n; i++)
            sum += fabs(x[in[i] * stride]);
        return sum;
    }
    int32_t half = n / 2 - n / 2 % 8;
    return sum_abs(in, x, stride, half) + sum_abs(in + half, x, stride, n - half);
}

/* x * x: np.einsum has two lanes (128-bit vectors) and takes four vectors at a time, last first. */
static double sum_squares(const int32_t *in, const double *x, ptrdiff_t stride, int32_t n)
{
    double lane[2] = { 0.0, 0.0 };
    int32_t i = 0;
    for (; n - i >= 8; i += 8)
        for (int32_t v = 3; v >= 0; v--)
            for (int32_t k = 0; k < 2; k++) {
                double value = x[in[i + 2 * v + k] * stride];
                lane[k] = value * value + lane[k];
            }
    for (; i < n; i++) {
        double value = x[in[i] * stride];
        lane[i % 2] = value * value + lane[i % 2];
    }
    return lane[0] + lane[1];
}

static double max_abs(const int32_t *in, const double *x, ptrdiff_t stride, int32_t n)
{
    double max = 0.0;
    for (int32_t i = 0; i < n; i++) {
        double value = fabs(x[in[i] * stride]);
        max = value > max ? value : max;
    }
    return max;
}

/* Sparse rows are added up by scikit-learn, one value after the other. */
static double sum_in_order(const int32_t *in, const double *x, ptrdiff_t stride, int32_t n,
                           int square)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) {
        double value = x[in[i] * stride];
        sum += square ? value * value : fabs(value);
    }
    return sum;
}

static double norm_of(const mlf_step *s, const double *row, ptrdiff_t stride)
{
    const int32_t *in = s->table;
    const double least = s->flags & 4 ? 5e-324 : 10 * 2.220446049250313e-16;
    double norm;
    switch (s->flags) {
    case 0: norm = sum_abs(in, row, stride, s->size); break;
    case 1: norm = sqrt(sum_squares(in, row, stride, s->size)); break;
    case 4: norm = sum_in_order(in, row, stride, s->size, 0); break;
    case 5: norm = sqrt(sum_in_order(in, row, stride, s->size, 1)); break;
    default: norm = max_abs(in, row, stride, s->size);
    }
    return norm < least ? 1.0 : norm;
}

static void normalize(const mlf_step *s, double *x, ptrdiff_t stride, int32_t n)
{
    const int32_t *in = s->table, *out = in + s->size;
    for (int32_t r = 0; r < n; r++) {
        double *row = x + r;
        const double norm = norm_of(s, row, stride);
        for (int32_t i = 0; i < s->size; i++)
            row[out[i] * stride] = row[in[i] * stride] / norm;
    }
}

static void ufunc(const mlf_step *s, double *x, ptrdiff_t stride, int32_t n)
{
    const mlf_ufunc *function = s->table;
    char *in_out[2] = { (char *)(x + s->in * stride), (char *)(x + s->out * stride) };
    const ptrdiff_t count = n, strides[2] = { sizeof(double), sizeof(double) };
    function->loop(in_out, &count, strides, function->data);
}

static inline void one_hot(const mlf_step *s, double *x, ptrdiff_t stride, int32_t n)
{
    const int32_t *positions = s->table;
    const double *codes = x + s->in * stride;
    double *out = x + s->out * stride;
    for (int32_t k = 0; k < s->n_out; k++)
        for (int32_t r = 0; r < n; r++)
            out[k * stride + r] = 0.0;
    for (int32_t r = 0; r < n; r++) {
        int32_t position = positions[(int32_t)codes[r]];
        if (position >= 0)
            out[position * stride + r] = 1.0;
    }
}

/* Refusals and warnings of a step, before its answer is used: 1 to stop. */
static inline int inspect(const mlf_encoder *e, const mlf_step *s, const double *x, int32_t n,
                          mlf_status *status)
{
    for (int32_t r = 0; r < n; r++) {
        int verdict = s->op == MLF_CHECK ? is_bad(x[r], s->flags) : s->raises[(int32_t)x[r]];
        if (verdict == 1) {
            status->refused = (int32_t)(s - e->steps);
            status->refused_row = r;
            return 1;
        }
        if (verdict == 2 && status->warned < 0) {
            status->warned = (int32_t)(s - e->steps);
            status->warned_row = r;
        }
    }
    return 0;
}

/* One step over n rows; with n and stride the constant 1 the loops vanish. */
static inline int run(const mlf_encoder *e, const mlf_step *s, double *x, ptrdiff_t stride,
                      int32_t n, mlf_status *status)
{
    const double *in = x + s->in * stride;
    double *out = x + s->out * stride;
    if (s->raises && inspect(e, s, in, n, status))
        return 1;
    switch ((mlf_op)s->op) {
#define CASE_(name, expression)                                                                    \
    case MLF_##name:                                                                               \
        for (int32_t r = 0; r < n; r++) {                                                          \
            double x = in[r];                                                                      \
            (void)x;                                                                               \
            out[r] = (expression);                                                                 \
        }                                                                                          \
        return 0;
        MAPS(CASE_)
#undef CASE_
    case MLF_UFUNC:
        ufunc(s, x, stride, n);
        return 0;
    case MLF_ONE_HOT:
        one_hot(s, x, stride, n);
        return 0;
    case MLF_NORMALIZE:
        normalize(s, x, stride, n);
        return 0;
    case MLF_CHECK:
        return inspect(e, s, in, n, status);
    case MLF_OP_COUNT:
        break;
    }
    return 0;
}

int MLF_FN(mlf_encode_one)(const mlf_encoder *e, double *x, mlf_status *status)
{
    for (const mlf_step *s = e->steps, *end = s + e->n_steps; s < end; s++)
        if (run(e, s, x, 1, 1, status))
            return 1;
    return 0;
}

int MLF_FN(mlf_encode_block)(const mlf_encoder *e, double *x, ptrdiff_t stride, int32_t n,
                             mlf_status *status)
{
    for (const mlf_step *s = e->steps, *end = s + e->n_steps; s < end; s++)
        if (run(e, s, x, stride, n, status))
            return 1;
    return 0;
}
