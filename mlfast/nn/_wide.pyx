"""Linear scores from weights far beyond the caches (native/nn_wide.h)."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

from mlfast._isa cimport mlf_isa, mlf_isa_name
from mlfast._pool cimport mlf_runner
from mlfast._pool cimport runner as pool_runner

import numpy as np

from mlfast.nn._nn import isa_number

cnp.import_array()

cdef extern from "nn_wide.h" nogil:
    int MLF_WIDE_PANEL
    ctypedef struct mlf_wide:
        int64_t n_inputs
        int32_t n_blocks, vectors
        const void *weights
        const void *bias
    ctypedef struct mlf_wide_screen:
        mlf_wide model
        int64_t n_outputs
        double norm
        double bias
    ctypedef struct mlf_wide_kernels:
        int32_t vector_bytes
        int32_t max_vectors
    const mlf_wide_kernels *mlf_wide_kernels_for(mlf_isa isa)
    size_t mlf_wide_scratch(int64_t n, int n_parts)
    void mlf_wide_batch(const mlf_wide_kernels *kernels, const mlf_wide *model, int size,
                        const void *x, ptrdiff_t stride, int64_t n, void *scores, void *scratch,
                        mlf_runner runner, int n_parts)
    size_t mlf_wide_labels_scratch(const mlf_wide_kernels *kernels, const mlf_wide *model,
                                   const mlf_wide_screen *screen, int64_t n, int n_parts)
    void mlf_wide_labels(const mlf_wide_kernels *kernels, const mlf_wide *model,
                         const mlf_wide_screen *screen, const double *x, ptrdiff_t stride,
                         int64_t n, int64_t *labels, void *scratch, mlf_runner runner,
                         int n_parts)


cdef class Wide:
    """Packed weights (n_outputs, n_inputs) and bias, both float32 or both float64.

    `width` is the number of scores of an example: those beyond n_outputs fill a vector.
    `screened` says whether a copy in float32 tells the labels of a float64 model.
    """

    cdef mlf_wide model
    cdef mlf_wide_screen screen
    cdef const mlf_wide_kernels *kernels
    cdef object packed
    cdef object padded_bias
    cdef tuple single
    cdef readonly object dtype
    cdef readonly int64_t width
    cdef readonly bint screened
    cdef readonly object isa

    def __init__(self, cnp.ndarray weight, cnp.ndarray bias, isa=None):
        cdef mlf_isa number = isa_number(isa)
        self.isa = mlf_isa_name(number).decode()
        self.kernels = mlf_wide_kernels_for(number)
        self.dtype = weight.dtype
        self.packed, self.padded_bias = self._pack(&self.model, weight, bias)
        self.width = len(self.padded_bias)
        if weight.dtype == np.float64:
            self._add_screen(weight, bias)

    cdef tuple _pack(self, mlf_wide *model, weight, bias):
        cdef cnp.ndarray packed, padded_bias
        lanes = self.kernels.vector_bytes // weight.dtype.itemsize
        n_vectors = -(-len(weight) // lanes)
        model.vectors = min(n_vectors, self.kernels.max_vectors)
        model.n_blocks = -(-n_vectors // model.vectors)
        model.n_inputs = weight.shape[1]
        packed = pack(weight, model.n_blocks * model.vectors, lanes)
        padded_bias = np.zeros(model.n_blocks * model.vectors * lanes, weight.dtype)
        padded_bias[:len(bias)] = bias
        model.weights = cnp.PyArray_DATA(packed)
        model.bias = cnp.PyArray_DATA(padded_bias)
        return packed, padded_bias

    cdef _add_screen(self, weight, bias):
        """Single precision beside double, unless it cannot hold the weights."""
        with np.errstate(over="ignore"):
            rounded = weight.astype(np.float32)
            squares = np.einsum("ij,ij->i", weight, weight)
        self.screened = bool(np.isfinite(rounded).all() and np.isfinite(squares).all())
        if self.screened:
            zeros = np.zeros(len(bias), np.float32)
            self.single = self._pack(&self.screen.model, rounded, zeros)
            self.screen.n_outputs = len(weight)
            self.screen.norm = np.sqrt(squares.max())
            self.screen.bias = np.abs(bias).max()

    def weight(self, int64_t n_outputs):
        """The weights (n_outputs, n_inputs) again."""
        cdef int64_t first, n
        cdef int64_t n_inputs = self.model.n_inputs
        result = np.empty((n_outputs, n_inputs), self.dtype)
        for first, panel in zip(range(0, n_inputs, MLF_WIDE_PANEL), self.packed):
            n = min(<int64_t>MLF_WIDE_PANEL, n_inputs - first)
            rows = panel.transpose(0, 2, 1).reshape(self.width, MLF_WIDE_PANEL)
            result[:, first:first + n] = rows[:n_outputs, :n]
        return result

    def bias(self, int64_t n_outputs):
        return self.padded_bias[:n_outputs].copy()

    def scores(self, cnp.ndarray x, int strategy, int n_parts):
        """Scores (n, width) of x (n, n_inputs): of `dtype`, each row's numbers side by side."""
        cdef int size = cnp.PyArray_ITEMSIZE(x)
        cdef int64_t n = cnp.PyArray_DIM(x, 0)
        cdef ptrdiff_t stride = cnp.PyArray_STRIDE(x, 0) // size
        cdef cnp.ndarray result = np.empty((n, self.width), self.dtype)
        cdef const void *data = cnp.PyArray_DATA(x)
        cdef void *to = cnp.PyArray_DATA(result)
        cdef cnp.ndarray room = _aligned(mlf_wide_scratch(n, n_parts), 64)
        cdef void *scratch = cnp.PyArray_DATA(room)
        cdef mlf_runner runner = pool_runner(strategy)
        with nogil:
            mlf_wide_batch(self.kernels, &self.model, size, data, stride, n, to, scratch, runner,
                           n_parts)
        return result

    def labels(self, cnp.ndarray x, int strategy, int n_parts):
        """Index of the largest of the `scores` of each row of x, if `screened`: int64 (n,)."""
        cdef int64_t n = cnp.PyArray_DIM(x, 0)
        cdef ptrdiff_t stride = cnp.PyArray_STRIDE(x, 0) // sizeof(double)
        cdef cnp.ndarray result = np.empty(n, np.int64)
        cdef const double *data = <const double *>cnp.PyArray_DATA(x)
        cdef int64_t *to = <int64_t *>cnp.PyArray_DATA(result)
        cdef size_t n_bytes = mlf_wide_labels_scratch(self.kernels, &self.model, &self.screen, n,
                                                      n_parts)
        cdef cnp.ndarray room = _aligned(n_bytes, 64)
        cdef void *scratch = cnp.PyArray_DATA(room)
        cdef mlf_runner runner = pool_runner(strategy)
        with nogil:
            mlf_wide_labels(self.kernels, &self.model, &self.screen, data, stride, n, to, scratch,
                            runner, n_parts)
        return result


def _aligned(size_t n_bytes, int alignment):
    """Uninitialised bytes that begin at a multiple of a power of two."""
    items = np.empty(n_bytes + alignment, np.uint8)
    start = -items.ctypes.data % alignment
    return items[start:start + n_bytes]


def pack(weight, int n_vectors, int lanes):
    """(panels, n_vectors, inputs of a panel, lanes): the order of nn_wide.h, aligned to a page."""
    n_outputs, n_inputs = weight.shape
    shape = -(-n_inputs // MLF_WIDE_PANEL), n_vectors, MLF_WIDE_PANEL, lanes
    packed = _aligned(np.prod(shape) * weight.itemsize, 4096).view(weight.dtype).reshape(shape)
    for first, to in zip(range(0, n_inputs, MLF_WIDE_PANEL), packed):
        part = weight[:, first:first + MLF_WIDE_PANEL]
        panel = np.zeros((n_vectors * lanes, MLF_WIDE_PANEL), weight.dtype)
        panel[:n_outputs, :part.shape[1]] = part
        to[:] = panel.reshape(n_vectors, lanes, MLF_WIDE_PANEL).transpose(0, 2, 1)
    return packed
