/* What the layouts share with the chooser (trees.c). */
#ifndef MLF_TREES_LAYOUT_H
#define MLF_TREES_LAYOUT_H

#include "trees.h"
#include "trees_forest.h"
#include "trees_prepare.h"
#include "trees_sum.h"

typedef struct mlf_lowering {
    mlf_isa isa;
    mlf_memory *memory;
    const mlf_forest *forest;  /* a column a feature                                     */
    const mlf_forest *bytes;   /* columns of at most 255 cuts: ranks fit a byte          */
} mlf_lowering;

/* First member of every layout's data: its own head, and the layout that answers blocks of more
 * than `few` rows in its place, `together` at a time. */
typedef struct mlf_layout_data {
    const mlf_head *one, *block;
    int32_t few, together;
} mlf_layout_data;

typedef void mlf_one(const void *data, const double *x, double *raw, void *scratch);
typedef void mlf_block(const void *data, const double *x, ptrdiff_t stride, int32_t n, double *raw,
                       void *scratch);

typedef void mlf_from_array(const void *data, const mlf_array *x, int32_t n, double *raw,
                            ptrdiff_t stride, void *scratch);

/* Declares a kernel's two functions, name_one and name_block, for an instruction set. */
#define MLF_DECLARE_HEAD(name, isa) \
    extern mlf_one name##_one_##isa; extern mlf_block name##_block_##isa;
#define MLF_SET_HEAD(head, name, isa) do {                                                    \
        static mlf_one *const one_[] = MLF_ISA_TABLE(name##_one);                             \
        static mlf_block *const block_[] = MLF_ISA_TABLE(name##_block);                       \
        (head)->one = one_[isa];                                                              \
        (head)->block = block_[isa];                                                          \
    } while (0)

#define MLF_NO_MEMORY "no memory for the tree ensemble"

/* Fill `head` (data, one, block, scratch sizes) and return NULL, or say why not. */
const char *mlf_heap_lower(const mlf_lowering *in, mlf_head *head);
const char *mlf_walk_lower(const mlf_lowering *in, mlf_head *head);
const char *mlf_bitslice_lower(const mlf_lowering *in, mlf_head *head);
const char *mlf_gather_lower(const mlf_lowering *in, mlf_head *head);
const char *mlf_lanes_lower(const mlf_lowering *in, mlf_head *head);
const char *mlf_masks_lower(const mlf_lowering *in, mlf_head *head);
const char *mlf_tables_lower(const mlf_lowering *in, mlf_head *head);

static inline size_t mlf_aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

/* int32 from one prepared row to the next, whole cache lines; seven more than the row's own may
 * be written. */
static inline size_t mlf_row_words(const mlf_prepare *p)
{
    return mlf_aligned((2 * (size_t)p->n_columns + 8) * sizeof(int32_t)) / sizeof(int32_t);
}

#endif
