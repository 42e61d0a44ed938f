/* Layout "heap": complete binary heaps of one depth, walked without branches.
 *
 * The root is node 1, node i has the children 2i (left) and 2i + 1; shallower leaves are
 * repeated below.
 * Numeric splits only.
 */
#ifndef MLF_TREES_HEAP_H
#define MLF_TREES_HEAP_H

#include "trees_layout.h"

typedef struct mlf_heap_node {
    int32_t key;               /* right when v[entry] >= key                             */
    uint32_t entry;            /* index into the prepared row (trees_prepare.h)          */
} mlf_heap_node;

typedef struct mlf_heap {
    mlf_layout_data common;
    const mlf_prepare *prepare;
    mlf_sum sum;               /* values: [n_trees][2^depth][width]                      */
    int32_t n_trees, depth;
    const mlf_heap_node *nodes;    /* [n_trees][2^depth], node 0 unused                  */
} mlf_heap;

#define MLF_DECLARE_(isa) MLF_DECLARE_HEAD(mlf_heap, isa)
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
