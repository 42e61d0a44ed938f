#include "trees_words.h"

/* Dense tables of codes up to here; larger category numbers are searched. */
#define MOST_CODES 65536

static void *array(mlf_memory *memory, size_t count, size_t size)
{
    return memory->alloc(memory, (count + (count == 0)) * size);
}

static void store(void *array, int64_t i, int64_t value, int float32)
{
    if (float32)
        ((int32_t *)array)[i] = value > INT32_MAX ? INT32_MAX : (int32_t)value;
    else
        ((int64_t *)array)[i] = value;
}

/* Node i's value: the sorted values' median, and so on for the halves. */
static void fill_tree(int32_t *tree, int32_t i, int32_t levels, const int32_t *sorted, int32_t n)
{
    if (i >= 1 << levels)
        return;
    int32_t middle = n / 2;                    /* n is 2^k - 1 */
    tree[i] = sorted[middle];
    fill_tree(tree, 2 * i, levels, sorted, middle);
    fill_tree(tree, 2 * i + 1, levels, sorted + middle + 1, middle);
}

static float float_of(int64_t key)
{
    int32_t bits = (int32_t)key;
    float x;
    bits ^= (bits >> 31) & INT32_MAX;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double double_of(int64_t key)
{
    double x;
    key ^= (key >> 63) & INT64_MAX;
    memcpy(&x, &key, sizeof x);
    return x;
}

static int make_numbers(mlf_prepared_column *out, const mlf_column *column, int float32,
                        mlf_memory *memory)
{
    void *numbers = array(memory, (size_t)column->n + 1, float32 ? sizeof(float) : sizeof(double));
    if (numbers == NULL)
        return -1;
    for (int32_t i = 0; i <= column->n; i++)
        if (float32)
            ((float *)numbers)[i] = i < column->n ? float_of(column->cuts[i]) : NAN;
        else
            ((double *)numbers)[i] = i < column->n ? double_of(column->cuts[i]) : (double)NAN;
    out->numbers = numbers;
    return 0;
}

static int make_tree(mlf_prepared_column *out, const mlf_column *column, int float32,
                     mlf_memory *memory)
{
    int32_t sorted[255], tree[256] = { 0 }, n = column->n;
    uint32_t *words = array(memory, float32 ? 2 * 256 : 3 * 256, sizeof *words);
    if (words == NULL)
        return -1;
    for (int32_t i = 0; i < 255; i++)
        sorted[i] = i >= n ? INT32_MAX : float32 ? (int32_t)column->cuts[i]
                                                 : (int32_t)(column->cuts[i] >> 32) + 1;
    if (!float32) {
        int32_t *upper = (int32_t *)words + 256;
        uint32_t *lower = words + 512;
        for (int32_t i = 0; i < 256; i++) {
            upper[i] = i < n ? (int32_t)(column->cuts[i] >> 32) : INT32_MAX;
            lower[i] = i < n ? (uint32_t)column->cuts[i] : UINT32_MAX;
            if (i > 0 && i < n && upper[i] == upper[i - 1])
                return 0;                      /* not distinct: no tree */
        }
        out->upper = upper;
        out->lower = lower;
    }
    out->levels = n <= 15 ? 4 : n <= 31 ? 5 : n <= 63 ? 6 : n <= 127 ? 7 : 8;
    fill_tree(tree, 1, out->levels, sorted, (1 << out->levels) - 1);
    for (int32_t i = 0; i < 256; i++) {
        words[i] = (uint32_t)tree[i] ^ MLF_SIGN;
        if (float32)
            ((float *)words)[256 + i] = float_of(tree[i]);
    }
    out->tree = words;
    out->floats = float32 ? (const float *)words + 256 : NULL;
    return 0;
}

static int make_cuts(mlf_prepared_column *out, const mlf_column *column, int float32,
                     mlf_memory *memory)
{
    int32_t blocks = column->n / 16 + 1;       /* at least one padded cut: the last is not full */
    int32_t padded = (blocks + 15) / 16 * 16;
    size_t size = float32 ? sizeof(int32_t) : sizeof(int64_t);
    void *pivots = array(memory, (size_t)padded + (size_t)blocks * 16, size);
    if (pivots == NULL)
        return -1;
    void *cuts = (char *)pivots + (size_t)padded * size;
    for (int32_t i = 0; i < blocks * 16; i++)
        store(cuts, i, i < column->n ? column->cuts[i] : INT64_MAX, float32);
    for (int32_t i = 0; i < padded; i++)
        store(pivots, i, 16 * i + 15 < column->n ? column->cuts[16 * i + 15] : INT64_MAX, float32);
    out->n_pivots = blocks;
    out->cuts = cuts;
    out->pivots = pivots;
    if (make_numbers(out, column, float32, memory))
        return -1;
    if (column->n > 255)
        return 0;
    if (column->n > MLF_MARKED_CUTS
        && mlf_buckets_make(&out->buckets, out->numbers, float32, column->n, memory))
        return -1;
    return make_tree(out, column, float32, memory);
}

static int make_codes(mlf_prepared_column *out, const mlf_column *column, mlf_memory *memory)
{
    int32_t n = column->n;
    int32_t *categories = array(memory, (size_t)n, sizeof(int32_t));
    if (categories == NULL)
        return -1;
    if (n > 0)
        memcpy(categories, column->categories, (size_t)n * sizeof(int32_t));
    out->categories = categories;
    if (n > 0 && categories[n - 1] >= MOST_CODES)
        return 0;
    out->n_codes = n > 0 ? categories[n - 1] + 1 : 0;
    int32_t *codes = array(memory, (size_t)out->n_codes, sizeof(int32_t));
    if (codes == NULL)
        return -1;
    for (int32_t c = 0; c < out->n_codes; c++)
        codes[c] = n;
    for (int32_t i = 0; i < n; i++)
        codes[categories[i]] = i;
    out->codes = codes;
    return 0;
}

/* prepare->pivots and ->many. */
static int list_pivots(mlf_prepare *p, mlf_memory *memory)
{
    size_t n = (size_t)p->n_numeric;
    const void **pivots = array(memory, n, sizeof *pivots);
    uint8_t *many = array(memory, n, 1);
    if (pivots == NULL || many == NULL)
        return -1;
    for (size_t c = 0; c < n; c++) {
        pivots[c] = p->columns[c].pivots;
        many[c] = p->columns[c].n_pivots > 8;
    }
    p->pivots = pivots;
    p->many = many;
    return 0;
}

static int is_plain(const mlf_prepare *p)
{
    return p->identity && !p->ranks && !p->any_zero && p->n_columns >= MLF_WORDS;
}

mlf_prepare *mlf_prepare_make(const mlf_forest *forest, int ranks, mlf_memory *memory)
{
    const mlf_ensemble *e = forest->ensemble;
    size_t n = (size_t)forest->n_columns;
    mlf_prepare *p = array(memory, 1, sizeof *p);
    mlf_prepared_column *columns = array(memory, n, sizeof *columns);
    int32_t *feature = array(memory, n + 8, sizeof *feature);
    uint8_t *zero_missing = array(memory, n + 8, 1);
    if (p == NULL || columns == NULL || feature == NULL || zero_missing == NULL)
        return NULL;
    memset(feature + n, 0, 8 * sizeof *feature);   /* kernels read some more; values are ignored */
    *p = (mlf_prepare){
        .n_features = e->n_features, .n_columns = forest->n_columns,
        .n_numeric = forest->n_numeric, .float32 = e->input_float32, .ranks = ranks,
        .identity = forest->n_numeric == forest->n_columns,
        .category_rule = e->category_rule, .zero_missing = zero_missing,
        .feature = feature, .columns = columns };
    for (size_t c = 0; c < n; c++) {
        const mlf_column *column = &forest->columns[c];
        feature[c] = column->feature;
        zero_missing[c] = e->zero_as_missing[column->feature];
        if (zero_missing[c])
            p->any_zero = 1;
        p->identity &= (size_t)column->feature == c;
        columns[c] = (mlf_prepared_column){ .feature = column->feature, .n = column->n };
        if (column->member ? make_codes(&columns[c], column, memory)
                           : ranks && make_cuts(&columns[c], column, e->input_float32, memory))
            return NULL;
    }
    p->plain = is_plain(p);
    if (ranks && list_pivots(p, memory))
        return NULL;
    return p;
}

mlf_prepare *mlf_prepare_features(const mlf_ensemble *e, mlf_memory *memory)
{
    size_t n = (size_t)e->n_features;
    mlf_prepare *p = array(memory, 1, sizeof *p);
    int32_t *feature = array(memory, n + 8, sizeof *feature);
    uint8_t *zero_missing = array(memory, n + 8, 1);
    if (p == NULL || feature == NULL || zero_missing == NULL)
        return NULL;
    *p = (mlf_prepare){
        .n_features = e->n_features, .n_columns = e->n_features, .n_numeric = e->n_features,
        .float32 = 1, .identity = 1, .zero_missing = zero_missing, .feature = feature };
    for (size_t f = 0; f < n + 8; f++) {
        feature[f] = f < n ? (int32_t)f : 0;
        zero_missing[f] = f < n && e->zero_as_missing[f];
        p->any_zero |= zero_missing[f];
    }
    p->plain = is_plain(p);
    return p;
}
