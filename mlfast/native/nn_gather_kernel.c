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

/* A plane, or for step 2 two of neighbouring shifts, all inside the input: whole vectors where
 * what is read beyond a row's end is still input, and what is written is written again. */
MLF_INLINE void gather_inside(const int step, float *to, int rows, int columns, const float *from,
                              ptrdiff_t row_step, const float *end)
{
    const int whole = (columns + MLF_V - 1) / MLF_V * MLF_V, plane = rows * columns;
    for (int y = 0; y < rows; y++, to += columns, from += row_step) {
        if ((rows - y) * columns < whole || end - from < step * whole) {
            if (step == 2)
                gather_pair(to, to + plane, columns, from);
            else
                gather_row(to, columns, from, columns, 0, 1);
            continue;
        }
        for (int x = 0; x < columns; x += MLF_V) {
            vec a = v_load(from + step * x);
            if (step == 2) {
                vec b = v_load(from + 2 * x + MLF_V);
                v_store(to + plane + x, v_odd(a, b));
                a = v_even(a, b);
            }
            v_store(to + x, a);
        }
    }
}

/* The same for any shift, with zeros around the input. */
static void gather_padded(const mlf_nn_op *op, float *to, const float *in, int phase, int first)
{
    for (int y = 0; y < op->rows; y++, to += op->columns) {
        int row = y * op->row_phases + phase - op->pad_top;
        if (row < 0 || row >= op->height)
            memset(to, 0, 4 * (size_t)op->columns);
        else
            gather_row(to, op->columns, in + (ptrdiff_t)row * op->width, op->width, first,
                       op->column_step);
    }
}

MLF_NN_PREPARE(mlf_nn_gather)
{
    if (op->n_shifts == 0)
        return;
    const int step = op->column_step, rows = op->rows, columns = op->columns;
    const ptrdiff_t plane = (ptrdiff_t)rows * columns;
    const ptrdiff_t row_step = (ptrdiff_t)op->row_phases * op->width;
    const float *in = mlf_nn_at(base, op->in);
    const float *end = in + (ptrdiff_t)op->channels * op->height * op->width;
    float *to = mlf_nn_at(base, op->work);
    const int32_t *shifts = op->shifts;
    for (int c = 0; c < op->channels; c++, in += (ptrdiff_t)op->height * op->width)
        for (int r = 0; r < op->row_phases; r++) {
            const int above = r - op->pad_top, below = above + (rows - 1) * op->row_phases;
            const float *row = in + (ptrdiff_t)above * op->width;
            for (int s = 0; s < op->n_shifts; s++, to += plane) {
                int first = shifts[s] - op->pad_left;
                int inside = above >= 0 && below < op->height && first >= 0;
                if (inside && step == 1 && first + columns <= op->width) {
                    gather_inside(1, to, rows, columns, row + first, row_step, end);
                } else if (inside && step == 2 && s + 1 < op->n_shifts
                           && shifts[s + 1] == shifts[s] + 1 && first + 2 * columns <= op->width) {
                    gather_inside(2, to, rows, columns, row + first, row_step, end);
                    s++;
                    to += plane;
                } else {
                    gather_padded(op, to, in, r, first);
                }
            }
        }
}
