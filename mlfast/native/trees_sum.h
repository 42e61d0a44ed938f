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

/* One row: leaf[t] is the row of tree t's leaf in `values`. */
static inline void mlf_sum_leaves(const mlf_sum *s, const int32_t *leaf, double *raw)
{
    if (s->vectors) {
        size_t width = (size_t)s->n_outputs;
        for (size_t k = 0; k < width; k++)
            raw[k] = mlf_sum_start(s, (int32_t)k);
        for (int32_t t = 0; t < s->n_trees; t++) {
            const float *f = (const float *)s->values + (size_t)leaf[t] * width;
            const double *d = (const double *)s->values + (size_t)leaf[t] * width;
            if (s->float32)
                for (size_t k = 0; k < width; k++)
                    raw[k] = (double)((float)raw[k] + f[k]);
            else
                for (size_t k = 0; k < width; k++)
                    raw[k] += d[k];
        }
        for (size_t k = 0; k < width; k++)
            raw[k] = mlf_sum_finish(s, (int32_t)k, raw[k]);
        return;
    }
    for (int32_t k = 0; k < s->n_outputs; k++) {
        double sum = mlf_sum_start(s, k);
        if (s->float32) {
            const float *values = s->values;
            float f = (float)sum;
            for (int32_t t = s->first[k]; t < s->first[k + 1]; t++)
                f += values[leaf[t]];
            sum = (double)f;
        } else {
            const double *values = s->values;
            for (int32_t t = s->first[k]; t < s->first[k + 1]; t++)
                sum += values[leaf[t]];
        }
        raw[k] = mlf_sum_finish(s, k, sum);
    }
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
