/* Walk over explicit nodes (trees_walk.h).
 *
 *   i <- i + distance_i + right_i
 *   right_i = v[entry_i] > key_i, or the bit of v[entry_i] in a set
 *
 * MLF_WALK_CHAINS trees of a row, or rows of a tree, are in flight; leaves stand still, so the
 * chains need no test but one every few levels: does any still move?
 */
#include "trees_walk.h"

#define CHAINS MLF_WALK_CHAINS
#define FIRST_LEVELS 6
#define NEXT_LEVELS 3

typedef struct node { int32_t key; uint32_t entry, distance; } node;

static inline __attribute__((always_inline)) node load(const void *nodes, uint64_t i, int wide)
{
    if (wide) {
        const mlf_walk_wide_node *n = (const mlf_walk_wide_node *)nodes + i;
        return (node){ n->key, n->entry, n->distance };
    }
    mlf_walk_node n = ((const mlf_walk_node *)nodes)[i];
    return (node){ n.key, n.link >> MLF_WALK_ENTRY_SHIFT, n.link & MLF_WALK_DISTANCE };
}

#if MLF_X86
/* `step` without categorical splits: the comparison sets the carry that the addition takes. */
static inline __attribute__((always_inline)) uint64_t
step_compact(const mlf_walk_node *nodes, const uint32_t *v, uint64_t i)
{
    uint64_t value, distance;
    __asm__("movl 4(%[nodes],%[i],8), %k[value]\n\t"
            "movl %k[value], %k[distance]\n\t"
            "shrl %[shift], %k[value]\n\t"
            "andl %[low], %k[distance]\n\t"
            "movl (%[v],%[value],4), %k[value]\n\t"
            "cmpl %k[value], (%[nodes],%[i],8)\n\t"
            "adcl %k[distance], %k[i]"
            : [i] "+r"(i), [value] "=&r"(value), [distance] "=&r"(distance)
            : [nodes] "r"(nodes), [v] "r"(v), [shift] "i"(MLF_WALK_ENTRY_SHIFT),
              [low] "i"(MLF_WALK_DISTANCE), "m"(*(const mlf_walk_node (*)[1 << 24])nodes),
              "m"(*(const uint32_t (*)[1 << 24])v) : "cc");
    return i;
}
#endif

static inline __attribute__((always_inline)) uint64_t
step(const mlf_walk *walk, const int32_t *v, uint64_t i, int wide, int members)
{
#if MLF_X86
    if (!wide && !members)
        return step_compact(walk->nodes, (const uint32_t *)v, i);
#endif
    node n = load(walk->nodes, i, wide);
    int32_t value = v[n.entry];
    uint32_t right = (uint32_t)value > (uint32_t)n.key;
    if (members) {                 /* both ways are worked out: no branch to mispredict */
        uint32_t first = (uint32_t)walk->prepare->n_numeric;
        uint32_t count = (uint32_t)walk->prepare->n_columns - first;
        uint32_t member = n.entry - first < count;
        uint32_t word = member ? (uint32_t)n.key + (uint32_t)value / 32 : 0;
        uint32_t bit = walk->sets[word] >> ((uint32_t)value & 31) & 1;
        right = member ? bit : right;
    }
    return i + n.distance + right;
}

/* Walks i[0 .. CHAINS) to their leaves; at most `height` levels. */
static inline __attribute__((always_inline)) void
descend(const mlf_walk *walk, const int32_t *const *v, int32_t height, uint64_t *i, int wide,
        int members)
{
    for (int32_t level = 0; level < height; level += 2) {
        uint64_t moved = 0;
        MLF_UNROLL for (int j = 0; j < CHAINS; j++)
            i[j] = step(walk, v[j], i[j], wide, members);
        MLF_UNROLL for (int j = 0; j < CHAINS; j++) {
            uint64_t next = step(walk, v[j], i[j], wide, members);
            moved |= next ^ i[j];
            i[j] = next;
        }
        if (moved == 0)
            break;
    }
}

static void descend_any(const mlf_walk *walk, const int32_t *const *v, int32_t height,
                        uint64_t *i)
{
    if (walk->wide)
        descend(walk, v, height, i, 1, 1);
    else if (walk->members)
        descend(walk, v, height, i, 0, 1);
    else
        descend(walk, v, height, i, 0, 0);
}

/* One row: all trees go down some levels, then those that are not at a leaf yet a few more, and so
 * on, so that a few deep trees do not keep the others waiting. at[t] is tree t's node; `open` lists
 * the trees on their way, padded with tree n_trees, which stands on a leaf. */
static inline __attribute__((always_inline)) void
walk_trees(const mlf_walk *walk, const int32_t *v, uint32_t *at, int32_t *open, int wide,
           int members)
{
    int32_t n = walk->n_trees, levels = FIRST_LEVELS;
    for (int32_t t = 0; t < n; t++) {
        at[t] = walk->roots[t];
        open[t] = t;
    }
    at[n] = 0;
    for (int32_t n_open = n; n_open > 0; levels = NEXT_LEVELS) {
        int32_t kept = 0;
        for (int j = 0; j < CHAINS; j++)
            open[n_open + j] = n;
        for (int32_t g = 0; g < n_open; g += CHAINS) {
            uint64_t i[CHAINS];
            for (int j = 0; j < CHAINS; j++)
                i[j] = at[open[g + j]];
            for (int32_t level = 0; level < levels; level++)
                MLF_UNROLL for (int j = 0; j < CHAINS; j++)
                    i[j] = step(walk, v, i[j], wide, members);
            for (int j = 0; j < CHAINS; j++) {
                int32_t tree = open[g + j];
                at[tree] = (uint32_t)i[j];
                open[kept] = tree;             /* stays if it is not at a leaf */
                kept += load(walk->nodes, i[j], wide).distance != 0;
            }
        }
        n_open = kept;
    }
}

void MLF_FN(mlf_walk_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_walk *walk = data;
    int32_t *row = scratch, *leaf = row + mlf_row_words(walk->prepare);
    uint32_t *at = (uint32_t *)leaf + walk->n_trees + 1;
    int32_t *open = (int32_t *)at + walk->n_trees + 1;
    MLF_FN(mlf_prepare_words)(walk->prepare, x, 1, row);
    if (walk->wide)
        walk_trees(walk, row, at, open, 1, 1);
    else if (walk->members)
        walk_trees(walk, row, at, open, 0, 1);
    else
        walk_trees(walk, row, at, open, 0, 0);
    for (int32_t t = 0; t < walk->n_trees; t++)
        leaf[t] = load(walk->nodes, at[t], walk->wide).key;
    mlf_sum_leaves(&walk->sum, leaf, raw);
}

/* Rows are prepared once; then tree by tree, CHAINS rows in flight. */
void MLF_FN(mlf_walk_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_walk *walk = data;
    size_t row_size = mlf_row_words(walk->prepare);
    int32_t *rows = scratch, *leaf = rows + MLF_BLOCK * row_size;
    for (int32_t r = 0; r < n; r++)
        MLF_FN(mlf_prepare_words)(walk->prepare, x + r, stride, rows + (size_t)r * row_size);
    mlf_sum_block_start(&walk->sum, raw, stride, n);
    for (int32_t t = 0, k = 0; t < walk->n_trees; t++) {
        while (!walk->sum.vectors && t == walk->sum.first[k + 1])
            k++;
        mlf_tree_ahead ahead = mlf_fetch_next(walk, t, n, (n + CHAINS - 1) / CHAINS);
        for (int32_t r = 0; r < n; r += CHAINS) {
            mlf_fetch_some(&ahead);
            const int32_t *v[CHAINS];
            uint64_t i[CHAINS];
            for (int j = 0; j < CHAINS; j++) {    /* past the last row: the last row again */
                v[j] = rows + (size_t)(r + j < n ? r + j : n - 1) * row_size;
                i[j] = walk->roots[t];
            }
            descend_any(walk, v, walk->heights[t], i);
            for (int j = 0; j < CHAINS && r + j < n; j++)
                leaf[r + j] = load(walk->nodes, i[j], walk->wide).key;
        }
        mlf_sum_block_add(&walk->sum, k, leaf, raw, stride, n);
    }
    mlf_sum_block_finish(&walk->sum, raw, stride, n);
}
