/* Layout "lanes": one row, a tree in each byte of a register, 64 trees at a time (AVX-512 VBMI).
 *
 * The top levels of all trees are complete heaps of `levels` levels; each heap slot is 64 entries
 * to look up in the row's bytes (trees_bytes.h) and 64 inverted thresholds. What lies below goes
 * on from node to node, with gathers, for the trees that are not at a leaf yet (the tail).
 */
#ifndef MLF_TREES_LANES_H
#define MLF_TREES_LANES_H

#include "trees_bytes.h"

#define MLF_LANE_LEVELS 6
#define MLF_LANE_FEW_LEVELS 4      /* enough for shallow trees */

/* A tail node: sign bit set: a leaf, its row of values below. Else bits 0..7 the entry, 8..15
 * the least rank that goes right, 16..30 the distance to the left child; right is one further. */
#define MLF_TAIL_LEAF UINT32_C(0x80000000)
#define MLF_TAIL_DISTANCE 0x7fff

typedef struct mlf_lanes {
    mlf_layout_data common;
    mlf_bytes bytes;
    mlf_sum sum;               /* without a tail values are [n_trees][2^levels]          */
    int32_t n_trees, n_groups; /* groups of MLF_LANES trees                              */
    int32_t levels;            /* MLF_LANE_LEVELS or MLF_LANE_FEW_LEVELS                 */
    int32_t n_slots;           /* 2^levels - 1                                           */
    int32_t tail;
    const uint8_t *slots;      /* [n_groups][n_slots][2][64]: entries, 255 - least rank right */
    /* With a tail, where slot path p of tree t goes: a leaf's row, or ~node. */
    const int32_t *exits;      /* [64 * n_groups][2^levels]                              */
    const uint32_t *nodes;
    const int32_t *node_sets;  /* first word of a categorical tail node's set            */
    const uint32_t *sets;
    /* Categorical splits of the slots: bit of tree t in word [g][slot] says right, by code. */
    int32_t n_members;
    const uint64_t *const *member_bits;  /* [n_members]: [codes][n_groups * n_slots]     */
} mlf_lanes;

#if MLF_X86
extern mlf_one mlf_lanes_one_avx512;
extern mlf_block mlf_lanes_block_avx512;
#endif

#endif
