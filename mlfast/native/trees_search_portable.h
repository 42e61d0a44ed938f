/* Ranks of 64 values in any instruction set. */
#ifndef MLF_TREES_SEARCH_PORTABLE_H
#define MLF_TREES_SEARCH_PORTABLE_H

#include "trees_columns.h"
#include "trees_ranks.h"

#define INLINE static inline __attribute__((always_inline))

/* The lowest bits of 64 bytes. */
INLINE uint64_t mlf_low_bits(const uint8_t *bytes)
{
    uint64_t bits = 0;
#if defined(__SSE2__)
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_load_si128((const __m128i *)(const void *)bytes + i);
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16(v, 7)) << 16 * i;
    }
#else
    for (int i = 0; i < 8; i++) {      /* 8 bytes' bits into the product's highest byte */
        uint64_t eight = 0;
        for (int j = 0; j < 8; j++)
            eight |= (uint64_t)(bytes[8 * i + j] & 1) << 8 * j;
        bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
    }
#endif
    return bits;
}

/* Every cut is compared, as many values at once as a register holds. */
#define MARK(name, number)                                                                     \
    INLINE void name(const number *numbers, int32_t n, const number *x, int32_t word,          \
                     mlf_mask *planes)                                                         \
    {                                                                                          \
        for (int32_t k = 0; k < n; k++) {                                                      \
            _Alignas(16) uint8_t at_least[64];                                                 \
            for (int r = 0; r < 64; r++)                                                       \
                at_least[r] = x[r] >= numbers[k];                                              \
            planes[k][word] = mlf_low_bits(at_least);                                          \
        }                                                                                      \
    }
MARK(mlf_mark_floats, float)
MARK(mlf_mark_doubles, double)
#undef MARK

INLINE void mlf_note_missing(int float32, const mlf_values *x, int32_t word, mlf_mask *planes)
{
    _Alignas(16) uint8_t missing[64];
    for (int r = 0; r < 64 && float32; r++)
        missing[r] = x->f[r] != x->f[r];
    for (int r = 0; r < 64 && !float32; r++)
        missing[r] = x->d[r] != x->d[r];
    planes[MLF_PLANE_MISSING][word] = mlf_low_bits(missing);
}

INLINE void put_ranks(uint8_t *ranks, int levels, int32_t word, mlf_mask *planes)
{
    uint64_t missing = planes[MLF_PLANE_MISSING][word];
    for (int k = 0; k < levels; k++) {
        planes[k][word] = mlf_low_bits(ranks) & ~missing;
        for (int r = 0; r < 64; r++)
            ranks[r] >>= 1;
    }
}

/* A value after the other; the processor overlaps several. */
INLINE void mlf_search_floats(const mlf_prepared_column *column, const float *x, int levels,
                              int32_t word, mlf_mask *planes)
{
    _Alignas(16) uint8_t ranks[64];
    int32_t keys[64];
    for (int r = 0; r < 64; r++) {
        int32_t bits;
        memcpy(&bits, &x[r], sizeof bits);
        bits ^= (bits >> 31) & INT32_MAX;
        keys[r] = bits + (bits == -1);
    }
    for (int r = 0; r < 64; r++)
        ranks[r] = (uint8_t)(mlf_tree_leaf(column, levels, keys[r]) - (1u << levels));
    put_ranks(ranks, levels, word, planes);
}

INLINE void mlf_search_doubles(const mlf_prepared_column *column, const double *x, int levels,
                               int32_t word, mlf_mask *planes)
{
    _Alignas(16) uint8_t ranks[64];
    for (int r = 0; r < 64; r++)
        ranks[r] = (uint8_t)mlf_tree_rank(column, levels, x[r]);
    put_ranks(ranks, levels, word, planes);
}

#undef INLINE
#endif
