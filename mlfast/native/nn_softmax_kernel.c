/* softmax and its logarithm along the middle axis of shape[3] = (outer, n, inner).
 *
 * An item is an index of the outer axis; `work` holds n floats for each item, for inner > 1.
 */
#include <math.h>

#include "nn_exp.h"
#include "nn_kernels.h"

/* In place allowed. */
static void softmax(const float *x, float *out, int64_t n, int logarithm)
{
    int64_t whole = n / MLF_V * MLF_V;
    int rest = (int)(n - whole);
    vec top = v_all(x[0]);
    for (int64_t i = 0; i < whole; i += MLF_V)
        top = v_max_nan(top, v_load(x + i));
    float largest = x[0];
    for (int i = 0; i < MLF_V; i++)
        largest = top[i] > largest || top[i] != top[i] ? top[i] : largest;
    for (int64_t i = whole; i < n; i++)
        largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
    vec sums = { 0 }, shift = v_all(largest);
    for (int64_t i = 0; i < whole; i += MLF_V) {
        vec shifted = v_load(x + i) - shift, e = v_exp(shifted);
        sums += e;
        v_store(out + i, logarithm ? shifted : e);
    }
    float sum = v_sum(sums);
    if (rest) {
        vec shifted = v_load_n(x + whole, rest) - shift, e = v_exp(shifted);
        for (int i = 0; i < rest; i++)
            sum += e[i];
        v_store_n(out + whole, logarithm ? shifted : e, rest);
    }
    float scale = logarithm ? logf(sum) : 1.0f / sum;
    for (int64_t i = 0; i < n; i++)
        out[i] = logarithm ? out[i] - scale : out[i] * scale;
}

MLF_NN_RUN(mlf_nn_softmax)
{
    const int64_t n = op->shape[1], inner = op->shape[2];
    const float *in = mlf_nn_at(base, op->in);
    float *out = mlf_nn_at(base, op->out);
    for (int64_t item = begin; item < end; item++) {
        const float *x = in + item * n * inner;
        float *y = out + item * n * inner;
        if (inner == 1) {
            softmax(x, y, n, op->a != 0.0f);
            continue;
        }
        float *line = mlf_nn_at(base, op->work) + item * n;
        for (int64_t j = 0; j < inner; j++) {
            for (int64_t i = 0; i < n; i++)
                line[i] = x[i * inner + j];
            softmax(line, line, n, op->a != 0.0f);
            for (int64_t i = 0; i < n; i++)
                y[i * inner + j] = line[i];
        }
    }
}
