/* Random ensembles: every layout of every instruction set against the plain walk, bit for bit.
 *
 * usage: test_trees [ensembles] [seed]. Every array handed out has its exact size, so that a
 * sanitizer sees whatever is read or written beside it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trees.h"

static uint64_t state;

static uint64_t draw(void)                     /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int32_t below(int32_t n) { return (int32_t)(draw() % (uint64_t)n); }
static double uniform(void) { return (double)(draw() >> 11) / 9007199254740992.0; }
#define PICK(array) (array)[below((int32_t)(sizeof(array) / sizeof *(array)))]

static const double EXTREME[] = {
    0.0, -0.0, INFINITY, -INFINITY, 1e-310, -1e-310, 5e-324, 1e-45, -1e-45, 1e-35, -1e-35, 1e-60,
    1e308, -1e308, 3.4028234663852886e38, 3.5e38, 1.0, -1.0, -0.5, 16777216.0, 2147483648.0 };

/* ---------------------------------------------------------------- memory */

typedef struct pool { mlf_memory memory; void *blocks[200000]; int n; } pool;

static void *pool_alloc(mlf_memory *self, size_t bytes)
{
    pool *p = (pool *)self;
    void *block = NULL;
    if (p->n == 200000 || posix_memalign(&block, 64, bytes ? bytes : 1))
        return NULL;
    memset(block, 0xa5, bytes);
    return p->blocks[p->n++] = block;
}

static void pool_free(pool *p)
{
    while (p->n > 0)
        free(p->blocks[--p->n]);
}

/* ---------------------------------------------------------------- ensembles */

#define MOST_NODES 200000

typedef struct shape {
    int32_t max_depth, n_pool, categories;
    double stop, leafward;
    const double *values;
} shape;

static mlf_ensemble e;
static int32_t feature[MOST_NODES], left[MOST_NODES], right[MOST_NODES], leaf_ids[MOST_NODES];
static uint8_t comparison[MOST_NODES], default_left[MOST_NODES];
static double threshold[MOST_NODES], leaf_values[4 * MOST_NODES];
static int32_t categories[8 * MOST_NODES];
static int64_t category_offsets[MOST_NODES + 1], tree_offsets[3000];
static int32_t tree_output[3000];
static double base[8];
static uint8_t zero_as_missing[300];

static int32_t grow(const shape *s, int64_t root, int32_t depth)
{
    int64_t i = e.n_nodes++;
    left[i] = right[i] = feature[i] = -1;
    comparison[i] = default_left[i] = 0;
    threshold[i] = 0.0;
    category_offsets[i + 1] = category_offsets[i];
    if (depth >= s->max_depth || i > MOST_NODES - 1000 || (depth > 0 && uniform() < s->stop))
        return (int32_t)(i - root);
    feature[i] = below(e.n_features);
    default_left[i] = (uint8_t)below(2);
    if (s->categories > 0 && feature[i] % 3 == 0) {
        int32_t next = below(s->categories);
        comparison[i] = 2;
        for (int k = below(8); k > 0; k--, next += 1 + below(s->categories / 4 + 1))
            categories[category_offsets[i + 1]++] = next;
    } else {
        comparison[i] = (uint8_t)below(2);
        threshold[i] = s->values[below(s->n_pool)];
    }
    left[i] = grow(s, root, depth + 1);
    if (uniform() < s->leafward) {             /* one side stays shallow */
        shape low = *s;
        low.max_depth = depth + 1;
        right[i] = grow(&low, root, depth + 1);
    } else {
        right[i] = grow(s, root, depth + 1);
    }
    return (int32_t)(i - root);
}

static void make_ensemble(shape *s)
{
    static const int32_t trees[] = { 1, 2, 7, 16, 17, 63, 64, 65, 130, 300 };
    static const int32_t features[] = { 1, 2, 5, 31, 32, 33, 64, 65, 129, 200 };
    static const int32_t depths[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 30 };
    static const double stops[] = { 0.02, 0.1, 0.3, 0.5 };
    memset(&e, 0, sizeof e);
    e.n_trees = PICK(trees);
    e.n_features = PICK(features);
    e.n_outputs = below(2) ? 1 : 2 + below(4);
    e.width = e.n_outputs > 1 && below(3) == 0 ? e.n_outputs : 1;
    s->max_depth = PICK(depths);
    s->stop = s->max_depth > 8 ? 0.3 : PICK(stops);
    s->leafward = s->max_depth > 8 ? 0.6 : 0.0;
    s->categories = below(3) == 0 ? 2 + below(3) * 120 : 0;
    if (e.n_trees > 65 && s->max_depth > 6)
        e.n_trees = 65;
    tree_offsets[0] = category_offsets[0] = 0;
    for (int32_t t = 0; t < e.n_trees; t++) {
        grow(s, e.n_nodes, 0);
        tree_offsets[t + 1] = e.n_nodes;
        tree_output[t] = e.width > 1 ? -1 : below(e.n_outputs);
    }
    e.input_float32 = (uint8_t)below(2);
    e.sum_float32 = (uint8_t)below(2);
    e.base_first = (uint8_t)below(2);
    e.category_rule = (uint8_t)below(3);
    e.divisor = below(3) == 0 ? 7.0 : 1.0;
    for (int64_t i = 0; i < e.n_nodes; i++)
        if (feature[i] < 0) {
            for (int32_t k = 0; k < e.width; k++)
                leaf_values[e.n_leaves * e.width + k] =
                    (double)(float)((uniform() - 0.5) * pow(10.0, below(6) - 3));
            leaf_ids[e.n_leaves] = (int32_t)e.n_leaves;
            e.n_leaves++;
        }
    for (int32_t k = 0; k < e.n_outputs; k++)
        base[k] = uniform() - 0.5;
    for (int32_t f = 0; f < e.n_features; f++)
        zero_as_missing[f] = below(5) == 0;
    e.tree_offsets = tree_offsets;
    e.feature = feature;
    e.comparison = comparison;
    e.threshold = threshold;
    e.left = left;
    e.right = right;
    e.default_left = default_left;
    e.categories = categories;
    e.category_offsets = category_offsets;
    e.leaf_values = leaf_values;
    e.leaf_ids = leaf_ids;
    e.tree_output = tree_output;
    e.base = base;
    e.zero_as_missing = zero_as_missing;
}

/* A threshold, one of its neighbours as float or double, something extreme, a category. */
static double draw_value(const shape *s)
{
    double v = below(4) ? s->values[below(s->n_pool)] : PICK(EXTREME);
    switch (below(9)) {
    case 0: return nextafter(v, INFINITY);
    case 1: return nextafter(v, -INFINITY);
    case 2: return (double)nextafterf((float)v, INFINITY);
    case 3: return (double)nextafterf((float)v, -INFINITY);
    case 4: return NAN;
    case 5: return below(400) - 3;
    case 6: return below(12) + 0.5;
    default: return v;
    }
}

/* ---------------------------------------------------------------- comparison */

static void *exact(size_t bytes)
{
    void *block = NULL;
    if (posix_memalign(&block, 64, bytes ? bytes : 1))
        abort();
    return block;
}

static int same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

static int check(const double *rows, int32_t n, const double *want, mlf_isa isa, const char *layout)
{
    static pool p = { .memory = { pool_alloc } };
    mlf_head head;
    char text[512];
    const char *refused = mlf_trees_lower(&e, isa, layout, &p.memory, &head, text, sizeof text);
    int wrong = 0;
    if (refused != NULL) {
        pool_free(&p);
        return layout == NULL || strcmp(layout, "walk") == 0;
    }
    int32_t stride = (n + 63) / 64 * 64, n_features = e.n_features, n_outputs = e.n_outputs;
    double *x = exact(sizeof *x * (size_t)n_features);
    double *raw = exact(sizeof *raw * (size_t)n_outputs);
    double *block = exact(sizeof *block * (size_t)(n_features * stride));
    double *out = exact(sizeof *out * (size_t)(n_outputs * stride));
    void *one = exact(head.scratch_one), *many = exact(head.scratch_block);
    memset(one, 0x5a, head.scratch_one);
    memset(many, 0x5a, head.scratch_block);
    for (int32_t f = 0; f < n_features; f++)
        for (int32_t r = 0; r < stride; r++)
            block[f * stride + r] = r < n ? rows[r * n_features + f] : NAN;
    for (int32_t r = 0; r < n && r < 24; r++) {
        memcpy(x, rows + r * n_features, sizeof *x * (size_t)n_features);
        head.one(head.data, x, raw, one);
        for (int32_t k = 0; k < n_outputs; k++)
            wrong += !same(raw[k], want[r * n_outputs + k]);
    }
    head.block(head.data, block, stride, n, out, many);
    for (int32_t r = 0; r < n; r++)
        for (int32_t k = 0; k < n_outputs; k++)
            wrong += !same(out[k * stride + r], want[r * n_outputs + k]);
    if (head.array != NULL) {
        mlf_array array = { (const char *)rows, n_features * (ptrdiff_t)sizeof *rows, 0 };
        memset(out, 0x5a, sizeof *out * (size_t)(n_outputs * stride));
        head.array(head.data, &array, n, out, stride, many);
        for (int32_t r = 0; r < n; r++)
            for (int32_t k = 0; k < n_outputs; k++)
                wrong += !same(out[k * stride + r], want[r * n_outputs + k]);
    }
    if (wrong)
        printf("%d wrong: %s of %s, %d trees, %d features, %d rows; %s\n", wrong,
               layout ? layout : "chosen", mlf_isa_name(isa), e.n_trees, e.n_features, n, text);
    free(x);
    free(raw);
    free(block);
    free(out);
    free(one);
    free(many);
    pool_free(&p);
    return wrong;
}

int main(int argc, char **argv)
{
    int ensembles = argc > 1 ? atoi(argv[1]) : 50, wrong = 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    static double values[4096];
    static const int32_t pools[] = { 3, 40, 600, 4096 };
    static const int32_t sizes[] = { 1, 2, 15, 63, 64, 65, 130, 200, 511, 512 };
    for (int i = 0; i < ensembles; i++) {
        state = (seed + (uint64_t)i) * 1000003;
        shape s = { .values = values, .n_pool = PICK(pools) };
        for (int32_t v = 0; v < s.n_pool; v++)
            values[v] = below(20) == 0 ? PICK(EXTREME) : (uniform() - 0.5) * 8.0;
        make_ensemble(&s);
        int32_t n = PICK(sizes);
        if (e.n_nodes > 20000 && n > 65)
            n = 65;
        double *rows = exact(sizeof *rows * (size_t)(n * e.n_features));
        double *want = exact(sizeof *want * (size_t)(n * e.n_outputs));
        for (int32_t v = 0; v < n * e.n_features; v++)
            rows[v] = draw_value(&s);
        for (int32_t r = 0; r < n; r++)
            mlf_trees_reference(&e, rows + r * e.n_features, want + r * e.n_outputs);
        for (int isa = 0; isa < MLF_ISA_COUNT; isa++) {
            if (!mlf_isa_supported((mlf_isa)isa))
                continue;
            wrong += check(rows, n, want, (mlf_isa)isa, NULL);
            for (const char *const *l = mlf_trees_layouts((mlf_isa)isa); *l != NULL; l++)
                wrong += check(rows, n, want, (mlf_isa)isa, *l);
        }
        free(rows);
        free(want);
        if (wrong) {
            printf("ensemble %d of seed %llu\n", i, (unsigned long long)seed);
            return 1;
        }
    }
    printf("%d ensembles: all layouts equal\n", ensembles);
    return 0;
}
