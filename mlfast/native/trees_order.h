/* Places of a tree's nodes such that a walk touches few cache lines. */
#ifndef MLF_TREES_ORDER_H
#define MLF_TREES_ORDER_H

#include "trees_forest.h"

/* place[local] for every node below node `top` of the tree with root `root`: the top at the even
 * place `at`, siblings at 2k and 2k + 1, `pairs_per_line` pairs sharing a line where they are the
 * likely way on (a subtree's leaves count as its likelihood). Children come after parents; place
 * at + 1 is empty. `work`: int32[nodes of the tree]. Returns the next free place. */
int64_t mlf_order_nodes(const mlf_forest *forest, int64_t root, int32_t top, int64_t at,
                        int32_t pairs_per_line, int32_t *place, int32_t *work);

#endif
