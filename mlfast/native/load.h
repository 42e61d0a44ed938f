/* Tables: where their columns are, and a block of their rows as columns of doubles. */
#ifndef MLF_LOAD_H
#define MLF_LOAD_H

#include "isa.h"
#include "plan.h"

/* One input of a table: value of row r at data + r * stride. */
typedef enum mlf_type {
    MLF_F64, MLF_F32, MLF_I64, MLF_I32, MLF_I16, MLF_I8, MLF_U64, MLF_U32, MLF_U16, MLF_U8
} mlf_type;

typedef struct mlf_column {
    const char *data;
    ptrdiff_t stride;     /* bytes */
    int32_t type;         /* mlf_type; codes are MLF_I32 */
} mlf_column;

/* Rows first .. first + n - 1 of input i into slot input_slots[i]: row r at x[slot * stride + r].
 * `stride` is a multiple of 8; what stands there from row n on is lost. */
typedef void mlf_load(const mlf_encoder *encoder, const mlf_column *columns, int64_t first,
                      int32_t n, double *x, ptrdiff_t stride);

#define MLF_DECLARE_(isa) extern mlf_load mlf_load_##isa;
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
