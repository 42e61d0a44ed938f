/* A tree as a straight sequence of three-input multiplexers over masks of rows.
 *
 * Leaves get labels of `n_planes` bits. Each bit of the label of the leaf that a row reaches is a
 * mask, worked out from the leaves up:
 *
 *   bit(node) = decision(node) ? bit(right) : bit(left)
 *
 * Bits that are constant below a node cost nothing, and a bit that is 0 on the left and 1 on
 * the right is the decision itself: a complete tree of depth 6 takes 57 multiplexers.
 *
 * A tree of up to MLF_HEAP_LEVELS levels can also be filled up to a complete heap, whose labels are
 * the paths: its multiplexers are always the same, so they are compiled, and only its slots are
 * listed.
 */
#ifndef MLF_TREES_PROGRAM_H
#define MLF_TREES_PROGRAM_H

#include "trees_forest.h"

#define MLF_MOST_PLANES 8
#define MLF_MOST_TEMPORARIES 250
#define MLF_HEAP_LEVELS 6          /* complete heaps have at most so many levels */

/* Slots of the masks' array. */
enum { MLF_SLOT_ZEROS, MLF_SLOT_ONES, MLF_SLOT_TEMPORARY, MLF_SLOT_DECISION = 256 };

typedef struct mlf_mux {
    uint16_t select, right, left, out;
} mlf_mux;

typedef struct mlf_program {
    int32_t n_planes;          /* labels have this many bits                             */
    uint16_t planes[MLF_MOST_PLANES];   /* slots of the label's bits, lowest first       */
    int32_t n_ops;
    mlf_mux *ops;              /* room for 8 a node                                      */
    int32_t *leaves;           /* (2^n_planes,) leaf (row of leaf_values) of each label  */
} mlf_program;

/* Writes the program of the tree with root `root`; slots[local] is the slot of each inner node's
 * decision. `ops` and `leaves` (256) are the caller's. -1: the tree has too many leaves. */
int mlf_program_make(mlf_program *program, const mlf_forest *forest, int64_t root,
                     const uint16_t *slots);

/* The same as a complete heap of n_planes = height levels (at least 1): fills slots[2^n_planes - 1]
 * and `leaves`; bit l of a label says whether level l goes right. */
void mlf_program_heap(mlf_program *program, const mlf_forest *forest, int64_t root,
                      const uint16_t *slots, uint16_t *heap);

#endif
