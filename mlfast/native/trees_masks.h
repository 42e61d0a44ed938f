/* Layout "masks": one row, 64 trees at a time, every split at once (AVX-512 VBMI).
 *
 * A tree's leaves are numbered from left to right; the sets of leaves that are still possible for
 * 64 trees stand in 4 or 8 byte planes, plane p the leaves 8 p .. 8 p + 7 of every tree. A slot
 * holds one numeric split of every tree; where it goes right, the leaves below its left child are
 * taken out. The first leaf that is left at the end is the row's: no order of levels, no tail. The
 * splits are sorted into slots by the planes they reach, which are few. What categorical columns
 * leave possible comes from tables (trees_tables.h).
 */
#ifndef MLF_TREES_MASKS_H
#define MLF_TREES_MASKS_H

#include "trees_bytes.h"
#include "trees_tables.h"

#define MLF_MASK_PLANES 8
#define MLF_MASK_REACHES 4         /* the last 1, 2, 4 or 8 planes up to a slot's own    */

typedef struct mlf_masks {
    mlf_layout_data common;
    mlf_bytes bytes;
    mlf_tables tables;             /* of the categorical columns; sums and leaves        */
    int32_t n_groups;
    int32_t n_slots[MLF_MASK_PLANES][MLF_MASK_REACHES];
    size_t group_bytes;
    /* [n_groups], each plane by plane, from the farthest reach to the nearest, slot by slot:
     * 64 entries, 64 least ranks that go right, 64 bytes to take out of each plane reached. */
    const uint8_t *slots;
} mlf_masks;

/* The first plane that a slot of plane `plane` takes leaves out of. */
static inline int32_t mlf_mask_from(int32_t plane, int32_t reach)
{
    return plane >= 1 << reach ? plane + 1 - (1 << reach) : 0;
}

#if MLF_X86
extern mlf_one mlf_masks_one_avx512;
extern mlf_block mlf_masks_block_avx512;
#endif

#endif
