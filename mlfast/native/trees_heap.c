#include "trees_heap.h"

#include <stdlib.h>

#define MOST_DEPTH 8

/* Lays the subtree of `node` out below heap slot `slot`; `level` levels are left. */
static void place(const mlf_forest *forest, int64_t root, int64_t node, int32_t slot,
                  int32_t level, int ranks, mlf_heap_node *nodes, int32_t *rows, int32_t depth)
{
    const mlf_ensemble *e = forest->ensemble;
    if (level == 0) {
        rows[slot - (1 << depth)] = forest->leaf[node];
        return;
    }
    int inner = e->feature[node] >= 0;
    int64_t left = inner ? root + e->left[node] : node;
    int64_t right = inner ? root + e->right[node] : node;
    nodes[slot] = (mlf_heap_node){ .key = 0, .entry = 0 };   /* above a leaf: any way will do */
    if (inner)
        nodes[slot] = (mlf_heap_node){
            .key = ranks ? forest->rank[node] : (int32_t)forest->key[node],
            .entry = (uint32_t)(forest->column[node]
                                + (e->default_left[node] ? 0 : forest->n_columns)) };
    place(forest, root, left, 2 * slot, level - 1, ranks, nodes, rows, depth);
    place(forest, root, right, 2 * slot + 1, level - 1, ranks, nodes, rows, depth);
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
    size_t n_leaves = (size_t)1 << depth;
    int ranks = !e->input_float32;
    mlf_heap *heap = in->memory->alloc(in->memory, sizeof *heap);
    mlf_heap_node *nodes = in->memory->alloc(in->memory, (n_trees * n_leaves + 1) * sizeof *nodes);
    int32_t *rows = malloc(n_trees * n_leaves * sizeof *rows + 1);
    const mlf_prepare *prepare = mlf_prepare_make(forest, ranks, in->memory);
    if (heap == NULL || nodes == NULL || rows == NULL || prepare == NULL) {
        free(rows);
        return MLF_NO_MEMORY;
    }
    for (size_t t = 0; t < n_trees; t++) {
        int64_t root = e->tree_offsets[forest->trees[t]];
        place(forest, root, root, 1, depth, ranks, nodes + t * n_leaves, rows + t * n_leaves, depth);
    }
    *heap = (mlf_heap){ .prepare = prepare, .n_trees = forest->n_trees, .depth = depth,
                        .nodes = nodes };
    int failed = mlf_sum_make(&heap->sum, forest, rows, (int64_t)(n_trees * n_leaves), in->memory);
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
