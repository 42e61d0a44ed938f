/* Layout "walk": explicit nodes, any depth, size and split.
 *
 * Siblings stand beside each other and a node says how far away its left child is; a leaf is 0
 * away from itself and never goes right, so walking on from it does nothing. Children that
 * are likely to be visited share their parent's cache line (trees_order.h).
 */
#ifndef MLF_TREES_WALK_H
#define MLF_TREES_WALK_H

#include "trees_fetch.h"
#include "trees_layout.h"

#define MLF_WALK_CHAINS 8
#define MLF_WALK_PADDING 128       /* roots are padded with leaves to a multiple of this */

/* Compact: 8 bytes, the entry in the high 12 bits of `link`, the distance in the low 20. */
typedef struct mlf_walk_node {
    int32_t key;               /* right when v[entry] > key, unsigned; at a leaf its row of
                                * values; at a categorical split the first word of its set */
    uint32_t link;
} mlf_walk_node;

#define MLF_WALK_ENTRY_SHIFT 20
#define MLF_WALK_DISTANCE ((UINT32_C(1) << MLF_WALK_ENTRY_SHIFT) - 1)

typedef struct mlf_walk_wide_node {
    int32_t key;
    uint32_t entry, distance, padding;
} mlf_walk_wide_node;

typedef struct mlf_walk {
    mlf_layout_data common;
    const mlf_prepare *prepare;    /* unsigned words                                     */
    mlf_sum sum;
    int32_t n_trees;
    int32_t wide;              /* nodes are mlf_walk_wide_node                           */
    int32_t members;           /* there are categorical splits                           */
    const void *nodes;
    const uint32_t *roots;     /* (n_trees rounded up to MLF_WALK_PADDING,)              */
    const int32_t *heights;    /* (n_trees rounded up to MLF_WALK_PADDING,)              */
    const int32_t *sizes;      /* (n_trees,) places of each tree's nodes                 */
    const int32_t *leaves;     /* (n_trees,) each tree's first row of values             */
    const uint32_t *sets;
} mlf_walk;

#define MLF_FETCH_ROWS 128         /* fewer rows do not meet most of a deep tree's nodes     */

/* What a tree consists of, to be fetched in pieces while rows walk the one before it. */
typedef struct mlf_tree_ahead {
    mlf_ahead nodes, values;
    int32_t share;             /* lines of each at a time                                */
} mlf_tree_ahead;

static inline mlf_tree_ahead mlf_fetch_next(const mlf_walk *walk, int32_t t, int32_t n,
                                            int32_t pieces)
{
    if (n < MLF_FETCH_ROWS)
        return (mlf_tree_ahead){ .share = 0 };
    const int32_t next = t + 1 < walk->n_trees ? t + 1 : 0;    /* of the next block */
    const size_t width = walk->sum.vectors ? (size_t)walk->sum.n_outputs : 1;
    const size_t size = width * (walk->sum.float32 ? sizeof(float) : sizeof(double));
    const size_t node = walk->wide ? sizeof(mlf_walk_wide_node) : sizeof(mlf_walk_node);
    const size_t nodes = (size_t)walk->sizes[next] * node;
    const size_t values = (size_t)walk->sizes[next] / 2 * size;    /* as many leaves */
    const char *from = (const char *)walk->nodes + walk->roots[next] * node;
    const char *first = (const char *)walk->sum.values + (size_t)walk->leaves[next] * size;
    return (mlf_tree_ahead){
        .nodes = { from, from + nodes }, .values = { first, first + values },
        .share = (int32_t)((nodes > values ? nodes : values) / 64) / (pieces + 1) + 1 };
}

static inline void mlf_fetch_some(mlf_tree_ahead *ahead)
{
    mlf_fetch(&ahead->nodes, ahead->share);
    mlf_fetch(&ahead->values, ahead->share);
}

#define MLF_DECLARE_(isa) MLF_DECLARE_HEAD(mlf_walk, isa)
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

/* Layout "gather": another walk over compact nodes. */
#if MLF_X86
extern mlf_one mlf_gather_one_avx512;
extern mlf_block mlf_gather_block_avx512;
#endif

#endif
