/* Layout "heap": complete binary trees of one depth, walked without branches.
 *
 * Level after level, the nodes of all trees: node j of tree t stands at t * 2^level + j of its
 * level, so its children are at twice that place in the next one, whichever the tree. Shallower
 * leaves are repeated below. Numeric splits only.
 */
#ifndef MLF_TREES_HEAP_H
#define MLF_TREES_HEAP_H

#include "trees_layout.h"

typedef struct mlf_heap_node {
    uint32_t key;              /* right when v[entry] > key                              */
    uint32_t entry;            /* index into the prepared row (trees_prepare.h)          */
} mlf_heap_node;

typedef struct mlf_heap {
    mlf_layout_data common;
    const mlf_prepare *prepare;    /* unsigned words                                         */
    mlf_sum sum;               /* values: [n_trees][2^depth][width]                      */
    int32_t n_trees, depth;
    const mlf_heap_node *nodes;    /* [n_trees * (2^depth - 1)]                          */
} mlf_heap;

#define MLF_DECLARE_(isa) MLF_DECLARE_HEAD(mlf_heap, isa)
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
