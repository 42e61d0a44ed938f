"""The instruction sets that kernels are compiled for; isa.c is in each module that has kernels."""

cdef extern from "isa.h" nogil:
    ctypedef int mlf_isa
    const int MLF_ISA_COUNT
    const char *mlf_isa_name(mlf_isa isa)
    bint mlf_isa_supported(mlf_isa isa)
    mlf_isa mlf_isa_best()


cdef inline tuple isa_sets():
    """Names of the sets that this processor has, the best last."""
    cdef int isa
    names = []
    for isa in range(MLF_ISA_COUNT):
        if mlf_isa_supported(isa):
            names.append((<bytes>mlf_isa_name(isa)).decode())
    return tuple(names)


cdef inline mlf_isa isa_by_name(name) except? -1:
    """The set of a name; for None the one in use: the best, or what MLFAST_ISA names."""
    import os
    cdef int isa
    forced = name or os.environ.get("MLFAST_ISA")
    if not forced:
        return mlf_isa_best()
    for isa in range(MLF_ISA_COUNT):
        if (<bytes>mlf_isa_name(isa)).decode() == forced and mlf_isa_supported(isa):
            return isa
    what = "instruction set" if name else "MLFAST_ISA"
    raise ValueError(f"{what}: expected one of {', '.join(isa_sets())}, got {forced!r}")
