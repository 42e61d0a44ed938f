/* Linear models: coef @ x + intercept. */
#ifndef MLF_LINEAR_H
#define MLF_LINEAR_H

#include "isa.h"
#include "plan.h"

/* coef: double[n_outputs * n_features], output by output; both arrays are copied.
 * Fills `head`; returns 0, or -1 when there is no memory. */
int mlf_linear_lower(const double *coef, const double *intercept, int32_t n_outputs,
                     int32_t n_features, mlf_isa isa, mlf_memory *memory, mlf_head *head);

/* Weights as the kernels want them. */
typedef struct mlf_linear {
    int32_t n_features, n_outputs;
    const double *coef;      /* double[n_outputs * n_features] */
    const double *intercept; /* double[n_outputs] */
} mlf_linear;

#define MLF_DECLARE_LINEAR_(isa)                                                                   \
    void mlf_linear_one_##isa(const void *, const double *, double *, void *);                     \
    void mlf_linear_block_##isa(const void *, const double *, ptrdiff_t, int32_t, double *, void *);
MLF_FOR_EACH_ISA(MLF_DECLARE_LINEAR_)

#endif
