#include "trees_sum.h"

int mlf_sum_make(mlf_sum *sum, const mlf_forest *forest, const int32_t *rows, int64_t n_rows,
                 mlf_memory *memory)
{
    const mlf_ensemble *e = forest->ensemble;
    size_t n_outputs = (size_t)e->n_outputs;
    size_t width = (size_t)e->width;
    size_t n = (size_t)(rows == NULL ? e->n_leaves : n_rows) * width;
    int float32 = e->sum_float32;
    double *base = memory->alloc(memory, n_outputs * sizeof *base);
    int32_t *first = memory->alloc(memory, (n_outputs + 1) * sizeof *first);
    void *values = memory->alloc(memory, (n + 1) * (float32 ? sizeof(float) : sizeof(double)));
    if (base == NULL || first == NULL || values == NULL)
        return -1;
    for (size_t k = 0; k < n_outputs; k++)
        base[k] = float32 && e->base_first ? (double)(float)e->base[k] : e->base[k];
    for (size_t k = 0; forest->first != NULL && k <= n_outputs; k++)
        first[k] = forest->first[k];
    for (size_t i = 0; i < n; i++) {
        int64_t row = rows == NULL ? (int64_t)(i / width) : rows[i / width];
        double value = row < 0 ? 0.0 : e->leaf_values[(size_t)row * width + i % width];
        if (float32)
            ((float *)values)[i] = (float)value;
        else
            ((double *)values)[i] = value;
    }
    *sum = (mlf_sum){
        .n_trees = e->n_trees, .n_outputs = e->n_outputs, .vectors = e->width > 1,
        .float32 = float32, .base_first = e->base_first, .divisor = e->divisor,
        .first = forest->first == NULL ? NULL : first, .base = base, .values = values };
    return 0;
}
