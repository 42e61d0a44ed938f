/* Blocks of rows, column by column: values to ranks, ranks to masks. */
#ifndef MLF_TREES_COLUMNS_H
#define MLF_TREES_COLUMNS_H

#include "trees_fetch.h"
#include "trees_planes.h"
#include "trees_prepare.h"

#define MLF_PLANE_MISSING 8
#define MLF_RANK_PLANES 9          /* masks of a column: of its ranks, and of missing values */

/* Few cuts: a mask a cut, plane k says whether the rank is above k. Otherwise bits of the rank. */
static inline int mlf_is_marked(int32_t n) { return n <= MLF_MARKED_CUTS; }

/* Bits that the ranks of a column with n cuts have. */
static inline int32_t mlf_rank_planes(int32_t n) { return n <= 15 ? 4 : n <= 63 ? 6 : 8; }

/* Masks of a column of n rows, which has at most 255 cuts: planes[k] as said, a missing value's
 * rank is 0, planes[MLF_PLANE_MISSING] says which are. Rows from n on are anything. x is read up
 * to the multiple of 64 from n on. */
#define MLF_DECLARE_(isa)                                                                      \
    void mlf_rank_column_##isa(const mlf_prepare *p, int32_t c, const double *x, int32_t n,    \
                               mlf_mask *planes);
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

/* The same for all columns, from the rows of an array; MLF_RANK_PLANES masks a column. */
#define MLF_DECLARE_(isa)                                                                      \
    void mlf_rank_array_##isa(const mlf_prepare *p, const mlf_array *array, int32_t n,         \
                              mlf_mask *planes, mlf_ahead *ahead);
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
