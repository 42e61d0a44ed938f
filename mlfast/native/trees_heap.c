#include "trees_heap.h"

#include <stdlib.h>

#define MOST_DEPTH 8

/* What is filled: mlf_heap's arrays, and the ensemble's row of every place below. */
typedef struct heap_arrays {
    uint32_t *keys;
    uint16_t *entries;
    int32_t *rows;
} heap_arrays;

/* Lays the subtree of `node` out from place `at` of its level; `level` levels are left. */
static void place(const mlf_forest *forest, int64_t root, int64_t node, size_t at, int32_t level,
                  int ranks, heap_arrays out)
{
    const mlf_ensemble *e = forest->ensemble;
    if (level == 0) {
        out.rows[at] = forest->leaf[node];
        return;
    }
    int inner = e->feature[node] >= 0;
    int64_t left = inner ? root + e->left[node] : node;
    int64_t right = inner ? root + e->right[node] : node;
    uint32_t key = inner ? (uint32_t)(ranks ? forest->rank[node] : forest->key[node]) : 0;
    out.keys[at] = (key - 1) ^ MLF_SIGN;       /* above a leaf: any way will do */
    out.entries[at] = 0;
    if (inner)
        out.entries[at] = (uint16_t)(forest->column[node]
                                     + (e->default_left[node] ? 0 : forest->n_columns));
    size_t width = (size_t)forest->n_trees << (forest->max_height - level);
    out.keys += width;
    out.entries += width;
    place(forest, root, left, 2 * at, level - 1, ranks, out);
    place(forest, root, right, 2 * at + 1, level - 1, ranks, out);
}

const char *mlf_heap_lower(const mlf_lowering *in, mlf_head *head)
{
    const mlf_forest *forest = in->forest;
    const mlf_ensemble *e = forest->ensemble;
    int32_t depth = forest->max_height;
    size_t n_trees = (size_t)forest->n_trees;
    if (depth > MOST_DEPTH)
        return "heap: trees deeper than 8 levels";
    if (forest->n_numeric < forest->n_columns)
        return "heap: categorical splits";
    if ((int64_t)n_trees << depth > 4 * e->n_nodes + 4096)
        return "heap: most trees far smaller than the largest";
    if (forest->n_columns > UINT16_MAX / 2)
        return "heap: more than 32767 columns";
    size_t n_leaves = n_trees << depth, n_nodes = n_leaves - n_trees;
    int ranks = !e->input_float32;
    mlf_heap *heap = in->memory->alloc(in->memory, sizeof *heap);
    uint32_t *keys = in->memory->alloc(in->memory, n_nodes * sizeof *keys + 1);
    uint16_t *entries = in->memory->alloc(in->memory, n_nodes * sizeof *entries + 1);
    int32_t *rows = malloc(n_leaves * sizeof *rows + 1);
    mlf_prepare *prepare = mlf_prepare_make(forest, ranks, in->memory);
    if (heap == NULL || keys == NULL || entries == NULL || rows == NULL || prepare == NULL) {
        free(rows);
        return MLF_NO_MEMORY;
    }
    prepare->flip = MLF_SIGN;
    for (size_t t = 0; t < n_trees; t++) {
        int64_t root = e->tree_offsets[forest->trees[t]];
        place(forest, root, root, t, depth, ranks, (heap_arrays){ keys, entries, rows });
    }
    *heap = (mlf_heap){ .prepare = prepare, .n_trees = forest->n_trees, .depth = depth,
                        .keys = keys, .entries = entries };
    int failed = mlf_sum_make(&heap->sum, forest, rows, (int64_t)n_leaves, in->memory);
    free(rows);
    if (failed)
        return MLF_NO_MEMORY;
    size_t row = mlf_row_words(prepare) * sizeof(int32_t);
    head->data = heap;
    head->scratch_one = row + mlf_aligned(n_trees * sizeof(int32_t));
    head->scratch_block = MLF_BLOCK * (row + sizeof(int32_t));
    MLF_SET_HEAD(head, mlf_heap, in->isa);
    return NULL;
}
