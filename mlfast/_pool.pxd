# One copy of native/pool.c lives in this module; others cimport `run` and `runner`.

cdef extern from "pool.h" nogil:
    ctypedef void (*mlf_task)(void *context, int part) noexcept nogil
    ctypedef void (*mlf_runner)(int n_parts, mlf_task task, void *context) noexcept nogil

cdef enum:
    SEQUENTIAL
    SPAWN
    QUEUE
    STATIC

# mlf_pool_run: the contract is in pool.h.
cdef void run(int n_parts, mlf_task task, void *context) noexcept nogil

# The runner of a strategy above.
cdef mlf_runner runner(int strategy) noexcept nogil

# Threads of a run, the caller's included.
cdef int threads() noexcept nogil
