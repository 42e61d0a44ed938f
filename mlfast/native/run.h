/* A plan, run: one record, or rows of a table. */
#ifndef MLF_RUN_H
#define MLF_RUN_H

#include "links.h"
#include "load.h"
#include "plan.h"
#include "pool.h"

/* Memory of one call, carved from one block, 64-byte aligned: mlf_workspace_one / _few / _block
 * bytes. */
typedef struct mlf_workspace {
    double *slots;        /* one record: n_slots; a block: n_slots * stride      */
    double *raw;          /* n_raw, or n_raw * stride                            */
    double *row;          /* n_raw: the raw sums of one row of a block           */
    double *linked;       /* a block: one value a row, where there is one raw sum  */
    double *decisions;    /* n_decisions                                         */
    double *values;       /* n_values                                            */
    void *scratch;        /* of the head                                         */
} mlf_workspace;

size_t mlf_workspace_one(const mlf_plan *plan);
size_t mlf_workspace_few(const mlf_plan *plan, int32_t n_rows);
size_t mlf_workspace_block(const mlf_plan *plan, int64_t n_rows);
/* Rows of a block, of so many: a multiple of 64, so that it stays in cache. */
int32_t mlf_block_rows(const mlf_plan *plan, int64_t n_rows);
/* stride: of a block's slots (mlf_block_stride); one record: 1. */
mlf_workspace mlf_carve(const mlf_plan *plan, void *memory, int32_t stride);

/* From one slot to the next in blocks of so many rows: an odd number of cache lines, so that the
 * slots of one row do not all compete for the same few places in the cache. */
static inline int32_t mlf_block_stride(int32_t rows) { return rows + 8; }

/* What is wanted, least work first; each includes what comes before it in the data path. */
typedef enum mlf_want {
    MLF_WANT_ENCODED, MLF_WANT_DECISIONS, MLF_WANT_VALUES, MLF_WANT_LABELS
} mlf_want;

/* One record, read into w->slots already. Returns 1 at a refusal. */
int mlf_run_one(const mlf_plan *plan, mlf_want want, const mlf_workspace *w, mlf_status *status);

/* Values of one record of a plan that has nothing to encode; x: double[n_slots], memory:
 * mlf_workspace_one bytes, 64-byte aligned. */
void mlf_run_row(const mlf_plan *plan, const double *x, double *values, void *memory);

/* Where a batch's answers go, row by row; NULL: not wanted. */
typedef struct mlf_sinks {
    double *encoded;      /* (n_rows, n_outputs of the encoder)                  */
    void *decisions;      /* (n_rows, n_decisions), float if output.float32      */
    void *values;         /* (n_rows, n_values), float if output.float32         */
    int64_t *labels;      /* (n_rows)                                            */
} mlf_sinks;

/* Rows of a table, or of a part of it whose row 0 is row `first` of the answers. */
typedef struct mlf_rows {
    int64_t first, n;
    int32_t block;        /* mlf_block_rows(plan, n) or more */
} mlf_rows;

/* Runs all rows in n_parts parts, shared out by `runner`; each takes the next block until there is
 * none, so that a slow thread holds nobody up. What was refused and warned of first is in
 * statuses[0], with the row counted from `first`. `memory` is n_parts times
 * mlf_workspace_block(plan, rows->block) bytes, `statuses` n_parts of them. The answers do not
 * depend on n_parts. Where `columns` is NULL the rows stand in the slots already, block p in
 * workspace p, and there are n_parts blocks. */
void mlf_run_batch(const mlf_plan *plan, const mlf_column *columns, const mlf_rows *rows,
                   const mlf_sinks *sinks, int32_t n_parts, mlf_runner runner, void *memory,
                   mlf_status *statuses);

/* Rows of a batch as single records, which for a few is faster than a block: row r stands in
 * n_slots doubles of `memory`, from r * n_slots on; mlf_workspace_few(plan, n) bytes. */
void mlf_run_few(const mlf_plan *plan, int32_t n, const mlf_sinks *sinks, void *memory,
                 mlf_status *status);

#endif
