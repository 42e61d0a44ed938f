"""The native side as Cython sees it: native/plan.h and its neighbours."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from mlfast._isa cimport mlf_isa, mlf_isa_name
from mlfast._pool cimport mlf_runner


cdef extern from "plan.h" nogil:
    ctypedef struct mlf_memory:
        void *(*alloc)(mlf_memory *, size_t) noexcept

    ctypedef union mlf_key_as "":
        const void *text
        int64_t integer
        double number

    ctypedef struct mlf_key:
        uint8_t kind
        uint32_t size
        mlf_key_as as_ "as"

    ctypedef struct mlf_vocabulary:
        pass

    ctypedef int mlf_op
    const int MLF_OP_COUNT

    ctypedef struct mlf_ufunc:
        void (*loop)(char **, const ptrdiff_t *, const ptrdiff_t *, void *) noexcept
        void *data

    ctypedef struct mlf_step:
        uint8_t op, flags
        int32_t inp "in"
        int32_t out, n_out, size, origin
        double a, b, low, high
        const void *table
        const uint8_t *raises
        const mlf_vocabulary *vocabulary

    ctypedef struct mlf_status:
        int32_t refused, warned
        int64_t refused_row, warned_row

    ctypedef struct mlf_encoder:
        const mlf_step *steps
        int32_t n_steps, n_inputs, n_outputs, n_slots
        const int32_t *input_slots

    ctypedef struct mlf_head:
        int32_t n_features, n_outputs
        size_t scratch_one, scratch_block
        const void *data
        void (*one)(const void *, const double *, double *, void *) noexcept

    ctypedef struct mlf_ensemble:
        int32_t n_features, n_outputs, n_trees, width
        int64_t n_nodes, n_leaves
        const int64_t *tree_offsets
        const int32_t *feature
        const uint8_t *comparison
        const double *threshold
        const int32_t *left
        const int32_t *right
        const uint8_t *default_left
        const int32_t *categories
        const int64_t *category_offsets
        const double *leaf_values
        const int32_t *leaf_ids
        const int32_t *tree_output
        const double *base
        double divisor
        uint8_t base_first, input_float32, sum_float32, category_rule
        const uint8_t *zero_as_missing

    ctypedef struct mlf_output:
        uint8_t decision_link, link, rule, binary, float32
        int32_t n_decisions, n_values
        double decision_a, decision_b, a, b
        const mlf_ufunc *exp
        const mlf_ufunc *power

    ctypedef struct mlf_plan:
        mlf_encoder encoder
        mlf_head head
        mlf_output output
        int32_t isa


cdef extern from "vocabulary.h" nogil:
    const uint8_t MLF_KEY_INTEGER, MLF_KEY_NUMBER
    mlf_vocabulary *mlf_vocabulary_make(const mlf_key *keys, int32_t n_keys, mlf_memory *memory)


cdef extern from "encoders.h" nogil:
    const char *mlf_op_name(mlf_op op)
    void mlf_encoder_bind(mlf_encoder *encoder, mlf_isa isa)


cdef extern from "linear.h" nogil:
    int mlf_linear_lower(const double *coef, const double *intercept, int32_t n_outputs,
                         int32_t n_features, mlf_isa isa, mlf_memory *memory, mlf_head *head)


cdef extern from "trees.h" nogil:
    const char *mlf_trees_lower(const mlf_ensemble *ensemble, mlf_isa isa, const char *layout,
                                mlf_memory *memory, mlf_head *head, char *text, size_t text_size)
    const char *const *mlf_trees_layouts(mlf_isa isa)
    void mlf_trees_apply(const mlf_ensemble *ensemble, const double *x, int64_t n,
                         int32_t *scratch, int32_t *leaves)
    void mlf_trees_reference(const mlf_ensemble *ensemble, const double *x, double *raw)


cdef extern from "links.h" nogil:
    void mlf_link(const mlf_output *output, const double *decisions, double *values)
    int32_t mlf_label(const mlf_output *output, const double *decisions, const double *values)


cdef extern from "run.h" nogil:
    ctypedef struct mlf_workspace:
        double *slots
        double *raw
        double *decisions
        double *values
        void *scratch

    ctypedef struct mlf_column:
        const char *data
        ptrdiff_t stride
        int32_t type

    ctypedef struct mlf_sinks:
        double *encoded
        void *decisions
        void *values
        int64_t *labels

    ctypedef enum mlf_want:
        MLF_WANT_ENCODED
        MLF_WANT_DECISIONS
        MLF_WANT_VALUES
        MLF_WANT_LABELS

    size_t mlf_workspace_one(const mlf_plan *plan)
    size_t mlf_workspace_few(const mlf_plan *plan, int32_t n_rows)
    size_t mlf_workspace_block(const mlf_plan *plan, int64_t n_rows)
    int32_t mlf_block_rows(const mlf_plan *plan, int64_t n_rows)
    int32_t mlf_block_stride(int32_t rows)
    mlf_workspace mlf_carve(const mlf_plan *plan, void *memory, int32_t stride)
    int mlf_run_one(const mlf_plan *plan, mlf_want want, const mlf_workspace *w, mlf_status *status)
    void mlf_run_row(const mlf_plan *plan, const double *x, double *values, void *memory)
    ctypedef struct mlf_rows:
        int64_t first, n
        int32_t block

    void mlf_run_batch(const mlf_plan *plan, const mlf_column *columns, const mlf_rows *rows,
                       const mlf_sinks *sinks, int32_t n_parts, mlf_runner runner,
                       void *memory, mlf_status *statuses)
    void mlf_run_few(const mlf_plan *plan, int32_t n, const mlf_sinks *sinks, void *memory,
                     mlf_status *status)


cdef struct Block:
    Block *next
    void *memory


cdef struct Pool:
    mlf_memory memory   # first, so that its address is the pool's
    Block *blocks


cdef class NativePlan:
    cdef mlf_plan plan
    cdef mlf_ensemble ensemble
    cdef mlf_workspace offsets          # of the parts of a single record's workspace
    cdef size_t workspace               # bytes
    cdef readonly bint numeric          # all inputs are numbers
    cdef bint row_by_row                # a few rows are no faster as a block
    cdef Py_ssize_t n_fields
    cdef const int32_t *fields          # of each input
    cdef readonly list vocabularies     # addresses
    cdef readonly str layout_text
    cdef Pool pool
    cdef object _head                   # keeps alive what `ensemble` or `plan.head` point into

    cdef void *_allocate(self, size_t size) except NULL
    cdef void *_copy(self, array) except? NULL
    cdef void *_ufunc(self, str name, int type_number=*) except NULL
    cdef _make_vocabulary(self, vocabulary)
    cdef _make_encoder(self, plan, int isa)
    cdef _make_head(self, head, int isa, layout)
    cdef _make_trees(self, head, int isa, layout)
    cdef _make_output(self, output)


cdef char *aligned(void *memory) noexcept nogil
cdef int run_one(const mlf_plan *plan, mlf_want want, const mlf_workspace *w,
                 mlf_status *status) noexcept nogil
cdef void link(const mlf_output *output, const double *decisions, double *values) noexcept nogil
cdef int32_t label(const mlf_output *output, const double *decisions,
                   const double *values) noexcept nogil
cdef void run_row(const mlf_plan *plan, const double *x, double *values,
                  void *memory) noexcept nogil
cdef int32_t block_rows(const mlf_plan *plan, int64_t n_rows) noexcept nogil
cdef size_t workspace_few(const mlf_plan *plan, int32_t n_rows) noexcept nogil
cdef size_t workspace_block(const mlf_plan *plan, int64_t n_rows) noexcept nogil
cdef int32_t block_stride(int32_t rows) noexcept nogil
cdef double *slots_of(const mlf_plan *plan, void *workspace, int32_t rows) noexcept nogil
cdef void run_batch(const mlf_plan *plan, const mlf_column *columns, const mlf_rows *rows,
                    const mlf_sinks *sinks, int32_t n_parts, void *memory,
                    mlf_status *statuses) noexcept nogil
cdef void run_few(const mlf_plan *plan, int32_t n, const mlf_sinks *sinks, void *memory,
                  mlf_status *status) noexcept nogil
