/* Layout "gather": the compact nodes of layout "walk", sixteen chains a register (AVX-512).
 *
 *   i <- i + distance_i + (v[entry_i] > key_i)
 *
 * One row: a lane is a tree, and the prepared row stands in registers where it fits. Blocks: a lane
 * is a row of the same tree, and the next tree is fetched meanwhile. Many registers are in flight,
 * to hide the misses of their gathers.
 */
#include "trees_walk.h"

#if defined(__AVX512VBMI__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define REGISTERS 8

/* Where a chain's values come from: registers (up to 64 entries), or rows in memory. */
typedef struct values {
    int in_registers;
    __m512i row[4];
    const int32_t *rows;
} values;

INLINE __m512i value_of(const values *v, __m512i entry, __m512i offset)
{
    if (!v->in_registers)
        return _mm512_i32gather_epi32(_mm512_add_epi32(entry, offset), v->rows, 4);
    __m512i low = _mm512_permutex2var_epi32(v->row[0], entry, v->row[1]);
    __m512i high = _mm512_permutex2var_epi32(v->row[2], entry, v->row[3]);
    __mmask16 upper = _mm512_test_epi32_mask(entry, _mm512_set1_epi32(32));
    return _mm512_mask_mov_epi32(low, upper, high);
}

/* The bit of each code in its node's set, for the lanes at categorical splits. */
INLINE __mmask16 in_sets(const mlf_walk *walk, __m512i key, __m512i entry, __m512i code,
                         __mmask16 right)
{
    int32_t first = walk->prepare->n_numeric, count = walk->prepare->n_columns - first;
    __m512i member = _mm512_sub_epi32(entry, _mm512_set1_epi32(first));
    __mmask16 those = _mm512_cmplt_epu32_mask(member, _mm512_set1_epi32(count));
    if (those == 0)
        return right;
    __m512i word = _mm512_add_epi32(key, _mm512_srli_epi32(code, 5));
    __m512i bits = _mm512_mask_i32gather_epi32(word, those, word, walk->sets, 4);
    bits = _mm512_srlv_epi32(bits, _mm512_and_si512(code, _mm512_set1_epi32(31)));
    __mmask16 bit = _mm512_mask_test_epi32_mask(those, bits, _mm512_set1_epi32(1));
    return (__mmask16)((right & ~those) | bit);
}

INLINE __m512i next(const mlf_walk *walk, const values *v, __m512i i, __m512i offset)
{
    __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    __m512i a = _mm512_i32gather_epi64(_mm512_castsi512_si256(i), walk->nodes, 8);
    __m512i b = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(i, 1), walk->nodes, 8);
    __m512i key = _mm512_permutex2var_epi32(a, even, b);
    __m512i link = _mm512_permutex2var_epi32(a, odd, b);
    __m512i entry = _mm512_srli_epi32(link, MLF_WALK_ENTRY_SHIFT);
    __m512i value = value_of(v, entry, offset);
    __mmask16 right = _mm512_cmpgt_epu32_mask(value, key);
    if (walk->members)
        right = in_sets(walk, key, entry, value, right);
    __m512i distance = _mm512_and_si512(link, _mm512_set1_epi32(MLF_WALK_DISTANCE));
    i = _mm512_add_epi32(i, distance);
    return _mm512_mask_add_epi32(i, right, i, _mm512_set1_epi32(1));
}

/* Walks up to REGISTERS x 16 chains to their leaves. */
INLINE void descend(const mlf_walk *walk, const values *v, __m512i *i, const __m512i *offset,
                    int registers, int32_t height, mlf_tree_ahead *ahead)
{
    for (int32_t level = 0; level < height; level++) {
        mlf_fetch_some(ahead);
        __mmask16 moved = 0;
        MLF_UNROLL for (int j = 0; j < registers; j++) {
            __m512i to = next(walk, v, i[j], offset[j]);
            moved |= _mm512_cmpneq_epi32_mask(to, i[j]);
            i[j] = to;
        }
        if (moved == 0)
            break;
    }
}

/* The row of values of each leaf: the leaf node's key. */
INLINE void leaves_of(const mlf_walk *walk, __m512i i, int32_t *leaf)
{
    _mm512_storeu_si512(leaf, _mm512_i32gather_epi32(i, walk->nodes, 8));
}

INLINE void trees_of_row(const mlf_walk *walk, const values *v, int32_t t, int registers,
                         int32_t *leaf)
{
    __m512i i[REGISTERS], offset[REGISTERS];
    int32_t height = 0;
    for (int j = 0; j < registers; j++) {
        i[j] = _mm512_loadu_si512(walk->roots + t + 16 * j);
        offset[j] = _mm512_setzero_si512();
        int32_t highest = _mm512_reduce_max_epi32(_mm512_loadu_si512(walk->heights + t + 16 * j));
        height = highest > height ? highest : height;
    }
    mlf_tree_ahead nothing = { .share = 0 };
    descend(walk, v, i, offset, registers, height, &nothing);
    for (int j = 0; j < registers; j++)
        leaves_of(walk, i[j], leaf + t + 16 * j);
}

void mlf_gather_one_avx512(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_walk *walk = data;
    int32_t *row = scratch, *leaf = row + mlf_row_words(walk->prepare) + 64;
    mlf_prepare_words_avx512(walk->prepare, x, 1, row);
    values v = { .in_registers = 2 * walk->prepare->n_columns + 1 <= 64, .rows = row };
    for (int j = 0; j < 4 && v.in_registers; j++)
        v.row[j] = _mm512_load_si512(row + 16 * j);
    for (int32_t t = 0; t < walk->n_trees;) {
        int32_t left = (walk->n_trees - t + 15) / 16;
        int registers = left > 4 ? 8 : left > 2 ? 4 : left;   /* roots are padded with leaves */
        switch (registers) {
#define CASE(n) case n: trees_of_row(walk, &v, t, n, leaf); break;
        CASE(1) CASE(2) CASE(4) CASE(8)
#undef CASE
        }
        t += 16 * registers;
    }
    mlf_sum_leaves(&walk->sum, leaf, raw);
}

/* Rows are prepared once; then tree by tree, REGISTERS x 16 rows in flight. */
void mlf_gather_block_avx512(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                             double *raw, void *scratch)
{
    const mlf_walk *walk = data;
    size_t row_size = mlf_row_words(walk->prepare);
    int32_t *rows = scratch, *leaf = rows + MLF_BLOCK * row_size;
    for (int32_t r = 0; r < n; r++)
        mlf_prepare_words_avx512(walk->prepare, x + r, stride, rows + (size_t)r * row_size);
    values v = { .rows = rows };
    __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i size = _mm512_set1_epi32((int32_t)row_size), last = _mm512_set1_epi32(n - 1);
    mlf_sum_block_start(&walk->sum, raw, stride, n);
    for (int32_t t = 0, k = 0; t < walk->n_trees; t++) {
        while (!walk->sum.vectors && t == walk->sum.first[k + 1])
            k++;
        const int32_t groups = (n + 16 * REGISTERS - 1) / (16 * REGISTERS);
        mlf_tree_ahead ahead = mlf_fetch_next(walk, t, n, groups * walk->heights[t]);
        for (int32_t r = 0; r < n; r += 16 * REGISTERS) {
            __m512i i[REGISTERS], offset[REGISTERS];
            for (int j = 0; j < REGISTERS; j++) {   /* past the last row: the last row again */
                __m512i at = _mm512_add_epi32(lane, _mm512_set1_epi32(r + 16 * j));
                offset[j] = _mm512_mullo_epi32(_mm512_min_epi32(at, last), size);
                i[j] = _mm512_set1_epi32((int32_t)walk->roots[t]);
            }
            descend(walk, &v, i, offset, REGISTERS, walk->heights[t], &ahead);
            for (int j = 0; j < REGISTERS; j++)
                leaves_of(walk, i[j], leaf + r + 16 * j);
        }
        mlf_sum_block_add(&walk->sum, k, leaf, raw, stride, n);
    }
    mlf_sum_block_finish(&walk->sum, raw, stride, n);
}

#endif
