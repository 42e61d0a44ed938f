/* Convolution with vectors over output channels: a tile is `tile` neighbouring pixels of a
 * row by one block of MLF_NN_BLOCK channels; the input's values are broadcast.
 *
 * weights[group][block][channel of the group][tap][MLF_NN_BLOCK], bias[group][block][...];
 * the value of tap t at output pixel (y, x) of channel c is
 * in[c * plane + y * row_step + x + taps[t]]; an item is one output row (after pooling) of a
 * block. Linear layers over several examples are the same with an example for a pixel.
 */
#include "nn_kernels.h"

/* Pixels of a row that are kept before they are transposed: a multiple of MLF_V. */
#define STRIP 64

/* out[pixel][MLF_NN_BLOCK] = bias + weights * in, for `pixels` pixels; added, without a bias. */
MLF_INLINE void tile(const int pixels, const int vectors, const float *in, int channels,
                     ptrdiff_t plane, const int32_t *taps, int n_taps, const float *w,
                     const float *bias, float *out)
{
    vec sum[MLF_NN_TILE][2];
    const vec first[2] = { bias ? v_load(bias) : (vec){ 0 },
                           bias && vectors > 1 ? v_load(bias + MLF_V) : (vec){ 0 } };
    MLF_UNROLL for (int p = 0; p < pixels; p++)
        MLF_UNROLL for (int v = 0; v < vectors; v++)
            sum[p][v] = first[v];
    for (int c = 0; c < channels; c++, in += plane) {
        for (int t = 0; t < n_taps; t++, w += MLF_NN_BLOCK) {
            const float *x = in + taps[t];
            vec weight[2];
            MLF_UNROLL for (int v = 0; v < vectors; v++)
                weight[v] = v_load(w + v * MLF_V);
            MLF_UNROLL for (int p = 0; p < pixels; p++) {
                vec value = v_all(x[p]);
                MLF_UNROLL for (int v = 0; v < vectors; v++)
                    sum[p][v] = v_fma(value, weight[v], sum[p][v]);
            }
        }
    }
    if (!bias) {
        MLF_UNROLL for (int p = 0; p < pixels; p++)
            MLF_UNROLL for (int v = 0; v < vectors; v++)
                sum[p][v] += v_load(out + p * MLF_NN_BLOCK + v * MLF_V);
    }
    MLF_UNROLL for (int p = 0; p < pixels; p++)
        MLF_UNROLL for (int v = 0; v < vectors; v++)
            v_store(out + p * MLF_NN_BLOCK + v * MLF_V, sum[p][v]);
}

#define TILE_OF(p, vectors) \
    static void tile_##p##_##vectors(const float *in, int channels, ptrdiff_t plane, \
                                     const int32_t *taps, int n_taps, const float *w, \
                                     const float *bias, float *out) \
    { tile(p, vectors, in, channels, plane, taps, n_taps, w, bias, out); }
#define TILE(p) TILE_OF(p, 1) TILE_OF(p, 2)
#define ENTRY(p) { tile_##p##_1, tile_##p##_2 },
#if MLF_NN_TILE == 11
#define FOR_EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#else
#define FOR_EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif
FOR_EACH_TILE(TILE)
const mlf_nn_tile MLF_FN(mlf_nn_tiles)[MLF_NN_TILE][2] = { FOR_EACH_TILE(ENTRY) };

void MLF_FN(mlf_nn_store_strip)(const float *strip, int n, int channels, float *out,
                                ptrdiff_t plane, int relu)
{
    for (int x = 0; x < n; x += MLF_V) {
        int n_x = n - x < MLF_V ? n - x : MLF_V;
        for (int c = 0; c < channels; c += MLF_V) {
            int n_c = channels - c < MLF_V ? channels - c : MLF_V;
            vec rows[MLF_V];
            MLF_UNROLL for (int i = 0; i < MLF_V; i++) {
                vec value = v_load(strip + (ptrdiff_t)(x + i) * MLF_NN_BLOCK + c);
                rows[i] = relu ? v_relu(value) : value;
            }
            v_transpose(rows);
            float *to = out + c * plane + x;
            MLF_UNROLL for (int i = 0; i < MLF_V; i++) {
                if (i < n_c) {
                    if (n_x == MLF_V)
                        v_store(to + i * plane, rows[i]);
                    else
                        v_store_n(to + i * plane, rows[i], n_x);
                }
            }
        }
    }
}

/* strip[x] = max of the four pixels of window x, in place; n windows. */
static void pool_strip(float *top, const float *bottom, int n)
{
    for (int x = 0; x < n; x++)
        for (int v = 0; v < 2; v++) {
            const float *t = top + 2 * x * MLF_NN_BLOCK + v * MLF_V;
            const float *b = bottom + 2 * x * MLF_NN_BLOCK + v * MLF_V;
            vec left = v_max_nan(v_load(t), v_load(b));
            vec right = v_max_nan(v_load(t + MLF_NN_BLOCK), v_load(b + MLF_NN_BLOCK));
            v_store(top + x * MLF_NN_BLOCK + v * MLF_V, v_max_nan(left, right));
        }
}

MLF_NN_RUN(mlf_nn_conv_channels)
{
    const int group_in = op->channels / op->groups, group_out = op->out_channels / op->groups;
    const int n_blocks = (group_out + MLF_NN_BLOCK - 1) / MLF_NN_BLOCK;
    const ptrdiff_t out_plane = (ptrdiff_t)op->out_height * op->out_width;
    const float *input = op->n_shifts ? mlf_nn_at(base, op->work) : mlf_nn_at(base, op->in);
    const int relu = op->activation == MLF_NN_RELU, pool = op->pool;
    const int width = op->out_width * pool;
    float strip[2][STRIP + MLF_V][MLF_NN_BLOCK] __attribute__((aligned(64)));
    for (int item = begin; item < end; item++) {
        int block = item / op->out_height, y = item % op->out_height;
        int group = block / n_blocks, channel = block % n_blocks * MLF_NN_BLOCK;
        int n_channels = group_out - channel < MLF_NN_BLOCK ? group_out - channel : MLF_NN_BLOCK;
        const float *w = op->weights + (ptrdiff_t)block * group_in * op->n_taps * MLF_NN_BLOCK;
        const float *bias = op->bias + (ptrdiff_t)block * MLF_NN_BLOCK;
        const float *in = input + (ptrdiff_t)group * group_in * op->plane
            + (ptrdiff_t)y * pool * op->row_step;
        float *out = mlf_nn_at(base, op->out) + (group * group_out + channel) * out_plane
            + (ptrdiff_t)y * op->out_width;
        for (int first = 0; first < width; first += STRIP) {
            int n = width - first < STRIP ? width - first : STRIP;
            for (int row = 0; row < pool; row++)
                for (int x = 0; x < n;) {
                    int pixels = n - x < op->tile ? n - x : op->tile;
                    MLF_FN(mlf_nn_tiles)[pixels - 1][n_channels > MLF_V](
                        in + (ptrdiff_t)row * op->row_step + first + x, group_in, op->plane,
                        op->taps, op->n_taps, w, bias, strip[row][x]);
                    x += pixels;
                }
            if (pool == 2)
                pool_strip(strip[0][0], strip[1][0], n / 2);
            MLF_FN(mlf_nn_store_strip)(strip[0][0], n / pool, n_channels, out + first / pool,
                                       out_plane, relu);
        }
    }
}

/* to[channel][example] of n examples; writes up to MLF_V floats beyond. */
static void examples_side_by_side(const float *in, ptrdiff_t stride, int channels, int n, float *to)
{
    int c = 0;
    for (; MLF_NN_TILE <= MLF_V && c + MLF_V <= channels; c += MLF_V) {
        vec rows[MLF_V];
        MLF_UNROLL for (int r = 0; r < MLF_V; r++)
            rows[r] = r < n ? v_load(in + r * stride + c) : (vec){ 0 };
        v_transpose(rows);
        MLF_UNROLL for (int i = 0; i < MLF_V; i++)
            v_store(to + (ptrdiff_t)(c + i) * n, rows[i]); /* the next one overwrites the rest */
    }
    for (int r = 0; r < n; r++)
        for (int i = c; i < channels; i++)
            to[(ptrdiff_t)i * n + r] = in[r * stride + i];
}

/* weights and bias as in nn_linear_kernel.c. */
MLF_NN_ROWS(mlf_nn_linear_rows)
{
    static const int32_t here = 0;
    const int n_blocks = (op->out_channels + MLF_NN_BLOCK - 1) / MLF_NN_BLOCK;
    const ptrdiff_t out_stride = stride[op->out.base], in_stride = stride[op->in.base];
    const float *in = mlf_nn_at(base, op->in);
    float strip[MLF_NN_TILE][MLF_NN_BLOCK] __attribute__((aligned(64)));
    examples_side_by_side(in, in_stride, op->channels, n, work);
    for (int block = 0; block < n_blocks; block++) {
        int channel = block * MLF_NN_BLOCK;
        int left = op->out_channels - channel;
        const float *w = op->weights + (ptrdiff_t)channel * op->channels;
        MLF_FN(mlf_nn_tiles)[n - 1][left > MLF_V](work, op->channels, n, &here, 1, w,
                                                  op->bias + channel, strip[0]);
        for (int r = 0; r < n; r++) {
            float *out = mlf_nn_at(base, op->out) + r * out_stride + channel;
            for (int v = 0; v < 2 && left > v * MLF_V; v++) {
                vec value = v_load(strip[r] + v * MLF_V);
                value = op->activation == MLF_NN_RELU ? v_relu(value) : value;
                int n_c = left - v * MLF_V < MLF_V ? left - v * MLF_V : MLF_V;
                v_store_n(out + v * MLF_V, value, n_c);
            }
        }
    }
}
