#include "trees_walk.h"

#include <stdlib.h>

#include "trees_order.h"

static void set_node(const mlf_walk *walk, void *nodes, int64_t i, int32_t key, uint32_t entry,
                     uint32_t distance)
{
    if (walk->wide)
        ((mlf_walk_wide_node *)nodes)[i] =
            (mlf_walk_wide_node){ .key = key, .entry = entry, .distance = distance };
    else
        ((mlf_walk_node *)nodes)[i] =
            (mlf_walk_node){ .key = key, .link = entry << MLF_WALK_ENTRY_SHIFT | distance };
}

/* Writes a tree's nodes from nodes[at] on. */
static void place_tree(const mlf_walk *walk, const mlf_forest *forest, int64_t root, int64_t n,
                       const int32_t *place, void *nodes, int64_t at)
{
    const mlf_ensemble *e = forest->ensemble;
    int32_t n_columns = forest->n_columns;
    for (int64_t i = 0; i < n; i++) {
        int64_t node = root + i;
        if (e->feature[node] < 0) {
            set_node(walk, nodes, at + place[i], forest->leaf[node], 2 * (uint32_t)n_columns, 0);
            continue;
        }
        int32_t column = forest->column[node];
        int member = forest->columns[column].member;
        uint32_t key = (uint32_t)(walk->prepare->ranks ? forest->rank[node] : forest->key[node]);
        key = member ? (uint32_t)forest->key[node] : (key - 1) ^ MLF_SIGN;
        int32_t entry = column + (member || e->default_left[node] ? 0 : n_columns);
        set_node(walk, nodes, at + place[i], (int32_t)key, (uint32_t)entry,
                 (uint32_t)(place[e->left[node]] - place[i]));
    }
}

/* Words of all sets, and whether a tree is too big for compact nodes. */
static int64_t measure(const mlf_forest *forest, int32_t *wide)
{
    const mlf_ensemble *e = forest->ensemble;
    int64_t words = 0;
    *wide = 2 * forest->n_columns >= 1 << (32 - MLF_WALK_ENTRY_SHIFT);
    for (int32_t t = 0; t < e->n_trees; t++)
        *wide |= e->tree_offsets[t + 1] - e->tree_offsets[t] >= (int64_t)MLF_WALK_DISTANCE;
    for (int64_t i = 0; i < e->n_nodes; i++)
        if (e->feature[i] >= 0 && e->comparison[i] == 2)
            words += mlf_set_words(forest->columns[forest->column[i]].n);
    return words;
}

/* A tree's leaves follow each other, in the order of its nodes. */
static int32_t first_leaf(const mlf_forest *forest, int64_t node)
{
    while (forest->ensemble->feature[node] >= 0)
        node++;
    return forest->leaf[node];
}

static const char *place_trees(mlf_walk *walk, const mlf_lowering *in)
{
    const mlf_forest *forest = in->forest;
    const mlf_ensemble *e = forest->ensemble;
    int32_t n_trees = forest->n_trees;
    int32_t padded = (n_trees + MLF_WALK_PADDING - 1) / MLF_WALK_PADDING * MLF_WALK_PADDING;
    size_t node_size = walk->wide ? sizeof(mlf_walk_wide_node) : sizeof(mlf_walk_node);
    int32_t per_line = (int32_t)(64 / node_size);
    int64_t places = per_line, largest = 0;
    for (int32_t t = 0; t < n_trees; t++) {
        int64_t n = e->tree_offsets[t + 1] - e->tree_offsets[t];
        places += (n + 1 + per_line - 1) / per_line * per_line;
        largest = n > largest ? n : largest;
    }
    uint32_t *roots = in->memory->alloc(in->memory, (size_t)padded * sizeof *roots + 1);
    int32_t *heights = in->memory->alloc(in->memory, (size_t)padded * sizeof *heights + 1);
    int32_t *sizes = in->memory->alloc(in->memory, (size_t)n_trees * sizeof *sizes + 1);
    int32_t *leaves = in->memory->alloc(in->memory, (size_t)n_trees * sizeof *leaves + 1);
    void *nodes = in->memory->alloc(in->memory, (size_t)places * node_size);
    int32_t *place = malloc((size_t)(2 * largest + 1) * sizeof *place);
    if (roots == NULL || heights == NULL || sizes == NULL || leaves == NULL || nodes == NULL
        || place == NULL) {
        free(place);
        return MLF_NO_MEMORY;
    }
    memset(nodes, 0, (size_t)places * node_size);
    set_node(walk, nodes, 0, 0, 2 * (uint32_t)forest->n_columns, 0);   /* a leaf to pad with */
    int64_t at = per_line;
    for (int32_t t = 0; t < padded; t++) {
        roots[t] = 0;
        heights[t] = 0;
        if (t >= n_trees)
            continue;
        int64_t root = e->tree_offsets[forest->trees[t]];
        int64_t n = e->tree_offsets[forest->trees[t] + 1] - root;
        int64_t used = mlf_order_nodes(forest, root, 0, 0, per_line / 2, place, place + largest);
        place_tree(walk, forest, root, n, place, nodes, at);
        roots[t] = (uint32_t)at;
        heights[t] = forest->height[root];
        sizes[t] = (int32_t)used;
        leaves[t] = first_leaf(forest, root);
        at += (used + per_line - 1) / per_line * per_line;
    }
    free(place);
    walk->nodes = nodes;
    walk->roots = roots;
    walk->heights = heights;
    walk->sizes = sizes;
    walk->leaves = leaves;
    walk->n_trees = n_trees;
    return NULL;
}

const char *mlf_walk_lower(const mlf_lowering *in, mlf_head *head)
{
    const mlf_forest *forest = in->forest;
    mlf_walk *walk = in->memory->alloc(in->memory, sizeof *walk);
    if (walk == NULL)
        return MLF_NO_MEMORY;
    *walk = (mlf_walk){ .members = forest->n_numeric < forest->n_columns };
    size_t words = (size_t)measure(forest, &walk->wide) + 1;
    if (words > INT32_MAX)
        return "walk: the categorical splits need more than 8 GiB";
    uint32_t *sets = in->memory->alloc(in->memory, words * sizeof *sets);
    mlf_prepare *prepare = mlf_prepare_make(forest, !forest->ensemble->input_float32, in->memory);
    if (sets == NULL || prepare == NULL || mlf_sum_make(&walk->sum, forest, NULL, 0, in->memory))
        return MLF_NO_MEMORY;
    walk->prepare = prepare;
    memcpy(sets, forest->sets, words * sizeof *sets);
    walk->sets = sets;
    const char *failed = place_trees(walk, in);
    if (failed != NULL)
        return failed;
    size_t row = mlf_row_words(walk->prepare) * sizeof(int32_t);
    head->data = walk;
    size_t spare = 3 * (size_t)forest->n_trees + MLF_WALK_PADDING + 64;
    head->scratch_one = row + mlf_aligned(spare * sizeof(int32_t));
    head->scratch_block = MLF_BLOCK * (row + sizeof(int32_t));
    MLF_SET_HEAD(head, mlf_walk, in->isa);
    return NULL;
}

const char *mlf_gather_lower(const mlf_lowering *in, mlf_head *head)
{
#if MLF_X86
    const char *failed = in->isa != MLF_ISA_avx512 ? "gather: needs AVX-512 VBMI"
                                                   : mlf_walk_lower(in, head);
    if (failed != NULL)
        return failed;
    if (((const mlf_walk *)head->data)->wide)
        return "gather: more than 2,047 features or a million nodes a tree";
    head->one = mlf_gather_one_avx512;
    head->block = mlf_gather_block_avx512;
    return NULL;
#else
    (void)in;
    (void)head;
    return "gather: needs AVX-512 VBMI";
#endif
}
