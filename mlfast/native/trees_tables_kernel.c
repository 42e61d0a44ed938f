/* Rows of tables met (trees_tables.h).
 *
 *   possible_line = AND over columns c of rows[places_c[code_c][line]]
 *   leaf_t        = first_t + leading zeros of tree t's word
 */
#include "trees_tables.h"

#include "trees_ranks.h"

#if defined(__AVX512F__)
#define VECTOR 64
#define LINES 4                /* of which the intersections stand in registers        */
#elif defined(__AVX2__)
#define VECTOR 32
#define LINES 4
#else
#define VECTOR 16
#define LINES 3
#endif
#define PARTS (MLF_LINE / VECTOR)
#define MOST_TREES (LINES * 16)

typedef uint64_t vector __attribute__((vector_size(VECTOR)));

#define INLINE static inline __attribute__((always_inline))

/* The words of lines `line` .. `line + lines - 1`; at[c]: the places of column c's code. */
INLINE void meet(const mlf_tables *tables, const uint16_t *const *at, int32_t line, int lines,
                 void *words)
{
    const char *rows[LINES];
    vector met[LINES][PARTS];
    for (int l = 0; l < lines; l++) {
        rows[l] = tables->rows + tables->starts[line + l];
        for (int i = 0; i < PARTS; i++)
            met[l][i] = ~(vector){ 0 };
    }
    for (int32_t c = 0; c < tables->prepare->n_columns; c++) {
        const uint16_t *places = at[c] + line;
        MLF_UNROLL for (int l = 0; l < lines; l++) {
            const char *row = rows[l] + (size_t)places[l] * MLF_PLACE_UNIT;
            MLF_UNROLL for (int i = 0; i < PARTS; i++)
                met[l][i] &= ((const vector *)(const void *)row)[i];
        }
    }
    memcpy(words, met, (size_t)lines * MLF_LINE);
}

INLINE void walk(const mlf_tables *tables, const uint16_t *const *at, double *raw, int wide)
{
    _Alignas(64) uint64_t words[LINES * MLF_LINE / 8];
    int32_t leaf[MOST_TREES];
    int32_t per_line = wide ? 8 : 16;
    mlf_running running = mlf_sum_begin(&tables->sum, raw);
    for (int32_t line = 0; line < tables->n_lines; line += LINES) {
        switch (tables->n_lines - line) {
        case 1: meet(tables, at, line, 1, words); break;
        case 2: meet(tables, at, line, 2, words); break;
#if LINES > 3
        case 3: meet(tables, at, line, 3, words); break;
#endif
        default: meet(tables, at, line, LINES, words);
        }
        int32_t from = line * per_line, to = from + LINES * per_line;
        to = to < tables->n_trees ? to : tables->n_trees;
        for (int32_t j = 0; j < to - from; j++)
            leaf[j] = tables->leaves[from + j]
                    + (wide ? __builtin_clzll(words[j])
                            : __builtin_clz(((const uint32_t *)words)[j]));
        mlf_sum_trees(&tables->sum, &running, leaf, from, to, raw);
    }
    mlf_sum_end(&tables->sum, &running, raw);
}

INLINE void row(const mlf_tables *tables, const double *x, ptrdiff_t stride, double *raw,
                void *scratch)
{
    const mlf_prepare *p = tables->prepare;
    size_t n_columns = (size_t)p->n_columns;
    int32_t *codes = scratch;
    const uint16_t **at = (const uint16_t **)(void *)
        ((char *)scratch + mlf_aligned((n_columns + 8) * sizeof(int32_t)));
    MLF_FN(mlf_prepare_codes)(p, x, stride, codes);
    for (size_t c = 0; c < n_columns; c++)
        at[c] = tables->places + tables->first[c] + (size_t)codes[c] * (size_t)tables->n_lines;
    if (tables->wide)
        walk(tables, at, raw, 1);
    else
        walk(tables, at, raw, 0);
}

void MLF_FN(mlf_tables_one)(const void *data, const double *x, double *raw, void *scratch)
{
    row(data, x, 1, raw, scratch);
}

void MLF_FN(mlf_tables_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                              double *raw, void *scratch)
{
    const mlf_tables *tables = data;
    size_t n_columns = (size_t)tables->prepare->n_columns;
    double *sums = (double *)(void *)((char *)scratch
                 + mlf_aligned((n_columns + 8) * sizeof(int32_t))
                 + mlf_aligned((n_columns + 1) * sizeof(void *)));
    for (int32_t r = 0; r < n; r++) {
        row(tables, x + r, stride, sums, scratch);
        for (int32_t k = 0; k < tables->sum.n_outputs; k++)
            raw[k * stride + r] = sums[k];
    }
}
