/* Labels to leaf values: table[label] of each row is added to the row's sum.
 *
 * With AVX-512 a table of 64 numbers is as many registers as a number has bytes, byte b of all
 * numbers in register b: one permutation looks up byte b for 64 rows. Unpacking the bytes to
 * numbers leaves the rows in another order, in which the sums stay until the end (mlf_order_sums).
 */
#ifndef MLF_TREES_LABELS_H
#define MLF_TREES_LABELS_H

#include "trees_bitslice.h"

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512VBMI__)

/* Puts the sums of 64 rows a word in the rows' order: lane l of register j, of four 16-byte lanes,
 * has the rows that belong into lane j % 4 of the l-th register of j's four. */
INLINE void mlf_order_sums(void *sums, int float32, int32_t words)
{
    const int fours = float32 ? 1 : 2;             /* registers of 64 rows: 4 or 8 */
    __m512i *at = sums;
    for (int32_t i = 0; i < words; i++, at += 4 * fours) {
        __m512i m[8];
        for (int j = 0; j < 4 * fours; j++)
            m[j] = _mm512_load_si512(at + j);
        for (int four = 0; four < fours; four++) {
            __m512i *f = m + 4 * four;
            __m512i a = _mm512_shuffle_i64x2(f[0], f[1], 0x44);
            __m512i b = _mm512_shuffle_i64x2(f[0], f[1], 0xee);
            __m512i c = _mm512_shuffle_i64x2(f[2], f[3], 0x44);
            __m512i d = _mm512_shuffle_i64x2(f[2], f[3], 0xee);
            _mm512_store_si512(at + four, _mm512_shuffle_i64x2(a, c, 0x88));
            _mm512_store_si512(at + four + fours, _mm512_shuffle_i64x2(a, c, 0xdd));
            _mm512_store_si512(at + four + 2 * fours, _mm512_shuffle_i64x2(b, d, 0x88));
            _mm512_store_si512(at + four + 3 * fours, _mm512_shuffle_i64x2(b, d, 0xdd));
        }
    }
}

/* Byte `b` of the numbers of 64 labels; `tables` registers of 64 entries, chosen by the two
 * masks. */
INLINE __m512i mlf_byte_of(const __m512i *table, int tables, __m512i labels, __mmask64 odd,
                           __mmask64 upper)
{
    __m512i v = _mm512_permutexvar_epi8(labels, table[0]);
    if (tables > 1)
        v = _mm512_mask_permutexvar_epi8(v, odd & ~upper, labels, table[1]);
    if (tables > 2) {
        v = _mm512_mask_permutexvar_epi8(v, upper & ~odd, labels, table[2]);
        v = _mm512_mask_permutexvar_epi8(v, upper & odd, labels, table[3]);
    }
    return v;
}

INLINE void mlf_add_split(const __m512i *table, int tables, int float32, const __m512i *labels,
                          int32_t words, char *sums)
{
    for (int32_t i = 0; i < words; i++) {
        __mmask64 upper = tables > 2 ? _mm512_movepi8_mask(labels[i]) : 0;
        __mmask64 odd = tables > 1
            ? _mm512_movepi8_mask(_mm512_add_epi8(labels[i], labels[i])) : 0;
        __m512i v[8], t[8];
        int bytes = float32 ? 4 : 8;
        for (int b = 0; b < bytes; b++)
            v[b] = mlf_byte_of(table + b * tables, tables, labels[i], odd, upper);
        for (int b = 0; b < bytes; b += 2) {           /* pairs of bytes: rows 0-7, 8-15 of 16 */
            t[b] = _mm512_unpacklo_epi8(v[b], v[b + 1]);
            t[b + 1] = _mm512_unpackhi_epi8(v[b], v[b + 1]);
        }
        for (int b = 0; b < bytes; b += 4)             /* fours: rows 0-3, 4-7, 8-11, 12-15 */
            for (int half = 0; half < 2; half++) {
                v[b + 2 * half] = _mm512_unpacklo_epi16(t[b + half], t[b + 2 + half]);
                v[b + 2 * half + 1] = _mm512_unpackhi_epi16(t[b + half], t[b + 2 + half]);
            }
        if (float32) {
            float *sum = (float *)(void *)sums + 64 * i;
            for (int j = 0; j < 4; j++)
                _mm512_store_ps(sum + 16 * j, _mm512_add_ps(_mm512_load_ps(sum + 16 * j),
                                                            _mm512_castsi512_ps(v[j])));
        } else {
            double *sum = (double *)(void *)sums + 64 * i;
            for (int j = 0; j < 8; j++) {
                __m512i bits = j % 2 ? _mm512_unpackhi_epi32(v[j / 2], v[4 + j / 2])
                                     : _mm512_unpacklo_epi32(v[j / 2], v[4 + j / 2]);
                _mm512_store_pd(sum + 8 * j, _mm512_add_pd(_mm512_load_pd(sum + 8 * j),
                                                           _mm512_castsi512_pd(bits)));
            }
        }
    }
}

/* No tree waits. */
typedef struct mlf_waiting {
    int32_t n;
} mlf_waiting;

INLINE void mlf_add_waiting(const mlf_bitslice *slice, int32_t words, void *sums,
                            mlf_waiting *waiting)
{
    (void)slice;
    (void)words;
    (void)sums;
    (void)waiting;
}

/* Adds what the tree's planes lead to; `sums`: [outputs at once][MLF_BLOCK]. */
INLINE void mlf_add_tree(const mlf_bitslice *slice, const mlf_slice_tree *tree,
                         const mlf_mask *planes, int32_t words, void *sums, mlf_waiting *waiting)
{
    (void)waiting;
    __m512i labels[8];
    int float32 = slice->sum.float32, tables = tree->n_planes <= 6 ? 1 : 1 << (tree->n_planes - 6);
    int32_t width = slice->sum.vectors ? slice->sum.n_outputs : 1;
    size_t size = float32 ? sizeof(float) : sizeof(double);
    mlf_bytes_of(planes, tree->n_planes, labels);
    for (int32_t k = 0; k < width; k++) {
        const __m512i *table = (const __m512i *)tree->table + (size_t)k * size * (size_t)tables;
        char *sum = (char *)sums + (size_t)k * MLF_BLOCK * size;
        switch (2 * tables + float32) {
#define CASE(n)                                                                                \
        case 2 * n: mlf_add_split(table, n, 0, labels, words, sum); break;                     \
        case 2 * n + 1: mlf_add_split(table, n, 1, labels, words, sum); break;
        CASE(1) CASE(2) CASE(4)
#undef CASE
        }
    }
}

#else

INLINE void mlf_order_sums(void *sums, int float32, int32_t words)
{
    (void)sums;
    (void)float32;
    (void)words;
}

#define MLF_TOGETHER 8             /* trees whose leaf values are added together */

/* Trees whose labels are known and whose leaf values are not yet added. */
typedef struct mlf_waiting {
    int32_t n;
    const mlf_slice_tree *trees[MLF_TOGETHER];
    _Alignas(64) uint8_t labels[MLF_TOGETHER][MLF_BLOCK];
} mlf_waiting;

/* To the sums of output k: the leaf values of `trees` trees, from `first` on. A row's sum stays in
 * a register meanwhile; with AVX2 eight rows' values are gathered where they are floats. */
#define ADD(name, number, vector, width, load, store, look_up)                                 \
    INLINE void name(const mlf_waiting *waiting, int first, int trees, int32_t k,              \
                     int32_t n, number *sums)                                                  \
    {                                                                                          \
        const number *tables[MLF_TOGETHER];                                                    \
        const uint8_t (*labels)[MLF_BLOCK] = &waiting->labels[first];                          \
        for (int t = 0; t < trees; t++) {                                                      \
            const mlf_slice_tree *tree = waiting->trees[first + t];                            \
            tables[t] = (const number *)tree->table + ((size_t)k << tree->n_planes);           \
            MLF_POINTER(tables[t]);                                                            \
        }                                                                                      \
        for (int32_t r = 0; r < n; r += width) {                                               \
            vector sum = load(sums + r);                                                       \
            for (int t = 0; t < trees; t++) {                                                  \
                sum += look_up(tables[t], labels[t] + r);                                      \
                MLF_NUMBER(sum);                                                               \
            }                                                                                  \
            store(sums + r, sum);                                                              \
        }                                                                                      \
    }
#define LOAD(from) *(from)
#define STORE(to, sum) *(to) = (sum)
#define LOOK_UP(table, label) (table)[*(label)]
#if MLF_X86            /* no vectors made of what is looked up, no offsets added to labels */
#define MLF_NUMBER(number) __asm__("" : "+x"(number))
#define MLF_POINTER(table) __asm__("" : "+r"(table))
#else
#define MLF_NUMBER(number)
#define MLF_POINTER(table)
#endif
#if defined(__AVX2__)
INLINE __m256 gathered(const float *table, const uint8_t *labels)
{
    __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)labels);
    return _mm256_i32gather_ps(table, _mm256_cvtepu8_epi32(eight), 4);
}
ADD(add_floats, float, __m256, 8, _mm256_load_ps, _mm256_store_ps, gathered)
#else
ADD(add_floats, float, float, 1, LOAD, STORE, LOOK_UP)
#endif
ADD(add_doubles, double, double, 1, LOAD, STORE, LOOK_UP)
#undef ADD
#undef LOAD
#undef STORE
#undef LOOK_UP
#undef MLF_NUMBER
#undef MLF_POINTER

/* Adds what waits; `sums`: [outputs at once][MLF_BLOCK]. */
static void mlf_add_waiting(const mlf_bitslice *slice, int32_t words, void *sums,
                            mlf_waiting *waiting)
{
    const int32_t width = slice->sum.vectors ? slice->sum.n_outputs : 1, n = 64 * words;
    for (int32_t k = 0; k < width; k++) {
        float *f = (float *)sums + k * MLF_BLOCK;
        double *d = (double *)sums + k * MLF_BLOCK;
        int first = 0;
#define SOME(count)                                                                            \
        for (; first + count <= waiting->n; first += count)                                    \
            if (slice->sum.float32)                                                            \
                add_floats(waiting, first, count, k, n, f);                                    \
            else                                                                               \
                add_doubles(waiting, first, count, k, n, d);
        SOME(8) SOME(4) SOME(2) SOME(1)
#undef SOME
    }
    waiting->n = 0;
}

/* Adds what the tree's planes lead to, now or with the next trees. */
INLINE void mlf_add_tree(const mlf_bitslice *slice, const mlf_slice_tree *tree,
                         const mlf_mask *planes, int32_t words, void *sums, mlf_waiting *waiting)
{
    for (int32_t i = 0; i < words; i++)
        mlf_bytes_of(planes, tree->n_planes, i, waiting->labels[waiting->n] + 64 * i);
    waiting->trees[waiting->n++] = tree;
    if (waiting->n == MLF_TOGETHER)
        mlf_add_waiting(slice, words, sums, waiting);
}
#endif

#undef INLINE
#endif
