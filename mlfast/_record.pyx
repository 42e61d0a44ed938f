# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""The record reader: from a Python object's fields to numbers and codes.

How a type is read is decided once (`reader_for`) and kept in a `Reader`: byte
offsets for types with slots, positions for tuples and arrays, interned keys
for dicts, names for any other object. Reading one field is then a load, a type
check and a store; whatever is not a plain float, int or str takes the cold way.
"""

import inspect
import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from mlfast.errors import RecordError

cimport numpy as cnp
from cpython.dict cimport PyDict_CheckExact
from cpython.list cimport PyList_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.tuple cimport PyTuple_Check
from libc.math cimport NAN
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t
from libc.string cimport memcpy


cdef extern from "vocabulary.h" nogil:
    int32_t mlf_code_nan(const mlf_vocabulary *v)
    int32_t mlf_code_unknown(const mlf_vocabulary *v)
    int32_t mlf_find_number(const mlf_vocabulary *v, double value)


cdef extern from "_access.h":
    const bint MLF_READS_SLOTS
    Py_ssize_t mlf_slot_offset(PyObject *descriptor)
    bint mlf_read_value(PyObject *o, const mlf_vocabulary *v, double *out)
    const mlf_spot *mlf_read_slots(PyObject *, const mlf_spot *, const mlf_spot *, double *,
                                   ptrdiff_t)
    const mlf_spot *mlf_read_tuple(PyObject *, const mlf_spot *, const mlf_spot *, double *,
                                   ptrdiff_t)
    const mlf_spot *mlf_read_dict(PyObject *, const mlf_spot *, const mlf_spot *, double *,
                                  ptrdiff_t)
    const mlf_spot *mlf_read_list(PyObject *, const mlf_spot *, const mlf_spot *, double *,
                                  ptrdiff_t)
    const mlf_spot *mlf_read_attributes(PyObject *, const mlf_spot *, const mlf_spot *, double *,
                                        ptrdiff_t)
    const mlf_spot *mlf_read_mapping(PyObject *, const mlf_spot *, const mlf_spot *, double *,
                                     ptrdiff_t)
    PyObject *mlf_fetch(mlf_kind kind, PyObject *record, const mlf_spot *s)
    int mlf_raise_pending() except -1
    void Py_XDECREF(PyObject *o)
    PyObject *PyErr_Occurred()


cnp.import_array()


cdef class Layout:
    """The fields that a model reads, in the order of its inputs.

    `inputs` are triples (field number, slot, address of a vocabulary or 0); the
    owner of the layout owns the vocabularies too.
    """

    def __cinit__(self, tuple names, bint named, list inputs,
                  bint missing_fields_nan, tuple shape=None):
        self.names = tuple([sys.intern(name) for name in names])
        self.shape = shape or (len(names),)
        self.named = named
        self.missing_fields_nan = missing_fields_nan
        self.n_inputs = len(inputs)
        self.inputs = <mlf_spot *>PyMem_Malloc((self.n_inputs + 1) * sizeof(mlf_spot))
        if self.inputs == NULL:
            raise MemoryError
        for i, (field, slot, vocabulary) in enumerate(inputs):
            name = self.names[field]
            self.inputs[i] = mlf_spot(field, <PyObject *>name,
                                      <const mlf_vocabulary *><size_t>vocabulary, slot, field)
        self.direct = inputs == [(i, i, 0) for i in range(len(self.names))]

    def __dealloc__(self):
        PyMem_Free(self.inputs)


cdef class Reader:
    """Reads the records of one type for one layout."""

    def __cinit__(self, Layout layout, object record_type, mlf_kind kind, places=None):
        self.layout = layout
        self.type = record_type
        self._type = <PyTypeObject *>record_type
        self.kind = kind
        self.spots = <mlf_spot *>PyMem_Malloc((layout.n_inputs + 1) * sizeof(mlf_spot))
        if self.spots == NULL:
            raise MemoryError
        for i in range(layout.n_inputs):
            self.spots[i] = layout.inputs[i]
            if places is not None:
                self.spots[i].place = places[layout.inputs[i].field]

    def __dealloc__(self):
        PyMem_Free(self.spots)

    cdef int read(self, PyObject *record, double *x, ptrdiff_t stride) except -1:
        """Input i of the record to x[slot of i * stride]."""
        cdef const mlf_spot *s = self.spots
        cdef const mlf_spot *end = s + self.layout.n_inputs
        cdef mlf_kind kind = self.kind
        if kind == MLF_KIND_tuple or kind == MLF_KIND_list:
            if len(<object>record) != len(self.layout.names):
                wrong_length(self.layout, len(<object>record))
        while True:
            if kind == MLF_KIND_slots:
                s = mlf_read_slots(record, s, end, x, stride)
            elif kind == MLF_KIND_tuple:
                s = mlf_read_tuple(record, s, end, x, stride)
            elif kind == MLF_KIND_dict:
                s = mlf_read_dict(record, s, end, x, stride)
            elif kind == MLF_KIND_attributes:
                s = mlf_read_attributes(record, s, end, x, stride)
            elif kind == MLF_KIND_list:
                s = mlf_read_list(record, s, end, x, stride)
            elif kind == MLF_KIND_mapping:
                s = mlf_read_mapping(record, s, end, x, stride)
            elif read_array(self, record, x, stride):
                return 0
            else:
                values = as_values(<object>record, self.layout)
                return reader_for(self.layout, values).read(<PyObject *>values, x, stride)
            if s == end:
                return 0
            slow(self, record, s, x + s.slot * stride)
            s += 1

    def value(self, object record, int field):
        """The Python value of a field, for messages."""
        name = self.layout.names[field]
        if self.kind == MLF_KIND_tuple or self.kind == MLF_KIND_list:
            names = getattr(self.type, "_fields", None)
            if self.layout.named and names is not None:
                return getattr(record, name)
            return record[field]
        if self.kind == MLF_KIND_dict or self.kind == MLF_KIND_mapping:
            return record[name]
        if self.kind == MLF_KIND_values:
            values = as_values(record, self.layout)
            return reader_for(self.layout, values).value(values, field)
        return getattr(record, name)


cdef bint read_array(Reader self, PyObject *record, double *x, ptrdiff_t stride):
    """Reads a row of doubles without making Python numbers of it; False for any other record."""
    cdef const mlf_spot *s = self.spots
    cdef const mlf_spot *end = s + self.layout.n_inputs
    cdef const char *data
    cdef ptrdiff_t step
    cdef double value
    if not cnp.PyArray_CheckExact(<object>record):
        return False
    row = <cnp.ndarray>record
    if (cnp.PyArray_TYPE(row) != cnp.NPY_DOUBLE or cnp.PyArray_NDIM(row) != 1
            or not cnp.PyArray_ISBEHAVED_RO(row)
            or cnp.PyArray_DIM(row, 0) != len(self.layout.names)):
        return False
    data = <const char *>cnp.PyArray_DATA(row)
    step = cnp.PyArray_STRIDE(row, 0)
    if self.layout.direct and stride == 1 and step == sizeof(double):
        memcpy(x, data, self.layout.n_inputs * sizeof(double))
        return True
    while s < end:
        value = (<const double *>(data + s.place * step))[0]
        x[s.slot * stride] = value if s.vocabulary == NULL else mlf_find_number(s.vocabulary, value)
        s += 1
    return True


cdef int slow(Reader self, PyObject *record, const mlf_spot *s, double *out) except -1:
    """Missing fields, values of other types, and what cannot be read."""
    cdef PyObject *fetched = mlf_fetch(self.kind, record, s)
    if fetched == NULL:
        if PyErr_Occurred() != NULL:
            access_failed()
        if not self.layout.missing_fields_nan:
            missing_field(self.layout, s.field, <object>record)
        out[0] = NAN if s.vocabulary == NULL else mlf_code_nan(s.vocabulary)
        return 0
    value = <object>fetched
    Py_XDECREF(fetched)
    plain = plain_value(value)
    if s.vocabulary == NULL:
        out[0] = number(plain, self.layout.names[s.field], value)
    elif not mlf_read_value(<PyObject *>plain, s.vocabulary, out):
        out[0] = mlf_code_unknown(s.vocabulary)
    return 0


cdef int access_failed() except -1:
    """Errors that mean an absent field pass; any other is the record's own and is raised."""
    try:
        mlf_raise_pending()
    except (AttributeError, KeyError):
        pass
    return 0


cpdef object plain_value(object value):
    """NumPy scalars and their like as float, int, bool, str; missing ones as NaN."""
    name = type(value).__name__
    if name == "NAType" or name == "NaTType":
        return math.nan
    if hasattr(value, "as_py"):                   # pyarrow scalars
        return value.as_py()
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        if value.dtype.kind in "mM" and value != value:
            return math.nan
        return value.item()
    return value


cpdef double number(object plain, str name, object value) except? -1.0:
    """float(plain), as NumPy converts objects; RecordError where that fails."""
    try:
        if isinstance(plain, (bytes, bytearray)):
            raise TypeError
        return float(plain)
    except (TypeError, ValueError, OverflowError):
        raise RecordError(
            f"expected a number, got {shorten(value)} for field {name!r}"
        ) from None


def shorten(object value, int limit=80):
    """repr of a value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit - 3]}..."


cdef int wrong_length(Layout layout, Py_ssize_t got) except -1:
    raise RecordError(
        f"expected {len(layout.names)} values in the order of feature_names_in_, got {got}"
    )


cdef int missing_field(Layout layout, int field, object record) except -1:
    raise RecordError(
        f"missing field {layout.names[field]!r} in a record of type {type(record).__name__}: "
        f"expected fields {', '.join(map(repr, layout.names))}; "
        "to take missing fields as NaN, compile(..., missing_fields='nan')"
    )


cdef object as_values(object record, Layout layout):
    """A record that offers no fast access, as a dict or a list."""
    if getattr(record, "ndim", 1) != 1:
        if record.shape == layout.shape:
            flat = np.reshape(record, -1)
            return flat.astype(np.float64) if flat.dtype.kind in "biuf" else flat
        expected = "a 1-d array" if len(layout.shape) == 1 else f"an array of shape {layout.shape}"
        raise RecordError(f"expected {expected} as a record, got shape {record.shape}")
    if hasattr(record, "to_dict"):                # pandas Series
        values = record.to_dict()
        if layout.named or set(layout.names) <= values.keys():
            return values
        return list(values.values())
    return record.tolist() if hasattr(record, "tolist") else list(record)


cdef Reader reader_for(Layout layout, object record):
    """Decides how records of this type are read."""
    cls = type(record)
    if PyDict_CheckExact(record):
        return Reader(layout, cls, MLF_KIND_dict)
    if PyTuple_Check(record):
        fields = getattr(cls, "_fields", None)
        if layout.named and fields is not None:
            return named_tuple_reader(layout, cls, fields)
        return Reader(layout, cls, MLF_KIND_tuple)
    if PyList_CheckExact(record):
        return Reader(layout, cls, MLF_KIND_list)
    if isinstance(record, Mapping):
        return Reader(layout, cls, MLF_KIND_mapping)
    if hasattr(record, "dtype") and hasattr(record, "tolist"):
        if getattr(record.dtype, "names", None):  # a structured scalar
            return Reader(layout, cls, MLF_KIND_mapping)
        return Reader(layout, cls, MLF_KIND_values)        # a 1-d array, a pandas Series
    if isinstance(record, Sequence) and not isinstance(record, (str, bytes)):
        return Reader(layout, cls, MLF_KIND_values)
    if not any(hasattr(record, name) for name in layout.names) and layout.names:
        raise RecordError(
            f"expected a record (dict, dataclass, tuple, ...) with fields "
            f"{', '.join(map(repr, layout.names))}, got {shorten(record)}"
        )
    return attribute_reader(layout, cls)


cdef Reader named_tuple_reader(Layout layout, object cls, tuple fields):
    """By name: a NamedTuple may hold more fields, in another order."""
    wanted = [layout.names[layout.inputs[i].field] for i in range(layout.n_inputs)]
    if len(fields) == len(layout.names) and all(name in fields for name in wanted):
        places = [fields.index(name) if name in fields else 0 for name in layout.names]
        return Reader(layout, cls, MLF_KIND_tuple, places)
    return Reader(layout, cls, MLF_KIND_attributes)


cdef Reader attribute_reader(Layout layout, object cls):
    """By slot offsets where every field is a slot, else by attribute names."""
    cdef Py_ssize_t offset
    if not MLF_READS_SLOTS or cls.__getattribute__ is not object.__getattribute__:
        return Reader(layout, cls, MLF_KIND_attributes)
    places = [0] * len(layout.names)
    for i in range(layout.n_inputs):
        field = layout.inputs[i].field
        descriptor = inspect.getattr_static(cls, layout.names[field], None)
        offset = mlf_slot_offset(<PyObject *>descriptor)
        if offset < 0:
            return Reader(layout, cls, MLF_KIND_attributes)
        places[field] = offset
    return Reader(layout, cls, MLF_KIND_slots, places)
