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
    ctypedef struct mlf_wide_kernels:
        int32_t vector_bytes
        int32_t max_vectors
    const mlf_wide_kernels *mlf_wide_kernels_for(mlf_isa isa)
    size_t mlf_wide_scratch(int64_t n, int n_parts)
    void mlf_wide_batch(const mlf_wide_kernels *kernels, const mlf_wide *model, int size,
                        const void *x, ptrdiff_t stride, int64_t n, void *scores, void *scratch,
                        mlf_runner runner, int n_parts)


cdef class Wide:
    """Packed weights (n_outputs, n_inputs) and bias, both float32 or both float64.

    `width` is the number of scores of an example: those beyond n_outputs fill a vector.
    """

    cdef mlf_wide model
    cdef const mlf_wide_kernels *kernels
    cdef object packed
    cdef object padded_bias
    cdef readonly object dtype
    cdef readonly int64_t width
    cdef readonly object isa

    def __init__(self, cnp.ndarray weight, cnp.ndarray bias, isa=None):
        cdef mlf_isa number = isa_number(isa)
        cdef int64_t n_vectors, lanes
        self.isa = mlf_isa_name(number).decode()
        self.kernels = mlf_wide_kernels_for(number)
        self.dtype = weight.dtype
        lanes = self.kernels.vector_bytes // weight.dtype.itemsize
        n_vectors = -(-len(weight) // lanes)
        self.model.vectors = min(n_vectors, self.kernels.max_vectors)
        self.model.n_blocks = -(-n_vectors // self.model.vectors)
        self.model.n_inputs = weight.shape[1]
        self.width = self.model.n_blocks * self.model.vectors * lanes
        self.packed = pack(weight, self.model.n_blocks, self.model.vectors * lanes)
        self.padded_bias = np.zeros(self.width, weight.dtype)
        self.padded_bias[:len(bias)] = bias
        self.model.weights = cnp.PyArray_DATA(self.packed)
        self.model.bias = cnp.PyArray_DATA(self.padded_bias)

    def weight(self, int64_t n_outputs):
        """The weights (n_outputs, n_inputs) again."""
        cdef int64_t first, n
        cdef int64_t n_inputs = self.model.n_inputs
        n_blocks = self.model.n_blocks
        result = np.empty((n_outputs, n_inputs), self.dtype)
        for first in range(0, n_inputs, MLF_WIDE_PANEL):
            n = min(<int64_t>MLF_WIDE_PANEL, n_inputs - first)
            panel = self.packed[first * self.width:(first + n) * self.width]
            panel = panel.reshape(n_blocks, n, self.width // n_blocks).transpose(0, 2, 1)
            result[:, first:first + n] = panel.reshape(self.width, n)[:n_outputs]
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


def _aligned(size_t n_bytes, int alignment):
    """Uninitialised bytes that begin at a multiple of a power of two."""
    items = np.empty(n_bytes + alignment, np.uint8)
    start = -items.ctypes.data % alignment
    return items[start:start + n_bytes]


def pack(weight, int n_blocks, int block):
    """One array in the order of nn_wide.h, aligned to a page."""
    n_outputs, n_inputs = weight.shape
    width = n_blocks * block
    packed = _aligned(n_inputs * width * weight.itemsize, 4096).view(weight.dtype)
    for first in range(0, n_inputs, MLF_WIDE_PANEL):
        part = weight[:, first:first + MLF_WIDE_PANEL]
        n = part.shape[1]
        panel = np.zeros((width, n), weight.dtype)
        panel[:n_outputs] = part
        packed[first * width:(first + n) * width] = (
            panel.reshape(n_blocks, block, n).transpose(0, 2, 1).reshape(-1)
        )
    return packed
