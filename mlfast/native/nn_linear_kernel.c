/* Linear layers over one example.
 *
 * LINEAR, input by input: weights[block][channel][MLF_NN_BLOCK], bias[block][MLF_NN_BLOCK];
 * an item is a block of one of `height` vectors. With skip_zeros the inputs that are zero (after a
 * ReLU about half) are left out: `work` holds the count and the numbers of the others, as int32.
 *
 * ROW_DOTS, for few outputs and some inputs: weights[out_channels padded to MLF_V][channels
 * padded to MLF_V], bias[out_channels padded to MLF_V]; an item is MLF_V outputs of a vector.
 */
#include "nn_kernels.h"

MLF_NN_PREPARE(mlf_nn_list_nonzero)
{
    if (!op->skip_zeros)
        return;
    const float *x = mlf_nn_at(base, op->in);
    int32_t *list = (int32_t *)mlf_nn_at(base, op->work);
    int n = 0, i = 0;
#if defined(__AVX512F__)
    __m512i numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (; i + 16 <= op->channels; i += 16) {
        __mmask16 some = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i), _mm512_setzero_ps(),
                                            _CMP_NEQ_UQ);
        /* compress in the register: a compressing store to memory is slow on some processors */
        _mm512_storeu_si512(list + 1 + n, _mm512_maskz_compress_epi32(some, numbers));
        n += __builtin_popcount(some);
        numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
    }
#endif
    for (; i < op->channels; i++) {
        list[1 + n] = i;
        n += x[i] != 0.0f; /* true for NaN */
    }
    list[0] = n;
}

/* Chains of sums for each output: inputs k, k + CHAINS, ... are in chain k. Two blocks at once
 * share the broadcast of an input: with one, the loads of the inputs hold up the weights'. */
#define CHAINS (MLF_REGISTERS == 32 ? 4 : 2)
#define BLOCKS 2

MLF_INLINE void block_sums(const int skip, const int blocks, const float *x, const int32_t *list,
                           int n, const float *w, ptrdiff_t stride, const float *bias,
                           vec total[BLOCKS][2])
{
    vec sum[CHAINS][BLOCKS][2];
    MLF_UNROLL for (int k = 0; k < CHAINS; k++)
        MLF_UNROLL for (int b = 0; b < blocks; b++)
            MLF_UNROLL for (int v = 0; v < 2; v++)
                sum[k][b][v] = k ? (vec){ 0 } : v_load(bias + b * MLF_NN_BLOCK + v * MLF_V);
#define ADD(k, i) \
    do { \
        ptrdiff_t number = skip ? list[i] : (i); \
        vec value = v_all(x[number]); \
        MLF_UNROLL for (int b = 0; b < blocks; b++) \
            MLF_UNROLL for (int v = 0; v < 2; v++) \
                sum[k][b][v] = v_fma(value, v_load(w + b * stride + number * MLF_NN_BLOCK \
                                                   + v * MLF_V), sum[k][b][v]); \
    } while (0)
    int i = 0;
    for (; i + CHAINS <= n; i += CHAINS)
        MLF_UNROLL for (int k = 0; k < CHAINS; k++)
            ADD(k, i + k);
    for (; i < n; i++)
        ADD(0, i);
#undef ADD
    MLF_UNROLL for (int b = 0; b < blocks; b++)
        MLF_UNROLL for (int v = 0; v < 2; v++) {
            total[b][v] = sum[0][b][v] + sum[1][b][v];
            if (CHAINS == 4)
                total[b][v] += sum[CHAINS - 2][b][v] + sum[CHAINS - 1][b][v];
        }
}

MLF_NN_RUN(mlf_nn_linear)
{
    const int n_blocks = (op->out_channels + MLF_NN_BLOCK - 1) / MLF_NN_BLOCK;
    const int32_t *list = op->skip_zeros ? (const int32_t *)mlf_nn_at(base, op->work) : NULL;
    const ptrdiff_t stride = (ptrdiff_t)op->channels * MLF_NN_BLOCK;
    for (int item = begin, blocks; item < end; item += blocks) {
        ptrdiff_t row = item / n_blocks;
        int block = item % n_blocks;
        blocks = end - item < 2 || n_blocks - block < 2 ? 1 : 2;
        const float *x = mlf_nn_at(base, op->in) + row * op->channels;
        const float *w = op->weights + block * stride, *bias = op->bias + block * MLF_NN_BLOCK;
        vec total[BLOCKS][2];
        if (list && blocks == 2)
            block_sums(1, 2, x, list + 1, list[0], w, stride, bias, total);
        else if (list)
            block_sums(1, 1, x, list + 1, list[0], w, stride, bias, total);
        else if (blocks == 2)
            block_sums(0, 2, x, NULL, op->channels, w, stride, bias, total);
        else
            block_sums(0, 1, x, NULL, op->channels, w, stride, bias, total);
        int left = op->out_channels - block * MLF_NN_BLOCK;
        float *out = mlf_nn_at(base, op->out) + (row + 1) * op->out_channels - left;
        for (int v = 0; v < 2 * blocks && left > v * MLF_V; v++) {
            int n = left - v * MLF_V < MLF_V ? left - v * MLF_V : MLF_V;
            vec value = total[v / 2][v % 2];
            v_store_n(out + v * MLF_V, op->activation == MLF_NN_RELU ? v_relu(value) : value, n);
        }
    }
}

MLF_INLINE vec dots(const int rows, const float *x, int n, const float *w, ptrdiff_t stride)
{
    vec sum[MLF_V];
    MLF_UNROLL for (int r = 0; r < MLF_V; r++)
        sum[r] = (vec){ 0 };
    int i = 0;
    for (; i + MLF_V <= n; i += MLF_V) {
        vec value = v_load(x + i);
        MLF_UNROLL for (int r = 0; r < rows; r++)
            sum[r] = v_fma(value, v_load(w + r * stride + i), sum[r]);
    }
    if (i < n) {
        vec value = v_load_n(x + i, n - i);
        MLF_UNROLL for (int r = 0; r < rows; r++)
            sum[r] = v_fma(value, v_load(w + r * stride + i), sum[r]);
    }
    return v_sums(sum);
}

MLF_NN_RUN(mlf_nn_row_dots)
{
    const int n_blocks = (op->out_channels + MLF_V - 1) / MLF_V;
    const ptrdiff_t stride = (op->channels + MLF_V - 1) / MLF_V * MLF_V;
    for (int item = begin; item < end; item++) {
        ptrdiff_t row = item / n_blocks;
        int first = item % n_blocks * MLF_V, left = op->out_channels - first;
        const float *x = mlf_nn_at(base, op->in) + row * op->channels;
        const float *w = op->weights + first * stride;
        vec total;
        if (left * 8 <= MLF_V * 5 && MLF_V == 16) /* 10 classes: a usual number */
            total = dots(10 * MLF_V / 16, x, op->channels, w, stride);
        else
            total = dots(MLF_V, x, op->channels, w, stride);
        total += v_load(op->bias + first);
        total = op->activation == MLF_NN_RELU ? v_relu(total) : total;
        v_store_n(mlf_nn_at(base, op->out) + row * op->out_channels + first, total,
                  left < MLF_V ? left : MLF_V);
    }
}
