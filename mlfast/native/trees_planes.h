/* Bits of bytes as masks and back: plane k, one of MLF_BLOCK bits, has bit k of each byte. */
#ifndef MLF_TREES_PLANES_H
#define MLF_TREES_PLANES_H

#include "plan.h"
#include "transpose.h"

#define MLF_MASK_BYTES (MLF_BLOCK / 8)
#define MLF_MASK_WORDS (MLF_BLOCK / 64)

/* A mask; the compiler makes one, two or four registers of it. */
typedef uint64_t mlf_mask __attribute__((vector_size(MLF_MASK_BYTES), may_alias));

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512VBMI__)
/* In each word, an 8 x 8 matrix of bits (row i in byte 7 - i) transposed. */
INLINE __m512i mlf_transpose_bits(__m512i reversed)
{
    __m512i unit = _mm512_set1_epi64((int64_t)0x8040201008040201);
    return _mm512_gf2p8affine_epi64_epi8(unit, reversed, 0);
}

/* Byte j of word i at byte i of word j (reversed: at byte 7 - i). */
INLINE __m512i mlf_transpose_bytes(__m512i m, int reversed)
{
    const int64_t ones = 0x0101010101010101;
    __m512i row = _mm512_set1_epi64(reversed ? 0x0008101820283038 : 0x3830282018100800);
    __m512i word = _mm512_setr_epi64(0, ones, 2 * ones, 3 * ones, 4 * ones, 5 * ones, 6 * ones,
                                     7 * ones);
    return _mm512_permutexvar_epi8(_mm512_add_epi8(row, word), m);
}

/* Planes 0 .. 7 of 512 bytes. */
INLINE void mlf_planes_of(const uint8_t *bytes, int32_t n_planes, mlf_mask *planes)
{
    __m512i m[8], reverse = _mm512_set_epi64(0x08090a0b0c0d0e0f, 0x0001020304050607,
                                             0x08090a0b0c0d0e0f, 0x0001020304050607,
                                             0x08090a0b0c0d0e0f, 0x0001020304050607,
                                             0x08090a0b0c0d0e0f, 0x0001020304050607);
    for (int i = 0; i < 8; i++) {
        m[i] = _mm512_shuffle_epi8(_mm512_load_si512(bytes + 64 * i), reverse);
        m[i] = mlf_transpose_bytes(mlf_transpose_bits(m[i]), 0);
    }
    mlf_transpose_words(m);
    for (int32_t k = 0; k < n_planes; k++)
        _mm512_store_si512(&planes[k], m[k]);
}

/* Bytes 64 i .. 64 i + 63 in bytes[i]. */
INLINE void mlf_bytes_of(const mlf_mask *planes, int32_t n_planes, __m512i *bytes)
{
    for (int32_t k = 0; k < 8; k++)
        bytes[k] = k < n_planes ? _mm512_load_si512(&planes[k]) : _mm512_setzero_si512();
    mlf_transpose_words(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = mlf_transpose_bits(mlf_transpose_bytes(bytes[i], 1));
}

#else

INLINE void mlf_planes_of(const uint8_t *bytes, int32_t n_planes, mlf_mask *planes)
{
#if defined(__AVX2__)
    for (int i = 0; i < MLF_BLOCK / 32; i++) {
        __m256i v = _mm256_load_si256((const __m256i *)bytes + i);
        if (n_planes == 4)
            v = _mm256_slli_epi16(v, 4);
        for (int32_t k = n_planes == 4 ? 3 : 7; k >= 0; k--, v = _mm256_add_epi8(v, v))
            if (k < n_planes)
                ((uint32_t *)(void *)&planes[k])[i] = (uint32_t)_mm256_movemask_epi8(v);
    }
#elif defined(__SSE2__)
    for (int i = 0; i < MLF_BLOCK / 16; i++) {
        __m128i v = _mm_load_si128((const __m128i *)(const void *)bytes + i);
        if (n_planes == 4)
            v = _mm_slli_epi16(v, 4);
        for (int32_t k = n_planes == 4 ? 3 : 7; k >= 0; k--, v = _mm_add_epi8(v, v))
            if (k < n_planes)
                ((uint16_t *)(void *)&planes[k])[i] = (uint16_t)_mm_movemask_epi8(v);
    }
#else
    for (int32_t k = 0; k < n_planes; k++)
        for (int i = 0; i < MLF_MASK_WORDS; i++) {
            uint64_t bits = 0;
            for (int j = 0; j < 64; j++)
                bits |= (uint64_t)(bytes[64 * i + j] >> k & 1) << j;
            planes[k][i] = bits;
        }
#endif
}

/* Bytes 64 i .. 64 i + 63. */
INLINE void mlf_bytes_of(const mlf_mask *planes, int32_t n_planes, int32_t i, uint8_t *bytes)
{
#if defined(__AVX2__)
    __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                        0x0303030303030303);
    __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    for (int half = 0; half < 2; half++) {
        __m256i all = _mm256_setzero_si256();
        for (int32_t k = 0; k < n_planes; k++) {
            __m256i v = _mm256_set1_epi32((int32_t)(planes[k][i] >> 32 * half));
            v = _mm256_and_si256(_mm256_shuffle_epi8(v, spread), bit);
            v = _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8((char)(1 << k)));
            all = _mm256_or_si256(all, v);
        }
        _mm256_store_si256((__m256i *)(void *)bytes + half, all);
    }
#elif defined(__SSE2__)
    __m128i p[8], x[4];
    for (int32_t k = 0; k < 8; k++)
        p[k] = k < n_planes
             ? _mm_loadl_epi64((const __m128i *)(const void *)((const uint64_t *)&planes[k] + i))
             : _mm_setzero_si128();
    for (int k = 0; k < 8; k += 4) {       /* byte k of a word from plane k */
        __m128i a = _mm_unpacklo_epi8(p[k], p[k + 1]), b = _mm_unpacklo_epi8(p[k + 2], p[k + 3]);
        p[k] = _mm_unpacklo_epi16(a, b);
        p[k + 1] = _mm_unpackhi_epi16(a, b);
    }
    for (int half = 0; half < 2; half++) {
        x[2 * half] = _mm_unpacklo_epi32(p[half], p[4 + half]);
        x[2 * half + 1] = _mm_unpackhi_epi32(p[half], p[4 + half]);
    }
    for (int q = 0; q < 4; q++) {          /* as below, two words at a time */
#define SWAP(distance, mask) do {                                                              \
            __m128i t = _mm_xor_si128(x[q], _mm_srli_epi64(x[q], distance));                   \
            t = _mm_and_si128(t, _mm_set1_epi64x(mask));                                       \
            x[q] = _mm_xor_si128(x[q], _mm_xor_si128(t, _mm_slli_epi64(t, distance)));         \
        } while (0)
        SWAP(7, 0x00aa00aa00aa00aa);
        SWAP(14, 0x0000cccc0000cccc);
        SWAP(28, 0x00000000f0f0f0f0);
#undef SWAP
        _mm_store_si128((__m128i *)(void *)bytes + q, x[q]);
    }
#else
    for (int j = 0; j < 8; j++) {          /* an 8 x 8 transposition of bits */
        uint64_t x = 0;
        for (int32_t k = 0; k < n_planes; k++)
            x |= (planes[k][i] >> 8 * j & 255) << 8 * k;
        uint64_t t = (x ^ x >> 7) & UINT64_C(0x00aa00aa00aa00aa);
        x ^= t ^ t << 7;
        t = (x ^ x >> 14) & UINT64_C(0x0000cccc0000cccc);
        x ^= t ^ t << 14;
        t = (x ^ x >> 28) & UINT64_C(0x00000000f0f0f0f0);
        x ^= t ^ t << 28;
        for (int r = 0; r < 8; r++)
            bytes[8 * j + r] = (uint8_t)(x >> 8 * r);
    }
#endif
}
#endif

#undef INLINE
#endif
