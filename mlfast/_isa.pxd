"""The instruction sets that kernels are compiled for; isa.c is in each module that has kernels."""

cdef extern from "isa.h" nogil:
    ctypedef int mlf_isa
    const int MLF_ISA_COUNT
    const char *mlf_isa_name(mlf_isa isa)
    bint mlf_isa_supported(mlf_isa isa)
    mlf_isa mlf_isa_best()
