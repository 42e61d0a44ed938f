"""How a record's fields become numbers and codes; see `_record.pyx`."""

from cpython.object cimport PyObject, PyTypeObject
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t


cdef extern from "vocabulary.h":
    ctypedef struct mlf_vocabulary:
        pass


# Where one input is found in a record of a certain type, and where it goes.
ctypedef struct Spot:
    Py_ssize_t place                    # byte offset, or position
    PyObject *key                       # name; owned by the layout
    const mlf_vocabulary *vocabulary    # NULL: read as a number
    int32_t slot
    int32_t field


cdef class Layout:
    cdef readonly tuple names           # of all fields
    cdef readonly bint named
    cdef readonly bint missing_fields_nan
    cdef readonly Py_ssize_t n_inputs
    cdef Spot *inputs                   # place: position of the field


cdef class Reader:
    cdef Layout layout
    cdef readonly object type           # the record's type; a strong reference
    cdef PyTypeObject *_type
    cdef readonly int kind
    cdef Spot *spots

    cdef int read(self, PyObject *record, double *x, ptrdiff_t stride) except -1
    cdef int read_owned(self, PyObject *record, double *x, ptrdiff_t stride) except -1


cdef Reader reader_for(Layout layout, object record)
