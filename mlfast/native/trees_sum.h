/* The sums over leaf values, in the ensemble's order and precision.
 *
 *   raw[k] = (start_k + v_1 + v_2 + ...) / divisor + base_k     (start_k = base_k if base_first)
 *
 * Trees are numbered output by output (mlf_forest), so output k adds the leaves of trees
 * first[k] .. first[k + 1] - 1. With leaf vectors every tree adds to all outputs.
 */
#ifndef MLF_TREES_SUM_H
#define MLF_TREES_SUM_H

#include "trees_forest.h"

typedef struct mlf_sum {
    int32_t n_trees, n_outputs;
    int32_t vectors, float32, base_first;
    double divisor;
    const int32_t *first;      /* (n_outputs + 1,), NULL with vectors                    */
    const double *base;        /* (n_outputs,)                                           */
    const void *values;        /* float or double [n_rows][width]                        */
} mlf_sum;

/* Row i of `values` is the ensemble's leaf rows[i] (-1: zeros); rows NULL: leaf i, all of them.
 * 0, or -1 without memory. */
int mlf_sum_make(mlf_sum *sum, const mlf_forest *forest, const int32_t *rows, int64_t n_rows,
                 mlf_memory *memory);

static inline double mlf_sum_start(const mlf_sum *s, int32_t k)
{
    return s->base_first ? s->base[k] : 0.0;
}

/* From the finished sum, which is a float's value where sums are float. */
static inline double mlf_sum_finish(const mlf_sum *s, int32_t k, double sum)
{
    if (s->float32) {
        float f = (float)sum;
        if (s->divisor != 1.0)
            f /= (float)s->divisor;
        return (double)(s->base_first ? f : (float)((double)f + s->base[k]));
    }
    if (s->divisor != 1.0)
        sum /= s->divisor;
    return s->base_first ? sum : sum + s->base[k];
}

/* The same for the sums of n rows, apart so that the compiler makes vectors of each loop. */
static inline void mlf_sum_finish_floats(const mlf_sum *s, int32_t k, const float *restrict sums,
                                         int32_t n, double *restrict raw)
{
    const float divisor = (float)s->divisor;       /* dividing by 1 changes nothing */
    const double base = s->base[k];
    if (s->base_first)
        for (int32_t r = 0; r < n; r++)
            raw[r] = (double)(sums[r] / divisor);
    else
        for (int32_t r = 0; r < n; r++)
            raw[r] = (double)(float)((double)(sums[r] / divisor) + base);
}

static inline void mlf_sum_finish_doubles(const mlf_sum *s, int32_t k, const double *restrict sums,
                                          int32_t n, double *restrict raw)
{
    const double divisor = s->divisor, base = s->base[k];
    if (s->base_first)
        for (int32_t r = 0; r < n; r++)
            raw[r] = sums[r] / divisor;
    else
        for (int32_t r = 0; r < n; r++)
            raw[r] = sums[r] / divisor + base;
}

/* One row's sums while its trees come in, in order. */
typedef struct mlf_running {
    int32_t k;                 /* the output that is being added to                      */
    float f;
    double d;
} mlf_running;

static inline mlf_running mlf_sum_begin(const mlf_sum *s, double *raw)
{
    for (int32_t k = 0; s->vectors && k < s->n_outputs; k++)
        raw[k] = mlf_sum_start(s, k);
    double start = mlf_sum_start(s, 0);
    return (mlf_running){ .k = 0, .f = (float)start, .d = start };
}

/* Output running->k is complete: on to the next. */
static inline void mlf_sum_next(const mlf_sum *s, mlf_running *running, double *raw)
{
    int32_t k = running->k++;
    raw[k] = mlf_sum_finish(s, k, s->float32 ? (double)running->f : running->d);
    if (k + 1 < s->n_outputs) {
        running->d = mlf_sum_start(s, k + 1);
        running->f = (float)running->d;
    }
}

static inline void mlf_sum_vectors(const mlf_sum *s, const int32_t *leaf, int32_t n, double *raw)
{
    size_t width = (size_t)s->n_outputs;
    for (int32_t t = 0; t < n; t++) {
        const float *f = (const float *)s->values + (size_t)leaf[t] * width;
        const double *d = (const double *)s->values + (size_t)leaf[t] * width;
        if (s->float32)
            for (size_t k = 0; k < width; k++)
                raw[k] = (double)((float)raw[k] + f[k]);
        else
            for (size_t k = 0; k < width; k++)
                raw[k] += d[k];
    }
}

/* Trees `from` .. `to` - 1; leaf[0] is the row of tree `from`'s leaf in `values`. */
static inline void mlf_sum_trees(const mlf_sum *s, mlf_running *running, const int32_t *leaf,
                                 int32_t from, int32_t to, double *raw)
{
    if (s->vectors) {
        mlf_sum_vectors(s, leaf, to - from, raw);
        return;
    }
    for (int32_t t = from; t < to;) {
        int32_t end = s->first[running->k + 1];
        if (t == end) {
            mlf_sum_next(s, running, raw);
            continue;
        }
        end = end < to ? end : to;
        if (s->float32) {
            float sum = running->f;
            for (; t < end; t++)
                sum += ((const float *)s->values)[leaf[t - from]];
            running->f = sum;
        } else {
            double sum = running->d;
            for (; t < end; t++)
                sum += ((const double *)s->values)[leaf[t - from]];
            running->d = sum;
        }
    }
}

static inline void mlf_sum_end(const mlf_sum *s, mlf_running *running, double *raw)
{
    while (!s->vectors && running->k < s->n_outputs)
        mlf_sum_next(s, running, raw);
    for (int32_t k = 0; s->vectors && k < s->n_outputs; k++)
        raw[k] = mlf_sum_finish(s, k, raw[k]);
}

/* One row, all trees at once. */
static inline void mlf_sum_leaves(const mlf_sum *s, const int32_t *leaf, double *raw)
{
    if (s->n_outputs == 1 && s->float32) {     /* most models: no more than the additions */
        float sum = (float)mlf_sum_start(s, 0);
        for (int32_t t = 0; t < s->n_trees; t++)
            sum += ((const float *)s->values)[leaf[t]];
        raw[0] = mlf_sum_finish(s, 0, (double)sum);
        return;
    }
    mlf_running running = mlf_sum_begin(s, raw);
    mlf_sum_trees(s, &running, leaf, 0, s->n_trees, raw);
    mlf_sum_end(s, &running, raw);
}

/* A block: raw as in mlf_head; leaf[r] is row r's leaf in the tree, which adds to output k. */
static inline void mlf_sum_block_start(const mlf_sum *s, double *raw, ptrdiff_t stride, int32_t n)
{
    for (int32_t k = 0; k < s->n_outputs; k++)
        for (int32_t r = 0; r < n; r++)
            raw[k * stride + r] = mlf_sum_start(s, k);
}

static inline void mlf_sum_block_add(const mlf_sum *s, int32_t k, const int32_t *leaf,
                                     double *raw, ptrdiff_t stride, int32_t n)
{
    int32_t width = s->vectors ? s->n_outputs : 1;
    const float *f = s->values;
    const double *d = s->values;
    for (int32_t w = 0; w < width; w++) {
        double *out = raw + (s->vectors ? w : k) * stride;
        if (s->float32)
            for (int32_t r = 0; r < n; r++)
                out[r] = (double)((float)out[r] + f[(size_t)leaf[r] * (size_t)width + (size_t)w]);
        else
            for (int32_t r = 0; r < n; r++)
                out[r] += d[(size_t)leaf[r] * (size_t)width + (size_t)w];
    }
}

static inline void mlf_sum_block_finish(const mlf_sum *s, double *raw, ptrdiff_t stride, int32_t n)
{
    for (int32_t k = 0; k < s->n_outputs; k++)
        for (int32_t r = 0; r < n; r++)
            raw[k * stride + r] = mlf_sum_finish(s, k, raw[k * stride + r]);
}

#endif
