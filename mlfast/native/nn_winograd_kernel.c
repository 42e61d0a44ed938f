/* Convolution of 3 x 3 taps, stride 1, by Winograd's F(2 x 2, 3 x 3): 2 x 2 outputs of an input
 * channel take 16 multiplications for 36.
 *
 * A tile is 2 x 2 outputs (one, after pooling), its input d is 4 x 4, its weights g are 3 x 3:
 *
 *     y = A' ((G g G') * (B' d B)) A    with * element by element, summed over the channels
 *
 *          1  0 -1  0         1   0   0
 *     B' = 0  1  1  0    G = 1/2 1/2 1/2    A' = 1  1  1  0
 *          0 -1  1  0        1/2 -1/2 1/2        0  1 -1 -1
 *          0  1  0 -1         0   0   1
 *
 * For each of the 16 points of a tile the sum over the channels is a small product of matrices,
 * done by the tiles of nn_channels_kernel.c with a tile for a pixel.
 *
 * weights[block][point][channel][MLF_NN_BLOCK] of G g G', then those of nn_channels_kernel.c;
 * groups is 1. An item is `tile_rows` rows of tiles; `tile` columns of them are done at once.
 *
 * Sums and differences of infinities, or beyond the range of floats, are NaN or infinite where
 * the convolution may not be: then the item is done again by nn_channels_kernel.c.
 */
#include "nn_kernels.h"

#define POINTS 16
#define CHANNELS MLF_NN_WINOGRAD_CHANNELS
#define MAX_PITCH ((MLF_NN_TILE + MLF_V - 1) / MLF_V * MLF_V)
/* The point whose value is added once to each of a tile's outputs: it begins with the bias. */
#define EVERYWHERE 5

/* Rows of tiles whose input lies in one pair of vectors, one in each. */
#if MLF_V == 16
#define TOGETHER(columns) ((columns) < MLF_V / 2 ? 2 : 1)
typedef ivec picks[4];

/* For the two halves of a row's input, or `second` > 0 and the input of two rows of tiles, of
 * which the second has its tiles there: which float is column j of each tile. */
MLF_INLINE void pick_columns(picks which, int second)
{
    for (int i = 0; i < MLF_V; i++)
        for (int j = 0; j < 4; j++)
            which[j][i] = second && i >= second ? MLF_V + 2 * (i - second) + j : 2 * i + j;
}

MLF_INLINE void columns_of(vec a, vec b, const picks which, vec d[4])
{
    MLF_UNROLL for (int j = 0; j < 4; j++)
        d[j] = (vec)_mm512_permutex2var_ps((__m512)a, (__m512i)which[j], (__m512)b);
}
#else
#define TOGETHER(columns) 1
typedef char picks;
#define pick_columns(which, second) ((which) = 0) /* there is nothing to pick */

MLF_INLINE void columns_of(vec a, vec b, picks which, vec d[4])
{
    (void)which;
    d[0] = v_even(a, b);
    d[1] = v_odd(a, b);
    d[2] = v_next(d[0]);
    d[3] = v_next(d[1]);
}
#endif

/* B' d of four vectors. */
MLF_INLINE void combine(const vec d[4], vec to[4])
{
    to[0] = d[0] - d[2];
    to[1] = d[1] + d[2];
    to[2] = d[2] - d[1];
    to[3] = d[1] - d[3];
}

/* B' d over n floats of the four rows of a row of tiles. A fourth row below the input is not
 * used by any output that is kept: another one stands for it. */
MLF_INLINE void rows_of(const float *from, int width, int has_fourth, int n, vec to[4])
{
    const vec d[4] = { v_load_n(from, n), v_load_n(from + width, n), v_load_n(from + 2 * width, n),
                       v_load_n(from + (2 + has_fourth) * width, n) };
    combine(d, to);
}

/* Floats from a channel to the next one: whole vectors, or half of one where two channels'
 * single rows of tiles are done together. */
MLF_INLINE int pitch_of(int rows, int columns)
{
    if (rows == 1 && TOGETHER(columns) == 2)
        return MLF_V / 2;
    return (rows * columns + MLF_V - 1) / MLF_V * MLF_V;
}

/* to[point * step + channel * pitch + tile] = B' d B of rows x columns tiles from (y, x) on, of
 * n_channels channels; writes up to MLF_V floats beyond each point's. */
MLF_INLINE void transform_input(const int together, const mlf_nn_op *op, const float *in,
                                int n_channels, int y, int rows, int x, int columns, float *to,
                                ptrdiff_t step)
{
    const int width = op->row_step, left = width - 2 * x, n = left < MLF_V ? left : MLF_V;
    const int more = left - MLF_V < MLF_V ? left - MLF_V : MLF_V, n_more = more < 0 ? 0 : more;
    /* Rows of tiles, from `y` on, that have all four rows. */
    const int whole = (op->plane / width - 2) / 2 - y, pitch = pitch_of(rows, columns);
    /* At once: two rows of tiles of a channel, or the only ones of two channels. */
    const int channels = rows == 1 ? together : 1, below = together == 2 && rows > 1;
    picks which;
    pick_columns(which, together == 1 ? 0 : rows == 1 ? pitch : columns);
    in += 2 * ((ptrdiff_t)y * width + x);
    for (int c = 0; c < n_channels; c += channels)
        for (int row = 0; row < rows; row += together) {
            const float *first = in + c * (ptrdiff_t)op->plane + (ptrdiff_t)row * 2 * width;
            const float *second = first + MLF_V;
            if (below)
                second = row + 1 < rows ? first + 2 * width : first; /* then it is not used */
            else if (together == 2)
                second = c + 1 < n_channels ? first + op->plane : first;
            vec a[4], b[4];
            rows_of(first, width, row < whole, n, a);
            rows_of(second, width, row + below < whole, together == 2 ? n : n_more, b);
            float *point = to + (ptrdiff_t)c * pitch + row * columns;
            MLF_UNROLL for (int p = 0; p < 4; p++) {
                vec d[4], points[4];
                columns_of(a[p], b[p], which, d);
                combine(d, points);
                MLF_UNROLL for (int q = 0; q < 4; q++, point += step)
                    v_store(point, points[q]);
            }
        }
}

/* The 2 x 2 outputs A' m A of a tile for a vector of channels. */
MLF_INLINE void transform_output(const float *m, ptrdiff_t step, vec y[4])
{
    vec rows[2][4];
    MLF_UNROLL for (int j = 0; j < 4; j++) {
        vec a = v_load(m + j * step), b = v_load(m + (4 + j) * step);
        vec c = v_load(m + (8 + j) * step), d = v_load(m + (12 + j) * step);
        rows[0][j] = a + b + c;
        rows[1][j] = b - c - d;
    }
    MLF_UNROLL for (int i = 0; i < 2; i++) {
        y[2 * i] = rows[i][0] + rows[i][1] + rows[i][2];
        y[2 * i + 1] = rows[i][1] - rows[i][2] - rows[i][3];
    }
}

/* strip[pixel][MLF_NN_BLOCK] of a block's outputs, `width` of them in a row; *check becomes NaN
 * where an output is not finite. */
static void outputs(const float *m, ptrdiff_t step, int rows, int columns, int pool, int width,
                    int vectors, float *strip, vec *check)
{
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++)
            for (int v = 0; v < vectors; v++) {
                vec y[4];
                const float *tile = m + (row * columns + column) * MLF_NN_BLOCK + v * MLF_V;
                transform_output(tile, step, y);
                *check = v_fma(y[0] + y[1] + (y[2] + y[3]), v_all(0.0f), *check);
                if (pool == 2) {
                    v_store(strip + (row * width + column) * MLF_NN_BLOCK + v * MLF_V,
                            v_max(v_max(y[0], y[1]), v_max(y[2], y[3])));
                    continue;
                }
                float *to = strip + (2 * row * width + 2 * column) * MLF_NN_BLOCK + v * MLF_V;
                v_store(to, y[0]);
                v_store(to + width * MLF_NN_BLOCK, y[2]);
                if (2 * column + 1 < width) {
                    v_store(to + MLF_NN_BLOCK, y[1]);
                    v_store(to + (width + 1) * MLF_NN_BLOCK, y[3]);
                }
            }
}

/* Points of the tiles of some input channels, and their sums for a block of output channels. */
typedef struct buffers {
    float points[POINTS * (CHANNELS * MAX_PITCH + MLF_V)];
    float sums[POINTS][MLF_NN_TILE][MLF_NN_BLOCK];
} buffers;

/* The sums of a block of output channels, from `channel` on. The points are those of the block
 * before, where all input channels have room. */
MLF_INLINE void sum_points(const mlf_nn_op *op, const float *in, int channel, int y, int rows,
                           int x, int columns, buffers *b)
{
    static const float zeros[MLF_NN_BLOCK];
    const int channels = op->channels, at_once = channels < CHANNELS ? channels : CHANNELS;
    const int pitch = pitch_of(rows, columns);
    const ptrdiff_t step = (ptrdiff_t)at_once * pitch + MLF_V;
    const mlf_nn_tile tile =
        MLF_FN(mlf_nn_tiles)[rows * columns - 1][op->out_channels - channel > MLF_V];
    const float *weights = op->weights + (ptrdiff_t)channel * POINTS * channels;
    int32_t places[CHANNELS]; /* of the channels, to the tile taps of a single one: one loop */
    for (int c = 0; c < at_once; c++)
        places[c] = c * pitch;
    for (int c = 0; c < channels; c += at_once, in += at_once * (ptrdiff_t)op->plane) {
        int n = channels - c < at_once ? channels - c : at_once;
        if (channel == 0 || n < channels) {
            if (TOGETHER(columns) == 2)
                transform_input(2, op, in, n, y, rows, x, columns, b->points, step);
            else
                transform_input(1, op, in, n, y, rows, x, columns, b->points, step);
        }
        for (int p = 0; p < POINTS; p++) {
            const float *w = weights + ((ptrdiff_t)p * channels + c) * MLF_NN_BLOCK;
            const float *bias = p == EVERYWHERE ? op->bias + channel : zeros;
            tile(b->points + p * step, 1, 0, places, n, w, c ? NULL : bias, b->sums[p][0]);
        }
    }
}

/* All output channels of rows x columns tiles from (y, x) on; false if any is not finite. Never
 * inlined: its arrays, some 100 KiB, are gone before the item is done again. */
static __attribute__((noinline)) int piece(const mlf_nn_op *op, const float *in, float *out,
                                           int y, int rows, int x, int columns)
{
    buffers b __attribute__((aligned(64)));
    float strip[4 * MLF_NN_TILE + MLF_V][MLF_NN_BLOCK] __attribute__((aligned(64)));
    const int side = op->pool == 2 ? 1 : 2, relu = op->activation == MLF_NN_RELU;
    const ptrdiff_t plane = (ptrdiff_t)op->out_height * op->out_width;
    const int left = op->out_width - side * x, below = op->out_height - side * y;
    const int width = left < side * columns ? left : side * columns;
    const int height = below < side * rows ? below : side * rows;
    vec check = { 0 };
    v_nans nans = MLF_NO_NANS;
    for (int channel = 0; channel < op->out_channels; channel += MLF_NN_BLOCK) {
        sum_points(op, in, channel, y, rows, x, columns, &b);
        int n = op->out_channels - channel;
        outputs(b.sums[0][0], MLF_NN_TILE * MLF_NN_BLOCK, rows, columns, op->pool, width,
                n > MLF_V ? 2 : 1, strip[0], &check);
        n = n < MLF_NN_BLOCK ? n : MLF_NN_BLOCK;
        float *to = out + channel * plane + (ptrdiff_t)side * y * op->out_width + side * x;
        if (width == op->out_width)
            MLF_FN(mlf_nn_store_strip)(strip[0], height * width, n, to, plane, relu);
        else
            for (int row = 0; row < height; row++, to += op->out_width)
                MLF_FN(mlf_nn_store_strip)(strip[row * width], width, n, to, plane, relu);
    }
    v_note_nans(&nans, check, check);
    return !v_any_nan(nans);
}

MLF_NN_RUN(mlf_nn_conv_winograd)
{
    const int side = op->pool == 2 ? 1 : 2;
    const int tile_rows = (op->out_height + side - 1) / side;
    const int tile_columns = (op->out_width + side - 1) / side;
    const int n_blocks = (op->out_channels + MLF_NN_BLOCK - 1) / MLF_NN_BLOCK;
    const float *in = op->n_shifts ? mlf_nn_at(base, op->work) : mlf_nn_at(base, op->in);
    mlf_nn_op direct = *op;
    direct.weights += (ptrdiff_t)POINTS * op->channels * n_blocks * MLF_NN_BLOCK;
    for (int item = begin; item < end; item++) {
        int y = item * op->tile_rows, finite = 1;
        int rows = tile_rows - y < op->tile_rows ? tile_rows - y : op->tile_rows;
        for (int x = 0; x < tile_columns; x += op->tile) {
            int columns = tile_columns - x < op->tile ? tile_columns - x : op->tile;
            finite &= piece(op, in, mlf_nn_at(base, op->out), y, rows, x, columns);
        }
        int first = side * y, last = side * (y + rows);
        last = last < op->out_height ? last : op->out_height;
        for (int block = 0; block < n_blocks && !finite; block++)
            MLF_FN(mlf_nn_conv_channels)(&direct, base, block * op->out_height + first,
                                         block * op->out_height + last);
    }
}
