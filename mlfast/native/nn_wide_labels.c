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
    size_t totals, squares, sums_of_squares, sums, exact, marks, copies, size;
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
    room.exact = take(&room.size, rows * (size_t)width(kernels, model, 1));
    room.marks = take(&room.size, (size_t)(model->n_blocks * model->vectors));
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

/* From where on a score can be the largest; NaN where that cannot be told. */
static double least_score(const mlf_wide_screen *screen, const double *scores, double squares)
{
    const double least = scores[largest(scores, screen->n_outputs)]
                         - 2 * error_bound(screen, squares);
    double sum = least;
    for (int64_t i = 0; i < screen->n_outputs; i++)
        sum += scores[i] * 0;
    return isfinite(sum) ? least : NAN;
}

/* Marks the vectors of outputs that have a score in question; returns how many there are, none if
 * it is a single score. */
static int in_question(const job *j, const double *scores, double least, char *marks)
{
    const int lanes = j->kernels->vector_bytes / (int)sizeof(double);
    const int64_t n = j->screen->n_outputs;
    int n_scores = 0, n_vectors = 0;
    memset(marks, 0, (size_t)(n + lanes - 1) / (size_t)lanes);
    for (int64_t i = 0; i < n; i++)
        if (!(scores[i] < least)) {
            n_scores++;
            n_vectors += !marks[i / lanes];
            marks[i / lanes] = 1;
        }
    return n_scores == 1 ? 0 : n_vectors;
}

/* The label of an example; what is in question is computed in double precision. */
static int64_t label(const job *j, const double *x, const double *scores, double least,
                     char *marks, double *exact)
{
    const int lanes = j->kernels->vector_bytes / (int)sizeof(double);
    int64_t best = -1;
    if (in_question(j, scores, least, marks) == 0)
        return largest(scores, j->screen->n_outputs);
    for (int64_t i = 0; i < j->screen->n_outputs; i++) {
        if (scores[i] < least)
            continue;
        if (marks[i / lanes])
            j->kernels->column(j->model, x, (int)(i / lanes), exact + i / lanes * lanes);
        marks[i / lanes] = 0;
        if (best < 0 || exact[i] > exact[best] || (isnan(exact[i]) && !isnan(exact[best])))
            best = i;
    }
    return best;
}

/* The labels of a group of examples. */
static void label_group(const job *j, const double *x, int64_t rows, int64_t *labels,
                        char *scratch)
{
    const mlf_wide_screen *screen = j->screen;
    const ptrdiff_t n_scores = width(j->kernels, &screen->model, sizeof(float));
    const ptrdiff_t n_exact = width(j->kernels, j->model, sizeof(double));
    const mlf_wide_totals totals = { (double *)(scratch + j->room.totals),
                                     (double *)(scratch + j->room.squares),
                                     scratch + j->room.sums_of_squares };
    double *exact = (double *)(scratch + j->room.exact), *least = totals.squares;
    char *copies = scratch + j->room.copies, *marks = scratch + j->room.marks;
    memset(scratch, 0, j->room.sums);
    for (int64_t r = 0; r < rows; r++)
        memcpy(totals.scores + r * n_scores, j->model->bias,
               sizeof(double) * (size_t)screen->n_outputs);
    j->kernels->run_screen(&screen->model, x, j->stride, rows, scratch + j->room.sums, copies,
                           &totals);

    int64_t n_columns = 0;
    for (int64_t r = 0; r < rows; r++) {
        least[r] = least_score(screen, totals.scores + r * n_scores, totals.squares[r]);
        n_columns += in_question(j, totals.scores + r * n_scores, least[r], marks);
    }
    /* All scores of 16 examples take about as long as three quarters of an example's vectors. */
    const int n_vectors = j->model->n_blocks * j->model->vectors;
    const int all = 4 * n_columns > 3 * n_vectors * (1 + rows / 16);
    if (all)
        j->kernels->run_double(j->model, x, j->stride, rows, exact, copies, NULL);
    for (int64_t r = 0; r < rows; r++)
        labels[r] = all ? largest(exact + r * n_exact, screen->n_outputs)
                        : label(j, x + r * j->stride, totals.scores + r * n_scores, least[r],
                                marks, exact);
}

static void run_part(void *context, int part)
{
    const job *j = context;
    const int64_t end = j->n * (part + 1) / j->n_parts;
    for (int64_t begin = j->n * part / j->n_parts; begin < end;) {
        const int64_t n_groups = (end - begin + MLF_WIDE_GROUP - 1) / MLF_WIDE_GROUP;
        const int64_t rows = (end - begin) / n_groups;
        label_group(j, j->x + begin * j->stride, rows, j->labels + begin,
                    j->scratch + (size_t)part * j->room.size);
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
