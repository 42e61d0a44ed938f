/* Walk over complete trees (trees_heap.h).
 *
 *   i <- 2 i + (v[entry_i] > key_i)        depth times, from the tree's root
 *
 * The chain of loads of one tree is slow; `chains` trees (or rows) in flight hide it.
 */
#include "trees_heap.h"

#include "trees_words.h"

#define ROW_CHAINS 8

#define INLINE static inline __attribute__((always_inline))

/* Keeps a number where it is: no packing of several into a vector that is taken apart again. */
#define KEEP(x) __asm__("" : "+r"(x))

/* 2 i + (nodes[i].key < v[nodes[i].entry]): the comparison sets the carry that the addition takes.
 * Compilers find that neither from the C nor from the intrinsics, and take twice as many
 * instructions; with AVX-512 they pass the loaded words through vector registers. */
INLINE uint64_t child(uint64_t i, const mlf_heap_node *nodes, const uint32_t *v)
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

/* Chain j walks with the row at v + j * step from the root of tree t + j * stride to the place of
 * its leaf. */
INLINE void descend(const mlf_heap *heap, int32_t t, int stride, const uint32_t *v, size_t step,
                    int chains, uint64_t *i)
{
    const mlf_heap_node *nodes = heap->nodes;
    const uint64_t root = (uint64_t)heap->n_trees + (uint64_t)t;
    MLF_UNROLL for (int j = 0; j < chains; j++) {
        i[j] = root + (uint64_t)(j * stride);
        KEEP(i[j]);
    }
    for (int32_t level = heap->depth; level > 0; level--)
        MLF_UNROLL for (int j = 0; j < chains; j++)
            i[j] = child(i[j], nodes, v + (size_t)j * step);
    MLF_UNROLL for (int j = 0; j < chains; j++)
        KEEP(i[j]);
}

/* How the trees' leaves are used: added up as they come, which most models allow, or noted. */
enum { ADD_FLOATS, ADD_DOUBLES, NOTE };

typedef struct sums { float f; double d; } sums;

/* The chains' leaves, of the trees from t on. `values` is where those of place 0 would stand. */
INLINE void take_leaves(const uint64_t *i, int chains, int how, uintptr_t values, uint64_t first,
                        sums *sum, int32_t *leaf)
{
    MLF_UNROLL for (int j = 0; j < chains; j++)
        if (how == ADD_FLOATS)
            sum->f += *(const float *)(values + i[j] * sizeof(float));
        else if (how == ADD_DOUBLES)
            sum->d += *(const double *)(values + i[j] * sizeof(double));
        else
            leaf[j] = (int32_t)(i[j] - first);
}

INLINE void one(const mlf_heap *heap, const uint32_t *row, int how, double *raw, int32_t *leaf)
{
    const uint64_t first = (uint64_t)heap->n_trees << heap->depth;
    const size_t size = how == ADD_FLOATS ? sizeof(float) : sizeof(double);
    const uintptr_t values = (uintptr_t)heap->sum.values - first * size;
    sums sum = { .d = mlf_sum_start(&heap->sum, 0) };
    sum.f = (float)sum.d;
    for (int32_t t = 0, n = heap->n_trees, chains = heap->chains; t < n; t += chains) {
        uint64_t i[MLF_HEAP_CHAINS];
        chains = chains < n - t ? chains : n - t;
        switch (chains) {
#define CASE(c)                                                                                \
        case c:                                                                                \
            descend(heap, t, 1, row, 0, c, i);                                                 \
            take_leaves(i, c, how, values, first, &sum, leaf + t);                             \
            break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10)
#undef CASE
        }
    }
    if (how == NOTE)
        mlf_sum_leaves(&heap->sum, leaf, raw);
    else
        raw[0] = mlf_sum_finish(&heap->sum, 0, how == ADD_FLOATS ? (double)sum.f : sum.d);
}

void MLF_FN(mlf_heap_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_heap *heap = data;
    int32_t *row = scratch, *leaf = row + mlf_row_words(heap->prepare);
    const uint32_t *words = scratch;
    if (heap->prepare->plain)
        mlf_plain_words(heap->prepare, x, row);
    else
        MLF_FN(mlf_prepare_words)(heap->prepare, x, 1, row);
    if (heap->sum.n_outputs > 1)
        one(heap, words, NOTE, raw, leaf);
    else if (heap->sum.float32)
        one(heap, words, ADD_FLOATS, raw, leaf);
    else
        one(heap, words, ADD_DOUBLES, raw, leaf);
}

/* The same where there is one group of trees, the words are plain and a float is the sum: all that
 * remains to be done is the walk. */
void MLF_FN(mlf_heap_few_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_heap *heap = data;
    const uint64_t first = (uint64_t)heap->n_trees << heap->depth;
    const uintptr_t values = (uintptr_t)heap->sum.values - first * sizeof(float);
    sums sum = { .f = (float)mlf_sum_start(&heap->sum, 0) };
    uint64_t i[MLF_HEAP_CHAINS];
    mlf_plain_words(heap->prepare, x, scratch);
    switch (heap->n_trees) {
#define CASE(c)                                                                                \
    case c:                                                                                    \
        descend(heap, 0, 1, scratch, 0, c, i);                                                 \
        take_leaves(i, c, ADD_FLOATS, values, first, &sum, NULL);                              \
        break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10)
#undef CASE
    }
    raw[0] = mlf_sum_finish(&heap->sum, 0, (double)sum.f);
}

/* Rows are prepared once; then tree by tree, 8 rows in flight. */
void MLF_FN(mlf_heap_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_heap *heap = data;
    const int32_t first = heap->n_trees << heap->depth;
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
            descend(heap, t, 0, (const uint32_t *)rows + (size_t)r * row_size, row_size,
                    ROW_CHAINS, i);
            for (int j = 0; j < ROW_CHAINS && r + j < n; j++)
                leaf[r + j] = (int32_t)i[j] - first;
        }
        mlf_sum_block_add(&heap->sum, k, leaf, raw, stride, n);
    }
    mlf_sum_block_finish(&heap->sum, raw, stride, n);
}
