/* The plain walk over the ensemble itself: slow, readable, what every layout must equal. */
#include "trees.h"
#include "trees_prepare.h"

static int goes_left(const mlf_ensemble *e, int64_t node, double x)
{
    int32_t f = e->feature[node];
    if (e->input_float32)
        x = (float)x;
    if (isnan(x) || (e->zero_as_missing[f] && fabs(x) <= MLF_ZERO_LIMIT))
        return e->default_left[node];
    if (e->comparison[node] == 0)
        return x < e->threshold[node];
    if (e->comparison[node] == 1)
        return x <= e->threshold[node];
    int64_t category = mlf_category(x, e->category_rule, e->input_float32);
    if (category == -2)
        return e->default_left[node];
    for (int64_t c = e->category_offsets[node]; c < e->category_offsets[node + 1]; c++)
        if (e->categories[c] == category)
            return 1;
    return 0;
}

static int64_t find_leaf(const mlf_ensemble *e, int32_t tree, const double *x)
{
    int64_t root = e->tree_offsets[tree], node = root;
    while (e->feature[node] >= 0)
        node = root + (goes_left(e, node, x[e->feature[node]]) ? e->left[node] : e->right[node]);
    return node;
}

/* Leaves stand in the order of the nodes: the leaf's row is the number of leaves before it. */
static int64_t count_leaves(const mlf_ensemble *e, int64_t from, int64_t to)
{
    int64_t leaves = 0;
    for (int64_t i = from; i < to; i++)
        leaves += e->feature[i] < 0;
    return leaves;
}

void mlf_trees_apply(const mlf_ensemble *e, const double *x, int64_t n, int32_t *scratch,
                     int32_t *leaves)
{
    int32_t row = 0;
    for (int64_t i = 0; i < e->n_nodes; i++)
        scratch[i] = e->feature[i] < 0 ? row++ : -1;
    for (int64_t r = 0; r < n; r++)
        for (int32_t t = 0; t < e->n_trees; t++)
            leaves[r * e->n_trees + t] =
                e->leaf_ids[scratch[find_leaf(e, t, x + r * e->n_features)]];
}

static double rounded(const mlf_ensemble *e, double a)
{
    return e->sum_float32 ? (double)(float)a : a;
}

static double add(const mlf_ensemble *e, double a, double b)
{
    return rounded(e, rounded(e, a) + rounded(e, b));
}

void mlf_trees_reference(const mlf_ensemble *e, const double *x, double *raw)
{
    int64_t first = 0;
    for (int32_t k = 0; k < e->n_outputs; k++)
        raw[k] = e->base_first ? rounded(e, e->base[k]) : 0.0;
    for (int32_t t = 0; t < e->n_trees; t++) {
        int64_t node = find_leaf(e, t, x);
        int64_t leaf = first + count_leaves(e, e->tree_offsets[t], node);
        first += count_leaves(e, e->tree_offsets[t], e->tree_offsets[t + 1]);
        const double *values = e->leaf_values + leaf * e->width;
        if (e->width == 1)
            raw[e->tree_output[t]] = add(e, raw[e->tree_output[t]], values[0]);
        else
            for (int32_t k = 0; k < e->n_outputs; k++)
                raw[k] = add(e, raw[k], values[k]);
    }
    for (int32_t k = 0; k < e->n_outputs; k++) {
        if (e->divisor != 1.0)
            raw[k] = e->sum_float32 ? (double)((float)raw[k] / (float)e->divisor)
                                    : raw[k] / e->divisor;
        if (!e->base_first)
            raw[k] = rounded(e, raw[k] + e->base[k]);
    }
}
