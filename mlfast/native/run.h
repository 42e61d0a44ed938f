/* A plan, run: one record, or rows of a table. */
#ifndef MLF_RUN_H
#define MLF_RUN_H

#include "links.h"
#include "plan.h"
#include "pool.h"

/* Memory of one call, carved from one block: mlf_workspace_one / _block bytes, 64-byte aligned. */
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
size_t mlf_workspace_block(const mlf_plan *plan);
int32_t mlf_block_rows(const mlf_plan *plan);    /* rows of a block, so that it stays in cache */
mlf_workspace mlf_carve(const mlf_plan *plan, void *memory, int32_t rows);

/* What is wanted, least work first; each includes what comes before it in the data path. */
typedef enum mlf_want { MLF_WANT_ENCODED, MLF_WANT_DECISIONS, MLF_WANT_VALUES, MLF_WANT_LABELS } mlf_want;

/* One record, read into w->slots already. Returns 1 at a refusal. */
int mlf_run_one(const mlf_plan *plan, mlf_want want, const mlf_workspace *w, mlf_status *status);

/* One input of a table: value of row r at data + r * stride. */
typedef enum mlf_type {
    MLF_F64, MLF_F32, MLF_I64, MLF_I32, MLF_I16, MLF_I8, MLF_U64, MLF_U32, MLF_U16, MLF_U8
} mlf_type;

typedef struct mlf_column {
    const char *data;
    ptrdiff_t stride;     /* bytes */
    int32_t type;         /* mlf_type; codes are MLF_I32 */
} mlf_column;

/* Where a batch's answers go, row by row; NULL: not wanted. */
typedef struct mlf_sinks {
    double *encoded;      /* (n_rows, n_outputs of the encoder)                  */
    void *decisions;      /* (n_rows, n_decisions), float if output.float32      */
    void *values;         /* (n_rows, n_values), float if output.float32         */
    int64_t *labels;      /* (n_rows)                                            */
} mlf_sinks;

/* Rows begin <= r < end of a table. `memory` is mlf_workspace_block bytes. At a refusal returns 1
 * with status->refused_row counted in the table; warnings are noted likewise. */
int mlf_run_rows(const mlf_plan *plan, const mlf_column *columns, int64_t begin, int64_t end,
                 const mlf_sinks *sinks, void *memory, mlf_status *status);

/* Rows 0 .. n_rows - 1 in n_parts runs of consecutive rows, shared out by `runner`. `memory` is
 * n_parts workspaces, `statuses` n_parts of them; returns the number of the first part that
 * refused, or n_parts. The answers do not depend on n_parts. */
int32_t mlf_run_batch(const mlf_plan *plan, const mlf_column *columns, int64_t n_rows,
                      const mlf_sinks *sinks, int32_t n_parts, mlf_runner runner, void *memory,
                      mlf_status *statuses);

#endif
