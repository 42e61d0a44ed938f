# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""The native plan: C structs made from `compiler.Plan`, their memory, and batches.

This module alone holds the kernels; `_core` runs single records through
`run_one`, `link` and `label` below.
"""

import numpy as np

from mlfast import spec

cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy, memset

from mlfast._isa cimport isa_by_name, isa_sets
from mlfast._pool cimport run as pool_run

cnp.import_array()

cdef enum:
    ALIGNMENT = 64

_OPS = {(<bytes>mlf_op_name(op)).decode(): op for op in range(MLF_OP_COUNT)}
_LINKS = tuple(spec.LINKS)
_RULES = tuple(spec.RULES)
_CATEGORY_RULES = spec.trees.CATEGORY_RULES


def isa_names():
    """Instruction sets that this processor can run, the best last."""
    return list(isa_sets())


def isa_default():
    """The instruction set in use: the best one, or what MLFAST_ISA names."""
    return (<bytes>mlf_isa_name(isa_by_name(None))).decode()


cdef void *allocate(mlf_memory *memory, size_t size) noexcept nogil:
    cdef Pool *pool = <Pool *>memory
    cdef Block *block = <Block *>PyMem_RawMalloc(sizeof(Block) + size + ALIGNMENT)
    if block == NULL:
        return NULL
    block.next = pool.blocks
    pool.blocks = block
    block.memory = aligned(<char *>block + sizeof(Block))
    return block.memory


cdef char *aligned(void *memory) noexcept nogil:
    """The first address from there on that kernels may take: a multiple of 64."""
    return <char *>((<uintptr_t>memory + ALIGNMENT - 1) & ~<uintptr_t>(ALIGNMENT - 1))


cdef int run_one(const mlf_plan *plan, mlf_want want, const mlf_workspace *w,
                 mlf_status *status) noexcept nogil:
    return mlf_run_one(plan, want, w, status)


cdef void run_row(const mlf_plan *plan, const double *x, double *values,
                  void *memory) noexcept nogil:
    mlf_run_row(plan, x, values, memory)


cdef void link(const mlf_output *output, const double *decisions, double *values) noexcept nogil:
    mlf_link(output, decisions, values)


cdef int32_t label(const mlf_output *output, const double *decisions,
                   const double *values) noexcept nogil:
    return mlf_label(output, decisions, values)


cdef int32_t block_rows(const mlf_plan *plan, int64_t n_rows) noexcept nogil:
    return mlf_block_rows(plan, n_rows)


cdef size_t workspace_few(const mlf_plan *plan, int32_t n_rows) noexcept nogil:
    return mlf_workspace_few(plan, n_rows)


cdef size_t workspace_block(const mlf_plan *plan, int64_t n_rows) noexcept nogil:
    return mlf_workspace_block(plan, n_rows)


cdef int32_t block_stride(int32_t rows) noexcept nogil:
    return mlf_block_stride(rows)


cdef double *slots_of(const mlf_plan *plan, void *workspace, int32_t rows) noexcept nogil:
    return mlf_carve(plan, workspace, mlf_block_stride(rows)).slots


cdef void run_batch(const mlf_plan *plan, const mlf_column *columns, const mlf_rows *rows,
                    const mlf_sinks *sinks, int32_t n_parts, void *memory,
                    mlf_status *statuses) noexcept nogil:
    mlf_run_batch(plan, columns, rows, sinks, n_parts, pool_run, memory, statuses)


cdef void run_few(const mlf_plan *plan, int32_t n, const mlf_sinks *sinks, void *memory,
                  mlf_status *status) noexcept nogil:
    mlf_run_few(plan, n, sinks, memory, status)


cdef class NativePlan:
    """A plan and all memory that it points into; never changes once made.

    Parameters
    ----------
    plan : compiler.Plan
    isa : str
        An instruction set, of `isa_names`.
    layout : str or None
        Forces a layout of the tree kernels.
    """

    def __cinit__(self, plan, str isa, layout=None):
        memset(&self.plan, 0, sizeof(self.plan))
        self.pool.memory.alloc = allocate
        self.pool.blocks = NULL
        self.layout_text = ""
        model = plan.model
        cdef int isa_number = isa_by_name(isa)
        self.vocabularies = [self._make_vocabulary(v) for v in model.vocabularies]
        self._make_encoder(plan, isa_number)
        if model.head is not None:
            self._make_head(model.head, isa_number, layout)
            self._make_output(model.output)
        self.plan.isa = isa_number
        self.numeric = all(read.vocabulary < 0 for read in model.inputs)
        self.row_by_row = not isinstance(model.head, spec.Network)
        self.n_fields = len(model.fields)
        fields = np.array([read.field for read in model.inputs], np.int32)
        self.fields = <const int32_t *>self._copy(fields)
        self.offsets = mlf_carve(&self.plan, NULL, 1)
        self.workspace = mlf_workspace_one(&self.plan)

    def __dealloc__(self):
        cdef Block *block = self.pool.blocks
        cdef Block *following
        while block != NULL:
            following = block.next
            PyMem_RawFree(block)
            block = following

    cdef void *_allocate(self, size_t size) except NULL:
        cdef void *memory = allocate(&self.pool.memory, size)
        if memory == NULL:
            raise MemoryError
        return memory

    cdef void *_copy(self, array) except? NULL:
        """A copy of an array's data in the predictor's own memory; NULL for None."""
        if array is None:
            return NULL
        cdef cnp.ndarray source = np.ascontiguousarray(array)
        cdef void *memory = self._allocate(source.nbytes + 1)
        memcpy(memory, cnp.PyArray_DATA(source), source.nbytes)
        return memory

    cdef void *_ufunc(self, str name, int type_number=cnp.NPY_DOUBLE) except NULL:
        """NumPy's loop for a type; NumPy stays loaded as long as this module."""
        cdef cnp.ufunc ufunc = getattr(np, name)
        cdef mlf_ufunc *result = <mlf_ufunc *>self._allocate(sizeof(mlf_ufunc))
        cdef int i, n_args = ufunc.nin + ufunc.nout
        for i in range(ufunc.ntypes):
            if all(ufunc.types[n_args * i + j] == type_number for j in range(n_args)):
                result.loop = <void (*)(char **, const ptrdiff_t *, const ptrdiff_t *,
                                        void *) noexcept>ufunc.functions[i]
                result.data = ufunc.data[i]
                return result
        raise RuntimeError(f"numpy.{name} has no loop for type number {type_number}")

    cdef _make_vocabulary(self, vocabulary):
        cdef Py_ssize_t n = len(vocabulary.keys)
        cdef mlf_key *keys = <mlf_key *>PyMem_RawMalloc((n + 1) * sizeof(mlf_key))
        if keys == NULL:
            raise MemoryError
        texts = []                      # keeps the texts alive until they are copied
        for i, key in enumerate(vocabulary.keys):
            if isinstance(key, str):
                highest = max(map(ord, key), default=0)
                kind, code = (1, "latin-1") if highest < 256 else (
                    (2, "utf-16") if highest < 65536 else (4, "utf-32"))
                # UTF-16/32 in this machine's byte order, without the mark: CPython's storage
                text = key.encode(code, "surrogatepass") if kind > 1 else key.encode(code)
                text = text[kind:] if kind > 1 else text
                texts.append(text)
                keys[i].kind = kind
                keys[i].size = len(key)
                keys[i].as_.text = <const char *>text
            elif isinstance(key, int):
                keys[i].kind = MLF_KEY_INTEGER
                keys[i].as_.integer = key
            else:
                keys[i].kind = MLF_KEY_NUMBER
                keys[i].as_.number = key
        cdef mlf_vocabulary *made = mlf_vocabulary_make(keys, n, &self.pool.memory)
        PyMem_RawFree(keys)
        if made == NULL:
            raise MemoryError
        return <size_t>made

    cdef _make_encoder(self, plan, int isa):
        cdef mlf_encoder *encoder = &self.plan.encoder
        cdef mlf_step *steps = <mlf_step *>self._allocate(len(plan.steps) * sizeof(mlf_step) + 1)
        cdef mlf_step *s = steps
        memset(steps, 0, len(plan.steps) * sizeof(mlf_step))
        for native in plan.steps:
            s.op, s.flags, s.origin = _OPS[native.op], native.flags, native.origin
            s.inp, s.out, s.n_out, s.size = native.inp, native.out, native.n_out, native.size
            s.a, s.b, s.low, s.high = native.a, native.b, native.low, native.high
            is_ufunc = native.op == "UFUNC"
            s.table = self._ufunc(native.ufunc) if is_ufunc else self._copy(native.table)
            s.raises = <const uint8_t *>self._copy(native.raises)
            if native.vocabulary >= 0:
                s.vocabulary = <const mlf_vocabulary *><size_t>self.vocabularies[native.vocabulary]
            s += 1
        encoder.steps = steps
        encoder.n_steps = len(plan.steps)
        encoder.n_inputs = len(plan.input_slots)
        encoder.n_outputs = plan.n_outputs
        encoder.n_slots = plan.n_slots
        encoder.input_slots = <const int32_t *>self._copy(np.array(plan.input_slots, np.int32))
        mlf_encoder_bind(encoder, isa)

    cdef _make_head(self, head, int isa, layout):
        if isinstance(head, spec.Linear):
            if mlf_linear_lower(<const double *>data(head.coef),
                                <const double *>data(head.intercept),
                                head.n_outputs, head.n_features, isa, &self.pool.memory,
                                &self.plan.head) != 0:
                raise MemoryError
            self.layout_text = "linear"
        elif isinstance(head, spec.TreeEnsemble):
            self._make_trees(head, isa, layout)
        elif isinstance(head, spec.Network):
            from mlfast.nn._model import native_head
            self._head = native_head(head, (<bytes>mlf_isa_name(isa)).decode())
            memcpy(&self.plan.head, PyCapsule_GetPointer(self._head.head_capsule(), "mlf_head"),
                   sizeof(mlf_head))
            self.layout_text = f"network of {len(head.operations)} operations"
        elif hasattr(head, "head_capsule"):
            self._head = head
            memcpy(&self.plan.head, PyCapsule_GetPointer(head.head_capsule(), "mlf_head"),
                   sizeof(mlf_head))
            self.layout_text = head.layout_text
        else:
            raise TypeError(f"no native head for {type(head).__name__}")

    cdef _make_trees(self, head, int isa, layout):
        cdef mlf_ensemble *e = &self.ensemble
        cdef char text[2048]
        cdef const char *error
        e.n_features, e.n_outputs = head.n_features, head.n_outputs
        e.n_trees, e.width = head.n_trees, head.width
        e.n_nodes, e.n_leaves = head.n_nodes, len(head.leaf_ids)
        e.tree_offsets = <const int64_t *>data(head.tree_offsets)
        e.feature = <const int32_t *>data(head.feature)
        e.comparison = <const uint8_t *>data(head.comparison)
        e.threshold = <const double *>data(head.threshold)
        e.left = <const int32_t *>data(head.left)
        e.right = <const int32_t *>data(head.right)
        e.default_left = <const uint8_t *>data(head.default_left)
        e.categories = <const int32_t *>data(head.categories)
        e.category_offsets = <const int64_t *>data(head.category_offsets)
        e.leaf_values = <const double *>data(head.leaf_values)
        e.leaf_ids = <const int32_t *>data(head.leaf_ids)
        e.tree_output = <const int32_t *>data(head.tree_output)
        e.base = <const double *>data(head.base)
        e.divisor, e.base_first = head.divisor, head.base_first
        e.input_float32, e.sum_float32 = head.input_dtype == "float32", head.sum_dtype == "float32"
        e.category_rule = _CATEGORY_RULES.index(head.category_rule)
        e.zero_as_missing = <const uint8_t *>data(head.zero_as_missing)
        self._head = head
        name = None if layout is None else layout.encode()
        cdef const char *forced = NULL
        if name is not None:
            forced = name
        error = mlf_trees_lower(
            e, isa, forced, &self.pool.memory,
            &self.plan.head, text, sizeof(text))
        if error != NULL:
            raise ValueError(f"layout {layout!r}: {error.decode()}")
        self.layout_text = text.decode()

    cdef _make_output(self, output):
        cdef mlf_output *o = &self.plan.output
        o.decision_link, o.link = _LINKS.index(output.decision_link), _LINKS.index(output.link)
        o.rule, o.binary = _RULES.index(output.rule), output.binary
        o.float32 = output.dtype == "float32"
        o.decision_a, o.decision_b = output.decision_params
        o.a, o.b = output.link_params
        links = {output.decision_link, output.link}
        if links & {"softmax_numpy", "exp_numpy"}:
            o.exp = <const mlf_ufunc *>self._ufunc("exp")
        if "softmax_numpy_float32" in links:
            o.exp = <const mlf_ufunc *>self._ufunc("exp", cnp.NPY_FLOAT)
        if "isolation" in links:
            o.power = <const mlf_ufunc *>self._ufunc("power")
        o.n_decisions = self.plan.head.n_outputs
        o.n_values = 2 if output.binary else 1 if output.link == "argmax" else o.n_decisions

    def apply(self, encoded):
        """Leaves of encoded rows, int32 (n, n_trees)."""
        cdef cnp.ndarray x = np.ascontiguousarray(encoded, np.float64)
        leaves = np.empty((x.shape[0], self.ensemble.n_trees), np.int32)
        scratch = np.empty(self.ensemble.n_nodes, np.int32)
        mlf_trees_apply(&self.ensemble, <const double *>cnp.PyArray_DATA(x), x.shape[0],
                        <int32_t *>data(scratch), <int32_t *>data(leaves))
        return leaves


cdef void *data(array):
    """Address of a contiguous array; NULL for None."""
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)
