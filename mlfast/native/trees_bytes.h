/* A row as bytes in registers, and looking them up for 64 trees at once (AVX-512 VBMI).
 *
 * Entry c is column c with missing values left (or its only copy), entry c + copy column c with
 * missing values right: one, two or four registers of ranks and codes.
 */
#ifndef MLF_TREES_BYTES_H
#define MLF_TREES_BYTES_H

#include "trees_layout.h"

#define MLF_LANES 64
#define MLF_BYTES_COLUMNS 128

typedef struct mlf_bytes {
    mlf_prepare prepare;       /* of the columns that are bytes                          */
    int32_t copy;              /* 32, 64 or 128; 0: all missing values go left; -1: right */
    int32_t n_registers;       /* 1, 2 or 4                                              */
} mlf_bytes;

/* For a forest with columns of at most 255 cuts, `prepare` made of it; without `members` the
 * numeric columns alone. NULL or why not. */
const char *mlf_bytes_make(mlf_bytes *bytes, const mlf_forest *forest, int members,
                           const mlf_prepare *prepare);

/* The entry that an inner node reads. */
static inline int32_t mlf_bytes_entry(const mlf_bytes *bytes, const mlf_forest *forest,
                                      int64_t node)
{
    int32_t column = forest->column[node];
    int left = forest->ensemble->default_left[node] || forest->columns[column].member;
    return left || bytes->copy < 0 ? column : column + bytes->copy;
}

#if defined(__AVX512VBMI__)
#include "trees_ranks.h"

typedef struct mlf_bytes_row {
    __m512i at[4];
    int registers;
} mlf_bytes_row;

static inline __attribute__((always_inline)) __m512i
mlf_bytes_look_up(const mlf_bytes_row *row, __m512i entries)
{
    if (row->registers == 1)
        return _mm512_permutexvar_epi8(entries, row->at[0]);
    __m512i low = _mm512_permutex2var_epi8(row->at[0], entries, row->at[1]);
    if (row->registers == 2)
        return low;
    __m512i high = _mm512_permutex2var_epi8(row->at[2], entries, row->at[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(entries), high);
}

/* Fills row->at; row->registers is bytes->n_registers, a constant. left: as mlf_row_registers. */
static inline __attribute__((always_inline)) void
mlf_bytes_load(const mlf_bytes *bytes, const double *x, ptrdiff_t stride, mlf_bytes_row *row,
               __m512i *left)
{
    __m512i right[2];
    int two = row->registers == 4 || (row->registers == 2 && bytes->copy <= 0);
    if (bytes->prepare.float32)
        mlf_row_registers(&bytes->prepare, x, stride, 1, two ? 2 : 1, left, right);
    else
        mlf_row_registers(&bytes->prepare, x, stride, 0, two ? 2 : 1, left, right);
    const __m512i *only = bytes->copy < 0 ? right : left;
    if (bytes->copy <= 0) {
        row->at[0] = only[0];
        row->at[1] = only[1];
    } else if (row->registers == 1) {
        row->at[0] = _mm512_shuffle_i64x2(left[0], right[0], 0x44);
    } else if (row->registers == 2) {
        row->at[0] = left[0];
        row->at[1] = right[0];
    } else {
        row->at[0] = left[0];
        row->at[1] = left[1];
        row->at[2] = right[0];
        row->at[3] = right[1];
    }
}
#endif

#endif
