#include "trees_masks.h"

#if !MLF_X86
const char *mlf_masks_lower(const mlf_lowering *in, mlf_head *head)
{
    (void)in;
    (void)head;
    return "masks: needs AVX-512 VBMI";
}
#else

/* A numeric split and the leaves below its left child. */
typedef struct split {
    int64_t node;
    int32_t from, to;          /* leaves from .. to - 1                                  */
    int32_t plane, reach;      /* of leaf to - 1; how far leaf `from` is away            */
} split;

typedef struct making {
    const mlf_forest *forest;
    mlf_masks *masks;
    uint8_t *slots;
    split splits[MLF_TABLE_LEAVES];
    int32_t n_splits;          /* of the tree that is looked at */
} making;

/* Notes the splits below `node`, whose first leaf is `leaf`; returns the next leaf. */
static int32_t collect(making *m, int64_t root, int64_t node, int32_t leaf)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    if (e->feature[node] < 0)
        return leaf + 1;
    int32_t middle = collect(m, root, root + e->left[node], leaf);
    split s = { .node = node, .from = leaf, .to = middle, .plane = (middle - 1) / 8 };
    while (mlf_mask_from(s.plane, s.reach) > leaf / 8)
        s.reach++;
    if (forest->column[node] < forest->n_numeric)
        m->splits[m->n_splits++] = s;
    return collect(m, root, root + e->right[node], middle);
}

static void collect_tree(making *m, int32_t t)
{
    int64_t root = m->forest->ensemble->tree_offsets[m->forest->trees[t]];
    m->n_splits = 0;
    collect(m, root, root, 0);
}

/* How many slots of each kind suffice: what a tree does not fill with far-reaching splits
 * it may fill with nearer ones. */
static void count_slots(making *m)
{
    int32_t most[MLF_MASK_PLANES][MLF_MASK_REACHES] = { { 0 } };   /* of that reach or farther */
    for (int32_t t = 0; t < m->forest->n_trees; t++) {
        int32_t n[MLF_MASK_PLANES][MLF_MASK_REACHES] = { { 0 } };
        collect_tree(m, t);
        for (int32_t i = 0; i < m->n_splits; i++)
            for (int32_t reach = 0; reach <= m->splits[i].reach; reach++)
                n[m->splits[i].plane][reach]++;
        for (int p = 0; p < MLF_MASK_PLANES; p++)
            for (int reach = 0; reach < MLF_MASK_REACHES; reach++)
                if (n[p][reach] > most[p][reach])
                    most[p][reach] = n[p][reach];
    }
    for (int p = 0; p < MLF_MASK_PLANES; p++)
        for (int reach = MLF_MASK_REACHES - 1, taken = 0; reach >= 0; reach--) {
            m->masks->n_slots[p][reach] = most[p][reach] - taken;
            taken = most[p][reach];
        }
}

static size_t slot_bytes(int32_t plane, int32_t reach)
{
    return (size_t)(2 + plane + 1 - mlf_mask_from(plane, reach)) * MLF_LANES;
}

static void set_slot(const making *m, uint8_t *at, int32_t from_plane, const split *s)
{
    at[0] = (uint8_t)mlf_bytes_entry(&m->masks->bytes, m->forest, s->node);
    at[MLF_LANES] = (uint8_t)m->forest->rank[s->node];
    for (int32_t leaf = s->from; leaf < s->to; leaf++)
        at[(2 + leaf / 8 - from_plane) * MLF_LANES] |= (uint8_t)(0x80 >> leaf % 8);
}

/* Where the kernel's transposition of planes to words expects the tree: the trees of a line (16 or
 * 8) are spread over the quarters of a register. */
static int32_t lane_of(const mlf_masks *masks, int32_t t)
{
    int32_t per_line = masks->tables.wide ? 8 : 16, part = per_line / 4;
    return t % per_line / part * 16 + t % MLF_LANES / per_line * part + t % part;
}

/* Every slot takes the split that reaches farthest of those of its plane that are left. */
static void place_tree(making *m, int32_t t)
{
    const mlf_masks *masks = m->masks;
    uint8_t *at = m->slots + (size_t)(t / MLF_LANES) * masks->group_bytes + lane_of(masks, t);
    collect_tree(m, t);
    for (int32_t p = 0; p < MLF_MASK_PLANES; p++)
        for (int32_t reach = MLF_MASK_REACHES - 1; reach >= 0; reach--)
            for (int32_t i = 0; i < masks->n_slots[p][reach]; i++) {
                split *best = NULL;
                for (int32_t j = 0; j < m->n_splits; j++)
                    if (m->splits[j].plane == p
                        && (best == NULL || m->splits[j].reach > best->reach))
                        best = &m->splits[j];
                if (best != NULL) {
                    set_slot(m, at, mlf_mask_from(p, reach), best);
                    best->plane = -1;
                }
                at += slot_bytes(p, reach);
            }
}

/* Instructions for 64 trees, about, beside those of complete heaps (trees_lanes.h). */
static int lanes_take_less(const mlf_masks *masks, int32_t height)
{
    int32_t n = 0;
    for (int32_t p = 0; p < MLF_MASK_PLANES; p++)
        for (int32_t reach = 0; reach < MLF_MASK_REACHES; reach++)
            n += masks->n_slots[p][reach] * (int32_t)(slot_bytes(p, reach) / MLF_LANES + 1);
    return height <= 6 && n > 3 * (height <= 4 ? 15 : 63);
}

const char *mlf_masks_lower(const mlf_lowering *in, mlf_head *head)
{
    const mlf_forest *forest = in->bytes;
    if (in->isa != MLF_ISA_avx512)
        return "masks: needs AVX-512 VBMI";
    mlf_masks *masks = in->memory->alloc(in->memory, sizeof *masks);
    if (masks == NULL)
        return MLF_NO_MEMORY;
    *masks = (mlf_masks){ .n_groups = (forest->n_trees + MLF_LANES - 1) / MLF_LANES };
    const char *failed = mlf_tables_make(&masks->tables, forest, forest->n_numeric, in->memory);
    if (failed == NULL)
        failed = mlf_bytes_make(&masks->bytes, forest, 0, masks->tables.prepare);
    if (failed != NULL)
        return failed;
    making m = { .forest = forest, .masks = masks };
    count_slots(&m);
    if (lanes_take_less(masks, forest->max_height))
        return "masks: complete trees of few levels take more than in lanes";
    for (int32_t p = 0; p < MLF_MASK_PLANES; p++)
        for (int32_t reach = 0; reach < MLF_MASK_REACHES; reach++)
            masks->group_bytes += (size_t)masks->n_slots[p][reach] * slot_bytes(p, reach);
    size_t size = masks->group_bytes * (size_t)masks->n_groups;
    m.slots = in->memory->alloc(in->memory, size + 1);
    if (m.slots == NULL)
        return MLF_NO_MEMORY;
    memset(m.slots, 0, size);
    for (int32_t t = 0; t < forest->n_trees; t++)
        place_tree(&m, t);
    masks->slots = m.slots;
    head->data = masks;
    head->scratch_one = mlf_aligned((size_t)(forest->n_columns - forest->n_numeric + 1)
                                    * sizeof(void *))
                      + mlf_aligned((size_t)masks->tables.sum.n_outputs * sizeof(double));
    head->scratch_block = head->scratch_one;
    head->one = mlf_masks_one_avx512;
    head->block = mlf_masks_block_avx512;
    return NULL;
}

#endif
