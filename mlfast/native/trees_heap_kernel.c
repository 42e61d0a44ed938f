/* Walk over complete heaps (trees_heap.h).
 *
 *   i <- 2 i + (v[entry_i] >= key_i)        depth times, from 1
 *
 * The chain of loads of one tree is slow; `chains` trees (or rows) in flight hide it.
 */
#include "trees_heap.h"

#define MOST_CHAINS 8

/* Chain j walks tree nodes[j] with row v[j]; i[j] ends as the leaf's place among 2^depth. */
static inline __attribute__((always_inline)) void
descend(const mlf_heap_node *const *nodes, const int32_t *const *v, int chains, int32_t depth,
        uint64_t *out)
{
    uint64_t i[MOST_CHAINS] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    for (int32_t level = 0; level < depth; level++)
#pragma GCC unroll 8
        for (int j = 0; j < chains; j++) {
            const mlf_heap_node *node = &nodes[j][i[j]];
            i[j] = 2 * i[j] + (v[j][node->entry] >= node->key);
        }
    for (int j = 0; j < chains; j++)
        out[j] = i[j] - (UINT64_C(1) << depth);
}

static inline __attribute__((always_inline)) void
trees_of_row(const mlf_heap *heap, int32_t t, int chains, const int32_t *row, int32_t *leaf)
{
    const mlf_heap_node *nodes[MOST_CHAINS];
    const int32_t *v[MOST_CHAINS];
    uint64_t out[MOST_CHAINS];
    for (int j = 0; j < chains; j++) {
        nodes[j] = heap->nodes + ((size_t)(t + j) << heap->depth);
        v[j] = row;
    }
    descend(nodes, v, chains, heap->depth, out);
    for (int j = 0; j < chains; j++)
        leaf[t + j] = (int32_t)((uint32_t)(t + j) << heap->depth) + (int32_t)out[j];
}

void MLF_FN(mlf_heap_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_heap *heap = data;
    int32_t *row = scratch;
    int32_t *leaf = row + mlf_row_words(heap->prepare);
    MLF_FN(mlf_prepare_words)(heap->prepare, x, 1, row);
    for (int32_t t = 0, n = heap->n_trees; t < n;) {
        int32_t left = n - t, chains = left >= 16 ? 8 : left > 8 ? (left + 1) / 2 : left;
        switch (chains) {
#define CASE(c) case c: trees_of_row(heap, t, c, row, leaf); break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
        t += chains;
    }
    mlf_sum_leaves(&heap->sum, leaf, raw);
}

/* Rows are prepared once; then tree by tree, 8 rows in flight. */
void MLF_FN(mlf_heap_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_heap *heap = data;
    size_t row_size = mlf_row_words(heap->prepare);
    int32_t *rows = scratch, *leaf = rows + MLF_BLOCK * row_size;
    for (int32_t r = 0; r < n; r++)
        MLF_FN(mlf_prepare_words)(heap->prepare, x + r, stride, rows + (size_t)r * row_size);
    mlf_sum_block_start(&heap->sum, raw, stride, n);
    for (int32_t t = 0, k = 0; t < heap->n_trees; t++) {
        while (!heap->sum.vectors && t == heap->sum.first[k + 1])
            k++;
        const mlf_heap_node *nodes[MOST_CHAINS];
        const int32_t *v[MOST_CHAINS];
        uint64_t out[MOST_CHAINS];
        for (int j = 0; j < MOST_CHAINS; j++)
            nodes[j] = heap->nodes + ((size_t)t << heap->depth);
        for (int32_t r = 0; r < n; r += MOST_CHAINS) {
            for (int j = 0; j < MOST_CHAINS; j++)     /* past the last row: the last row again */
                v[j] = rows + (size_t)(r + j < n ? r + j : n - 1) * row_size;
            descend(nodes, v, MOST_CHAINS, heap->depth, out);
            for (int j = 0; j < MOST_CHAINS && r + j < n; j++)
                leaf[r + j] = (int32_t)((uint32_t)t << heap->depth) + (int32_t)out[j];
        }
        mlf_sum_block_add(&heap->sum, k, leaf, raw, stride, n);
    }
    mlf_sum_block_finish(&heap->sum, raw, stride, n);
}
