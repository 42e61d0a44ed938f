/* Layout "bitslice": blocks of 512 rows, a row in each bit of a mask.
 *
 * 1. Values become masks of their ranks' bits (trees_columns.h), from columns or from an array.
 * 2. Every distinct decision (column, missing direction, rank; or set of categories) of a segment
 *    of trees becomes one mask of 512 rows.
 * 3. Each tree's program (trees_program.h) turns masks into the bits of a label a row.
 * 4. The bits become bytes again, and leaf values are looked up and added, tree by tree.
 */
#ifndef MLF_TREES_BITSLICE_H
#define MLF_TREES_BITSLICE_H

#include "trees_layout.h"
#include "trees_planes.h"
#include "trees_program.h"

#define MLF_SEGMENT_MASKS 8192         /* half a MiB of masks: they stay in the L2 cache */

/* Decisions over one column: masks of rank >= ranks[i], into consecutive slots. A column's run with
 * missing values left comes before the one with missing values right. */
typedef struct mlf_slice_run {
    int32_t column;
    int32_t right;             /* 1: missing values go right                             */
    int32_t count;
    const uint8_t *ranks;
} mlf_slice_run;

/* A categorical decision: right where the code is (or, inverted, is not) one of `codes`. */
typedef struct mlf_slice_set {
    int32_t column;
    int32_t inverted;
    int32_t count;
    const uint16_t *codes;
} mlf_slice_set;

typedef struct mlf_slice_tree {
    int32_t n_ops, n_planes;
    const mlf_mux *ops;
    const uint16_t *heap;      /* instead: slots of a complete heap of n_planes levels   */
    const void *table;         /* float or double [width][2^n_planes]; where bytes are split:
                                * [width][bytes of a number][2^n_planes, at least 64]    */
    uint16_t planes[MLF_MOST_PLANES];
} mlf_slice_tree;

/* Consecutive trees and the decisions they need: runs' slots first, then sets'. */
typedef struct mlf_segment {
    int32_t n_runs, n_sets, n_trees;
    int32_t first_set;         /* slot                                                   */
    const mlf_slice_run *runs;
    const mlf_slice_set *sets;
    const mlf_slice_tree *trees;
} mlf_segment;

typedef struct mlf_bitslice {
    mlf_layout_data common;
    const mlf_prepare *prepare;
    mlf_sum sum;               /* without values: each tree has its table                */
    int32_t n_segments;
    const mlf_segment *segments;
    const int32_t *code_masks; /* (n_members + 1,) first mask of each categorical column */
    int32_t n_masks;           /* slots of the largest segment                           */
    int32_t split;             /* tables are split into bytes (trees_labels.h)           */
} mlf_bitslice;

/* What a call works on: masks of each column's ranks, of each code, slots; sums. */
#define MLF_DECLARE_(isa) MLF_DECLARE_HEAD(mlf_bitslice, isa) \
    extern mlf_from_array mlf_bitslice_array_##isa;
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
