"""How a record's fields become numbers and codes; see `_record.pyx`."""

from cpython.object cimport PyObject, PyTypeObject
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t


cdef extern from "vocabulary.h":
    ctypedef struct mlf_vocabulary:
        pass


cdef extern from "_access.h":
    ctypedef struct mlf_spot:
        Py_ssize_t place
        PyObject *key
        const mlf_vocabulary *vocabulary
        int32_t slot
        int32_t field

    ctypedef enum mlf_kind:
        MLF_KIND_slots
        MLF_KIND_tuple
        MLF_KIND_dict
        MLF_KIND_list
        MLF_KIND_attributes
        MLF_KIND_mapping
        MLF_KIND_values     # through `as_values`


cdef class Layout:
    cdef readonly tuple names           # of all fields
    cdef readonly tuple shape           # of an example as an array
    cdef readonly bint named
    cdef readonly bint missing_fields_nan
    cdef readonly Py_ssize_t n_inputs
    cdef readonly bint direct           # input i is field i, a number, and goes to slot i
    cdef mlf_spot *inputs                   # place: position of the field


cdef class Reader:
    cdef Layout layout
    cdef readonly object type           # the record's type; a strong reference
    cdef PyTypeObject *_type
    cdef mlf_kind kind
    cdef mlf_spot *spots

    cdef int read(self, PyObject *record, double *x, ptrdiff_t stride) except -1


cdef Reader reader_for(Layout layout, object record)
