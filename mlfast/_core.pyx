# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""The hot path: a record in, an answer out.

`mlfast.predictor.Predictor` adds what is not on it. A predictor is complete
when it exists and never changes, but for the cache of record types.
"""

import numpy as np

from mlfast import spec

cimport numpy as cnp
from cpython.dict cimport PyDict_New, PyDict_SetItem
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject, Py_TYPE
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from mlfast cimport _plan
from mlfast._plan cimport (
    MLF_WANT_DECISIONS, MLF_WANT_ENCODED, MLF_WANT_LABELS, MLF_WANT_VALUES, aligned,
    mlf_status, mlf_want, mlf_workspace,
)
from mlfast._record cimport Layout, MLF_KIND_tuple, Reader, reader_for

cnp.import_array()

cdef enum:
    STACK = 8192        # bytes of workspace on the C stack; larger ones are allocated
    ALIGNMENT = 64
    CACHED_TYPES = 256  # record types remembered

cdef enum Answer:
    POSITIVE, VALUES, LABEL, DECISIONS, ENCODED

_RULES = tuple(spec.RULES)
cdef int _OUTLIER = _RULES.index("outlier")
cdef int _EACH_HALF = _RULES.index("each_half")
cdef int _VALUES = _RULES.index("values")


cdef class Predictor:
    """See `mlfast.predictor.Predictor`.

    Parameters
    ----------
    plan : compiler.Plan
    isa, layout
        See `_plan.NativePlan`.
    missing_fields_nan : bool
        A record's missing field is NaN rather than an error.
    """

    def __cinit__(self, plan, *, str isa, layout=None, bint missing_fields_nan=False):
        model = plan.model
        self.native = _plan.NativePlan(plan, isa, layout)
        self.plan = self.native.plan
        self.offsets = self.native.offsets
        self.workspace = self.native.workspace
        self.layout = Layout(
            tuple([field.name for field in model.fields]),
            model.named,
            [(read.field, slot,
              0 if read.vocabulary < 0 else self.native.vocabularies[read.vocabulary])
             for read, slot in zip(model.inputs, plan.input_slots)],
            missing_fields_nan,
            model.example_shape,
        )
        self._readers = {}
        self._labels = ()
        self._allowed = 1 << ENCODED
        output = model.output
        if output is not None:
            self._labels = output.classes
            self._allowed |= 1 << DECISIONS
            if "predict" in output.methods:
                self._allowed |= 1 << LABEL
            if "predict_proba" in output.methods and output.classes:
                self._allowed |= 1 << VALUES
                if len(output.classes) == 2:
                    self._allowed |= 1 << POSITIVE

    def predict_one(self, record):
        """What the original's `predict` gives for this record, as a plain Python value."""
        return answer(self, record, LABEL, None)

    def predict_proba_one(self, record):
        """Probabilities of the classes, {label: probability}."""
        return answer(self, record, VALUES, None)

    def positive_proba_one(self, record):
        """Probability of classes_[1] of a binary classifier."""
        return answer(self, record, POSITIVE, None)

    def decision_function_one(self, record):
        """Raw margin, or a list of them."""
        return answer(self, record, DECISIONS, None)

    def transform_one(self, record, out=None):
        """The encoded vector, float64 (n_features_out,); into `out` where given."""
        return answer(self, record, ENCODED, out)

    def _refused(self, int step, record, int row):
        """Raises the error for a refusal; the subclass knows the words."""
        raise NotImplementedError

    def _warned(self, int step, record):
        raise NotImplementedError

    def _value(self, record, int field):
        """The Python value of a record's field, for messages."""
        return find_reader(self, record).value(record, field)

    # ------------------------------------------------------------ tables

    def _codes(self, int vocabulary, values):
        """Codes of Python objects, int32 (n,)."""
        inputs = [(0, 0, self.native.vocabularies[vocabulary])]
        cdef Layout layout = Layout(("value",), True, inputs, False)
        cdef Reader reader = Reader(layout, tuple, MLF_KIND_tuple, [0])
        cdef double code
        codes = np.empty(len(values), np.int32)
        cdef int32_t *out = <int32_t *>cnp.PyArray_DATA(<cnp.ndarray>codes)
        cdef Py_ssize_t i = 0
        for value in values:
            record = (value,)
            reader.read(<PyObject *>record, &code, 1)
            out[i] = <int32_t>code
            i += 1
        return codes


cdef Reader find_reader(Predictor self, record):
    cdef Reader reader = self._last
    if reader is not None and reader._type == Py_TYPE(record):
        return reader
    return other_reader(self, record)


cdef Reader other_reader(Predictor self, record):
    """A type not seen last: decided once, then found by type."""
    cdef Reader reader = self._readers.get(type(record))
    if reader is None:
        reader = reader_for(self.layout, record)
        if len(self._readers) >= CACHED_TYPES:
            self._readers = {}
        self._readers[type(record)] = reader
    self._last = reader
    return reader


cdef object answer(Predictor self, record, Answer kind, out):
    """Workspace on the stack where it fits, else allocated for the call."""
    cdef char stack[STACK + ALIGNMENT]
    cdef void *memory
    if self.workspace <= STACK:
        return answer_in(self, record, kind, out, aligned(stack))
    memory = PyMem_RawMalloc(self.workspace + ALIGNMENT)
    if memory == NULL:
        raise MemoryError
    try:
        return answer_in(self, record, kind, out, aligned(memory))
    finally:
        PyMem_RawFree(memory)


cdef object answer_in(Predictor self, record, Answer kind, out, char *memory):
    cdef mlf_workspace w
    cdef mlf_status status
    cdef mlf_want want
    w.slots = <double *>(memory + <size_t>self.offsets.slots)
    w.raw = <double *>(memory + <size_t>self.offsets.raw)
    w.decisions = <double *>(memory + <size_t>self.offsets.decisions)
    w.values = <double *>(memory + <size_t>self.offsets.values)
    w.scratch = memory + <size_t>self.offsets.scratch
    if kind == POSITIVE or kind == VALUES:
        want = MLF_WANT_VALUES
    elif kind == LABEL:
        want = MLF_WANT_LABELS
    else:
        want = MLF_WANT_DECISIONS if kind == DECISIONS else MLF_WANT_ENCODED
    if not self._allowed >> kind & 1:
        not_allowed(self, kind)
    find_reader(self, record).read(<PyObject *>record, w.slots, 1)
    if _plan.run_one(&self.plan, want, &w, &status):
        self._refused(status.refused, record, -1)
    if status.warned >= 0:
        self._warned(status.warned, record)
    if kind == POSITIVE:
        return w.values[1]
    if kind == LABEL:
        return label(self, &w)
    if kind == DECISIONS:
        return numbers(w.decisions, self.plan.output.n_decisions)
    if kind == VALUES:
        return probabilities(self, w.values)
    return encoded_row(self, w.slots, out)


cdef int not_allowed(Predictor self, Answer kind) except -1:
    names = ("positive_proba_one", "predict_proba_one", "predict_one", "decision_function_one")
    name = names[<int>kind]
    if not self._allowed >> DECISIONS & 1:
        raise AttributeError(f"{name}: the compiled object is a transformer, without a model")
    if kind == POSITIVE and self._allowed >> VALUES & 1:
        raise AttributeError(
            f"positive_proba_one: expected two classes, the model has {len(self._labels)}; "
            "use predict_proba_one"
        )
    raise AttributeError(f"{name}: the original has no such method")


cdef object label(Predictor self, const mlf_workspace *w):
    cdef int rule = self.plan.output.rule
    cdef int32_t k
    if self._labels:
        return self._labels[_plan.label(&self.plan.output, w.decisions, w.values)]
    if rule == _OUTLIER:
        return _plan.label(&self.plan.output, w.decisions, w.values)
    _plan.link(&self.plan.output, w.decisions, w.values)
    if rule == _EACH_HALF:
        return [1 if w.values[k] > 0.5 else 0 for k in range(self.plan.output.n_values)]
    if rule == _VALUES:
        return [w.values[k] for k in range(self.plan.output.n_values)]
    return numbers(w.values, self.plan.output.n_values)


cdef object numbers(const double *x, int32_t n):
    """A float, or a list of them."""
    cdef int32_t i
    return x[0] if n == 1 else [x[i] for i in range(n)]


cdef object probabilities(Predictor self, const double *values):
    cdef dict result = PyDict_New()
    cdef int32_t i
    for i in range(self.plan.output.n_values):
        PyDict_SetItem(result, self._labels[i], values[i])
    return result


cdef object encoded_row(Predictor self, const double *slots, out):
    cdef cnp.npy_intp n = self.plan.encoder.n_outputs
    if out is None:
        out = cnp.PyArray_EMPTY(1, &n, cnp.NPY_DOUBLE, 0)
    elif not (cnp.PyArray_CheckExact(out) and cnp.PyArray_TYPE(out) == cnp.NPY_DOUBLE
              and cnp.PyArray_NDIM(out) == 1 and cnp.PyArray_DIM(out, 0) == n
              and cnp.PyArray_ISCARRAY(out)):
        raise ValueError(f"out: expected a writable contiguous float64 array of shape ({n},)")
    memcpy(cnp.PyArray_DATA(<cnp.ndarray>out), slots, n * sizeof(double))
    return out
