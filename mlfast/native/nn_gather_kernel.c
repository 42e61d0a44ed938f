/* A convolution's input, gathered into planes so that the inner loops read plain rows.
 *
 * Of channel c there is a plane for every row phase r and column shift s, one after another:
 *
 *     plane[c][r][s][y][x] = padded[c][y * row_phases + r][x * column_step + shifts[s]]
 *
 * for y < rows and x < columns, where `padded` is the input with zeros around it.
 */
#include "nn_kernels.h"

/* to[x] = from[first + x * step] for 0 <= x < n, 0 where that is outside 0 .. width - 1. */
static void gather_row(float *to, int n, const float *from, int width, int first, int step)
{
    int begin = first < 0 ? (-first + step - 1) / step : 0;
    int end = width > first ? (width - first + step - 1) / step : 0;
    begin = begin < n ? begin : n;
    end = end < n ? (end > begin ? end : begin) : n;
    for (int i = 0; i < begin; i++)
        to[i] = 0.0f;
    int x = begin;
    if (step == 1) { /* inline: rows are short */
        for (; x + MLF_V <= end; x += MLF_V)
            v_store(to + x, v_load(from + first + x));
        v_store_n(to + x, v_load_n(from + first + x, end - x), end - x);
        x = end;
    }
    for (; x < end; x++)
        to[x] = from[first + x * step];
    for (int i = end; i < n; i++)
        to[i] = 0.0f;
}

/* Shifts s and s + 1 of step 2 at once, where both rows lie inside: up to 2 n + 1 floats read. */
static void gather_pair(float *even, float *odd, int n, const float *from)
{
    for (int x = 0; x < n; x += MLF_V) {
        int left = 2 * (n - x);
        vec a = v_load_n(from + 2 * x, left < MLF_V ? left : MLF_V);
        vec b = left > MLF_V
            ? v_load_n(from + 2 * x + MLF_V, left < 2 * MLF_V ? left - MLF_V : MLF_V) : a;
        int valid = n - x < MLF_V ? n - x : MLF_V;
        v_store_n(even + x, v_even(a, b), valid);
        v_store_n(odd + x, v_odd(a, b), valid);
    }
}

MLF_NN_PREPARE(mlf_nn_gather)
{
    if (op->n_shifts == 0)
        return;
    const int rows = op->rows, columns = op->columns, step = op->column_step;
    const float *in = mlf_nn_at(base, op->in);
    float *to = mlf_nn_at(base, op->work);
    const int32_t *shifts = op->shifts;
    for (int c = 0; c < op->channels; c++, in += (ptrdiff_t)op->height * op->width) {
        for (int r = 0; r < op->row_phases; r++) {
            for (int s = 0; s < op->n_shifts; s++, to += (ptrdiff_t)rows * columns) {
                int first = shifts[s] - op->pad_left;
                int pair = step == 2 && s + 1 < op->n_shifts && shifts[s + 1] == shifts[s] + 1
                    && first >= 0 && first + 2 * columns <= op->width;
                for (int y = 0; y < rows; y++) {
                    int row = y * op->row_phases + r - op->pad_top;
                    float *even = to + (ptrdiff_t)y * columns;
                    const float *from = in + (ptrdiff_t)row * op->width;
                    if (row < 0 || row >= op->height) {
                        memset(even, 0, 4 * (size_t)columns);
                        if (pair)
                            memset(even + (ptrdiff_t)rows * columns, 0, 4 * (size_t)columns);
                    } else if (pair) {
                        gather_pair(even, even + (ptrdiff_t)rows * columns, columns, from + first);
                    } else {
                        gather_row(even, columns, from, op->width, first, step);
                    }
                }
                if (pair) {
                    s++;
                    to += (ptrdiff_t)rows * columns;
                }
            }
        }
    }
}
