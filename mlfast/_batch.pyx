# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Batches: rows of a table, or records, block by block, with the GIL released while they run."""

cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t

from mlfast cimport _core, _plan
from mlfast._plan cimport aligned, mlf_column, mlf_rows, mlf_sinks, mlf_status, NativePlan
from mlfast._record cimport Reader

cdef extern from "numpy/arrayobject.h":
    object PyArray_TakeFrom(cnp.ndarray, object, int, PyObject *, cnp.NPY_CLIPMODE)

cnp.import_array()

cdef enum:
    ALIGNMENT = 64
    FEW = 16            # rows for which the GIL is kept: as for a single record
    ENCODED, DECISIONS, VALUES, COLUMN, LABELS

_WHAT = {"encoded": ENCODED, "decisions": DECISIONS, "values": VALUES, "column": COLUMN,
         "labels": LABELS}


cdef class Batch:
    """One call: the answers' array, the memory to work in, and what happened.

    Parameters
    ----------
    native : NativePlan
    n_rows : int
    n_threads : int
    what : {"encoded", "decisions", "values", "column", "labels"}
        "column": values, as one column where a row has one.

    Attributes
    ----------
    out : ndarray
        The answers: (n_rows, width), or labels or a column (n_rows,).
    refused, refused_row, warned, warned_row : int
        Steps of the plan, and where that happened first; -1 for none.
    """

    cdef NativePlan native
    cdef readonly object out
    cdef readonly int32_t refused, warned
    cdef readonly bint eventful         # something was refused, or warned of
    cdef readonly int64_t refused_row, warned_row
    cdef int64_t n_rows
    cdef int32_t n_parts, block
    cdef size_t workspace
    cdef void *memory
    cdef mlf_status *statuses
    cdef char *workspaces
    cdef mlf_sinks sinks

    def __cinit__(self, NativePlan native, int64_t n_rows, int n_threads, str what):
        cdef int kind = _WHAT[what]
        cdef cnp.npy_intp shape[2]
        cdef int type = cnp.NPY_FLOAT32 if native.plan.output.float32 else cnp.NPY_FLOAT64
        cdef size_t head
        self.native = native
        self.n_rows = n_rows
        self.refused = self.warned = -1
        shape[0] = n_rows
        shape[1] = (native.plan.encoder.n_outputs if kind == ENCODED
                    else native.plan.output.n_decisions if kind == DECISIONS
                    else native.plan.output.n_values)
        cdef bint flat = kind == LABELS or (kind == COLUMN and shape[1] == 1)
        if kind == LABELS:
            type = cnp.NPY_INT64
        elif kind == ENCODED:
            type = cnp.NPY_FLOAT64
        self.out = cnp.PyArray_EMPTY(1 if flat else 2, shape, type, 0)
        cdef void *data = cnp.PyArray_DATA(<cnp.ndarray>self.out)
        self.sinks.encoded = <double *>data if kind == ENCODED else NULL
        self.sinks.decisions = data if kind == DECISIONS else NULL
        self.sinks.values = data if kind == VALUES or kind == COLUMN else NULL
        self.sinks.labels = <int64_t *>data if kind == LABELS else NULL
        self.block = _plan.block_rows(&native.plan, n_rows)
        self.n_parts = max(1, min(n_threads, (n_rows + self.block - 1) // self.block))
        self.workspace = _plan.workspace_block(&native.plan, n_rows)
        head = (self.n_parts * sizeof(mlf_status) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        self.memory = PyMem_RawMalloc(head + self.n_parts * self.workspace + ALIGNMENT)
        if self.memory == NULL:
            raise MemoryError
        self.statuses = <mlf_status *>aligned(self.memory)
        self.workspaces = <char *>self.statuses + head

    def __dealloc__(self):
        PyMem_RawFree(self.memory)

    cdef bint run(self, const mlf_column *columns, int64_t first, int64_t n) noexcept:
        """Runs rows first .. first + n - 1; whether to go on."""
        cdef int32_t n_parts = self.n_parts
        cdef mlf_rows rows
        rows.first, rows.n, rows.block = first, n, self.block
        if columns == NULL:
            n_parts = (n + self.block - 1) // self.block
        if self.n_rows <= FEW:
            _plan.run_batch(&self.native.plan, columns, &rows, &self.sinks, n_parts,
                            self.workspaces, self.statuses)
        else:
            with nogil:
                _plan.run_batch(&self.native.plan, columns, &rows, &self.sinks, n_parts,
                                self.workspaces, self.statuses)
        self.refused = self.statuses.refused
        self.refused_row = self.statuses.refused_row
        if self.warned < 0:
            self.warned = self.statuses.warned
            self.warned_row = self.statuses.warned_row
        self.eventful = self.refused >= 0 or self.warned >= 0
        return self.refused < 0

    def columns(self, list columns, int64_t first, int64_t n):
        """Runs rows from `first` on: one 1-d array of n values an input; whether to go on."""
        cdef Py_ssize_t i, n_columns = len(columns)
        cdef size_t size = (n_columns + 1) * sizeof(mlf_column)
        cdef mlf_column *inputs = <mlf_column *>PyMem_RawMalloc(size)
        if inputs == NULL:
            raise MemoryError
        cdef cnp.ndarray column
        for i in range(n_columns):
            column = columns[i]
            inputs[i].data = <const char *>cnp.PyArray_DATA(column)
            inputs[i].stride = cnp.PyArray_STRIDE(column, 0)
            inputs[i].type = type_of(column)
        going = self.run(inputs, first, n)
        PyMem_RawFree(inputs)
        return going

    cdef array(self, cnp.ndarray X):
        """Runs a 2-d array that `reads` takes."""
        cdef Py_ssize_t i, n_inputs = self.native.plan.encoder.n_inputs
        cdef size_t size = (n_inputs + 1) * sizeof(mlf_column)
        cdef mlf_column *inputs = <mlf_column *>PyMem_RawMalloc(size)
        if inputs == NULL:
            raise MemoryError
        cdef int32_t type = type_of(X)
        for i in range(n_inputs):
            inputs[i].data = (<const char *>cnp.PyArray_DATA(X)
                              + self.native.fields[i] * cnp.PyArray_STRIDE(X, 1))
            inputs[i].stride = cnp.PyArray_STRIDE(X, 0)
            inputs[i].type = type
        self.run(inputs, 0, self.n_rows)
        PyMem_RawFree(inputs)

    def records(self, _core.Predictor predictor, records):
        """Runs a sequence of records: a block a thread is read, then they run."""
        cdef int64_t row = 0, size = <int64_t>self.n_parts * self.block, at
        cdef double *slots = NULL
        cdef Reader reader
        for record in records:
            if row == self.n_rows:
                raise ValueError("the sequence of records grew while it was read")
            at = row % size
            if at % self.block == 0:
                if at == 0 and row > 0 and not self.run(NULL, row - size, size):
                    return
                slots = _plan.slots_of(&self.native.plan,
                                       self.workspaces + at // self.block * self.workspace,
                                       self.block)
            reader = _core.find_reader(predictor, record)
            reader.read(<PyObject *>record, slots + at % self.block, _plan.block_stride(self.block))
            row += 1
        if row < self.n_rows:
            raise ValueError("the sequence of records shrank while it was read")
        at = (row - 1) // size * size
        self.run(NULL, at, row - at)


def run_array(_core.Predictor predictor, X, n_threads, str what):
    """Batch over a 2-d array read as it is, or over a list of records; None for all else."""
    cdef NativePlan native = predictor.native
    cdef Batch batch
    if not isinstance(n_threads, int) or n_threads < 1:
        raise ValueError(f"n_threads: expected an int >= 1, got {n_threads!r}")
    if type(X) is cnp.ndarray:
        if not reads(native, X):
            return None
        batch = Batch(native, cnp.PyArray_DIM(<cnp.ndarray>X, 0), n_threads, what)
        batch.array(X)
        return batch
    if (type(X) is list or type(X) is tuple) and len(X) > 0:
        batch = Batch(native, len(X), n_threads, what)
        batch.records(predictor, X)
        return batch
    return None


def take(cnp.ndarray classes, cnp.ndarray labels):
    """Classes of labels, which are a fresh array of Batch."""
    cdef cnp.npy_intp i, n = cnp.PyArray_DIM(labels, 0)
    cdef const int64_t *label = <const int64_t *>cnp.PyArray_DATA(labels)
    cdef const int64_t *number = <const int64_t *>cnp.PyArray_DATA(classes)
    if cnp.PyArray_TYPE(classes) != cnp.NPY_INT64:
        return PyArray_TakeFrom(classes, labels, 0, NULL, cnp.NPY_CLIP)
    taken = cnp.PyArray_EMPTY(1, &n, cnp.NPY_INT64, 0)
    cdef int64_t *out = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>taken)
    for i in range(n):
        out[i] = number[label[i]]
    return taken


cdef bint reads(NativePlan native, cnp.ndarray X) noexcept:
    """Whether an array is read as it is: rows of numbers, as many as the model has fields."""
    return (native.numeric and cnp.PyArray_NDIM(X) == 2 and cnp.PyArray_DIM(X, 0) > 0
            and cnp.PyArray_DIM(X, 1) == native.n_fields and type_of(X) >= 0)


def reads_type(cnp.ndarray column):
    """Whether an array's dtype is read as it is."""
    return type_of(column) >= 0


cdef int32_t type_of(cnp.ndarray array) noexcept:
    """The array's `mlf_type`; -1 for a dtype that is not read."""
    cdef int type = cnp.PyArray_TYPE(array)
    cdef int32_t size = 0
    if not cnp.PyArray_ISNOTSWAPPED(array):
        return -1
    if type == cnp.NPY_FLOAT64:
        return 0
    if type == cnp.NPY_FLOAT32:
        return 1
    if type == cnp.NPY_BOOL:
        return 9
    if not cnp.PyTypeNum_ISINTEGER(type):
        return -1
    size = cnp.PyArray_ITEMSIZE(array)
    return ((2 if size == 8 else 3 if size == 4 else 4 if size == 2 else 5)
            + (4 if cnp.PyTypeNum_ISUNSIGNED(type) else 0))
