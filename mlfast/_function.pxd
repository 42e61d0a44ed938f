"""A predictor as a C function: what `cimport mlfast` gives."""

from libc.stdint cimport int32_t

# 0, or 1 + the number of the encoder's step that refuses the row.
ctypedef int (*predict_function)(const void *data, const double *features,
                                 double *out) noexcept nogil


cdef class Function:
    cdef predict_function run
    cdef const void *data
    cdef readonly int32_t n_features    # doubles read from `features`
    cdef readonly int32_t n_outputs     # doubles written to `out`
    cdef object _owner                  # keeps alive what `data` points into
