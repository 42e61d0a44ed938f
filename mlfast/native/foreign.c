#include "foreign.h"

#include <string.h>

/* A missing value has `missing` == -1. Of a double that covers the low half alone, so the library
 * takes a number whose low half happens to be all ones for missing: its ABI cannot tell. */
typedef union entry32 { int missing; float value; int unused; } entry32;
typedef union entry64 { int missing; double value; int unused; } entry64;

#define ROW_(name, entry, type)                                                                    \
    static void name(const mlf_foreign *f, const double *x, ptrdiff_t stride, entry *row)          \
    {                                                                                              \
        for (int32_t i = 0; i < f->n_features; i++) {                                              \
            double value = x[i * stride];                                                          \
            row[i].value = (type)value;                                                            \
            if (value != value)                                                                    \
                row[i].missing = -1;                                                               \
        }                                                                                          \
    }
ROW_(read32, entry32, float)
ROW_(read64, entry64, double)
#undef ROW_

#define ANSWER_(name, entry, leaf)                                                                 \
    static void name(const mlf_foreign *f, entry *row, leaf *out)                                  \
    {                                                                                              \
        memset(out, 0, (size_t)f->n_outputs * sizeof *out);                                        \
        switch ((mlf_foreign_kind)f->kind) {                                                       \
        case MLF_FOREIGN_RETURNS:                                                                  \
            out[0] = ((leaf (*)(entry *, int))f->function)(row, f->margin);                        \
            return;                                                                                \
        case MLF_FOREIGN_COUNTS:                                                                   \
            ((size_t (*)(entry *, int, leaf *))f->function)(row, f->margin, out);                  \
            return;                                                                                \
        case MLF_FOREIGN_FILLS:                                                                    \
            ((void (*)(entry *, int, leaf *))f->function)(row, f->margin, out);                    \
        }                                                                                          \
    }
ANSWER_(answer32, entry32, float)
ANSWER_(answer64, entry64, double)
#undef ANSWER_

/* scratch: a row of entries, then the answer; both at most eight bytes an item. */
static void run(const mlf_foreign *f, const double *x, ptrdiff_t x_stride, double *raw,
                ptrdiff_t raw_stride, double *scratch)
{
    if (f->float64) {
        double *out = scratch + f->n_features;
        read64(f, x, x_stride, (entry64 *)scratch);
        answer64(f, (entry64 *)scratch, out);
        for (int32_t k = 0; k < f->n_outputs; k++)
            raw[k * raw_stride] = out[k];
        return;
    }
    float *out = (float *)(scratch + f->n_features);
    read32(f, x, x_stride, (entry32 *)scratch);
    answer32(f, (entry32 *)scratch, out);
    for (int32_t k = 0; k < f->n_outputs; k++)
        raw[k * raw_stride] = (double)out[k];
}

static void one(const void *data, const double *x, double *raw, void *scratch)
{
    run(data, x, 1, raw, 1, scratch);
}

static void block(const void *data, const double *x, ptrdiff_t stride, int32_t n, double *raw,
                  void *scratch)
{
    for (int32_t r = 0; r < n; r++)
        run(data, x + r, stride, raw + r, stride, scratch);
}

void mlf_foreign_bind(const mlf_foreign *foreign, mlf_head *head)
{
    const size_t items = (size_t)foreign->n_features + (size_t)foreign->n_outputs;
    *head = (mlf_head){
        .n_features = foreign->n_features, .n_outputs = foreign->n_outputs,
        .scratch_one = items * sizeof(double), .scratch_block = items * sizeof(double),
        .data = foreign, .one = one, .block = block,
    };
}
