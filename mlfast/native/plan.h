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

typedef enum mlf_op {
    MLF_COPY,             /* out = x                                            */
    MLF_SHIFT_DIVIDE,     /* out = (x - a) / b                                  */
    MLF_MULTIPLY_ADD,     /* out = x * a + b                                    */
    MLF_MULTIPLY_ADD_CLIP,/* out = clip(x * a + b, low, high)                   */
    MLF_LOG, MLF_LOG1P, MLF_EXP, MLF_EXPM1, MLF_SQRT, MLF_ABS, MLF_SQUARE,
    MLF_IMPUTE_NAN,       /* out = isnan(x) ? b : x                             */
    MLF_IMPUTE,           /* out = x == a ? b : x                               */
    MLF_INDICATE_NAN,     /* out = isnan(x)                                     */
    MLF_INDICATE,         /* out = x == a                                       */
    MLF_MISSING,          /* out = x == a ? NaN : x                             */
    MLF_CONSTANT,         /* out = a                                            */
    MLF_ROUND,            /* out = (float)x                                     */
    MLF_QUANTILE,         /* table: double[2 * size] quantiles, references; flags: 1 normal */
    MLF_DIGITIZE,         /* table: double[size] edges                          */
    MLF_NORMALIZE,        /* size inputs, int32 table[2 * size]: slots in, slots out; flags: 0 l1, 1 l2, 2 max */
    MLF_CHECK,            /* flags: 1 refuse NaN, 2 infinity, 4 infinity as float */
    MLF_LOOKUP,           /* vocabulary; number to code                         */
    MLF_RECODE,           /* table: double[size] (codes)                        */
    MLF_TABLE,            /* table: double[size]                                */
    MLF_ONE_HOT,          /* table: int32[size]; n_out numbers                  */
    MLF_OP_COUNT
} mlf_op;

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

/* A block holds n rows of slots, slot by slot: value of slot s, row r at x[s * stride + r]. */
typedef struct mlf_encoder {
    const mlf_step *steps;
    int32_t n_steps;
    int32_t n_inputs;     /* slots 0 .. n_slots; input i is read into slots[input_slots[i]] */
    int32_t n_outputs;    /* the encoded vector is slots 0 .. n_outputs - 1      */
    int32_t n_slots;
    const int32_t *input_slots;
} mlf_encoder;

/* What happened besides the answer. `refused` and `warned` are step numbers in the plan, -1: none. */
typedef struct mlf_status {
    int32_t refused;
    int32_t warned;
    int64_t row;          /* of the refusal */
} mlf_status;

/* ---------------------------------------------------------------- heads */

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
     * n <= stride, stride a multiple of 64 and at most MLF_BLOCK */
    void (*block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                  double *raw, void *scratch);
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

typedef enum mlf_link {
    MLF_IDENTITY, MLF_SIGMOID, MLF_SIGMOID_FLOAT32, MLF_SOFTMAX, MLF_SOFTMAX_FLOAT32,
    MLF_LINK_EXP, MLF_EXP_FLOAT32, MLF_LOG1P_EXP, MLF_SIGNED_SQUARE, MLF_HINGE, MLF_OVR,
    MLF_ISOLATION, MLF_LINK_ARGMAX
} mlf_link;

typedef enum mlf_rule {
    MLF_VALUE, MLF_ARGMAX, MLF_HALF, MLF_POSITIVE, MLF_NOT_NEGATIVE, MLF_ARGMAX_MARGIN,
    MLF_EACH_HALF, MLF_OUTLIER
} mlf_rule;

typedef struct mlf_output {
    uint8_t decision_link, link, rule, binary, float32;
    int32_t n_decisions;  /* after decision_link                                 */
    int32_t n_values;     /* after link: classes, or outputs                     */
    double decision_a, decision_b, a, b;
} mlf_output;

/* ---------------------------------------------------------------- the plan */

typedef struct mlf_plan {
    mlf_encoder encoder;
    mlf_head head;        /* one is NULL without a head                          */
    mlf_output output;
} mlf_plan;

#endif
