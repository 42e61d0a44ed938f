# cython: freethreading_compatible=True
"""A function of a foreign library as the head of a plan (native/foreign.h)."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, uint8_t, uintptr_t

from mlfast._plan cimport mlf_head


cdef extern from "foreign.h" nogil:
    ctypedef void (*mlf_any_function "void (*)(void)")() noexcept

    ctypedef struct mlf_foreign:
        int32_t n_features, n_outputs
        uint8_t kind, float64, margin
        mlf_any_function function

    void mlf_foreign_bind(const mlf_foreign *foreign, mlf_head *head)


cdef class Function:
    """Parameters as the fields of `mlf_foreign`; `address` is the function's."""

    cdef mlf_foreign foreign
    cdef mlf_head head

    def __cinit__(self, *, int32_t n_features, int32_t n_outputs, int kind, bint float64,
                  bint margin, uintptr_t address):
        self.foreign.n_features, self.foreign.n_outputs = n_features, n_outputs
        self.foreign.kind, self.foreign.float64, self.foreign.margin = kind, float64, margin
        self.foreign.function = <mlf_any_function>address
        mlf_foreign_bind(&self.foreign, &self.head)

    def head_capsule(self):
        """A capsule "mlf_head", valid as long as this object."""
        return PyCapsule_New(&self.head, "mlf_head", NULL)
