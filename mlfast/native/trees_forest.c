#include "trees_forest.h"

#include <stdlib.h>
#include <string.h>

#include "trees_prepare.h"

/* Temporary memory: a chain of malloc blocks. */
typedef struct link_ { struct link_ *next; } link_;

static void *temporary(mlf_forest *forest, size_t count, size_t size)
{
    link_ *block = calloc(1, sizeof(link_) + 16 + count * size);
    if (block == NULL)
        return NULL;
    block->next = forest->pool;
    forest->pool = block;
    return (char *)block + 16;
}

void mlf_forest_free(mlf_forest *forest)
{
    for (link_ *block = forest->pool, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    memset(forest, 0, sizeof *forest);
}

static int compare_keys(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t sort_distinct(int64_t *keys, int64_t n)
{
    int64_t kept = 0;
    qsort(keys, (size_t)n, sizeof *keys, compare_keys);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || keys[i] != keys[i - 1])
            keys[kept++] = keys[i];
    return kept;
}

static int64_t find(const int64_t *keys, int64_t n, int64_t key)
{
    int64_t low = 0;
    while (n > 1) {
        int64_t half = n / 2;
        low += keys[low + half] <= key ? half : 0;
        n -= half;
    }
    return low;
}

/* The values that the nodes of each feature name, sorted, feature by feature. */
typedef struct names {
    int64_t *values;
    int64_t *offsets;          /* (n_features + 1,) */
    int64_t *counts;           /* (n_features,) distinct */
} names;

static int collect(mlf_forest *forest, names *out, int member)
{
    const mlf_ensemble *e = forest->ensemble;
    size_t n_features = (size_t)e->n_features;
    out->offsets = temporary(forest, n_features + 2, sizeof(int64_t));
    out->counts = temporary(forest, n_features, sizeof(int64_t));
    if (out->offsets == NULL || out->counts == NULL)
        return -1;
    int64_t *fill = out->offsets + 1;   /* shifted by one: counts, then ends */
    for (int64_t i = 0; i < e->n_nodes; i++)
        if (e->feature[i] >= 0 && (e->comparison[i] == 2) == member)
            fill[e->feature[i] + 1] += member
                ? e->category_offsets[i + 1] - e->category_offsets[i] : 1;
    for (size_t f = 0; f < n_features; f++)
        fill[f + 1] += fill[f];
    out->values = temporary(forest, (size_t)fill[n_features] + 1, sizeof(int64_t));
    if (out->values == NULL)
        return -1;
    for (int64_t i = 0; i < e->n_nodes; i++) {
        int32_t f = e->feature[i];
        if (f < 0 || (e->comparison[i] == 2) != member)
            continue;
        if (member)
            for (int64_t c = e->category_offsets[i]; c < e->category_offsets[i + 1]; c++)
                out->values[fill[f]++] = e->categories[c];
        else
            out->values[fill[f]++] = forest->key[i];
    }
    for (size_t f = 0; f < n_features; f++)
        out->counts[f] = sort_distinct(out->values + out->offsets[f],
                                       out->offsets[f + 1] - out->offsets[f]);
    return 0;
}

/* Numbers the columns of one kind from n_columns on; first_column[f] is f's first. */
static int add_columns(mlf_forest *forest, const names *values, const uint8_t *used, int member,
                       int32_t max_cuts, int32_t *first_column)
{
    for (int32_t f = 0; f < forest->ensemble->n_features; f++) {
        const int64_t *from = values->values + values->offsets[f];
        int64_t n = values->counts[f];
        first_column[f] = forest->n_columns;
        if (!used[f])
            continue;
        if (member) {
            int32_t *categories = temporary(forest, (size_t)n + 1, sizeof(int32_t));
            if (categories == NULL)
                return -1;
            for (int64_t i = 0; i < n; i++)
                categories[i] = (int32_t)from[i];
            forest->columns[forest->n_columns++] = (mlf_column){
                .feature = f, .member = 1, .n = (int32_t)n, .categories = categories };
            continue;
        }
        for (int64_t at = 0; at < n; at += max_cuts)
            forest->columns[forest->n_columns++] = (mlf_column){
                .feature = f, .n = (int32_t)(n - at < max_cuts ? n - at : max_cuts),
                .cuts = from + at };
    }
    return 0;
}

static int make_columns(mlf_forest *forest, int32_t max_cuts)
{
    const mlf_ensemble *e = forest->ensemble;
    size_t n_features = (size_t)e->n_features;
    names cuts, categories;
    if (collect(forest, &cuts, 0) || collect(forest, &categories, 1))
        return -1;
    uint8_t *numeric = temporary(forest, n_features, 1);
    uint8_t *member = temporary(forest, n_features, 1);
    int32_t *first_cut = temporary(forest, n_features, sizeof(int32_t));
    int32_t *first_member = temporary(forest, n_features, sizeof(int32_t));
    if (!numeric || !member || !first_cut || !first_member)
        return -1;
    for (int64_t i = 0; i < e->n_nodes; i++)
        if (e->feature[i] >= 0)
            (e->comparison[i] == 2 ? member : numeric)[e->feature[i]] = 1;
    size_t most = 0;
    for (size_t f = 0; f < n_features; f++)
        most += member[f] + (size_t)(cuts.counts[f] + max_cuts - 1) / (size_t)max_cuts;
    forest->columns = temporary(forest, most, sizeof(mlf_column));
    if (forest->columns == NULL
        || add_columns(forest, &cuts, numeric, 0, max_cuts, first_cut))
        return -1;
    forest->n_numeric = forest->n_columns;
    if (add_columns(forest, &categories, member, 1, max_cuts, first_member))
        return -1;

    int64_t words = 0;
    for (int64_t i = 0; i < e->n_nodes; i++) {
        int32_t f = e->feature[i];
        if (f < 0)
            continue;
        if (e->comparison[i] == 2) {
            forest->column[i] = first_member[f];
            forest->key[i] = words;
            words += mlf_set_words(forest->columns[first_member[f]].n);
        } else {
            int64_t j = find(cuts.values + cuts.offsets[f], cuts.counts[f], forest->key[i]);
            forest->column[i] = first_cut[f] + (int32_t)(j / max_cuts);
            forest->rank[i] = (int32_t)(j % max_cuts) + 1;
        }
        forest->columns[forest->column[i]].directions |= e->default_left[i] ? 2 : 1;
    }
    forest->sets = temporary(forest, (size_t)words + 1, sizeof(uint32_t));
    return forest->sets == NULL ? -1 : 0;
}

/* Bit c: code c goes right. Everything but the node's own categories does, and missing
 * values as default_left says. */
static void make_sets(mlf_forest *forest)
{
    const mlf_ensemble *e = forest->ensemble;
    for (int64_t i = 0; i < e->n_nodes; i++) {
        if (e->feature[i] < 0 || e->comparison[i] != 2)
            continue;
        const mlf_column *column = &forest->columns[forest->column[i]];
        uint32_t *set = forest->sets + forest->key[i];
        memset(set, 0xff, sizeof(uint32_t) * (size_t)mlf_set_words(column->n));
        int32_t code = 0;
        for (int64_t c = e->category_offsets[i]; c < e->category_offsets[i + 1]; c++) {
            while (column->categories[code] != e->categories[c])
                code++;
            set[code / 32] &= ~(UINT32_C(1) << code % 32);
        }
        if (e->default_left[i])
            set[(column->n + 1) / 32] &= ~(UINT32_C(1) << (column->n + 1) % 32);
    }
}

static int order_trees(mlf_forest *forest)
{
    const mlf_ensemble *e = forest->ensemble;
    int vectors = e->width > 1;
    int32_t n_lists = vectors ? 1 : e->n_outputs;
    int32_t *first = temporary(forest, (size_t)n_lists + 2, sizeof(int32_t));
    forest->trees = temporary(forest, (size_t)e->n_trees, sizeof(int32_t));
    if (first == NULL || forest->trees == NULL)
        return -1;
    int32_t *fill = first + 1;
    for (int32_t t = 0; t < e->n_trees; t++)
        fill[(vectors ? 0 : e->tree_output[t]) + 1]++;
    for (int32_t k = 0; k < n_lists; k++)
        fill[k + 1] += fill[k];
    for (int32_t t = 0; t < e->n_trees; t++)
        forest->trees[fill[vectors ? 0 : e->tree_output[t]]++] = t;
    forest->first = vectors ? NULL : first;
    return 0;
}

int mlf_forest_make(mlf_forest *forest, const mlf_ensemble *ensemble, int32_t max_cuts)
{
    const mlf_ensemble *e = ensemble;
    size_t n = (size_t)e->n_nodes;
    *forest = (mlf_forest){ .ensemble = e, .n_trees = e->n_trees };
    forest->column = temporary(forest, n, sizeof(int32_t));
    forest->key = temporary(forest, n, sizeof(int64_t));
    forest->rank = temporary(forest, n, sizeof(int32_t));
    forest->leaf = temporary(forest, n, sizeof(int32_t));
    forest->height = temporary(forest, n, sizeof(int32_t));
    forest->weight = temporary(forest, n, sizeof(int32_t));
    if (!forest->column || !forest->key || !forest->rank || !forest->leaf || !forest->height
        || !forest->weight)
        goto failed;
    int32_t leaf = 0;
    for (int64_t i = 0; i < e->n_nodes; i++) {
        forest->leaf[i] = e->feature[i] < 0 ? leaf++ : -1;
        forest->column[i] = -1;
        if (e->feature[i] >= 0 && e->comparison[i] != 2)
            forest->key[i] = mlf_cut_key(e->threshold[i], e->comparison[i], e->input_float32);
    }
    for (int32_t t = 0; t < e->n_trees; t++) {
        int64_t root = e->tree_offsets[t];
        for (int64_t i = e->tree_offsets[t + 1] - 1; i >= root; i--) {
            int64_t l = root + e->left[i], r = root + e->right[i];
            int inner = e->feature[i] >= 0;
            forest->weight[i] = inner ? forest->weight[l] + forest->weight[r] : 1;
            if (inner)
                forest->height[i] = 1 + (forest->height[l] > forest->height[r]
                                         ? forest->height[l] : forest->height[r]);
        }
        if (forest->height[root] > forest->max_height)
            forest->max_height = forest->height[root];
    }
    if (order_trees(forest) || make_columns(forest, max_cuts))
        goto failed;
    make_sets(forest);
    return 0;
failed:
    mlf_forest_free(forest);
    return -1;
}
