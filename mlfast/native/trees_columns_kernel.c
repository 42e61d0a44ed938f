/* Columns of a block to masks of their ranks (trees_columns.h), 64 rows at a time. */
#include "trees_columns.h"
#include "trees_search.h"
#include "trees_tiles.h"

#define INLINE static inline __attribute__((always_inline))

/* LightGBM's zeros that are missing. */
static void forget_zeros(int float32, mlf_values *x)
{
    for (int r = 0; r < 64 && float32; r++)
        x->f[r] = fabs((double)x->f[r]) <= MLF_ZERO_LIMIT ? NAN : x->f[r];
    for (int r = 0; r < 64 && !float32; r++)
        x->d[r] = fabs(x->d[r]) <= MLF_ZERO_LIMIT ? (double)NAN : x->d[r];
}

/* Functions of their own, whose pointers stay in registers. */
static __attribute__((noinline)) void rank_floats(const mlf_prepared_column *column,
                                                  const mlf_values *x, int32_t word,
                                                  mlf_mask *planes)
{
    mlf_rank_values(column, 1, x, word, planes);
}

static __attribute__((noinline)) void rank_doubles(const mlf_prepared_column *column,
                                                   const mlf_values *x, int32_t word,
                                                   mlf_mask *planes)
{
    mlf_rank_values(column, 0, x, word, planes);
}

INLINE void rank_values(const mlf_prepared_column *column, int float32, const mlf_values *x,
                        int32_t word, mlf_mask *planes)
{
    if (float32)
        rank_floats(column, x, word, planes);
    else
        rank_doubles(column, x, word, planes);
}

void MLF_FN(mlf_rank_column)(const mlf_prepare *p, int32_t c, const double *x, int32_t n,
                             mlf_mask *planes)
{
    const mlf_prepared_column *column = &p->columns[c];
    const int float32 = p->float32, zero = p->zero_missing[c];
    for (int32_t word = 0; word < (n + 63) / 64; word++, x += 64) {
        mlf_values values = { { 0 } };
        if (float32) {
            for (int r = 0; r < 64; r++)
                values.f[r] = (float)x[r];
            if (zero)
                forget_zeros(1, &values);
            rank_values(column, 1, &values, word, planes);
        } else {
            memcpy(&values, x, sizeof values);
            if (zero)
                forget_zeros(0, &values);
            rank_values(column, 0, &values, word, planes);
        }
    }
}

/* Row r of 64; past the last one the last one again. */
INLINE void point_at_rows(const mlf_array *array, int32_t first, int32_t n, const char **rows)
{
    const char *row = array->rows + first * array->stride;
    const int32_t some = n - first < 64 ? n - first : 64;
    for (int32_t r = 0; r < some; r++)
        rows[r] = row + r * array->stride;
    for (int32_t r = some; r < 64; r++)
        rows[r] = rows[some - 1];
}

INLINE void rank_tiles(const mlf_prepare *p, const mlf_array *array, int float32, int32_t n,
                       mlf_mask *planes, mlf_ahead *ahead)
{
    const int32_t share = mlf_fetch_share(ahead, (n + 63) / 64 * p->n_numeric);
    const int32_t size = array->float32 ? sizeof(float) : sizeof(double);
    for (int32_t word = 0; word < (n + 63) / 64; word++) {
        const char *rows[64];
        point_at_rows(array, 64 * word, n, rows);
        for (int32_t c = 0; c < p->n_numeric;) {
            mlf_values values[MLF_TILE];
            const int32_t last = p->n_features - MLF_TILE;
            const int32_t first = p->feature[c] < last ? p->feature[c] : last < 0 ? 0 : last;
            const int32_t width = last < 0 ? p->n_features : MLF_TILE;
            mlf_load_tile(rows, (ptrdiff_t)first * size, array->float32, width,
                          p->feature[c] - first, float32, values);
            for (; c < p->n_numeric && p->feature[c] < first + width; c++) {
                mlf_values *x = &values[p->feature[c] - first];
                if (p->zero_missing[c])
                    forget_zeros(float32, x);
                rank_values(&p->columns[c], float32, x, word, planes + c * MLF_RANK_PLANES);
                mlf_fetch(ahead, share);
            }
        }
    }
}

void MLF_FN(mlf_rank_array)(const mlf_prepare *p, const mlf_array *array, int32_t n,
                            mlf_mask *planes, mlf_ahead *ahead)
{
    if (p->float32)
        rank_tiles(p, array, 1, n, planes, ahead);
    else
        rank_tiles(p, array, 0, n, planes, ahead);
}
