/* Links of many rows at once, for an instruction set. */
#ifndef MLF_LINKS_ROWS_H
#define MLF_LINKS_ROWS_H

#include "isa.h"
#include "plan.h"

/* MLF_SIGMOID_FLOAT32 of x[0 .. n - 1]. */
typedef void mlf_link_fn(const double *x, int32_t n, double *out);

#define MLF_DECLARE_(isa) extern mlf_link_fn mlf_sigmoid_rows_##isa;
MLF_FOR_EACH_ISA(MLF_DECLARE_)
#undef MLF_DECLARE_

#endif
