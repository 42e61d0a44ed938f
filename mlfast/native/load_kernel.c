/* A block of a table's rows (load.h). Neighbouring columns of a row-major array are read a tile at
 * a time and transposed in registers: each line of memory is read once. */
#include "load.h"

#include <string.h>

#include "transpose.h"

/* Of all columns at a time: a row-major table's lines stay in L1. */
enum { ROWS = 64 };

#define INLINE static inline __attribute__((always_inline))

/* n values of a column, from row `first`, as double. */
INLINE void load_values(const char *data, ptrdiff_t stride, int32_t type, int32_t n, double *out)
{
    switch ((mlf_type)type) {
#define CASE_(name, type)                                                                          \
    case name:                                                                                     \
        for (int32_t r = 0; r < n; r++) {                                                          \
            type value;                                                                            \
            memcpy(&value, data + r * stride, sizeof value);                                       \
            out[r] = (double)value;                                                                \
        }                                                                                          \
        return;
    CASE_(MLF_F64, double) CASE_(MLF_F32, float)
    CASE_(MLF_I64, int64_t) CASE_(MLF_I32, int32_t) CASE_(MLF_I16, int16_t) CASE_(MLF_I8, int8_t)
    CASE_(MLF_U64, uint64_t) CASE_(MLF_U32, uint32_t)
    CASE_(MLF_U16, uint16_t) CASE_(MLF_U8, uint8_t)
#undef CASE_
    }
}

static void load_column(const mlf_column *c, int64_t first, int32_t n, double *out)
{
    const char *data = c->data + first * c->stride;
    if (c->type == MLF_F64 && c->stride == sizeof(double))
        memcpy(out, data, (size_t)n * sizeof *out);
    else if (c->type == MLF_F32 && c->stride == sizeof(float))
        load_values(data, sizeof(float), MLF_F32, n, out);     /* with a stride that is known */
    else
        load_values(data, c->stride, c->type, n, out);
}

#if defined(__AVX512F__)
#define TILE 8
INLINE void load_tile(const char *const *rows, int32_t width, int float32, double *const *out)
{
    __m512i m[TILE];
    __mmask8 some = (__mmask8)((1 << width) - 1);
    for (int i = 0; i < TILE; i++)
        m[i] = float32
            ? _mm512_castpd_si512(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(some, rows[i])))
            : _mm512_maskz_loadu_epi64(some, rows[i]);
    mlf_transpose_words(m);
    MLF_UNROLL for (int k = 0; k < TILE; k++)
        if (k < width)
            _mm512_store_si512(out[k], m[k]);
}
#elif defined(__AVX2__)
#define TILE 4
INLINE void load_tile(const char *const *rows, int32_t width, int float32, double *const *out)
{
    __m256d m[TILE];
    (void)width;
    for (int i = 0; i < TILE; i++)
        m[i] = float32 ? _mm256_cvtps_pd(_mm_loadu_ps((const float *)(const void *)rows[i]))
                       : _mm256_loadu_pd((const double *)(const void *)rows[i]);
    mlf_transpose_doubles(m);
    for (int k = 0; k < TILE; k++)
        _mm256_store_pd(out[k], m[k]);
}
#else
#define TILE 1
#endif

/* Columns from `c` on, at most TILE, that stand beside each other in the rows of one array. */
static int32_t neighbours(const mlf_column *c, int32_t left)
{
    int32_t n = 1;
    ptrdiff_t size = c->type == MLF_F64 ? sizeof(double) : sizeof(float);
    if (c->type != MLF_F64 && c->type != MLF_F32)
        return 1;
    while (n < left && n < TILE && c[n].data == c->data + n * size && c[n].stride == c->stride
           && c[n].type == c->type)
        n++;
    return n;
}

#if TILE > 1
/* Past the last row: the last row again. The lines of the rows ROWS further on are fetched. */
static void load_tiles(const mlf_column *c, int32_t width, int64_t first, int32_t n,
                       double *const *out)
{
    const char *data = c->data + first * c->stride;
    for (int32_t r = 0; r < n; r += TILE) {
        const char *rows[TILE];
        double *at[TILE];
        for (int i = 0; i < TILE; i++) {
            rows[i] = data + (r + i < n ? r + i : n - 1) * c->stride;
            at[i] = i < width ? out[i] + r : NULL;
            __builtin_prefetch(rows[i] + ROWS * c->stride);
        }
        if (c->type == MLF_F32)
            load_tile(rows, width, 1, at);
        else
            load_tile(rows, width, 0, at);
    }
}
#endif

void MLF_FN(mlf_load)(const mlf_encoder *e, const mlf_column *columns, int64_t first, int32_t n,
                      double *x, ptrdiff_t stride)
{
    for (int32_t r = 0; r < n; r += ROWS) {
        int32_t rows = n - r < ROWS ? n - r : ROWS;
        for (int32_t i = 0, width = 1; i < e->n_inputs; i += width) {
            double *out[TILE];
            width = neighbours(&columns[i], e->n_inputs - i);
            for (int32_t k = 0; k < width; k++)
                out[k] = x + e->input_slots[i + k] * stride + r;
#if TILE > 1
            if (width == TILE || (TILE == 8 && width > 1)) {
                load_tiles(&columns[i], width, first + r, rows, out);
                continue;
            }
#endif
            for (int32_t k = 0; k < width; k++)
                load_column(&columns[i + k], first + r, rows, out[k]);
        }
    }
}
