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

from mlfast.errors import RecordError

from cpython.dict cimport PyDict_CheckExact
from cpython.list cimport PyList_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.tuple cimport PyTuple_Check
from libc.math cimport NAN
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t


cdef extern from "vocabulary.h" nogil:
    int32_t mlf_code_nan(const mlf_vocabulary *v)
    int32_t mlf_code_unknown(const mlf_vocabulary *v)


cdef extern from "_access.h" nogil:
    const bint MLF_READS_SLOTS
    const bint MLF_OWNS_ITEMS
    PyObject *mlf_dict_item(PyObject *record, PyObject *key)
    PyObject *mlf_list_item(PyObject *record, Py_ssize_t position)
    PyObject *mlf_tuple_item(PyObject *record, Py_ssize_t position)
    PyObject *mlf_attribute(PyObject *record, PyObject *name)
    PyObject *mlf_mapping_item(PyObject *record, PyObject *key)
    PyObject *mlf_slot(PyObject *record, Py_ssize_t offset)
    Py_ssize_t mlf_slot_offset(PyObject *descriptor)
    Py_ssize_t mlf_list_size(PyObject *record)
    Py_ssize_t mlf_tuple_size(PyObject *record)
    bint mlf_read_value(PyObject *o, const mlf_vocabulary *v, double *out)
    int mlf_raise_pending() except -1
    void Py_XDECREF(PyObject *o)
    PyObject *PyErr_Occurred()


cdef enum:
    SLOTS, TUPLE, LIST, DICT, ATTRIBUTES, MAPPING, VALUES


cdef class Layout:
    """The fields that a model reads, in the order of its inputs.

    `inputs` are triples (field number, slot, address of a vocabulary or 0); the
    owner of the layout owns the vocabularies too.
    """

    def __cinit__(self, tuple names, bint named, list inputs,
                  bint missing_fields_nan):
        self.names = tuple([sys.intern(name) for name in names])
        self.named = named
        self.missing_fields_nan = missing_fields_nan
        self.n_inputs = len(inputs)
        self.inputs = <Spot *>PyMem_Malloc((self.n_inputs + 1) * sizeof(Spot))
        if self.inputs == NULL:
            raise MemoryError
        for i, (field, slot, vocabulary) in enumerate(inputs):
            name = self.names[field]
            self.inputs[i] = Spot(field, <PyObject *>name,
                                  <const mlf_vocabulary *><size_t>vocabulary, slot, field)

    def __dealloc__(self):
        PyMem_Free(self.inputs)


cdef class Reader:
    """Reads the records of one type for one layout."""

    def __cinit__(self, Layout layout, object record_type, int kind, places=None):
        self.layout = layout
        self.type = record_type
        self._type = <PyTypeObject *>record_type
        self.kind = kind
        self.spots = <Spot *>PyMem_Malloc((layout.n_inputs + 1) * sizeof(Spot))
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
        cdef Spot *s = self.spots
        cdef Spot *end = s + self.layout.n_inputs
        cdef int kind = self.kind
        cdef PyObject *value
        if kind == SLOTS:
            while s < end:
                value = mlf_slot(record, s.place)
                if not mlf_read_value(value, s.vocabulary, x + s.slot * stride):
                    slow(self, record, s, value, x + s.slot * stride)
                s += 1
            return 0
        if kind == TUPLE:
            if mlf_tuple_size(record) != len(self.layout.names):
                wrong_length(self.layout, mlf_tuple_size(record))
            while s < end:
                value = mlf_tuple_item(record, s.place)
                if not mlf_read_value(value, s.vocabulary, x + s.slot * stride):
                    slow(self, record, s, value, x + s.slot * stride)
                s += 1
            return 0
        if kind == DICT and not MLF_OWNS_ITEMS:
            while s < end:
                value = mlf_dict_item(record, s.key)
                if not mlf_read_value(value, s.vocabulary, x + s.slot * stride):
                    slow(self, record, s, value, x + s.slot * stride)
                s += 1
            return 0
        if kind == VALUES:
            values = as_values(<object>record, self.layout)
            return reader_for(self.layout, values).read(<PyObject *>values, x, stride)
        return self.read_owned(record, x, stride)

    cdef int read_owned(self, PyObject *record, double *x, ptrdiff_t stride) except -1:
        """The kinds whose access gives a reference of our own."""
        cdef Spot *s = self.spots
        cdef Spot *end = s + self.layout.n_inputs
        cdef int kind = self.kind
        cdef PyObject *value
        if kind == LIST and mlf_list_size(record) != len(self.layout.names):
            wrong_length(self.layout, mlf_list_size(record))
        while s < end:
            if kind == ATTRIBUTES:
                value = mlf_attribute(record, s.key)
            elif kind == DICT:
                value = mlf_dict_item(record, s.key)
            elif kind == LIST:
                value = mlf_list_item(record, s.place)
            else:
                value = mlf_mapping_item(record, s.key)
            try:
                if not mlf_read_value(value, s.vocabulary, x + s.slot * stride):
                    slow(self, record, s, value, x + s.slot * stride)
            finally:
                Py_XDECREF(value)
            s += 1
        return 0

    def value(self, object record, int field):
        """The Python value of a field, for messages."""
        name = self.layout.names[field]
        if self.kind == TUPLE or self.kind == LIST:
            names = getattr(self.type, "_fields", None)
            if self.layout.named and names is not None:
                return getattr(record, name)
            return record[field]
        if self.kind == DICT or self.kind == MAPPING:
            return record[name]
        if self.kind == VALUES:
            values = as_values(record, self.layout)
            return reader_for(self.layout, values).value(values, field)
        return getattr(record, name)


cdef int slow(Reader self, PyObject *record, const Spot *s, PyObject *value,
              double *out) except -1:
    """Missing fields, values of other types, and what cannot be read."""
    if value == NULL:
        if PyErr_Occurred() != NULL:
            access_failed()
        if not self.layout.missing_fields_nan:
            missing_field(self.layout, s.field, <object>record)
        out[0] = NAN if s.vocabulary == NULL else mlf_code_nan(s.vocabulary)
        return 0
    plain = plain_value(<object>value)
    if s.vocabulary == NULL:
        out[0] = number(plain, self.layout.names[s.field], <object>value)
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
        raise RecordError(f"expected a 1-d array as a record, got shape {record.shape}")
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
        return Reader(layout, cls, DICT)
    if PyTuple_Check(record):
        fields = getattr(cls, "_fields", None)
        if layout.named and fields is not None:
            return named_tuple_reader(layout, cls, fields)
        return Reader(layout, cls, TUPLE)
    if PyList_CheckExact(record):
        return Reader(layout, cls, LIST)
    if isinstance(record, Mapping):
        return Reader(layout, cls, MAPPING)
    if hasattr(record, "dtype") and hasattr(record, "tolist"):
        if getattr(record.dtype, "names", None):  # a structured scalar
            return Reader(layout, cls, MAPPING)
        return Reader(layout, cls, VALUES)        # a 1-d array, a pandas Series
    if isinstance(record, Sequence) and not isinstance(record, (str, bytes)):
        return Reader(layout, cls, VALUES)
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
        return Reader(layout, cls, TUPLE, places)
    return Reader(layout, cls, ATTRIBUTES)


cdef Reader attribute_reader(Layout layout, object cls):
    """By slot offsets where every field is a slot, else by attribute names."""
    cdef Py_ssize_t offset
    if not MLF_READS_SLOTS or cls.__getattribute__ is not object.__getattribute__:
        return Reader(layout, cls, ATTRIBUTES)
    places = [0] * len(layout.names)
    for i in range(layout.n_inputs):
        field = layout.inputs[i].field
        descriptor = inspect.getattr_static(cls, layout.names[field], None)
        offset = mlf_slot_offset(<PyObject *>descriptor)
        if offset < 0:
            return Reader(layout, cls, ATTRIBUTES)
        places[field] = offset
    return Reader(layout, cls, SLOTS, places)
