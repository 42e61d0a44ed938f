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

/* Sorts by one byte after the other, from the lowest; the highest has the sign. */
static void sort(int64_t *keys, int64_t *other, int64_t n)
{
    int64_t *from = keys, *to = other;
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t first[257] = { 0 };
        for (int64_t i = 0; i < n; i++)
            first[(((uint64_t)from[i] ^ (UINT64_C(1) << 63)) >> shift & 255) + 1]++;
        int64_t byte = ((uint64_t)from[0] ^ (UINT64_C(1) << 63)) >> shift & 255;
        if (first[byte + 1] == n)              /* all the same */
            continue;
        for (int i = 0; i < 256; i++)
            first[i + 1] += first[i];
        for (int64_t i = 0; i < n; i++)
            to[first[((uint64_t)from[i] ^ (UINT64_C(1) << 63)) >> shift & 255]++] = from[i];
        int64_t *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != keys)
        memcpy(keys, from, (size_t)n * sizeof *keys);
}

static int64_t sort_distinct(int64_t *keys, int64_t *other, int64_t n)
{
    int64_t kept = 0;
    if (n > 0)
        sort(keys, other, n);
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
    int64_t *other = malloc((size_t)(out->offsets[n_features] + 1) * sizeof *other);
    if (other == NULL)
        return -1;
    for (size_t f = 0; f < n_features; f++)
        out->counts[f] = sort_distinct(out->values + out->offsets[f], other,
                                       out->offsets[f + 1] - out->offsets[f]);
    free(other);
    return 0;
}

/* Numbers the columns of one kind from n_columns on; column_of[f] is feature f's. */
static int add_columns(mlf_forest *forest, const names *values, const uint8_t *used, int member,
                       int32_t *column_of)
{
    for (int32_t f = 0; f < forest->ensemble->n_features; f++) {
        const int64_t *from = values->values + values->offsets[f];
        int64_t n = values->counts[f];
        if (!used[f])
            continue;
        column_of[f] = forest->n_columns;
        mlf_column column = { .feature = f, .member = (uint8_t)member, .n = (int32_t)n };
        if (member) {
            int32_t *categories = temporary(forest, (size_t)n + 1, sizeof(int32_t));
            if (categories == NULL)
                return -1;
            for (int64_t i = 0; i < n; i++)
                categories[i] = (int32_t)from[i];
            column.categories = categories;
        } else {
            column.cuts = from;
        }
        forest->columns[forest->n_columns++] = column;
    }
    return 0;
}

static int make_columns(mlf_forest *forest)
{
    const mlf_ensemble *e = forest->ensemble;
    size_t n_features = (size_t)e->n_features;
    names cuts, categories;
    if (collect(forest, &cuts, 0) || collect(forest, &categories, 1))
        return -1;
    uint8_t *numeric = temporary(forest, n_features, 1);
    uint8_t *member = temporary(forest, n_features, 1);
    int32_t *cut_column = temporary(forest, n_features, sizeof(int32_t));
    int32_t *member_column = temporary(forest, n_features, sizeof(int32_t));
    if (!numeric || !member || !cut_column || !member_column)
        return -1;
    for (int64_t i = 0; i < e->n_nodes; i++)
        if (e->feature[i] >= 0)
            (e->comparison[i] == 2 ? member : numeric)[e->feature[i]] = 1;
    forest->columns = temporary(forest, 2 * n_features, sizeof(mlf_column));
    if (forest->columns == NULL || add_columns(forest, &cuts, numeric, 0, cut_column))
        return -1;
    forest->n_numeric = forest->n_columns;
    if (add_columns(forest, &categories, member, 1, member_column))
        return -1;

    int64_t words = 0;
    for (int64_t i = 0; i < e->n_nodes; i++) {
        int32_t f = e->feature[i];
        if (f < 0)
            continue;
        if (e->comparison[i] == 2) {
            forest->column[i] = member_column[f];
            forest->key[i] = words;
            words += mlf_set_words(forest->columns[member_column[f]].n);
        } else {
            int64_t j = find(cuts.values + cuts.offsets[f], cuts.counts[f], forest->key[i]);
            forest->column[i] = cut_column[f];
            forest->rank[i] = (int32_t)j + 1;
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

int mlf_forest_make(mlf_forest *forest, const mlf_ensemble *ensemble)
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
    if (order_trees(forest) || make_columns(forest))
        goto failed;
    make_sets(forest);
    return 0;
failed:
    mlf_forest_free(forest);
    return -1;
}

int mlf_forest_split(mlf_forest *forest, const mlf_forest *from, int32_t most)
{
    size_t n_nodes = (size_t)from->ensemble->n_nodes, n_columns = 0;
    int32_t *first = NULL;
    *forest = *from;
    forest->pool = NULL;
    for (int32_t c = 0; c < from->n_columns; c++)
        n_columns += c >= from->n_numeric
            ? 1 : (size_t)(from->columns[c].n + most - 1) / (size_t)most;
    if (n_columns == (size_t)from->n_columns)
        return 0;
    forest->columns = temporary(forest, n_columns, sizeof(mlf_column));
    forest->column = temporary(forest, n_nodes, sizeof(int32_t));
    forest->rank = temporary(forest, n_nodes, sizeof(int32_t));
    first = temporary(forest, (size_t)from->n_columns, sizeof(int32_t));
    if (!forest->columns || !forest->column || !forest->rank || !first) {
        mlf_forest_free(forest);
        return -1;
    }
    forest->n_columns = 0;
    for (int32_t c = 0; c < from->n_columns; c++) {
        mlf_column column = from->columns[c];
        int32_t left = column.n;
        first[c] = forest->n_columns;
        do {
            column.n = c < from->n_numeric && left > most ? most : left;
            column.directions = c < from->n_numeric ? 0 : column.directions;
            forest->columns[forest->n_columns++] = column;
            left -= column.n;
            column.cuts += c < from->n_numeric ? column.n : 0;
        } while (left > 0);
        if (c + 1 == from->n_numeric)
            forest->n_numeric = forest->n_columns;
    }
    for (size_t i = 0; i < n_nodes; i++) {
        int32_t c = from->column[i];
        forest->column[i] = c;
        if (c < 0)
            continue;
        int32_t j = from->rank[i] - 1;
        forest->column[i] = first[c] + (c < from->n_numeric ? j / most : 0);
        forest->rank[i] = j % most + 1;
        if (c < from->n_numeric)
            forest->columns[forest->column[i]].directions |=
                from->ensemble->default_left[i] ? 2 : 1;
    }
    return 0;
}
