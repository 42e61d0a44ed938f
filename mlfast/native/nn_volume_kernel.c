/* Convolution of volumes, tap by tap: an item is one plane of the output (a channel's depth).
 *
 * weights[out channel][channel of the group][tap of depth, row, column], bias[out channel];
 * shape: depth, output depth, taps of depth, taps of a column; in_strides: the window's steps
 * in depth, rows and columns, and the taps of a row; other_strides: the steps between taps in
 * depth, rows and columns, and the zeros before the first depth.
 */
#include "nn_kernels.h"

/* out[x] += weight * row[x * step + first] wherever that is inside 0 .. width - 1. */
static void add_row(float *out, int n, float weight, const float *row, int width, int64_t first,
                    int64_t step)
{
    int64_t begin = first < 0 ? (-first + step - 1) / step : 0;
    int64_t end = width > first ? (width - first + step - 1) / step : 0;
    end = end < n ? end : n;
    if (step == 1)
        for (int64_t x = begin; x < end; x++)
            out[x] += weight * row[x + first];
    else
        for (int64_t x = begin; x < end; x++)
            out[x] += weight * row[x * step + first];
}

/* One channel's part of an output plane. */
static void add_channel(const mlf_nn_op *op, float *out, const float *in, const float *w, int64_t z)
{
    const int64_t depth = op->shape[0], taps_z = op->shape[2], taps_y = op->shape[3];
    const int64_t taps_x = op->in_strides[3];
    const int64_t *stride = op->in_strides, *dilation = op->other_strides;
    for (int64_t tz = 0; tz < taps_z; tz++) {
        int64_t from = z * stride[0] + tz * dilation[0] - op->other_strides[3];
        if (from < 0 || from >= depth)
            continue;
        for (int64_t ty = 0; ty < taps_y; ty++)
            for (int y = 0; y < op->out_height; y++) {
                int64_t row = y * stride[1] + ty * dilation[1] - op->pad_top;
                if (row < 0 || row >= op->height)
                    continue;
                for (int64_t tx = 0; tx < taps_x; tx++)
                    add_row(out + (ptrdiff_t)y * op->out_width, op->out_width,
                            w[(tz * taps_y + ty) * taps_x + tx],
                            in + (from * op->height + row) * op->width, op->width,
                            tx * dilation[2] - op->pad_left, stride[2]);
            }
    }
}

MLF_NN_RUN(mlf_nn_conv_volume)
{
    const int64_t out_depth = op->shape[1], n_taps = op->n_taps;
    const int group_in = op->channels / op->groups, group_out = op->out_channels / op->groups;
    const ptrdiff_t volume = (ptrdiff_t)op->shape[0] * op->height * op->width;
    const ptrdiff_t plane = (ptrdiff_t)op->out_height * op->out_width;
    for (int item = begin; item < end; item++) {
        int channel = (int)(item / out_depth);
        float *out = mlf_nn_at(base, op->out) + item * plane;
        const float *in = mlf_nn_at(base, op->in) + channel / group_out * group_in * volume;
        const float *w = op->weights + (ptrdiff_t)channel * group_in * n_taps;
        for (ptrdiff_t i = 0; i < plane; i++)
            out[i] = op->bias[channel];
        for (int c = 0; c < group_in; c++)
            add_channel(op, out, in + c * volume, w + c * n_taps, item % out_depth);
    }
}
