# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""A predictor as a C function, for Cython, numba, ctypes and C: no Python, no GIL."""

from mlfast cimport _plan
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int32_t, uintptr_t
from libc.string cimport memcpy

from mlfast._plan cimport (
    MLF_WANT_ENCODED, MLF_WANT_VALUES, aligned, mlf_plan, mlf_status, mlf_vocabulary, mlf_want,
    mlf_workspace,
)


cdef extern from "vocabulary.h" nogil:
    int32_t mlf_find_number(const mlf_vocabulary *v, double value)


cdef enum:
    STACK = 8192        # bytes of workspace on the C stack; larger ones are allocated
    ALIGNMENT = 64
    NO_MEMORY = -1      # answer of the function when there is none


cdef struct Input:
    int32_t field, slot
    const mlf_vocabulary *vocabulary


cdef struct Data:
    const mlf_plan *plan
    mlf_workspace offsets
    size_t workspace
    mlf_want want
    int32_t n_inputs
    Input *inputs


cdef class Function:
    """Made by `Predictor.c_function`.

    The function at `address` is
    ``int (const void *user_data, const double *features, double *out)``. It needs this
    object to be alive and may be called by any number of threads.

    Parameters
    ----------
    predictor : Predictor
    input_slots : list of int

    Attributes
    ----------
    address, user_data : int
    n_features, n_outputs : int
        Lengths of `features` and `out`.
    """

    def __cinit__(self, predictor, list input_slots):
        cdef _plan.NativePlan native = predictor.native
        model = predictor.model
        cdef Data *data = <Data *>PyMem_RawMalloc(sizeof(Data))
        if data == NULL:
            raise MemoryError
        self.data = data
        data.inputs = <Input *>PyMem_RawMalloc((len(input_slots) + 1) * sizeof(Input))
        if data.inputs == NULL:
            raise MemoryError
        data.plan = &native.plan
        data.offsets = native.offsets
        data.workspace = native.workspace
        data.want = MLF_WANT_ENCODED if model.head is None else MLF_WANT_VALUES
        data.n_inputs = len(input_slots)
        for i, (read, slot) in enumerate(zip(model.inputs, input_slots)):
            data.inputs[i].field = read.field
            data.inputs[i].slot = slot
            data.inputs[i].vocabulary = NULL
            if read.vocabulary >= 0:
                address = native.vocabularies[read.vocabulary]
                data.inputs[i].vocabulary = <const mlf_vocabulary *><size_t>address
        # The features are the slots: nothing to copy, nothing to encode.
        direct = (
            model.head is not None and native.numeric and native.plan.encoder.n_steps == 0
            and list(input_slots) == list(range(native.plan.encoder.n_slots))
            and all(read.field == slot for read, slot in zip(model.inputs, input_slots))
        )
        self.n_features = len(model.fields)
        self.n_outputs = (native.plan.encoder.n_outputs if model.head is None
                          else native.plan.output.n_values)
        self.run = run_direct if direct else run
        self._owner = predictor

    def __dealloc__(self):
        if self.data != NULL:
            PyMem_RawFree((<Data *>self.data).inputs)
            PyMem_RawFree(<Data *>self.data)

    @property
    def address(self):
        return <uintptr_t>self.run

    @property
    def user_data(self):
        return <uintptr_t>self.data


cdef int run_direct(const void *user_data, const double *features, double *out) noexcept nogil:
    cdef const Data *data = <const Data *>user_data
    cdef char stack[STACK + ALIGNMENT]
    cdef void *memory
    if data.workspace <= STACK:
        _plan.run_row(data.plan, features, out, aligned(stack))
        return 0
    memory = PyMem_RawMalloc(data.workspace + ALIGNMENT)
    if memory == NULL:
        return NO_MEMORY
    _plan.run_row(data.plan, features, out, aligned(memory))
    PyMem_RawFree(memory)
    return 0


cdef int run(const void *user_data, const double *features, double *out) noexcept nogil:
    cdef const Data *data = <const Data *>user_data
    cdef char stack[STACK + ALIGNMENT]
    cdef void *memory
    cdef int refused
    if data.workspace <= STACK:
        return run_in(data, features, out, aligned(stack))
    memory = PyMem_RawMalloc(data.workspace + ALIGNMENT)
    if memory == NULL:
        return NO_MEMORY
    refused = run_in(data, features, out, aligned(memory))
    PyMem_RawFree(memory)
    return refused


cdef int run_in(const Data *data, const double *features, double *out,
                char *memory) noexcept nogil:
    cdef mlf_workspace w
    cdef mlf_status status
    cdef const Input *read = data.inputs
    cdef const Input *end = read + data.n_inputs
    cdef double x
    w.slots = <double *>(memory + <size_t>data.offsets.slots)
    w.raw = <double *>(memory + <size_t>data.offsets.raw)
    w.decisions = <double *>(memory + <size_t>data.offsets.decisions)
    w.scratch = memory + <size_t>data.offsets.scratch
    w.values = <double *>(memory + <size_t>data.offsets.values)
    while read < end:
        x = features[read.field]
        w.slots[read.slot] = x if read.vocabulary == NULL else mlf_find_number(read.vocabulary, x)
        read += 1
    if _plan.run_one(data.plan, data.want, &w, &status):
        return 1 + status.refused
    if data.want == MLF_WANT_ENCODED:
        memcpy(out, w.slots, data.plan.encoder.n_outputs * sizeof(double))
    else:
        memcpy(out, w.values, data.plan.output.n_values * sizeof(double))
    return 0
