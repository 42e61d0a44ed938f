/* Square matrices in registers, a row in each, transposed. */
#ifndef MLF_TRANSPOSE_H
#define MLF_TRANSPOSE_H

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
/* 8 x 8 words of 64 bits. */
static inline __attribute__((always_inline)) void mlf_transpose_words(__m512i *m)
{
    __m512i pair[8];
    for (int i = 0; i < 8; i += 2) {
        pair[i] = _mm512_unpacklo_epi64(m[i], m[i + 1]);
        pair[i + 1] = _mm512_unpackhi_epi64(m[i], m[i + 1]);
    }
    for (int odd = 0; odd < 2; odd++) {
        __m512i a = _mm512_shuffle_i64x2(pair[odd], pair[2 + odd], 0x44);
        __m512i b = _mm512_shuffle_i64x2(pair[odd], pair[2 + odd], 0xee);
        __m512i c = _mm512_shuffle_i64x2(pair[4 + odd], pair[6 + odd], 0x44);
        __m512i d = _mm512_shuffle_i64x2(pair[4 + odd], pair[6 + odd], 0xee);
        m[odd] = _mm512_shuffle_i64x2(a, c, 0x88);
        m[2 + odd] = _mm512_shuffle_i64x2(a, c, 0xdd);
        m[4 + odd] = _mm512_shuffle_i64x2(b, d, 0x88);
        m[6 + odd] = _mm512_shuffle_i64x2(b, d, 0xdd);
    }
}
#elif defined(__AVX2__)
/* 4 x 4 numbers. */
static inline __attribute__((always_inline)) void mlf_transpose_doubles(__m256d *m)
{
    __m256d a = _mm256_unpacklo_pd(m[0], m[1]), b = _mm256_unpackhi_pd(m[0], m[1]);
    __m256d c = _mm256_unpacklo_pd(m[2], m[3]), d = _mm256_unpackhi_pd(m[2], m[3]);
    m[0] = _mm256_permute2f128_pd(a, c, 0x20);
    m[1] = _mm256_permute2f128_pd(b, d, 0x20);
    m[2] = _mm256_permute2f128_pd(a, c, 0x31);
    m[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
#endif

#endif
