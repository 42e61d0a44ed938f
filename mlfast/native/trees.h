/* Tree ensembles: lowering to a layout, and the walks over it. */
#ifndef MLF_TREES_H
#define MLF_TREES_H

#include "isa.h"
#include "plan.h"

/* Lowers an ensemble for an instruction set. `layout` is NULL (choose) or a name from
 * mlf_trees_layouts. The ensemble is not needed afterwards. On success fills `head` and
 * `plan_text` (why this layout, at most text_size bytes) and returns NULL; else returns
 * a message: no memory, or why the forced layout does not fit. */
const char *mlf_trees_lower(const mlf_ensemble *ensemble, mlf_isa isa, const char *layout,
                            mlf_memory *memory, mlf_head *head,
                            char *plan_text, size_t text_size);

/* NULL-terminated names of the layouts of an instruction set. */
const char *const *mlf_trees_layouts(mlf_isa isa);

/* Leaf of every tree for n rows, by the plain walk over the ensemble itself: x double
 * [n][n_features], leaves int32[n][n_trees] (leaf_ids); scratch int32[n_nodes]. */
void mlf_trees_apply(const mlf_ensemble *ensemble, const double *x, int64_t n, int32_t *scratch,
                     int32_t *leaves);

/* Raw sums of one row by the same plain walk: raw double[n_outputs]. The readable reference of
 * all layouts. */
void mlf_trees_reference(const mlf_ensemble *ensemble, const double *x, double *raw);

#endif
