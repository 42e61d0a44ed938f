#include "trees_tables.h"

#include <stdlib.h>

/* More would not stay in a processor's second cache. */
#define MOST_BYTES ((size_t)4 << 20)

/* What an inner node leaves possible of its tree's leaves. */
typedef struct split {
    int32_t column, rank;
    int64_t node;
    int32_t tree;              /* in the line */
    uint64_t left, right;      /* if the row goes left, right */
} split;

typedef struct making {
    const mlf_forest *forest;
    mlf_tables *tables;
    int32_t from;              /* columns before are not tables */
    int32_t per_line, bits;    /* trees of a line; bits of a word */
    split *splits;             /* of a line */
    int32_t n_splits, n_leaves;
    int32_t *first, *leaves, *order;   /* order: the ensemble's leaf of every value */
    uint16_t *places;
    uint32_t *starts;
    char *rows;
    size_t n_rows, line_row;   /* so far; the line's first */
} making;

/* The bits of leaves `from` to before `to`. */
static uint64_t bits_of(const making *m, int32_t from, int32_t to)
{
    uint64_t all = m->bits == 64 ? UINT64_MAX : (UINT64_C(1) << m->bits) - 1;
    uint64_t behind = to >= m->bits ? 0 : all >> to;
    return (all >> from) & ~behind;
}

/* Numbers the leaves below `node` from `leaf` on and notes its splits; returns the next number. */
static int32_t walk(making *m, int64_t root, int64_t node, int32_t tree, int32_t leaf)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    if (e->feature[node] < 0) {
        m->order[m->n_leaves++] = forest->leaf[node];
        return leaf + 1;
    }
    int32_t middle = walk(m, root, root + e->left[node], tree, leaf);
    int32_t end = walk(m, root, root + e->right[node], tree, middle);
    if (forest->column[node] >= m->from)
        m->splits[m->n_splits++] = (split){
            .column = forest->column[node], .rank = forest->rank[node], .node = node,
            .tree = tree, .left = ~bits_of(m, middle, end), .right = ~bits_of(m, leaf, middle) };
    return end;
}

static int by_column_and_rank(const void *a, const void *b)
{
    const split *x = a, *y = b;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static void intersect(const making *m, char *row, const split *s, int right)
{
    uint64_t possible = right ? s->right : s->left;
    if (m->tables->wide)
        ((uint64_t *)(void *)row)[s->tree] &= possible;
    else
        ((uint32_t *)(void *)row)[s->tree] &= (uint32_t)possible;
}

/* The place of a row that stands behind the last one, which it joins if it is new. */
static uint16_t place_of(making *m)
{
    const char *line = m->rows + m->line_row * MLF_LINE, *row = m->rows + m->n_rows * MLF_LINE;
    size_t n = m->n_rows - m->line_row, i = n;
    while (i > 0 && memcmp(line + (i - 1) * MLF_LINE, row, MLF_LINE) != 0)
        i--;
    m->n_rows += i == 0;
    return (uint16_t)((i == 0 ? n : i - 1) * (MLF_LINE / MLF_PLACE_UNIT));
}

/* All codes of a column, whose splits in the line are s[0 .. n). */
static void place_column(making *m, int32_t c, const split *s, int32_t n, int32_t line)
{
    const mlf_forest *forest = m->forest;
    const mlf_column *column = &forest->columns[c];
    uint16_t *places = m->places + m->first[c - m->from] + line, place = 0;
    int32_t passed = -1;                       /* numeric: splits of lower rank; they are sorted */
    for (int32_t code = 0; code < column->n + 2; code++) {
        int missing = code == column->n + 1;
        int32_t before = passed < 0 ? 0 : passed;
        while (before < n && !column->member && !missing && s[before].rank <= code)
            before++;
        if (column->member || missing || before != passed) {
            char *row = m->rows + m->n_rows * MLF_LINE;
            memset(row, 0xff, MLF_LINE);
            for (int32_t i = 0; i < n; i++) {
                int64_t node = s[i].node;
                intersect(m, row, &s[i],
                          column->member ? mlf_in_set(forest, node, code)
                          : missing ? !forest->ensemble->default_left[node] : i < before);
            }
            place = place_of(m);
        }
        passed = before;
        places[(size_t)code * (size_t)m->tables->n_lines] = place;
    }
}

static const char *place_line(making *m, int32_t line)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    m->starts[line] = (uint32_t)(m->n_rows * MLF_LINE);
    m->line_row = m->n_rows;
    m->n_splits = 0;
    for (int32_t j = 0; j < m->per_line && line * m->per_line + j < forest->n_trees; j++) {
        int32_t t = line * m->per_line + j;
        int64_t root = e->tree_offsets[forest->trees[t]];
        m->leaves[t] = m->n_leaves;
        walk(m, root, root, j, 0);
    }
    qsort(m->splits, (size_t)m->n_splits, sizeof *m->splits, by_column_and_rank);
    for (int32_t c = m->from, from = 0, to; c < forest->n_columns; c++, from = to) {
        for (to = from; to < m->n_splits && m->splits[to].column == c; to++)
            ;
        place_column(m, c, m->splits + from, to - from, line);
    }
    return (m->n_rows - m->line_row) * (MLF_LINE / MLF_PLACE_UNIT) > UINT16_MAX + 1
        ? "tables: more rows than 16 bits can number" : NULL;
}

/* An upper limit; most rows repeat. */
static size_t most_rows(const making *m)
{
    const mlf_forest *forest = m->forest;
    size_t n = (size_t)forest->ensemble->n_nodes + 1, per_line = 1;
    for (int32_t c = m->from; c < forest->n_columns; c++)
        per_line += forest->columns[c].member ? (size_t)forest->columns[c].n + 2 : 2;
    return n + per_line * (size_t)m->tables->n_lines;
}

static const char *place_trees(making *m)
{
    const char *failed = NULL;
    for (int32_t line = 0; line < m->tables->n_lines && failed == NULL; line++)
        failed = place_line(m, line);
    return failed != NULL ? failed
         : m->n_rows * MLF_LINE > MOST_BYTES ? "tables: too large for the caches" : NULL;
}

static const char *make(making *m, mlf_memory *memory)
{
    const mlf_forest *forest = m->forest;
    mlf_tables *tables = m->tables;
    size_t n_lines = (size_t)tables->n_lines, n_places = 0, most = most_rows(m);
    size_t n_columns = (size_t)(forest->n_columns - m->from);
    m->first = memory->alloc(memory, (n_columns + 1) * sizeof *m->first);
    m->starts = memory->alloc(memory, (n_lines + 1) * sizeof *m->starts);
    m->leaves = memory->alloc(memory, ((size_t)forest->n_trees + 1) * sizeof *m->leaves);
    if (m->first == NULL || m->starts == NULL || m->leaves == NULL)
        return MLF_NO_MEMORY;
    for (size_t c = 0; c < n_columns; c++) {
        m->first[c] = (int32_t)n_places;
        n_places += ((size_t)forest->columns[(size_t)m->from + c].n + 2) * n_lines;
        if (n_places * sizeof *m->places > MOST_BYTES || most * MLF_LINE > 4 * MOST_BYTES)
            return "tables: too large for the caches";
    }
    m->places = memory->alloc(memory, (n_places + 1) * sizeof *m->places);
    m->order = malloc(((size_t)forest->ensemble->n_leaves + 1) * sizeof *m->order);
    m->splits = malloc((size_t)(m->per_line * MLF_TABLE_LEAVES) * sizeof *m->splits);
    m->rows = malloc((most + 1) * MLF_LINE);
    if (!m->places || !m->order || !m->splits || !m->rows)
        return MLF_NO_MEMORY;
    const char *failed = place_trees(m);
    if (failed != NULL)
        return failed;
    char *rows = memory->alloc(memory, (m->n_rows + 1) * MLF_LINE);
    tables->prepare = mlf_prepare_make(forest, 1, memory);
    if (rows == NULL || tables->prepare == NULL
        || mlf_sum_make(&tables->sum, forest, m->order, m->n_leaves, memory))
        return MLF_NO_MEMORY;
    memcpy(rows, m->rows, m->n_rows * MLF_LINE);
    tables->first = m->first;
    tables->places = m->places;
    tables->starts = m->starts;
    tables->rows = rows;
    tables->leaves = m->leaves;
    return NULL;
}

const char *mlf_tables_make(mlf_tables *tables, const mlf_forest *forest, int32_t from,
                            mlf_memory *memory)
{
    int32_t most = 1;
    for (int32_t t = 0; t < forest->n_trees; t++) {
        int32_t leaves = forest->weight[forest->ensemble->tree_offsets[t]];
        most = leaves > most ? leaves : most;
    }
    if (most > MLF_TABLE_LEAVES)
        return "tables: trees of more than 64 leaves";
    making m = { .forest = forest, .tables = tables, .from = from, .bits = most > 32 ? 64 : 32 };
    m.per_line = 8 * MLF_LINE / m.bits;
    *tables = (mlf_tables){ .n_trees = forest->n_trees, .wide = most > 32,
                            .n_lines = (forest->n_trees + m.per_line - 1) / m.per_line };
    const char *failed = make(&m, memory);
    free(m.order);
    free(m.splits);
    free(m.rows);
    return failed;
}

const char *mlf_tables_lower(const mlf_lowering *in, mlf_head *head)
{
    mlf_tables *tables = in->memory->alloc(in->memory, sizeof *tables);
    const char *failed = tables == NULL ? MLF_NO_MEMORY
                                        : mlf_tables_make(tables, in->forest, 0, in->memory);
    if (failed != NULL)
        return failed;
    size_t n_columns = (size_t)in->forest->n_columns;
    head->data = tables;
    head->scratch_one = mlf_aligned((n_columns + 8) * sizeof(int32_t))
                      + mlf_aligned((n_columns + 1) * sizeof(void *))
                      + mlf_aligned((size_t)tables->sum.n_outputs * sizeof(double));
    head->scratch_block = head->scratch_one;
    MLF_SET_HEAD(head, mlf_tables, in->isa);
    return NULL;
}
