#include "trees_lanes.h"

#include <stdlib.h>

#include "trees_order.h"

#if !MLF_X86
const char *mlf_lanes_lower(const mlf_lowering *in, mlf_head *head)
{
    (void)in;
    (void)head;
    return "lanes: needs AVX-512 VBMI";
}
#else

/* Codes by tables of bits: at most this many bytes for all of them. */
#define MOST_MEMBER_BYTES ((size_t)16 << 20)

typedef struct making {
    const mlf_forest *forest;
    mlf_lanes *lanes;
    uint8_t *slots;
    int32_t *exits;            /* with a tail: as in mlf_lanes; else the leaf of each path */
    uint32_t *nodes;
    int32_t *node_sets;
    uint64_t **member_bits;
    int64_t n_nodes;           /* tail nodes so far                                      */
    int32_t *place, *work;
} making;

/* The nodes below `top` (tree-local), in cache lines of 16; an over-long way is an error. */
static int place_tail(making *m, int64_t root, int32_t top, int64_t n_nodes)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    (void)n_nodes;
    int64_t end = mlf_order_nodes(forest, root, top, m->n_nodes, 8, m->place, m->work);
    int64_t depth = 0;
    m->work[depth++] = top;
    while (depth > 0) {
        int32_t local = m->work[--depth];
        int64_t node = root + local, at = m->place[local];
        m->node_sets[at] = 0;
        if (e->feature[node] < 0) {
            m->nodes[at] = MLF_TAIL_LEAF | (uint32_t)forest->leaf[node];
            continue;
        }
        uint32_t distance = (uint32_t)(m->place[e->left[node]] - at);
        if (distance > MLF_TAIL_DISTANCE)
            return -1;
        int member = forest->columns[forest->column[node]].member;
        m->nodes[at] = distance << 16 | (uint32_t)(member ? 0 : forest->rank[node]) << 8
                     | (uint32_t)mlf_bytes_entry(&m->lanes->bytes, m->forest, node);
        if (member)
            m->node_sets[at] = (int32_t)forest->key[node];
        m->work[depth++] = e->left[node];
        m->work[depth++] = e->right[node];
    }
    m->n_nodes = end;
    return 0;
}

/* One slot of tree t (in the forest's order). */
static void set_slot(making *m, int32_t t, int32_t slot, int64_t node)
{
    const mlf_forest *forest = m->forest;
    int32_t n_slots = m->lanes->n_slots, group = t / MLF_LANES, lane = t % MLF_LANES;
    int64_t word = (int64_t)group * n_slots + slot;
    uint8_t *at = m->slots + word * 2 * MLF_LANES + lane;
    const mlf_column *column = &forest->columns[forest->column[node]];
    at[0] = (uint8_t)mlf_bytes_entry(&m->lanes->bytes, m->forest, node);
    if (!column->member) {
        at[MLF_LANES] = (uint8_t)(255 - forest->rank[node]);
        return;
    }
    at[MLF_LANES] = 0;         /* codes are below 255: never right but by the table's bits */
    const uint32_t *set = forest->sets + forest->key[node];
    uint64_t *bits = m->member_bits[forest->column[node] - forest->n_numeric];
    int64_t stride = (int64_t)m->lanes->n_groups * n_slots;
    for (int32_t code = 0; code < column->n + 2; code++)
        bits[code * stride + word] |= (uint64_t)(set[code / 32] >> code % 32 & 1) << lane;
}

static int place_slots(making *m, int32_t t, int64_t root, int64_t node, int32_t slot,
                       int32_t level)
{
    const mlf_ensemble *e = m->forest->ensemble;
    int inner = e->feature[node] >= 0;
    if (level == m->lanes->levels) {
        int32_t *exit = m->exits + ((size_t)t << level) + (slot - m->lanes->n_slots);
        *exit = m->forest->leaf[node];
        if (inner) {
            *exit = ~(int32_t)m->n_nodes;
            return place_tail(m, root, (int32_t)(node - root), 0);
        }
        return 0;
    }
    int64_t left = inner ? root + e->left[node] : node;
    int64_t right = inner ? root + e->right[node] : node;
    if (inner)
        set_slot(m, t, slot, node);
    return place_slots(m, t, root, left, 2 * slot + 1, level + 1)
        || place_slots(m, t, root, right, 2 * slot + 2, level + 1);
}

static const char *make_members(making *m, const mlf_lowering *in)
{
    const mlf_forest *forest = m->forest;
    mlf_lanes *lanes = m->lanes;
    size_t stride = (size_t)lanes->n_groups * (size_t)lanes->n_slots * sizeof(uint64_t), bytes = 0;
    lanes->n_members = forest->n_columns - forest->n_numeric;
    for (int32_t c = forest->n_numeric; c < forest->n_columns; c++)
        bytes += stride * ((size_t)forest->columns[c].n + 2);
    if (bytes > MOST_MEMBER_BYTES)
        return "lanes: too many categories for tables of bits";
    m->member_bits = in->memory->alloc(in->memory, ((size_t)lanes->n_members + 1) * sizeof(void *));
    if (m->member_bits == NULL)
        return MLF_NO_MEMORY;
    for (int32_t c = 0; c < lanes->n_members; c++) {
        size_t size = stride * ((size_t)forest->columns[forest->n_numeric + c].n + 2);
        m->member_bits[c] = in->memory->alloc(in->memory, size);
        if (m->member_bits[c] == NULL)
            return MLF_NO_MEMORY;
        memset(m->member_bits[c], 0, size);
    }
    lanes->member_bits = (const uint64_t *const *)m->member_bits;
    return NULL;
}

static const char *place_trees(making *m)
{
    const mlf_forest *forest = m->forest;
    for (int32_t t = 0; t < forest->n_trees; t++) {
        int64_t root = forest->ensemble->tree_offsets[forest->trees[t]];
        if (place_slots(m, t, root, root, 0, 0))
            return "lanes: a tree with more than 32,767 nodes between parent and child";
    }
    return NULL;
}

/* Copies the forest's sets, which tail nodes point into. */
static const uint32_t *copy_sets(const mlf_forest *forest, mlf_memory *memory)
{
    size_t words = 1;
    for (int64_t i = 0; i < forest->ensemble->n_nodes; i++)
        if (forest->column[i] >= forest->n_numeric)
            words += (size_t)mlf_set_words(forest->columns[forest->column[i]].n);
    uint32_t *sets = memory->alloc(memory, words * sizeof *sets);
    if (sets != NULL)
        memcpy(sets, forest->sets, words * sizeof *sets);
    return sets;
}

static const char *make(making *m, const mlf_lowering *in)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    mlf_memory *memory = in->memory;
    mlf_lanes *lanes = m->lanes;
    size_t n_paths = (size_t)1 << lanes->levels;
    size_t padded = (size_t)lanes->n_groups * MLF_LANES;
    size_t n_slot_bytes = padded * (size_t)lanes->n_slots * 2;
    int64_t most_nodes = lanes->tail ? 2 * e->n_nodes + 2 : 2;
    int64_t largest = 0;
    for (int32_t t = 0; t < e->n_trees; t++)
        if (e->tree_offsets[t + 1] - e->tree_offsets[t] > largest)
            largest = e->tree_offsets[t + 1] - e->tree_offsets[t];
    const char *failed = make_members(m, in);
    if (failed != NULL)
        return failed;
    m->slots = memory->alloc(memory, n_slot_bytes);
    m->exits = malloc(padded * n_paths * sizeof(int32_t));
    m->nodes = malloc((size_t)most_nodes * sizeof(uint32_t));
    m->node_sets = calloc((size_t)most_nodes, sizeof(int32_t));
    m->place = malloc((size_t)(2 * largest + 2) * sizeof(int32_t));
    if (!m->slots || !m->exits || !m->nodes || !m->node_sets || !m->place)
        return MLF_NO_MEMORY;
    m->work = m->place + largest;
    memset(m->slots, 0, n_slot_bytes);
    memset(m->exits, 0, padded * n_paths * sizeof(int32_t));
    failed = place_trees(m);
    if (failed != NULL)
        return failed;
    lanes->slots = m->slots;
    if (!lanes->tail)
        return mlf_sum_make(&lanes->sum, forest, m->exits,
                            (int64_t)((size_t)e->n_trees * n_paths), memory) ? MLF_NO_MEMORY : NULL;
    int32_t *exits = memory->alloc(memory, padded * n_paths * sizeof *exits);
    uint32_t *nodes = memory->alloc(memory, (size_t)m->n_nodes * sizeof *nodes + 1);
    int32_t *node_sets = memory->alloc(memory, (size_t)m->n_nodes * sizeof *node_sets + 1);
    lanes->sets = copy_sets(forest, memory);
    if (!exits || !nodes || !node_sets || !lanes->sets
        || mlf_sum_make(&lanes->sum, forest, NULL, 0, memory))
        return MLF_NO_MEMORY;
    memcpy(exits, m->exits, padded * n_paths * sizeof *exits);
    memcpy(nodes, m->nodes, (size_t)m->n_nodes * sizeof *nodes);
    memcpy(node_sets, m->node_sets, (size_t)m->n_nodes * sizeof *node_sets);
    lanes->exits = exits;
    lanes->nodes = nodes;
    lanes->node_sets = node_sets;
    return NULL;
}

const char *mlf_lanes_lower(const mlf_lowering *in, mlf_head *head)
{
    const mlf_forest *forest = in->bytes;
    if (in->isa != MLF_ISA_avx512)
        return "lanes: needs AVX-512 VBMI";
    mlf_lanes *lanes = in->memory->alloc(in->memory, sizeof *lanes);
    if (lanes == NULL)
        return MLF_NO_MEMORY;
    int32_t height = forest->max_height;
    int32_t levels = height <= MLF_LANE_FEW_LEVELS ? MLF_LANE_FEW_LEVELS : MLF_LANE_LEVELS;
    *lanes = (mlf_lanes){ .n_trees = forest->n_trees, .levels = levels,
                          .n_groups = (forest->n_trees + MLF_LANES - 1) / MLF_LANES,
                          .n_slots = (1 << levels) - 1, .tail = height > levels };
    const mlf_prepare *prepare = mlf_prepare_make(forest, 1, in->memory);
    const char *failed = prepare == NULL ? MLF_NO_MEMORY
                                         : mlf_bytes_make(&lanes->bytes, forest, 1, prepare);
    if (failed != NULL)
        return failed;
    making m = { .forest = forest, .lanes = lanes };
    failed = make(&m, in);
    free(m.exits);
    free(m.nodes);
    free(m.node_sets);
    free(m.place);
    if (failed != NULL)
        return failed;
    size_t padded = (size_t)lanes->n_groups * MLF_LANES;
    size_t words = (size_t)lanes->n_groups * (size_t)lanes->n_slots + 8;
    head->data = lanes;
    head->scratch_one = mlf_aligned(words * sizeof(uint64_t))
                      + 3 * (padded + 64) * sizeof(int32_t)
                      + mlf_aligned((size_t)forest->ensemble->n_outputs * sizeof(double));
    head->scratch_block = head->scratch_one;
    head->one = mlf_lanes_one_avx512;
    head->block = mlf_lanes_block_avx512;
    return NULL;
}

#endif
