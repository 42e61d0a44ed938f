/* The largest score in double precision, mostly told by single precision, which takes half the
 * time: only scores that its error leaves in question are computed in double.
 *
 * With u = 2^-24, a score of single precision is off by at most
 *     (2 + MLF_WIDE_PANEL + 1 + MLF_WIDE_SPAN) u sum |x w|  <=  ... u |x| |w|
 * to first order: both numbers are rounded, the products of a panel are added in order, and then
 * those of a span; spans are added in double precision. (N. Higham, Accuracy and Stability of
 * Numerical Algorithms, 2nd edition, section 3.1.)
 */
#include "nn_wide.h"

#include <math.h>
#include <string.h>

#define UNIT 0x1p-24
/* What the higher orders, and squares added in single precision, can amount to. */
#define SLACK 1.001

/* What a part needs, as places in its scratch, each aligned to a cache line. */
typedef struct room {
    size_t totals, squares, sums_of_squares, sums, row, copies, size;
} room;

typedef struct job {
    const mlf_wide_kernels *kernels;
    const mlf_wide *model;
    const mlf_wide_screen *screen;
    const double *x;
    ptrdiff_t stride;
    int64_t n, *labels;
    char *scratch;
    room room;
    int n_parts;
} job;

static ptrdiff_t width(const mlf_wide_kernels *kernels, const mlf_wide *model, size_t size)
{
    return (ptrdiff_t)(model->n_blocks * model->vectors * (size_t)kernels->vector_bytes / size);
}

static size_t take(size_t *size, size_t bytes)
{
    const size_t at = *size;
    *size += (bytes + 63) / 64 * 64;
    return at;
}

static room room_for(const mlf_wide_kernels *kernels, const mlf_wide *model,
                     const mlf_wide_screen *screen, int64_t n, int n_parts)
{
    const int64_t most = (n + n_parts - 1) / n_parts;
    const size_t rows = (size_t)(most < MLF_WIDE_GROUP ? most : MLF_WIDE_GROUP);
    const size_t n_sums = rows * (size_t)width(kernels, &screen->model, sizeof(float));
    room room = { 0 };
    room.totals = take(&room.size, n_sums * sizeof(double));
    room.squares = take(&room.size, rows * sizeof(double));
    room.sums_of_squares = take(&room.size, rows * (size_t)kernels->vector_bytes);
    room.sums = take(&room.size, n_sums * sizeof(float));
    room.row = take(&room.size, (size_t)width(kernels, model, sizeof(double)) * sizeof(double));
    room.copies = take(&room.size, mlf_wide_scratch(most, 1));
    return room;
}

static int64_t largest(const double *scores, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(scores[i]))
            return i;
        if (scores[i] > scores[best])
            best = i;
    }
    return best;
}

/* How far a score of single precision may be from that of double precision. */
static double error_bound(const mlf_wide_screen *screen, double squares)
{
    const double n = (double)screen->model.n_inputs, root = sqrt(n);
    /* Squares may underflow, and so may numbers and products; then they are off by this much. */
    const double size = sqrt(squares) * SLACK + 0x1p-62 * root;
    const double tiny = 0x1p-125 * (root * (size + screen->norm) + n);
    const double both = UNIT * (MLF_WIDE_PANEL + MLF_WIDE_SPAN + 3) + 0x1p-51 * n;
    return SLACK * (both * size * screen->norm + 0x1p-51 * n * screen->bias + tiny);
}

/* The label of an example in double precision alone. */
static int64_t exact_label(const job *j, const double *x, char *scratch)
{
    double *row = (double *)(scratch + j->room.row);
    j->kernels->run_double(j->model, x, j->stride, 1, row, scratch + j->room.copies, NULL);
    return largest(row, j->screen->n_outputs);
}

static int64_t label(const job *j, const double *x, const double *scores, double squares,
                     char *scratch)
{
    const int64_t n = j->screen->n_outputs, guess = largest(scores, n);
    const double bound = error_bound(j->screen, squares), least = scores[guess] - 2 * bound;
    const int lanes = j->kernels->vector_bytes / (int)sizeof(double);
    int n_left = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return exact_label(j, x, scratch);
        n_left += scores[i] >= least;
    }
    if (!isfinite(bound))
        return exact_label(j, x, scratch);
    if (n_left == 1)
        return guess;
    double *row = (double *)(scratch + j->room.row);
    int64_t best = -1;
    for (int64_t first = 0; first < n; first += lanes) {
        const int64_t end = first + lanes < n ? first + lanes : n;
        int known = 0;
        for (int64_t i = first; i < end; i++) {
            if (scores[i] < least)
                continue;
            if (!known)
                j->kernels->column(j->model, x, (int)(first / lanes), row + first);
            known = 1;
            if (best < 0 || row[i] > row[best])
                best = i;
        }
    }
    return best;
}

static void run_part(void *context, int part)
{
    const job *j = context;
    const ptrdiff_t n_scores = width(j->kernels, &j->screen->model, sizeof(float));
    char *scratch = j->scratch + (size_t)part * j->room.size;
    const mlf_wide_totals totals = { (double *)(scratch + j->room.totals),
                                     (double *)(scratch + j->room.squares),
                                     scratch + j->room.sums_of_squares };
    const int64_t end = j->n * (part + 1) / j->n_parts;
    for (int64_t begin = j->n * part / j->n_parts; begin < end;) {
        const int64_t n_groups = (end - begin + MLF_WIDE_GROUP - 1) / MLF_WIDE_GROUP;
        const int64_t rows = (end - begin) / n_groups;
        const double *x = j->x + begin * j->stride;
        memset(scratch, 0, j->room.sums);
        for (int64_t r = 0; r < rows; r++)
            memcpy(totals.scores + r * n_scores, j->model->bias,
                   sizeof(double) * (size_t)j->screen->n_outputs);
        j->kernels->run_screen(&j->screen->model, x, j->stride, rows, scratch + j->room.sums,
                               scratch + j->room.copies, &totals);
        for (int64_t r = 0; r < rows; r++)
            j->labels[begin + r] = label(j, x + r * j->stride, totals.scores + r * n_scores,
                                         totals.squares[r], scratch);
        begin += rows;
    }
}

size_t mlf_wide_labels_scratch(const mlf_wide_kernels *kernels, const mlf_wide *model,
                               const mlf_wide_screen *screen, int64_t n, int n_parts)
{
    return room_for(kernels, model, screen, n, n_parts).size * (size_t)n_parts;
}

void mlf_wide_labels(const mlf_wide_kernels *kernels, const mlf_wide *model,
                     const mlf_wide_screen *screen, const double *x, ptrdiff_t stride, int64_t n,
                     int64_t *labels, void *scratch, mlf_runner runner, int n_parts)
{
    job j = { kernels, model, screen, x, stride, n, labels, scratch,
              room_for(kernels, model, screen, n, n_parts), n_parts };
    runner(n_parts, run_part, &j);
}
