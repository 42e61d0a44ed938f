# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Batches: rows of a table, or records, block by block, with the GIL released while they run."""

from mlfast.spec import TreeEnsemble

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t

from mlfast cimport _core, _plan
from mlfast._plan cimport (
    aligned, mlf_column, mlf_output, mlf_plan, mlf_rows, mlf_sinks, mlf_status, NativePlan,
)
from mlfast._record cimport Reader

cdef extern from "numpy/arrayobject.h":
    object PyArray_TakeFrom(cnp.ndarray, object, int, PyObject *, cnp.NPY_CLIPMODE)

cnp.import_array()

cdef enum:
    ALIGNMENT = 64
    FEW = 16            # rows for which the GIL is kept; so many records are run one by one

cdef enum What:
    ENCODED, DECISIONS, VALUES, COLUMN, LABELS    # COLUMN: values, flat where a row has one

_GREW = "the sequence of records grew while it was read"
_SHRANK = "the sequence of records shrank while it was read"


@cython.final
@cython.no_gc
@cython.freelist(4)
cdef class Batch:
    """One call: the answers' array, the memory to work in, and what happened."""

    cdef NativePlan native
    cdef cnp.ndarray out                # (n_rows, width), or labels or a column (n_rows,)
    cdef int32_t refused, warned        # steps of the plan, -1 for none,
    cdef int64_t refused_row, warned_row    # and where that happened first
    cdef bint eventful                  # something was refused, or warned of
    cdef int64_t n_rows
    cdef int32_t n_parts, block
    cdef size_t workspace
    cdef void *memory
    cdef mlf_status *statuses
    cdef char *workspaces
    cdef mlf_sinks sinks

    def __dealloc__(self):
        PyMem_RawFree(self.memory)

    cdef int reserve(self, size_t workspace, int32_t n_parts) except -1:
        """Memory for so many parts, unless it is there already."""
        cdef size_t head = (n_parts * sizeof(mlf_status) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        if self.memory != NULL:
            return 0
        self.memory = PyMem_RawMalloc(head + n_parts * workspace + ALIGNMENT)
        if self.memory == NULL:
            raise MemoryError
        self.workspace = workspace
        self.statuses = <mlf_status *>aligned(self.memory)
        self.workspaces = <char *>self.statuses + head
        return 0

    cdef int reserve_blocks(self) except -1:
        return self.reserve(_plan.workspace_block(&self.native.plan, self.n_rows), self.n_parts)

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
        return self.look()

    cdef bint look(self) noexcept:
        """Takes note of what the rows that were run met; whether to go on."""
        self.refused = self.statuses.refused
        self.refused_row = self.statuses.refused_row
        if self.warned < 0:
            self.warned = self.statuses.warned
            self.warned_row = self.statuses.warned_row
        self.eventful = self.refused >= 0 or self.warned >= 0
        return self.refused < 0

    cdef bint columns(self, list columns, int64_t first, int64_t n) except -1:
        """Runs rows from `first` on: one 1-d array of n values an input; whether to go on."""
        self.reserve_blocks()
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

    cdef int array(self, cnp.ndarray X) except -1:
        """Runs a 2-d array that `reads` takes."""
        self.reserve_blocks()
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
        return 0

    cdef int records(self, Predictor predictor, records) except -1:
        """Runs a sequence of records: a block a thread is read, then they run."""
        cdef int64_t row = 0, size = <int64_t>self.n_parts * self.block, at
        cdef double *slots = NULL
        cdef Reader reader
        if self.n_rows <= FEW and self.native.row_by_row:
            return self.few_records(predictor, records)
        self.reserve_blocks()
        for record in records:
            if row == self.n_rows:
                raise ValueError(_GREW)
            at = row % size
            if at % self.block == 0:
                if at == 0 and row > 0 and not self.run(NULL, row - size, size):
                    return 0
                slots = _plan.slots_of(&self.native.plan,
                                       self.workspaces + at // self.block * self.workspace,
                                       self.block)
            reader = _core.find_reader(predictor, record)
            reader.read(<PyObject *>record, slots + at % self.block, _plan.block_stride(self.block))
            row += 1
        if row < self.n_rows:
            raise ValueError(_SHRANK)
        at = (row - 1) // size * size
        self.run(NULL, at, row - at)
        return 0

    cdef int few_records(self, Predictor predictor, records) except -1:
        """Runs at most `FEW` records, each as `predict_one` does."""
        cdef const mlf_plan *plan = &self.native.plan
        cdef int64_t row = 0
        cdef double *slots
        cdef Reader reader
        self.reserve(_plan.workspace_few(plan, self.n_rows), 1)
        slots = <double *>self.workspaces
        for record in records:
            if row == self.n_rows:
                raise ValueError(_GREW)
            reader = _core.find_reader(predictor, record)
            reader.read(<PyObject *>record, slots + row * plan.encoder.n_slots, 1)
            row += 1
        if row < self.n_rows:
            raise ValueError(_SHRANK)
        _plan.run_few(plan, self.n_rows, &self.sinks, self.workspaces, self.statuses)
        self.look()
        return 0


cdef Batch new_batch(NativePlan native, int64_t n_rows, int n_threads, What what):
    cdef Batch batch = Batch.__new__(Batch)
    cdef const mlf_output *output = &native.plan.output
    cdef cnp.npy_intp shape[2]
    cdef int type = cnp.NPY_FLOAT32 if output.float32 else cnp.NPY_FLOAT64
    batch.native = native
    batch.n_rows = n_rows
    batch.refused = batch.warned = -1
    shape[0] = n_rows
    shape[1] = (native.plan.encoder.n_outputs if what == ENCODED
                else output.n_decisions if what == DECISIONS else output.n_values)
    cdef bint flat = what == LABELS or (what == COLUMN and shape[1] == 1)
    if what == LABELS:
        type = cnp.NPY_INT64
    elif what == ENCODED:
        type = cnp.NPY_FLOAT64
    batch.out = cnp.PyArray_EMPTY(1 if flat else 2, shape, type, 0)
    cdef void *data = cnp.PyArray_DATA(batch.out)
    batch.sinks.encoded = <double *>data if what == ENCODED else NULL
    batch.sinks.decisions = data if what == DECISIONS else NULL
    batch.sinks.values = data if what == VALUES or what == COLUMN else NULL
    batch.sinks.labels = <int64_t *>data if what == LABELS else NULL
    batch.block = _plan.block_rows(&native.plan, n_rows)
    batch.n_parts = max(1, min(n_threads, (n_rows + batch.block - 1) // batch.block))
    return batch


cdef class Predictor(_core.Predictor):
    """Answers for many rows; see `mlfast.predictor.Predictor`, which knows tables and classes."""

    cdef public object _predicted       # the classes, if `predict` gives them; else None
    cdef public tuple _methods          # that the original has
    cdef public bint _plain             # `predict` gives the values as they are
    cdef public Predictor _encoder      # for `transform`, where it is not this one

    def predict(self, X, n_threads=1):
        """What the original's `predict` gives for a table.

        Parameters
        ----------
        X : table
            2-d array, pandas / polars / pyarrow table, dict of columns, or
            sequence of records.
        n_threads : int
            Threads over which the rows are split; the answers do not depend on it.

        Returns
        -------
        ndarray (n_rows,) or (n_rows, n_outputs)

        Raises
        ------
        RecordError
            The table does not fit, or the original refuses a value.
        """
        if self._predicted is not None:
            return take(self._predicted, run(self, X, n_threads, LABELS))
        if self._plain:
            return run(self, X, n_threads, COLUMN)
        output = self._output("predict")
        if output.rule == "outlier":
            return run(self, X, n_threads, LABELS)
        values = run(self, X, n_threads, VALUES)
        if output.rule == "each_half":
            values = values > 0.5
        values = values.astype(output.class_dtype, copy=False)
        one = values.shape[1] == 1 and output.rule != "values"
        return values[:, 0] if one else values

    def predict_proba(self, X, n_threads=1):
        """Probabilities, (n_rows, n_classes); parameters as for `predict`."""
        if "predict_proba" not in self._methods:
            self._output("predict_proba")       # says why not
        return run(self, X, n_threads, VALUES)

    def decision_function(self, X, n_threads=1):
        """Raw margins, (n_rows,) or (n_rows, n_outputs); parameters as for `predict`."""
        self._output("")
        decisions = run(self, X, n_threads, DECISIONS)
        return decisions[:, 0] if decisions.shape[1] == 1 else decisions

    def transform(self, X, n_threads=1):
        """Encoded vectors, float64 (n_rows, n_features_out); parameters as for `predict`."""
        return run(self if self._encoder is None else self._encoder, X, n_threads, ENCODED)

    def apply(self, X):
        """Leaf of every tree, int32 (n_rows, n_trees), as the original library numbers them."""
        if not isinstance(self.native._head, TreeEnsemble):
            raise AttributeError("apply: the model is not a tree ensemble")
        return self.native.apply(run(self, X, 1, ENCODED))

    def _output(self, str method):
        """What the model gives, if it gives that."""
        raise NotImplementedError

    def _open(self, X):
        """The table as `mlfast.tables.Table`."""
        raise NotImplementedError


cdef cnp.ndarray run(Predictor self, X, n_threads, What what):
    """The answers; the subclass has words for what was refused and warned of."""
    cdef Batch batch
    if not isinstance(n_threads, int) or n_threads < 1:
        raise ValueError(f"n_threads: expected an int >= 1, got {n_threads!r}")
    if type(X) is cnp.ndarray and reads(self.native, X):
        batch = new_batch(self.native, cnp.PyArray_DIM(<cnp.ndarray>X, 0), n_threads, what)
        batch.array(X)
    elif (type(X) is list or type(X) is tuple) and len(X) > 0:
        batch = new_batch(self.native, len(X), n_threads, what)
        batch.records(self, X)
    else:
        batch = run_table(self, self._open(X), n_threads, what)
    if batch.eventful:
        if batch.warned >= 0:
            self._warned(batch.warned, f"row {batch.warned_row}")
        if batch.refused >= 0:
            self._refused(batch.refused, X, batch.refused_row)
    return batch.out


cdef Batch run_table(Predictor self, table, int n_threads, What what):
    cdef int64_t first, n_rows = table.n_rows, rows_at_once = table.rows_at_once, n
    cdef Batch batch = new_batch(self.native, n_rows, n_threads, what)
    if table.records is not None:
        batch.records(self, table.records)
        return batch
    for first in range(0, n_rows, rows_at_once):
        n = min(rows_at_once, n_rows - first)
        if not batch.columns(table.columns(first, n), first, n):
            break
    return batch


cdef cnp.ndarray take(cnp.ndarray classes, cnp.ndarray labels):
    """Classes of labels, which are a fresh array: whole numbers take its place."""
    cdef cnp.npy_intp i
    cdef int64_t *label = <int64_t *>cnp.PyArray_DATA(labels)
    cdef const int64_t *number = <const int64_t *>cnp.PyArray_DATA(classes)
    if cnp.PyArray_TYPE(classes) != cnp.NPY_INT64:
        return PyArray_TakeFrom(classes, labels, 0, NULL, cnp.NPY_CLIP)
    for i in range(cnp.PyArray_DIM(labels, 0)):
        label[i] = number[label[i]]
    return labels


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
