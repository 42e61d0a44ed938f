/* Layout "heap": complete binary trees of one depth, walked without branches.
 *
 * One heap with a root for every tree: tree t's stands at n_trees + t, and the children of the node
 * at i at 2 i and 2 i + 1, whichever the tree and the level. Shallower leaves are repeated below.
 * Numeric splits only.
 */
#ifndef MLF_TREES_HEAP_H
#define MLF_TREES_HEAP_H

#include "trees_layout.h"

#define MLF_HEAP_CHAINS 10         /* trees of a row in flight: there are registers for   */

typedef struct mlf_heap_node {
    uint32_t key;              /* right when v[entry] > key                              */
    uint32_t entry;            /* index into the prepared row (trees_prepare.h)          */
} mlf_heap_node;

typedef struct mlf_heap {
    mlf_layout_data common;
    const mlf_prepare *prepare;    /* words                                              */
    mlf_sum sum;               /* values: [n_trees][2^depth][width], from place n_trees * 2^depth */
    int32_t n_trees, depth;
    int32_t chains;            /* a row's trees are walked so many at a time             */
    const mlf_heap_node *nodes;    /* [n_trees * 2^depth], from n_trees on               */
} mlf_heap;

#define MLF_DECLARE_(isa) MLF_DECLARE_HEAD(mlf_heap, isa) extern mlf_one mlf_heap_few_one_##isa;
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
