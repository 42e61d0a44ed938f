/* Walk over complete trees (trees_heap.h).
 *
 *   i <- 2 i + (v[entry_i] > key_i)        depth times, from the tree's number
 *
 * The chain of loads of one tree is slow; `chains` trees (or rows) in flight hide it.
 */
#include "trees_heap.h"

#define MOST_CHAINS 10             /* as many as there are registers for              */
#define ROW_CHAINS 8

/* Keeps a number where it is: no packing of several into a vector that is taken apart again. */
#define KEEP(x) __asm__("" : "+r"(x))

/* 2 i + (nodes[i].key < v[nodes[i].entry]): the comparison sets the carry that the addition takes.
 * Compilers find that neither from the C nor from the intrinsics, and take twice as many
 * instructions; with AVX-512 they pass the loaded words through vector registers. */
static inline __attribute__((always_inline)) uint64_t
child(uint64_t i, const mlf_heap_node *nodes, const uint32_t *v)
{
#if MLF_X86
    uint64_t word;
    __asm__("movl 4(%[nodes],%[i],8), %k[word]\n\t"
            "movl (%[v],%[word],4), %k[word]\n\t"
            "cmpl %k[word], (%[nodes],%[i],8)\n\t"
            "adcq %[i], %[i]"
            : [i] "+r"(i), [word] "=&r"(word)
            : [nodes] "r"(nodes), [v] "r"(v), "m"(*(const mlf_heap_node (*)[1 << 24])nodes),
              "m"(*(const uint32_t (*)[1 << 24])v) : "cc");
    return i;
#else
    return 2 * i + (nodes[i].key < v[nodes[i].entry]);
#endif
}

/* Chain j walks with the row at v + j * step from i[j], a tree's number, which ends as its
 * leaf's. */
static inline __attribute__((always_inline)) void
descend(const mlf_heap *heap, const uint32_t *v, size_t step, int chains, uint64_t *i)
{
    const mlf_heap_node *nodes = heap->nodes;
    size_t width = (size_t)heap->n_trees;
    for (const mlf_heap_node *end = nodes + (width << heap->depth) - width; nodes < end;) {
        MLF_UNROLL for (int j = 0; j < chains; j++)
            i[j] = child(i[j], nodes, v + (size_t)j * step);
        nodes += width;
        width *= 2;
    }
}

static inline __attribute__((always_inline)) void
trees_of_row(const mlf_heap *heap, int32_t t, int chains, const uint32_t *row, int32_t *leaf)
{
    uint64_t i[MOST_CHAINS];
    MLF_UNROLL for (int j = 0; j < chains; j++) {
        i[j] = (uint64_t)(t + j);
        KEEP(i[j]);
    }
    descend(heap, row, 0, chains, i);
    MLF_UNROLL for (int j = 0; j < chains; j++) {
        KEEP(i[j]);
        leaf[t + j] = (int32_t)i[j];
    }
}

void MLF_FN(mlf_heap_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_heap *heap = data;
    int32_t *row = scratch;
    int32_t *leaf = row + mlf_row_words(heap->prepare);
    MLF_FN(mlf_prepare_words)(heap->prepare, x, 1, row);
    for (int32_t t = 0, n = heap->n_trees; t < n;) {
        int32_t left = n - t, chains = left >= 2 * MOST_CHAINS ? MOST_CHAINS
                                     : left > MOST_CHAINS ? (left + 1) / 2 : left;
        switch (chains) {
#define CASE(c) case c: trees_of_row(heap, t, c, (const uint32_t *)row, leaf); break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10)
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
        for (int32_t r = 0; r < n; r += ROW_CHAINS) {     /* rows past the last lead nowhere */
            uint64_t i[ROW_CHAINS];
            for (int j = 0; j < ROW_CHAINS; j++)
                i[j] = (uint64_t)t;
            descend(heap, (const uint32_t *)rows + (size_t)r * row_size, row_size, ROW_CHAINS, i);
            for (int j = 0; j < ROW_CHAINS && r + j < n; j++)
                leaf[r + j] = (int32_t)i[j];
        }
        mlf_sum_block_add(&heap->sum, k, leaf, raw, stride, n);
    }
    mlf_sum_block_finish(&heap->sum, raw, stride, n);
}
