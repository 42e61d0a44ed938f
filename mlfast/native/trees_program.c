#include "trees_program.h"

#include <string.h>

#define ANY -1                 /* a bit that may be either: the labels below use both */

typedef struct maker {
    const mlf_forest *forest;
    int64_t root;
    const uint16_t *slots;
    mlf_program *program;
    int32_t n_planes;
    int32_t most_ops;
    int32_t n_free;
    uint16_t unused[MLF_MOST_TEMPORARIES];
} maker;

/* The number in [low, high] with the most zero bits at its end; low > 0. */
static int32_t roundest(int32_t low, int32_t high)
{
    int32_t round = high;
    while ((round & (round - 1)) >= low)
        round &= round - 1;                /* without the lowest bit that is set */
    return round;
}

/* A leaf with the labels [low, high): the largest aligned run of them, its low bits free. */
static void make_leaf(const maker *m, int32_t leaf, int32_t low, int32_t high, int32_t *bits)
{
    int32_t size = 1;
    while ((low + 2 * size - 1) / (2 * size) * (2 * size) + 2 * size <= high)
        size *= 2;
    int32_t label = (low + size - 1) / size * size;
    for (int32_t i = 0; i < size; i++)
        m->program->leaves[label + i] = leaf;
    for (int32_t k = 0; k < m->n_planes; k++)
        bits[k] = 1 << k < size ? ANY : label >> k & 1 ? MLF_SLOT_ONES : MLF_SLOT_ZEROS;
}

static void release(maker *m, int32_t slot)
{
    if (slot >= MLF_SLOT_TEMPORARY && slot < MLF_SLOT_DECISION)
        m->unused[m->n_free++] = (uint16_t)slot;
}

/* The slots of the label's bits at `node`, whose leaves get labels from [low, high). */
static int make_bits(maker *m, int64_t node, int32_t low, int32_t high, int32_t *bits)
{
    const mlf_ensemble *e = m->forest->ensemble;
    const int32_t *weight = m->forest->weight;
    if (e->feature[node] < 0) {
        make_leaf(m, m->forest->leaf[node], low, high, bits);
        return 0;
    }
    int64_t left = m->root + e->left[node], right = m->root + e->right[node];
    int32_t split = roundest(low + weight[left], high - weight[right]);
    int32_t of_left[MLF_MOST_PLANES], of_right[MLF_MOST_PLANES];
    int left_first = weight[left] >= weight[right];     /* fewer masks wait for the other side */
    if ((left_first && make_bits(m, left, low, split, of_left))
        || make_bits(m, right, split, high, of_right)
        || (!left_first && make_bits(m, left, low, split, of_left)))
        return -1;
    uint16_t decision = m->slots[node - m->root];
    for (int32_t k = 0; k < m->n_planes; k++) {
        int32_t l = of_left[k], r = of_right[k];
        if (l == ANY || l == r)
            bits[k] = r;
        else if (r == ANY)
            bits[k] = l;
        else if (l == MLF_SLOT_ZEROS && r == MLF_SLOT_ONES)
            bits[k] = decision;
        else {
            if (m->n_free == 0 || m->program->n_ops >= m->most_ops)
                return -1;
            release(m, l);
            release(m, r);
            bits[k] = m->unused[--m->n_free];
            m->program->ops[m->program->n_ops++] = (mlf_mux){
                .select = decision, .right = (uint16_t)r, .left = (uint16_t)l,
                .out = (uint16_t)bits[k] };
        }
    }
    return 0;
}

static int make(maker *m, int32_t n_planes)
{
    int32_t bits[MLF_MOST_PLANES];
    m->n_planes = n_planes;
    m->n_free = 0;
    for (int32_t slot = MLF_SLOT_TEMPORARY + MLF_MOST_TEMPORARIES - 1; slot >= MLF_SLOT_TEMPORARY;
         slot--)
        m->unused[m->n_free++] = (uint16_t)slot;
    m->program->n_planes = n_planes;
    m->program->n_ops = 0;
    memset(m->program->leaves, 0xff, sizeof(int32_t) << n_planes);   /* -1: no leaf */
    if (make_bits(m, m->root, 0, 1 << n_planes, bits))
        return -1;
    for (int32_t k = 0; k < n_planes; k++)
        m->program->planes[k] = (uint16_t)(bits[k] == ANY ? MLF_SLOT_ZEROS : bits[k]);
    return 0;
}

/* Measured: a plane costs some four multiplexers, a table of more than 64 labels some ten. */
static int32_t cost(const mlf_program *program)
{
    return program->n_ops + 4 * program->n_planes + (program->n_planes > 6 ? 10 : 0);
}

int mlf_program_make(mlf_program *program, const mlf_forest *forest, int64_t root,
                     const uint16_t *slots)
{
    int32_t leaves = forest->weight[root], least = 0, best = -1, best_cost = 0;
    while (1 << least < leaves)
        least++;
    maker m = { .forest = forest, .root = root, .slots = slots, .program = program,
                .most_ops = leaves * MLF_MOST_PLANES };
    int32_t most = least < MLF_MOST_PLANES ? least + 1 : MLF_MOST_PLANES;
    for (int32_t n_planes = least; n_planes <= most; n_planes++)
        if (make(&m, n_planes) == 0 && (best < 0 || cost(program) < best_cost)) {
            best = n_planes;
            best_cost = cost(program);
        }
    return best < 0 ? -1 : best == m.n_planes ? 0 : make(&m, best);
}

static void fill_heap(const maker *m, int64_t node, int32_t place, int32_t level, int32_t label,
                      uint16_t *heap)
{
    const mlf_ensemble *e = m->forest->ensemble;
    if (level == m->n_planes) {
        m->program->leaves[label] = m->forest->leaf[node];
        return;
    }
    int inner = e->feature[node] >= 0;             /* below a leaf both ways lead to it */
    int64_t left = inner ? m->root + e->left[node] : node;
    int64_t right = inner ? m->root + e->right[node] : node;
    heap[place] = inner ? m->slots[node - m->root] : MLF_SLOT_ZEROS;
    fill_heap(m, left, 2 * place + 1, level + 1, label, heap);
    fill_heap(m, right, 2 * place + 2, level + 1, label | 1 << level, heap);
}

void mlf_program_heap(mlf_program *program, const mlf_forest *forest, int64_t root,
                      const uint16_t *slots, uint16_t *heap)
{
    maker m = { .forest = forest, .root = root, .slots = slots, .program = program,
                .n_planes = forest->height[root] };
    program->n_planes = m.n_planes;
    program->n_ops = 0;
    fill_heap(&m, root, 0, 0, 0, heap);
}
