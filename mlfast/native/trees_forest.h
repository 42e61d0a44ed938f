/* An ensemble made uniform: the common ground of all layouts while they are lowered.
 *
 * Every numeric split becomes "right when key(x) >= K", every categorical split a set of
 * category codes, both over columns: a column is a feature as one kind of split reads it.
 * Order-preserving integer keys (see trees_prepare.h) make `<`, `<=`, float32 inputs and float64
 * thresholds the same comparison, exactly.
 */
#ifndef MLF_TREES_FOREST_H
#define MLF_TREES_FOREST_H

#include "plan.h"

typedef struct mlf_column {
    int32_t feature;
    uint8_t member;            /* 1: values are category codes; 0: keys or ranks         */
    uint8_t directions;        /* bit 0: some node sends missing right; bit 1: left      */
    int32_t n;                 /* cuts or categories                                     */
    const int64_t *cuts;       /* rising; rank(x) = number of cuts <= key(x)             */
    const int32_t *categories; /* rising; code n: none of them, n + 1: missing           */
} mlf_column;

/* Node arrays have the ensemble's numbering. Trees are listed output by output, in the
 * ensemble's order within each: sums of different outputs do not meet. */
typedef struct mlf_forest {
    const mlf_ensemble *ensemble;
    int32_t n_trees;
    int32_t *trees;            /* (n_trees,) the ensemble's number of the tree           */
    int32_t *first;            /* (n_outputs + 1,) where each output's trees begin; NULL
                                * when leaves are vectors                                */
    int32_t n_columns, n_numeric;  /* numeric columns come first                         */
    mlf_column *columns;
    int32_t *column;           /* (n_nodes,) -1 at a leaf                                */
    int64_t *key;              /* (n_nodes,) K; MEMBER: first word of the set            */
    int32_t *rank;             /* (n_nodes,) right when rank(x) >= this; from 1          */
    int32_t *leaf;             /* (n_nodes,) row of leaf_values; inner nodes: -1         */
    int32_t *height;           /* (n_nodes,) levels below                                */
    int32_t *weight;           /* (n_nodes,) leaves below                                */
    uint32_t *sets;            /* bit c of a set: code c goes right                      */
    int32_t max_height;
    void *pool;                /* temporary memory, freed by mlf_forest_free             */
} mlf_forest;

/* 0, or -1 without memory. */
int mlf_forest_make(mlf_forest *forest, const mlf_ensemble *ensemble);

/* The same forest with columns of at most `most` cuts: a column with more becomes several, each
 * with a run of its cuts (the rank within the run decides the run's nodes). Shares the rest with
 * `from`, which must outlive it. 0, or -1 without memory. */
int mlf_forest_split(mlf_forest *forest, const mlf_forest *from, int32_t most);

void mlf_forest_free(mlf_forest *forest);

/* The words of a set of n + 2 codes. */
static inline int32_t mlf_set_words(int32_t n) { return (n + 2 + 31) / 32; }

/* Whether a code goes right at a categorical split. */
static inline int mlf_in_set(const mlf_forest *forest, int64_t node, int32_t code)
{
    return forest->sets[forest->key[node] + code / 32] >> code % 32 & 1;
}

#endif
