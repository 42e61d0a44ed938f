/* The encoder's steps, run over one record or a block of rows. */
#ifndef MLF_ENCODERS_H
#define MLF_ENCODERS_H

#include "isa.h"
#include "plan.h"

/* Name of an mlf_op, without prefix. */
const char *mlf_op_name(mlf_op op);

/* Sets `one` and `block` to the variant for an instruction set. */
void mlf_encoder_bind(mlf_encoder *encoder, mlf_isa isa);

/* Inverse of the standard normal distribution function (Cephes ndtri, as SciPy has it). */
double mlf_ndtri(double p);

#define MLF_DECLARE_ENCODERS_(isa)                                                                 \
    int mlf_encode_one_##isa(const mlf_encoder *, double *, mlf_status *);                         \
    int mlf_encode_block_##isa(const mlf_encoder *, double *, ptrdiff_t, int32_t, mlf_status *);
MLF_FOR_EACH_ISA(MLF_DECLARE_ENCODERS_)

#endif
