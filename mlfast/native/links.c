#include "links.h"

#include <math.h>

/* The functions are scalar calls of the C library on purpose: XGBoost, LightGBM and SciPy
 * call the same ones, so the bits agree; where scikit-learn calls NumPy, so do we. A float32
 * formula is computed in float. */

static inline float sigmoid_float32(float x)
{
    float negative = -x > 88.7f ? 88.7f : -x;  /* XGBoost: keeps expf finite; NaN stays NaN */
    float sum = expf(negative) + 1.0f + 1e-16f;
    return 1.0f / sum;
}

static inline double sigmoid(double x, double a)
{
    return 1.0 / (1.0 + exp(-a * x));
}

static int32_t first_largest(const double *x, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static void softmax(const double *x, int32_t n, double *out)
{
    double max = x[0], sum = 0.0;
    for (int32_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int32_t i = 0; i < n; i++)
        sum += out[i] = exp(x[i] - max);
    for (int32_t i = 0; i < n; i++)
        out[i] /= sum;
}

/* NumPy's softmax in `type`: exp_name is its exponential (the C library's in exported models,
 * which know no NumPy), sum_name its sum along a contiguous axis, up to 128 numbers at a time. */
#define NUMPY_SOFTMAX(type, c_exp, exp_name, sum_name, softmax_name)                               \
    static void exp_name(const mlf_ufunc *numpy, const double *x, int32_t n, double *out)          \
    {                                                                                              \
        enum { MOST = 64 };                                                                        \
        type values[MOST];                                                                         \
        for (int32_t i = 0; i < n; i += MOST) {                                                    \
            char *in_out[2] = { (char *)values, (char *)values };                                  \
            const ptrdiff_t count = n - i < MOST ? n - i : MOST;                                   \
            const ptrdiff_t strides[2] = { sizeof(type), sizeof(type) };                           \
            for (ptrdiff_t k = 0; k < count; k++)                                                  \
                values[k] = numpy != NULL ? (type)x[i + k] : c_exp((type)x[i + k]);                \
            if (numpy != NULL)                                                                     \
                numpy->loop(in_out, &count, strides, numpy->data);                                 \
            for (ptrdiff_t k = 0; k < count; k++)                                                  \
                out[i + k] = (double)values[k];                                                    \
        }                                                                                          \
    }                                                                                              \
    static type sum_name(const double *x, int32_t n)                                               \
    {                                                                                              \
        if (n > 128) {                                                                             \
            int32_t half = n / 2 - n / 2 % 8;                                                      \
            return sum_name(x, half) + sum_name(x + half, n - half);                               \
        }                                                                                          \
        type sum = 0, s[8];                                                                        \
        int32_t i = 0;                                                                             \
        if (n >= 8) {                                                                              \
            for (; i < 8; i++)                                                                     \
                s[i] = (type)x[i];                                                                 \
            for (; i < n - n % 8; i++)                                                             \
                s[i % 8] += (type)x[i];                                                            \
            sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));               \
        }                                                                                          \
        for (; i < n; i++)                                                                         \
            sum += (type)x[i];                                                                     \
        return sum;                                                                                \
    }                                                                                              \
    static void softmax_name(const mlf_ufunc *numpy, const double *x, int32_t n, int in_order,     \
                             double *out)                                                          \
    {                                                                                              \
        type max = (type)x[first_largest(x, n)], sum = 0;                                          \
        for (int32_t i = 0; i < n; i++)                                                            \
            out[i] = (double)((type)x[i] - max);                                                   \
        exp_name(numpy, out, n, out);                                                              \
        for (int32_t i = 0; i < n && in_order; i++)                                                \
            sum += (type)out[i];                                                                   \
        if (!in_order)                                                                             \
            sum = sum_name(out, n);                                                                \
        for (int32_t i = 0; i < n; i++)                                                            \
            out[i] = (double)((type)out[i] / sum);                                                 \
    }
NUMPY_SOFTMAX(double, exp, exp_numpy, sum_numpy, softmax_numpy)
NUMPY_SOFTMAX(float, expf, exp_numpy_float32, sum_numpy_float32, softmax_numpy_float32)

/* -(2 ** -(x / a)) - b in NumPy's power. */
static void isolation(const mlf_ufunc *numpy, double a, double b, const double *x, int32_t n,
                      double *out)
{
    double two = 2.0;
    for (int32_t i = 0; i < n; i++)
        out[i] = numpy == NULL ? exp2(-(x[i] / a)) : -(x[i] / a);
    char *in_out[3] = { (char *)&two, (char *)out, (char *)out };
    const ptrdiff_t count = n, strides[3] = { 0, sizeof *out, sizeof *out };
    if (numpy != NULL)
        numpy->loop(in_out, &count, strides, numpy->data);
    for (int32_t i = 0; i < n; i++)
        out[i] = -out[i] - b;
}

/* XGBoost: exponentials and the division in float, the sum in double. */
static void softmax_float32(const double *x, int32_t n, double *out)
{
    float max = (float)x[0];
    double sum = 0.0;
    for (int32_t i = 1; i < n; i++)
        max = fmaxf((float)x[i], max);
    for (int32_t i = 0; i < n; i++) {
        float e = expf((float)x[i] - max);
        out[i] = e;
        sum += e;
    }
    for (int32_t i = 0; i < n; i++)
        out[i] = (float)out[i] / (float)sum;
}

/* Makes several one-vs-rest probabilities sum to one; uniform where all are zero. */
static void share(double *p, int32_t n)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++)
        sum += p[i];
    for (int32_t i = 0; i < n; i++)
        p[i] = sum == 0.0 ? 1.0 / n : p[i] / sum;
}

static void ovr(const double *x, int32_t n, double *out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = sigmoid(x[i], 1.0);
    share(out, n);
}

static void modified_huber(const double *x, int32_t n, double *out)
{
    for (int32_t i = 0; i < n; i++) {
        double clipped = x[i] < -1.0 ? -1.0 : x[i] > 1.0 ? 1.0 : x[i];
        out[i] = (clipped + 1.0) / 2.0;
    }
    if (n > 1)
        share(out, n);
}

/* Links of one number at a time: name, expression of x with parameter a. */
#define SCALAR_LINKS(LINK)                                                                         \
    LINK(MLF_IDENTITY, x)                                                                          \
    LINK(MLF_SIGMOID, sigmoid(x, a))                                                               \
    LINK(MLF_SIGMOID_FLOAT32, sigmoid_float32((float)x))                                           \
    LINK(MLF_LINK_EXP, exp(x))                                                                     \
    LINK(MLF_EXP_FLOAT32, expf((float)x))                                                          \
    LINK(MLF_LOG1P_EXP, log1p(exp(x)))                                                             \
    LINK(MLF_SIGNED_SQUARE, copysign(x * x, x))                                                    \
    LINK(MLF_HINGE, x > 0.0 ? 1.0 : 0.0)

static void apply(const mlf_output *o, uint8_t link, double a, double b, const double *in,
                  int32_t n, double *out)
{
    switch ((mlf_link_name)link) {
#define CASE_(name, expression)                                                                    \
    case name:                                                                                     \
        for (int32_t i = 0; i < n; i++) {                                                          \
            double x = in[i];                                                                      \
            out[i] = (expression);                                                                 \
        }                                                                                          \
        return;
    SCALAR_LINKS(CASE_)
#undef CASE_
    case MLF_SOFTMAX: softmax(in, n, out); return;
    case MLF_SOFTMAX_FLOAT32: softmax_float32(in, n, out); return;
    case MLF_OVR: ovr(in, n, out); return;
    case MLF_ISOLATION: isolation(o->power, a, b, in, n, out); return;
    case MLF_MODIFIED_HUBER: modified_huber(in, n, out); return;
    case MLF_LINK_ARGMAX: out[0] = first_largest(in, n); return;
    case MLF_SOFTMAX_NUMPY: softmax_numpy(o->exp, in, n, b != 0.0, out); return;
    case MLF_SOFTMAX_NUMPY_FLOAT32: softmax_numpy_float32(o->exp, in, n, 0, out); return;
    case MLF_EXP_NUMPY: exp_numpy(o->exp, in, n, out); return;
    }
}

/* `apply` to one number, without its loops; the shortest links do not wait for a jump table. */
static inline double apply_one(const mlf_output *o, uint8_t link, double a, double b, double x)
{
    if (link == MLF_IDENTITY)
        return x;
    if (link == MLF_SIGMOID_FLOAT32)
        return (double)sigmoid_float32((float)x);
    switch ((mlf_link_name)link) {
#define CASE_(name, expression) case name: return (expression);
    SCALAR_LINKS(CASE_)
#undef CASE_
    default: apply(o, link, a, b, &x, 1, &x); return x;
    }
}

void mlf_decide(const mlf_output *o, const double *raw, int32_t n_raw, double *decisions)
{
    if (n_raw == 1)
        decisions[0] = apply_one(o, o->decision_link, o->decision_a, o->decision_b, raw[0]);
    else
        apply(o, o->decision_link, o->decision_a, o->decision_b, raw, n_raw, decisions);
}

void mlf_link(const mlf_output *o, const double *decisions, double *values)
{
    if (!o->binary && o->n_decisions > 1) {
        apply(o, o->link, o->a, o->b, decisions, o->n_decisions, values);
        return;
    }
    double p = apply_one(o, o->link, o->a, o->b, decisions[0]);
    if (!o->binary) {
        values[0] = p;
        return;
    }
    values[0] = o->float32 ? (double)(1.0f - (float)p) : 1.0 - p;
    values[1] = p;
}

static int is_elementwise(uint8_t link)
{
    return link != MLF_SOFTMAX && link != MLF_SOFTMAX_FLOAT32 && link != MLF_OVR
        && link != MLF_MODIFIED_HUBER && link != MLF_LINK_ARGMAX && link != MLF_SOFTMAX_NUMPY
        && link != MLF_SOFTMAX_NUMPY_FLOAT32;
}

int mlf_links_one(const mlf_output *o)
{
    return is_elementwise(o->decision_link) && is_elementwise(o->link);
}

void mlf_decide_rows(const mlf_output *o, double *x, int32_t n)
{
    if (o->decision_link != MLF_IDENTITY)
        apply(o, o->decision_link, o->decision_a, o->decision_b, x, n, x);
}

void mlf_link_rows(const mlf_output *o, const double *x, int32_t n, double *linked)
{
    apply(o, o->link, o->a, o->b, x, n, linked);
}

int mlf_label_needs_values(const mlf_output *o)
{
    return o->rule == MLF_ARGMAX || o->rule == MLF_HALF;
}

int32_t mlf_label(const mlf_output *o, const double *decisions, const double *values)
{
    switch ((mlf_rule)o->rule) {
    case MLF_ARGMAX: return first_largest(values, o->n_values);
    case MLF_HALF: return values[1] > 0.5;
    case MLF_POSITIVE: return decisions[0] > 0.0;
    case MLF_NOT_NEGATIVE: return decisions[0] >= 0.0;
    case MLF_ARGMAX_MARGIN: return first_largest(decisions, o->n_decisions);
    case MLF_OUTLIER: return decisions[0] < 0.0 ? -1 : 1;
    case MLF_VALUE:
    case MLF_VALUES:
    case MLF_EACH_HALF: break;
    }
    return 0;
}
