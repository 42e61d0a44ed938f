/* Every struct that crosses the line between Python and C, once.
 *
 * A plan is made once, never changed, and may be run by any number of threads:
 * all state of a call lives in memory that the caller passes in.
 * Memory of a plan itself comes from the mlf_memory it was made with.
 */
#ifndef MLF_PLAN_H
#define MLF_PLAN_H

#include <stddef.h>
#include <stdint.h>

/* Where a plan's memory comes from: 64-byte aligned, freed by the owner all at once.
 * Returns NULL when there is none; makers then return NULL too. */
typedef struct mlf_memory {
    void *(*alloc)(struct mlf_memory *self, size_t bytes);
} mlf_memory;

/* ---------------------------------------------------------------- vocabulary */

/* One key. Text is the raw storage of a Python str: `size` code units of
 * `kind` bytes (1: ASCII or Latin-1, 2, 4), so equal strings have equal bytes. */
typedef struct mlf_key {
    uint8_t kind;         /* 1, 2, 4: text; 8: integer; 9: any other double */
    uint32_t size;        /* code units of text */
    union {
        const void *text;
        int64_t integer;
        double number;
    } as;
} mlf_key;

typedef struct mlf_vocabulary mlf_vocabulary;   /* vocabulary.c */

/* ---------------------------------------------------------------- the encoder */

/* What a step does to a value x; a, b, low, high, flags, size and table are the step's. */
#define MLF_FOR_EACH_OP(X)                                                                         \
    X(COPY)              /* x                                                            */       \
    X(SHIFT_DIVIDE)      /* (x - a) / b                                                  */       \
    X(MULTIPLY_ADD)      /* x * a + b                                                    */       \
    X(MULTIPLY_ADD_CLIP) /* x * a + b, clipped to [low, high]                            */       \
    X(UFUNC)             /* table: mlf_ufunc                                             */       \
    X(SQRT) X(ABS) X(SQUARE)                                                                       \
    X(IMPUTE_NAN)        /* isnan(x) ? b : x                                             */       \
    X(IMPUTE)            /* x == a ? b : x                                               */       \
    X(INDICATE_NAN)      /* isnan(x)                                                     */       \
    X(INDICATE)          /* x == a                                                       */       \
    X(MISSING)           /* x == a ? NaN : x                                             */       \
    X(CONSTANT)          /* a                                                            */       \
    X(ROUND)             /* (float)x                                                     */       \
    X(QUANTILE)          /* table: double[5 * size], see encoders_kernel.c; flags: 1 normal */    \
    X(DIGITIZE)          /* table: double[size], edges                                   */       \
    X(NORMALIZE)         /* table: int32[2 * size], slots in, out; flags: l1, l2, max, + 4 */      \
    X(CHECK)             /* flags: 1 refuse NaN, 2 infinity, 4 infinity as float         */       \
    X(LOOKUP)            /* number to code of `vocabulary`                               */       \
    X(RECODE)            /* table: double[size], code to code                            */       \
    X(TABLE)             /* table: double[size], code to number                          */       \
    X(ONE_HOT)           /* table: int32[size], code to one of n_out slots, or -1        */

#define MLF_ENUM_OP_(name) MLF_##name,
typedef enum mlf_op { MLF_FOR_EACH_OP(MLF_ENUM_OP_) MLF_OP_COUNT } mlf_op;
#undef MLF_ENUM_OP_

/* NumPy's own loop for a function of doubles: its logarithms and exponentials are not the
 * C library's, and depend on the processor. `n`: count; `strides`: in bytes. */
typedef struct mlf_ufunc {
    void (*loop)(char **in_out, const ptrdiff_t *n, const ptrdiff_t *strides, void *data);
    void *data;
} mlf_ufunc;

typedef struct mlf_step {
    uint8_t op;           /* mlf_op                                             */
    uint8_t flags;
    int32_t in;           /* slot read                                          */
    int32_t out;          /* first slot written                                 */
    int32_t n_out;        /* slots written                                      */
    int32_t size;         /* entries of `table`                                 */
    int32_t origin;       /* index into the model's steps, for messages         */
    double a, b, low, high;
    const void *table;
    const uint8_t *raises; /* size entries or NULL: 1 refuse, 2 warn             */
    const mlf_vocabulary *vocabulary;
} mlf_step;

/* What happened besides the answer: numbers of steps, -1 for none. */
typedef struct mlf_status {
    int32_t refused, warned;
    int64_t refused_row, warned_row;  /* within the block */
} mlf_status;

/* Values stand in slots. The encoded vector is slots 0 .. n_outputs - 1. */
typedef struct mlf_encoder {
    const mlf_step *steps;
    int32_t n_steps;
    int32_t n_inputs;     /* input i is read into slot input_slots[i]            */
    int32_t n_outputs;
    int32_t n_slots;
    const int32_t *input_slots;
    /* One record: slot s at x[s]. A block of n rows: slot s, row r at x[s * stride + r].
     * Both stop at a refusal and return 1, else 0. */
    int (*one)(const struct mlf_encoder *self, double *x, mlf_status *status);
    int (*block)(const struct mlf_encoder *self, double *x, ptrdiff_t stride, int32_t n,
                 mlf_status *status);
} mlf_encoder;

/* ---------------------------------------------------------------- heads */

/* Rows of numbers as they stand in memory: feature f of row r is number f from
 * rows + r * stride. */
typedef struct mlf_array {
    const char *rows;
    ptrdiff_t stride;     /* bytes */
    int32_t float32;      /* 1: floats; 0: doubles */
    const char *next;     /* what is read next, to be fetched meanwhile: so many bytes */
    size_t next_bytes;
} mlf_array;

/* A model over an encoded vector, lowered for one instruction set.
 * `scratch` is scratch_one / scratch_block bytes, 64-byte aligned, contents undefined. */
typedef struct mlf_head {
    int32_t n_features;
    int32_t n_outputs;
    size_t scratch_one;
    size_t scratch_block;
    const void *data;
    /* x: double[n_features]; raw: double[n_outputs] */
    void (*one)(const void *data, const double *x, double *raw, void *scratch);
    /* x: feature f, row r at x[f * stride + r]; raw: output k, row r at raw[k * stride + r];
     * n <= MLF_BLOCK; stride is a multiple of 8, and at least the multiple of 64 from n on */
    void (*block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                  double *raw, void *scratch);
    /* The same from an array; NULL: not without columns. Raw as there. */
    void (*array)(const void *data, const mlf_array *x, int32_t n, double *raw, ptrdiff_t stride,
                  void *scratch);
} mlf_head;

#define MLF_BLOCK 512     /* rows of a block at most */

/* spec.TreeEnsemble, array for array (see there for meaning and shapes; already checked). */
typedef struct mlf_ensemble {
    int32_t n_features, n_outputs, n_trees, width;
    int64_t n_nodes, n_leaves;
    const int64_t *tree_offsets;
    const int32_t *feature;
    const uint8_t *comparison;
    const double *threshold;
    const int32_t *left, *right;
    const uint8_t *default_left;
    const int32_t *categories;
    const int64_t *category_offsets;
    const double *leaf_values;
    const int32_t *leaf_ids;
    const int32_t *tree_output;
    const double *base;
    double divisor;
    uint8_t base_first, input_float32, sum_float32;
    uint8_t category_rule; /* 0 lightgbm, 1 xgboost, 2 treelite */
    const uint8_t *zero_as_missing;
} mlf_ensemble;

/* ---------------------------------------------------------------- links */

typedef enum mlf_link_name {
    MLF_IDENTITY, MLF_SIGMOID, MLF_SIGMOID_FLOAT32, MLF_SOFTMAX, MLF_SOFTMAX_FLOAT32,
    MLF_LINK_EXP, MLF_EXP_FLOAT32, MLF_LOG1P_EXP, MLF_SIGNED_SQUARE, MLF_HINGE, MLF_OVR,
    MLF_ISOLATION, MLF_LINK_ARGMAX, MLF_MODIFIED_HUBER, MLF_SOFTMAX_NUMPY, MLF_EXP_NUMPY,
    MLF_SOFTMAX_NUMPY_FLOAT32
} mlf_link_name;

typedef enum mlf_rule {
    MLF_VALUE, MLF_ARGMAX, MLF_HALF, MLF_POSITIVE, MLF_NOT_NEGATIVE, MLF_ARGMAX_MARGIN,
    MLF_EACH_HALF, MLF_OUTLIER, MLF_VALUES
} mlf_rule;

typedef struct mlf_output {
    uint8_t decision_link, link, rule, binary;
    uint8_t float32;      /* values and decisions are float32 numbers            */
    int32_t n_decisions;  /* after decision_link                                 */
    int32_t n_values;     /* after link: classes, or outputs                     */
    double decision_a, decision_b, a, b;
    const mlf_ufunc *exp; /* NumPy's where a link asks for it, or NULL: C's      */
    const mlf_ufunc *power;
} mlf_output;

/* ---------------------------------------------------------------- the plan */

typedef struct mlf_plan {
    mlf_encoder encoder;
    mlf_head head;        /* one is NULL without a head                          */
    mlf_output output;
    int32_t isa;          /* mlf_isa                                             */
} mlf_plan;

#endif
