/* Layout "tables": the leaves that each column leaves possible, looked up and intersected.
 *
 * A tree's leaves are bits of a word, the first leaf its highest bit; a line is 64 bytes, the words
 * of 16 trees of at most 32 leaves or of 8 trees of at most 64. What a column's code (its rank,
 * category or "missing") leaves possible in a line's trees is a row of the table. Few codes differ
 * for so few trees, so each row is stored once, and `places` says where. The intersection of a
 * line's rows over all columns has one bit a tree: the leaf it ends at.
 */
#ifndef MLF_TREES_TABLES_H
#define MLF_TREES_TABLES_H

#include "trees_layout.h"

#define MLF_LINE 64                /* bytes                                              */
#define MLF_PLACE_UNIT 8           /* places count such pieces, so that 16 bits suffice  */
#define MLF_TABLE_LEAVES 64

typedef struct mlf_tables {
    mlf_layout_data common;
    const mlf_prepare *prepare;    /* ranks                                              */
    mlf_sum sum;                   /* values: tree by tree, leaves from left to right    */
    int32_t n_trees, n_lines;
    int32_t wide;                  /* words of 64 bits, not of 32                        */
    const int32_t *first;          /* a column's places, [n + 2][n_lines]                */
    const uint16_t *places;        /* of a row among its line's                          */
    const uint32_t *starts;        /* (n_lines,) bytes before each line's rows           */
    const char *rows;              /* MLF_LINE bytes each                                */
    const int32_t *leaves;         /* (n_trees,) number of the tree's first leaf         */
} mlf_tables;

/* Tables of columns `from` and on alone; all else is of the whole forest. NULL or why not. */
const char *mlf_tables_make(mlf_tables *tables, const mlf_forest *forest, int32_t from,
                            mlf_memory *memory);

#define MLF_DECLARE_(isa) MLF_DECLARE_HEAD(mlf_tables, isa)
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
