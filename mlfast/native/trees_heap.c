#include "trees_heap.h"

#include <stdlib.h>

#define MOST_DEPTH 8

typedef struct making {
    const mlf_forest *forest;
    const mlf_prepare *prepare;
    mlf_heap_node *nodes;
    size_t first_leaf;
    int32_t *rows;             /* the ensemble's leaf of every place from there on       */
} making;

/* Lays the subtree of `node` out from place `at`; `level` levels are left. */
static void place(const making *m, int64_t root, int64_t node, size_t at, int32_t level)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    if (level == 0) {
        m->rows[at - m->first_leaf] = forest->leaf[node];
        return;
    }
    m->nodes[at] = (mlf_heap_node){ .key = UINT32_MAX ^ MLF_SIGN };   /* above a leaf: any way */
    int64_t left = node, right = node;
    if (e->feature[node] >= 0) {
        uint32_t key = (uint32_t)(m->prepare->ranks ? forest->rank[node] : forest->key[node]);
        int32_t entry = m->prepare->columns ? forest->column[node] : e->feature[node];
        entry += e->default_left[node] ? 0 : m->prepare->n_columns;
        m->nodes[at].key = (key - 1) ^ MLF_SIGN;
        m->nodes[at].entry = (uint32_t)entry;
        left = root + e->left[node];
        right = root + e->right[node];
    }
    place(m, root, left, 2 * at, level - 1);
    place(m, root, right, 2 * at + 1, level - 1);
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
    size_t n_leaves = n_trees << depth;        /* and as many nodes, n_trees places empty */
    mlf_heap *heap = in->memory->alloc(in->memory, sizeof *heap);
    mlf_heap_node *nodes = in->memory->alloc(in->memory, n_leaves * sizeof *nodes + 1);
    int32_t *rows = malloc(n_leaves * sizeof *rows + 1);
    int whole = e->input_float32 && e->n_features <= 2 * forest->n_columns;
    mlf_prepare *prepare = whole ? mlf_prepare_features(e, in->memory)
                                 : mlf_prepare_make(forest, !e->input_float32, in->memory);
    if (heap == NULL || nodes == NULL || rows == NULL || prepare == NULL) {
        free(rows);
        return MLF_NO_MEMORY;
    }
    making m = { .forest = forest, .prepare = prepare, .nodes = nodes,
                 .first_leaf = n_leaves, .rows = rows };
    for (size_t t = 0; t < n_trees; t++) {
        int64_t root = e->tree_offsets[forest->trees[t]];
        place(&m, root, root, n_trees + t, depth);
    }
    int32_t n_groups = (forest->n_trees + MLF_HEAP_CHAINS - 1) / MLF_HEAP_CHAINS;
    *heap = (mlf_heap){ .prepare = prepare, .n_trees = forest->n_trees, .depth = depth,
                        .nodes = nodes };
    if (n_groups > 0)
        heap->chains = (forest->n_trees + n_groups - 1) / n_groups;
    int failed = mlf_sum_make(&heap->sum, forest, rows, (int64_t)n_leaves, in->memory);
    free(rows);
    if (failed)
        return MLF_NO_MEMORY;
    size_t row = mlf_row_words(prepare) * sizeof(int32_t);
    head->data = heap;
    head->scratch_one = row + mlf_aligned(n_trees * sizeof(int32_t));
    head->scratch_block = MLF_BLOCK * (row + sizeof(int32_t));
    MLF_SET_HEAD(head, mlf_heap, in->isa);
    static mlf_one *const few[] = MLF_ISA_TABLE(mlf_heap_few_one);
    if (n_groups <= 1 && prepare->plain && e->n_outputs == 1 && e->sum_float32)
        head->one = few[in->isa];
    return NULL;
}
