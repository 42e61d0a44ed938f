/* Chooses a layout for single rows and one for blocks, and lowers the ensemble to both. */
#include "trees.h"

#include <stdio.h>

#include "trees_layout.h"

typedef const char *lower_fn(const mlf_lowering *in, mlf_head *head);

typedef struct layout_entry {
    const char *name;
    lower_fn *lower;
} layout_entry;

static const layout_entry layouts[] = {
    { "heap", mlf_heap_lower },
    { "walk", mlf_walk_lower },
    { "lanes", mlf_lanes_lower },
};

#define N_LAYOUTS (sizeof layouts / sizeof *layouts)

const char *const *mlf_trees_layouts(mlf_isa isa)
{
    static const char *const all[] = { "heap", "walk", "lanes", NULL };
    static const char *const portable[] = { "heap", "walk", NULL };
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
static const char *const for_one[] = { "lanes", "heap", "walk", NULL };
static const char *const for_block[] = { "heap", "walk", NULL };

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

/* Blocks through the layout that was chosen for them. */
static void block_elsewhere(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_head *block = ((const mlf_layout_data *)data)->block;
    block->block(block->data, x, stride, n, raw, scratch);
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
        return chosen == NULL ? "unknown layout of trees" : chosen(in, head);
    }
    const char *name = NULL;
    mlf_head one = *head, *block = in->memory->alloc(in->memory, sizeof *block);
    if (block == NULL)
        return MLF_NO_MEMORY;
    append(out, "", "single rows: ");
    const char *failed = lower_first(in, for_one, &one, &name, out);
    *block = one;
    append(out, "", "; blocks: ");
    if (failed == NULL)
        failed = lower_first(in, for_block, block, &name, out);
    if (failed != NULL)
        return failed;
    ((mlf_layout_data *)(uintptr_t)one.data)->block = block;
    *head = one;
    head->scratch_block = block->scratch_block;
    head->block = block_elsewhere;
    return NULL;
}

const char *mlf_trees_lower(const mlf_ensemble *ensemble, mlf_isa isa, const char *layout,
                            mlf_memory *memory, mlf_head *head,
                            char *plan_text, size_t text_size)
{
    mlf_forest forest, bytes;
    if (mlf_forest_make(&forest, ensemble, INT32_MAX))
        return MLF_NO_MEMORY;
    if (mlf_forest_make(&bytes, ensemble, 255)) {
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
