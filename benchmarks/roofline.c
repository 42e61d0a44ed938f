/* What one core gives: fused multiply-adds, and reading memory. Built by roofline.py. */
#include <stddef.h>
#include <string.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif

typedef float vector __attribute__((vector_size(BYTES)));
typedef unsigned long long words __attribute__((vector_size(BYTES)));

enum { CHAINS = 12, LANES = BYTES / 4 };

/* Floating-point operations done; two for each multiply-add. */
double multiply_add(long rounds, float *sink)
{
    vector sum[CHAINS], a = { 0 }, b = { 0 };
    a += 0.999f;
    b += 0.001f;
    memset(sum, 0, sizeof sum);
    for (int k = 0; k < CHAINS; k++)
        sum[k] += (float)k; /* equal chains would be one */
    for (long i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++)
            sum[k] = sum[k] * a + b;
    }
    for (int k = 0; k < CHAINS; k++)
        *sink += sum[k][0];
    return 2.0 * CHAINS * LANES * rounds;
}

/* Reads `size` bytes, a multiple of 4096, as eight streams, a few lines ahead. */
void read_all(const char *data, size_t size, unsigned long long *sink)
{
    words sum[4];
    memset(sum, 0, sizeof sum);
    for (size_t at = 0; at < size / 8; at += 4 * BYTES)
        for (int stream = 0; stream < 8; stream++) {
            const char *p = data + stream * (size / 8) + at;
            for (int ahead = 0; ahead < 4 * BYTES; ahead += 64)
                __builtin_prefetch(p + 512 + ahead);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                words value;
                memcpy(&value, p + k * BYTES, sizeof value);
                sum[k] += value;
            }
        }
    for (int k = 0; k < 4; k++)
        *sink += sum[k][0];
}
