/* Chooses a layout for single rows and one for blocks, and lowers the ensemble to both. */
#include "trees.h"

#include <stdio.h>

#include "trees_layout.h"
#include "trees_walk.h"

typedef const char *lower_fn(const mlf_lowering *in, mlf_head *head);

typedef struct layout_entry {
    const char *name;
    lower_fn *lower;
} layout_entry;

static const layout_entry layouts[] = {
    { "heap", mlf_heap_lower },
    { "walk", mlf_walk_lower },
    { "lanes", mlf_lanes_lower },
    { "bitslice", mlf_bitslice_lower },
    { "gather", mlf_gather_lower },
    { "tables", mlf_tables_lower },
    { "masks", mlf_masks_lower },
};

#define N_LAYOUTS (sizeof layouts / sizeof *layouts)

const char *const *mlf_trees_layouts(mlf_isa isa)
{
    static const char *const all[] = { "heap", "walk", "bitslice", "tables", "masks",
                                       "lanes", "gather", NULL };
    static const char *const portable[] = { "heap", "walk", "bitslice", "tables", NULL };
    return isa == MLF_ISA_COUNT - 1 && MLF_X86 ? all : portable;
}

static lower_fn *find_layout(const char *name)
{
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (strcmp(layouts[i].name, name) == 0)
            return layouts[i].lower;
    return NULL;
}

/* The layouts by preference, as measured; the first that fits is taken, and `walk` fits all. */
static const char *const for_one[] = { "masks", "lanes", "gather", "heap", "tables",
                                       "walk", NULL };
static const char *const for_one_few[] = { "heap", "tables", "masks", "lanes", "gather",
                                           "walk", NULL };
static const char *const for_one_deep[] = { "gather", "lanes", "heap", "walk", NULL };
static const char *const for_block[] = { "bitslice", "gather", "heap", "walk", NULL };

/* Trees of so many leaves are mostly below the levels that `lanes` slices. */
#define DEEP_LEAVES 300

/* So few trees leave more than half of a register's 64 lanes empty. */
#define FEW_TREES 28

typedef struct text {
    char *at;
    size_t left;
} text;

static void append(text *out, const char *separator, const char *words)
{
    int n = snprintf(out->at, out->left, "%s%s", separator, words);
    size_t used = n < 0 ? 0 : (size_t)n < out->left ? (size_t)n : out->left ? out->left - 1 : 0;
    out->at += used;
    out->left -= used;
}

/* Lowers to the first layout of `names` that fits and sets *name; says in `out` which, and why
 * not the others. If the layout is *name already, `head` is complete as it is. */
static const char *lower_first(const mlf_lowering *in, const char *const *names, mlf_head *head,
                               const char **name, text *out)
{
    const char *refused[8], *failed = NULL;
    size_t n = 0;
    for (; *names != NULL; names++) {
        failed = *name != NULL && strcmp(*name, *names) == 0 ? NULL
                                                             : find_layout(*names)(in, head);
        if (failed == NULL)
            break;
        refused[n++] = failed;
    }
    if (failed != NULL)
        return failed;
    append(out, "", *names);
    for (size_t i = 0; i < n; i++)
        append(out, i == 0 ? " (not " : "; not ", refused[i]);
    append(out, "", n > 0 ? ")" : "");
    *name = *names;
    return NULL;
}

/* Smaller blocks than this go row by row. What bit slicing, and gathers for many rows at once, do
 * for a block however small costs about as much as so many single rows, as measured. */
static int32_t few_rows(const mlf_lowering *in, const char *name)
{
    if (strcmp(name, "gather") == 0)
        return 128;
    return strcmp(name, "bitslice") != 0 ? 0 : in->forest->n_trees < 64 ? 16 : 48;
}

/* Rows that walk a tree together: a few that are left over cost as much as so many. */
static int32_t rows_together(const char *name)
{
    return strcmp(name, "walk") == 0 ? MLF_WALK_CHAINS : strcmp(name, "gather") == 0 ? 128 : 1;
}

/* Of n rows, those that a block is for; the others go row by row. */
static int32_t block_of(const mlf_layout_data *layout, int32_t n)
{
    const int32_t rest = n % layout->together;
    return n <= layout->few ? 0 : rest <= layout->together / 2 ? n - rest : n;
}

/* Blocks through the layout that was chosen for them, small ones row by row. */
static void block_elsewhere(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_layout_data *layout = data;
    const mlf_head *one = layout->one, *block = layout->block;
    const int32_t together = block_of(layout, n);
    if (together > 0)
        block->block(block->data, x, stride, together, raw, scratch);
    double *row = (double *)(void *)((char *)scratch + mlf_aligned(one->scratch_one));
    double *out = row + one->n_features;
    for (int32_t r = together; r < n; r++) {
        for (int32_t f = 0; f < one->n_features; f++)
            row[f] = x[f * stride + r];
        one->one(one->data, row, out, scratch);
        for (int32_t k = 0; k < one->n_outputs; k++)
            raw[k * stride + r] = out[k];
    }
}

/* Small blocks of an array whose rows are numbers as a single row has them need no copy. */
static void array_elsewhere(const void *data, const mlf_array *x, int32_t n, double *raw,
                            ptrdiff_t stride, void *scratch)
{
    const mlf_layout_data *layout = data;
    const mlf_head *one = layout->one, *block = layout->block;
    if (n > layout->few) {
        block->array(block->data, x, n, raw, stride, scratch);
        return;
    }
    double *row = (double *)(void *)((char *)scratch + mlf_aligned(one->scratch_one));
    double *out = row + one->n_features;
    for (int32_t r = 0; r < n; r++) {
        const char *from = x->rows + r * x->stride;
        const double *numbers = row;
        if (x->float32)
            for (int32_t f = 0; f < one->n_features; f++)
                row[f] = (double)((const float *)(const void *)from)[f];
        else if ((uintptr_t)from % sizeof(double) == 0)
            numbers = (const double *)(const void *)from;
        else
            memcpy(row, from, (size_t)one->n_features * sizeof *row);
        one->one(one->data, numbers, out, scratch);
        for (int32_t k = 0; k < one->n_outputs; k++)
            raw[k * stride + r] = out[k];
    }
}

static const char *lower(const mlf_lowering *in, const char *layout, mlf_head *head, text *out)
{
    const mlf_ensemble *e = in->forest->ensemble;
    *head = (mlf_head){ .n_features = e->n_features, .n_outputs = e->n_outputs };
    char facts[96];
    snprintf(facts, sizeof facts, "%d trees, depth %d, %d columns; ", e->n_trees,
             in->forest->max_height, in->forest->n_columns);
    append(out, "", facts);
    if (layout != NULL) {
        lower_fn *chosen = find_layout(layout);
        append(out, layout, " for all rows, as asked");
        return chosen == NULL ? "there is none of this name (docs/trees.md lists them)"
                              : chosen(in, head);
    }
    const char *name = NULL;
    mlf_head *one = in->memory->alloc(in->memory, 2 * sizeof *one), *block = one + 1;
    if (one == NULL)
        return MLF_NO_MEMORY;
    *one = *head;
    append(out, "", "single rows: ");
    const char *const *order = e->n_leaves / (e->n_trees + 1) >= DEEP_LEAVES ? for_one_deep
                             : e->n_trees <= FEW_TREES ? for_one_few : for_one;
    const char *failed = lower_first(in, order, one, &name, out);
    append(out, "", "; blocks: ");
    *block = *one;
    if (failed == NULL)
        failed = lower_first(in, for_block, block, &name, out);
    if (failed != NULL)
        return failed;
    *head = *one;
    if (block->data == one->data && few_rows(in, name) == 0 && rows_together(name) == 1)
        return NULL;
    mlf_layout_data *data = (mlf_layout_data *)(uintptr_t)one->data;
    *data = (mlf_layout_data){ .one = one, .block = block,
                               .few = few_rows(in, name),
                               .together = rows_together(name) };
    size_t row = ((size_t)head->n_features + (size_t)head->n_outputs) * sizeof(double);
    size_t few = mlf_aligned(one->scratch_one) + row;
    head->scratch_block = few > block->scratch_block ? few : block->scratch_block;
    head->block = block_elsewhere;
    head->array = block->array != NULL ? array_elsewhere : NULL;
    return NULL;
}

const char *mlf_trees_lower(const mlf_ensemble *ensemble, mlf_isa isa, const char *layout,
                            mlf_memory *memory, mlf_head *head,
                            char *plan_text, size_t text_size)
{
    mlf_forest forest, bytes;
    if (mlf_forest_make(&forest, ensemble))
        return MLF_NO_MEMORY;
    if (mlf_forest_split(&bytes, &forest, 255)) {
        mlf_forest_free(&forest);
        return MLF_NO_MEMORY;
    }
    mlf_lowering in = { .isa = isa, .memory = memory, .forest = &forest, .bytes = &bytes };
    text out = { .at = plan_text, .left = text_size };
    const char *failed = lower(&in, layout, head, &out);
    mlf_forest_free(&forest);
    mlf_forest_free(&bytes);
    return failed;
}
