/* Chooses a layout for single rows and one for blocks, and lowers the ensemble to both. */
#include "trees.h"

#include <stdio.h>

#include "trees_layout.h"

typedef struct entry {
    const char *name;
    const char *(*lower)(const mlf_lowering *in, mlf_head *head);
} entry;

static const entry layouts[] = {
    { "heap", mlf_heap_lower },
    { "walk", mlf_walk_lower },
};

#define N_LAYOUTS (sizeof layouts / sizeof *layouts)

const char *const *mlf_trees_layouts(mlf_isa isa)
{
    static const char *const names[] = { "heap", "walk", NULL };
    (void)isa;
    return names;
}

static const entry *find_layout(const char *name)
{
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (strcmp(layouts[i].name, name) == 0)
            return &layouts[i];
    return NULL;
}

static const char *lower(const mlf_lowering *in, const char *name, mlf_head *head,
                         char *plan_text, size_t text_size)
{
    const mlf_ensemble *e = in->forest->ensemble;
    head->n_features = e->n_features;
    head->n_outputs = e->n_outputs;
    const entry *chosen = NULL;
    const char *refused = NULL;
    if (name != NULL) {
        chosen = find_layout(name);
        if (chosen == NULL)
            return "unknown layout of trees";
        refused = chosen->lower(in, head);
    } else {
        for (size_t i = 0; i < N_LAYOUTS; i++) {
            chosen = &layouts[i];
            refused = chosen->lower(in, head);
            if (refused == NULL)
                break;
        }
    }
    if (refused == NULL)
        snprintf(plan_text, text_size, "%s for single rows and blocks (%d trees, depth %d)",
                 chosen->name, e->n_trees, in->forest->max_height);
    return refused;
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
    const char *refused = lower(&in, layout, head, plan_text, text_size);
    mlf_forest_free(&forest);
    mlf_forest_free(&bytes);
    return refused;
}
