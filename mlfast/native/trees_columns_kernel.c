/* Columns of a block to ranks, and those to masks (trees_columns.h). */
#include "trees_columns.h"
#include "trees_search.h"

/* Any column: pivots, then the cuts that they leave. */
static void rank_by_pivots(const mlf_prepare *p, int32_t c, const double *x, int32_t n,
                           uint8_t *ranks, uint16_t *missing)
{
    const mlf_prepared_column *column = &p->columns[c];
    int few = column->n < 16;
    uint32_t bits = 0;
    for (int32_t r = 0; r < n; r++) {
        int32_t absent, rank, block = 0;
        if (p->float32) {
            float f = (float)x[r];
            absent = mlf_is_missing(p, c, (double)f);
            int32_t key = absent ? INT32_MIN : mlf_key32(f);
            if (!few)
                block = mlf_count32(column->pivots, key);
            rank = 16 * block + mlf_count32((const int32_t *)column->cuts + 16 * block, key);
        } else {
            absent = mlf_is_missing(p, c, x[r]);
            int64_t key = absent ? INT64_MIN : mlf_key64(x[r]);
            if (!few)
                block = mlf_count64(column->pivots, key);
            rank = 16 * block + mlf_count64((const int64_t *)column->cuts + 16 * block, key);
        }
        ranks[r] = (uint8_t)rank;
        bits = mlf_note(missing, r, n, bits, (uint32_t)absent);
    }
}

void MLF_FN(mlf_rank_column)(const mlf_prepare *p, int32_t c, const double *x, int32_t n,
                             mlf_mask *planes)
{
    _Alignas(64) uint8_t ranks[MLF_BLOCK];
    const mlf_prepared_column *column = &p->columns[c];
    int zero = p->zero_missing[c];
    uint16_t *missing = (uint16_t *)(void *)&planes[MLF_PLANE_MISSING];
    memset(missing, 0, sizeof(mlf_mask));
    switch (2 * column->levels + p->float32) {
#define CASE(l)                                                                                \
    case 2 * l: mlf_rank_by_tree(column, x, n, 0, zero, l, ranks, missing); break;             \
    case 2 * l + 1: mlf_rank_by_tree(column, x, n, 1, zero, l, ranks, missing); break;
    CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
    default: rank_by_pivots(p, c, x, n, ranks, missing);
    }
    memset(ranks + n, 0, (size_t)(MLF_BLOCK - n));
    switch (mlf_rank_planes(column->n)) {
    case 4: mlf_planes_of(ranks, 4, planes); break;
    case 6: mlf_planes_of(ranks, 6, planes); break;
    default: mlf_planes_of(ranks, 8, planes);
    }
}
