"""Networks lowered for this processor, and the calls that run them.

The GIL is released wherever the work is longer than giving it back takes.
"""

cimport cython
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from mlfast._isa cimport isa_by_name, isa_sets, mlf_isa, mlf_isa_name
from mlfast._pool cimport mlf_runner
from mlfast._pool cimport runner as pool_runner
from mlfast._pool cimport threads as pool_threads

import numpy as np

from mlfast.errors import RecordError

cnp.import_array()

cdef extern from "plan.h" nogil:
    ctypedef struct mlf_head:
        pass

cdef extern from "nn.h" nogil:
    int MLF_NN_CONV_CHANNELS, MLF_NN_CONV_PLANES, MLF_NN_CONV_WINOGRAD, MLF_NN_CONV_VOLUME
    int MLF_NN_LINEAR, MLF_NN_LINEAR_EACH, MLF_NN_ROW_DOTS
    int MLF_NN_MAX_POOL_2, MLF_NN_MAX_POOL, MLF_NN_AVERAGE_POOL, MLF_NN_ACTIVATION
    int MLF_NN_ADD, MLF_NN_MULTIPLY, MLF_NN_SOFTMAX, MLF_NN_COPY
    ctypedef struct mlf_nn_place:
        int32_t base
        int64_t offset
    ctypedef struct mlf_nn_op:
        int32_t kind, activation, n_items, n_parts
        mlf_runner runner
        mlf_nn_place in_ "in"
        mlf_nn_place other, out, work
        int64_t own_work
        const float *weights
        const float *bias
        int32_t channels, height, width, out_channels, out_height, out_width
        int32_t groups, tile, tile_rows, pool, n_taps
        const int32_t *taps
        int32_t plane, row_step, n_shifts, row_phases, column_step, rows, columns
        int32_t pad_top, pad_left
        const int32_t *shifts
        const int32_t *windows
        int32_t dilation_h, dilation_w, skip_zeros
        float a, b
        int64_t shape[4]
        int64_t in_strides[4]
        int64_t other_strides[4]
    ctypedef struct mlf_nn_kernels:
        int32_t width, block, max_tile, plane_channels, max_rows, winograd_channels
    const mlf_nn_kernels *mlf_nn_kernels_for(mlf_isa isa)
    ctypedef struct mlf_nn:
        const mlf_nn_kernels *kernels
        const mlf_nn_op *ops
        int32_t n_ops
        int64_t n_inputs, n_outputs, arena
        int32_t tail
        mlf_nn_place cut
        int64_t cut_size, rows_work
    int64_t mlf_nn_batch_arena(const mlf_nn *net)
    void mlf_nn_forward(const mlf_nn *net, const float *x, float *out, float *arena)
    void mlf_nn_batch(const mlf_nn *net, const float *x, int64_t n, float *out, float *arena,
                      mlf_runner runner, int n_threads)
    void mlf_nn_head(const mlf_nn *net, mlf_head *head)

KINDS = {
    "CONV_CHANNELS": MLF_NN_CONV_CHANNELS, "CONV_PLANES": MLF_NN_CONV_PLANES,
    "CONV_WINOGRAD": MLF_NN_CONV_WINOGRAD, "CONV_VOLUME": MLF_NN_CONV_VOLUME,
    "LINEAR": MLF_NN_LINEAR, "LINEAR_EACH": MLF_NN_LINEAR_EACH, "ROW_DOTS": MLF_NN_ROW_DOTS,
    "MAX_POOL_2": MLF_NN_MAX_POOL_2, "MAX_POOL": MLF_NN_MAX_POOL,
    "AVERAGE_POOL": MLF_NN_AVERAGE_POOL,
    "ACTIVATION": MLF_NN_ACTIVATION, "ADD": MLF_NN_ADD, "MULTIPLY": MLF_NN_MULTIPLY,
    "SOFTMAX": MLF_NN_SOFTMAX, "COPY": MLF_NN_COPY,
}

#: Below this many nanoseconds of work the GIL is kept: giving it back costs some fifty.
KEEP_GIL_NS = 1000.0

cdef enum:
    MAX_OWN_WORK = 1 << 16  # floats, of all parts of an operation
    MAX_AXES = 8
    SPARE = 8


def instruction_sets():
    """Names of those that this processor has, the best last."""
    return isa_sets()


def isa_number(name=None):
    """Number of an instruction set by name; of the best, or what MLFAST_ISA names, for None."""
    return isa_by_name(name)


def kernels(isa=None):
    """What the kernels of an instruction set are made for (mlf_nn_kernels)."""
    return mlf_nn_kernels_for(isa_by_name(isa))[0]


cdef float *aligned(void *block) noexcept nogil:
    return <float *>((<uintptr_t>block + 63) & ~<uintptr_t>63)


cdef void *arena_block(int64_t floats) except NULL:
    # Zeros: kernels may read, and not use, what nothing has written yet.
    cdef void *block = calloc(<size_t>floats * 4 + 64, 1)
    if block == NULL:
        raise MemoryError(f"no memory for {floats} floats")
    return block


@cython.final
cdef class Plan:
    """A lowered network (`_lower.Lowered`); immutable, may be run by several threads at once."""

    cdef mlf_nn net
    cdef mlf_nn_op *ops
    cdef mlf_head *lowered_head
    cdef list kept
    cdef readonly tuple input_shape, output_shape
    cdef readonly str isa
    cdef int in_axes, out_axes
    cdef cnp.npy_intp in_shape[MAX_AXES]
    cdef cnp.npy_intp out_shape[MAX_AXES]
    cdef bint release
    cdef int n_threads  # that the process allowed when the plan was made
    # Arenas that no call is using; taken and given back with the GIL held.
    cdef void *spare[SPARE]
    cdef int n_spare

    def __cinit__(self):
        memset(self.spare, 0, sizeof(self.spare))

    def __init__(self, lowered, isa=None, splits=()):
        cdef int i
        cdef mlf_isa chosen = isa_by_name(isa)
        if len(lowered.input_shape) > MAX_AXES or len(lowered.output_shape) > MAX_AXES:
            raise ValueError(f"expected at most {MAX_AXES} axes, got {lowered.input_shape}")
        self.isa = mlf_isa_name(chosen).decode()
        self.kept = []
        self.input_shape, self.output_shape = lowered.input_shape, lowered.output_shape
        self.in_axes, self.out_axes = len(self.input_shape), len(self.output_shape)
        for i in range(self.in_axes):
            self.in_shape[i] = self.input_shape[i]
        for i in range(self.out_axes):
            self.out_shape[i] = self.output_shape[i]
        self.n_threads = pool_threads()
        self.ops = <mlf_nn_op *>calloc(len(lowered.operations), sizeof(mlf_nn_op))
        if self.ops == NULL:
            raise MemoryError
        for i, fields in enumerate(lowered.operations):
            self.fill(&self.ops[i], fields)
        self.net.kernels = mlf_nn_kernels_for(chosen)
        self.net.ops, self.net.n_ops = self.ops, len(lowered.operations)
        self.net.n_inputs = int(np.prod(self.input_shape))
        self.net.n_outputs = int(np.prod(self.output_shape))
        self.net.arena = lowered.arena
        self.net.tail, self.net.cut_size = lowered.tail, lowered.cut_size
        self.net.cut, self.net.rows_work = place(lowered.cut), lowered.rows_work
        for i, (strategy, n_parts) in enumerate(splits):
            if strategy > 0:
                work_floats = lowered.operations[i].get("work_floats", 0)
                self.split(&self.ops[i], strategy, n_parts, work_floats)
        cycles = sum(f["cycles"] for f in lowered.operations)
        self.release = cycles > 2.4 * KEEP_GIL_NS or any(strategy for strategy, _ in splits)

    def __dealloc__(self):
        cdef int i
        for i in range(self.n_spare):
            free(self.spare[i])
        free(self.ops)
        free(self.lowered_head)

    cdef fill(self, mlf_nn_op *op, dict f):
        get = f.get
        op.kind, op.activation, op.n_items = KINDS[f["kind"]], get("activation", 0), f["n_items"]
        op.in_, op.other = place(f["in"]), place(f["other"])
        op.out, op.work = place(f["out"]), place(f["work"])
        op.weights = <const float *>self.keep(get("weights"), np.float32)
        op.bias = <const float *>self.keep(get("bias"), np.float32)
        op.taps = <const int32_t *>self.keep(get("taps"), np.int32)
        op.shifts = <const int32_t *>self.keep(get("shifts"), np.int32)
        op.windows = <const int32_t *>self.keep(get("windows"), np.int32)
        op.channels, op.height, op.width = get("channels", 0), get("height", 0), get("width", 0)
        op.out_channels, op.out_height = get("out_channels", 0), get("out_height", 0)
        op.out_width, op.groups, op.tile = get("out_width", 0), get("groups", 1), get("tile", 0)
        op.tile_rows = get("tile_rows", 0)
        op.pool, op.n_taps, op.plane = get("pool", 1), get("n_taps", 0), get("plane", 0)
        op.row_step, op.n_shifts = get("row_step", 0), get("n_shifts", 0)
        op.row_phases, op.column_step = get("row_phases", 1), get("column_step", 1)
        op.rows, op.columns = get("rows", 0), get("columns", 0)
        op.pad_top, op.pad_left = get("pad_top", 0), get("pad_left", 0)
        op.dilation_h, op.dilation_w = get("dilation_h", 1), get("dilation_w", 1)
        op.skip_zeros, op.a, op.b = get("skip_zeros", 0), get("a", 0.0), get("b", 0.0)
        op.shape = get("shape", (1, 1, 1, 1))
        op.in_strides = get("in_strides", (0, 0, 0, 0))
        op.other_strides = get("other_strides", (0, 0, 0, 0))

    cdef split(self, mlf_nn_op *op, int strategy, int n_parts, int64_t work):
        """Parts of an operation; each with work of its own, behind the arena, if that is small."""
        op.runner, op.n_parts = pool_runner(strategy), n_parts
        if 0 < n_parts * work <= MAX_OWN_WORK:
            op.own_work = (work + 15) // 16 * 16
            op.work.offset = (self.net.arena + 15) // 16 * 16
            self.net.arena = op.work.offset + n_parts * op.own_work

    cdef const void *keep(self, array, dtype) except? NULL:
        """The array's memory, aligned to vectors and kept as long as the plan."""
        if array is None:
            return NULL
        whole = np.empty(array.nbytes + 64, np.uint8)
        start = -whole.ctypes.data % 64
        copy = whole[start:start + array.nbytes].view(dtype)
        copy[:] = np.asarray(array, dtype).reshape(-1)
        self.kept.append(copy)
        return cnp.PyArray_DATA(copy)

    def head_capsule(self):
        """The network as a head of a plan: a capsule "mlf_head", valid as long as this object."""
        if self.lowered_head == NULL:
            self.lowered_head = <mlf_head *>calloc(1, sizeof(mlf_head))
            if self.lowered_head == NULL:
                raise MemoryError
            mlf_nn_head(&self.net, self.lowered_head)
        return PyCapsule_New(self.lowered_head, "mlf_head", NULL)

    cdef inline bint takes(self, object x) noexcept:
        """Whether x is one example exactly as the kernels read it, and the plan still holds."""
        return (self.n_threads == pool_threads()
                and self.is_ready(x, self.in_axes, self.in_shape))

    cdef inline bint is_ready(self, object x, int axes, cnp.npy_intp *shape) noexcept:
        cdef int i
        cdef cnp.npy_intp *got
        if type(x) is not cnp.ndarray or cnp.PyArray_NDIM(<cnp.ndarray>x) != axes:
            return False
        if cnp.PyArray_TYPE(<cnp.ndarray>x) != cnp.NPY_FLOAT32:
            return False
        if not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>x):
            return False
        got = cnp.PyArray_DIMS(<cnp.ndarray>x)
        for i in range(axes):
            if got[i] != shape[i]:
                return False
        return True

    cdef run_one(self, const float *x, float *out):
        cdef void *block
        cdef float *arena
        if self.n_spare > 0:
            self.n_spare -= 1
            block = self.spare[self.n_spare]
        else:
            block = arena_block(self.net.arena)
        arena = aligned(block)
        if self.release:
            with nogil:
                mlf_nn_forward(&self.net, x, out, arena)
        else:
            mlf_nn_forward(&self.net, x, out, arena)
        if self.n_spare < SPARE:
            self.spare[self.n_spare] = block
            self.n_spare += 1
        else:
            free(block)

    def forward(self, cnp.ndarray x, cnp.ndarray out):
        """One example; arrays checked by the caller: float32, C order, the plan's shapes."""
        self.run_one(<const float *>cnp.PyArray_DATA(x), <float *>cnp.PyArray_DATA(out))

    def batch(self, cnp.ndarray x, cnp.ndarray out, int strategy, int n_threads):
        """Several examples along the first axis, split by example; checked by the caller."""
        cdef int64_t n = cnp.PyArray_DIM(x, 0)
        cdef void *block = arena_block(n_threads * mlf_nn_batch_arena(&self.net))
        cdef mlf_runner runner = pool_runner(strategy)
        cdef const float *data = <const float *>cnp.PyArray_DATA(x)
        cdef float *to = <float *>cnp.PyArray_DATA(out)
        with nogil:
            mlf_nn_batch(&self.net, data, n, to, aligned(block), runner, n_threads)
        free(block)


cdef mlf_nn_place place(pair):
    cdef mlf_nn_place p
    p.base, p.offset = pair
    return p


cdef class Runner:
    """The calls of a network that have to be short; `Sequential` is the rest."""

    # Plans of the last input shape: by default, and for a strategy asked for.
    cdef Plan current
    cdef Plan asked
    cdef object asked_strategy

    def forward(self, x, out=None, strategy=None):
        """Run the network on one example or a batch.

        Parameters
        ----------
        x : array
            One example, or a batch with one more axis in front; converted to float32.
        out : float32 array, optional
            Takes the result; writeable and C-contiguous.
        strategy : {"sequential", "spawn", "pool", "static"}, optional
            How an example's work is split among threads, whatever the layers say;
            the result does not depend on it. By default what `plan` says. A batch
            is split by example.

        Returns
        -------
        float32 array, `out` where it is given
        """
        cdef Plan plan = self.current
        if strategy is not None:
            plan = self.asked if strategy == self.asked_strategy else None
        if plan is None or not plan.takes(x):
            return self._forward(x, out, strategy)
        if out is None:
            out = cnp.PyArray_EMPTY(plan.out_axes, plan.out_shape, cnp.NPY_FLOAT32, 0)
        elif not (plan.is_ready(out, plan.out_axes, plan.out_shape)
                  and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)) or overlap(x, out):
            return self._forward(x, out, strategy)
        plan.run_one(<const float *>cnp.PyArray_DATA(<cnp.ndarray>x),
                     <float *>cnp.PyArray_DATA(<cnp.ndarray>out))
        return out

    def __call__(self, x, out=None, strategy=None):
        return self.forward(x, out, strategy)

    def predict_one(self, image):
        """Index of the largest output for one example (NaN counts as the largest)."""
        cdef cnp.ndarray out = self.forward(image)
        cdef Plan plan = self.current
        cdef const float *value = <const float *>cnp.PyArray_DATA(out)
        cdef int64_t i, best = 0
        if plan is None or cnp.PyArray_NDIM(out) != plan.out_axes:
            raise RecordError(f"predict_one: expected one example, got shape {np.shape(image)}")
        for i in range(1, plan.net.n_outputs):
            if value[best] != value[best]:
                break
            if not value[i] <= value[best]:
                best = i
        return best

    def _forward(self, x, out, strategy):
        raise NotImplementedError

    def _use(self, Plan plan, strategy=None):
        """Keep a plan for the next call; None forgets those kept."""
        if strategy is None:
            self.current = plan
        if strategy is not None or plan is None:
            self.asked, self.asked_strategy = plan, strategy


cdef inline bint overlap(object x, object out) noexcept:
    cdef char *a = <char *>cnp.PyArray_DATA(<cnp.ndarray>x)
    cdef char *b = <char *>cnp.PyArray_DATA(<cnp.ndarray>out)
    return a < b + cnp.PyArray_NBYTES(<cnp.ndarray>out) \
        and b < a + cnp.PyArray_NBYTES(<cnp.ndarray>x)
