/* Operations on each element: activations, sums and products of two arrays, copies.
 *
 * ACTIVATION, COPY: shape[0] elements; an item is ITEM of them (mlfast/nn/_lower.py). COPY
 * reads a constant, `weights`, where there is one.
 * ADD, MULTIPLY: four axes, with a stride (0: repeated) for either operand; an item is an
 * index of the first axis. The second operand is `weights` where that is not NULL.
 */
#include <math.h>

#include "nn_exp.h"
#include "nn_kernels.h"

#define ITEM 1024

MLF_INLINE vec erf_each(vec x)
{
    for (int i = 0; i < MLF_V; i++)
        x[i] = erff(x[i]);
    return x;
}

MLF_INLINE vec activate(const int kind, vec x, float a, float b)
{
    switch (kind) {
    case MLF_NN_RELU:
        return v_relu(x);
    case MLF_NN_LEAKY_RELU:
        return v_select(x < 0.0f, x * a, x);
    case MLF_NN_SIGMOID:
        return v_sigmoid(x);
    case MLF_NN_TANH:
        return v_tanh(x);
    case MLF_NN_SILU:
        return x * v_sigmoid(x);
    case MLF_NN_GELU:
        return 0.5f * x * (1.0f + erf_each(x * 0.70710678f));
    case MLF_NN_GELU_TANH:
        return 0.5f * x * (1.0f + v_tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case MLF_NN_CLIP:
        return v_min(v_all(b), v_max(v_all(a), x));
    default:
        return x;
    }
}

MLF_INLINE void activate_all(const int kind, const mlf_nn_op *op, const float *in, float *out,
                             int64_t n)
{
    int64_t i = 0;
    for (; i + MLF_V <= n; i += MLF_V)
        v_store(out + i, activate(kind, v_load(in + i), op->a, op->b));
    if (i < n)
        v_store_n(out + i, activate(kind, v_load_n(in + i, (int)(n - i)), op->a, op->b),
                  (int)(n - i));
}

MLF_NN_RUN(mlf_nn_activation)
{
    int64_t first = (int64_t)begin * ITEM, last = (int64_t)end * ITEM;
    int64_t n = (last < op->shape[0] ? last : op->shape[0]) - first;
    const float *in = mlf_nn_at(base, op->in) + first;
    float *out = mlf_nn_at(base, op->out) + first;
#define CASE(kind) case kind: activate_all(kind, op, in, out, n); break;
    switch (op->activation) {
    CASE(MLF_NN_IDENTITY) CASE(MLF_NN_RELU) CASE(MLF_NN_LEAKY_RELU) CASE(MLF_NN_SIGMOID)
    CASE(MLF_NN_TANH) CASE(MLF_NN_SILU) CASE(MLF_NN_GELU) CASE(MLF_NN_GELU_TANH)
    CASE(MLF_NN_CLIP)
    }
#undef CASE
}

MLF_INLINE void combine(const int multiply, const mlf_nn_op *op, float *const *base, int begin,
                        int end)
{
    const int64_t *shape = op->shape, *s = op->in_strides, *t = op->other_strides;
    const float *in = mlf_nn_at(base, op->in);
    const float *other = op->weights ? op->weights : mlf_nn_at(base, op->other);
    float *out = mlf_nn_at(base, op->out) + begin * shape[1] * shape[2] * shape[3];
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < shape[1]; j++)
            for (int64_t k = 0; k < shape[2]; k++, out += shape[3]) {
                const float *a = in + i * s[0] + j * s[1] + k * s[2];
                const float *b = other + i * t[0] + j * t[1] + k * t[2];
                int64_t n = shape[3];
                if (s[3] == 1 && t[3] == 1) {
                    for (int64_t l = 0; l < n; l++)
                        out[l] = multiply ? a[l] * b[l] : a[l] + b[l];
                } else { /* both operations commute: the repeated one second */
                    const float *each = s[3] ? a : b, one = s[3] ? *b : *a;
                    int64_t step = s[3] ? s[3] : t[3];
                    for (int64_t l = 0; l < n; l++)
                        out[l] = multiply ? each[l * step] * one : each[l * step] + one;
                }
            }
}

MLF_NN_RUN(mlf_nn_add)
{
    combine(0, op, base, begin, end);
}

MLF_NN_RUN(mlf_nn_multiply)
{
    combine(1, op, base, begin, end);
}

MLF_NN_RUN(mlf_nn_copy)
{
    int64_t first = (int64_t)begin * ITEM, last = (int64_t)end * ITEM;
    int64_t n = (last < op->shape[0] ? last : op->shape[0]) - first;
    const float *in = op->weights ? op->weights : mlf_nn_at(base, op->in);
    memcpy(mlf_nn_at(base, op->out) + first, in + first, 4 * (size_t)n);
}
