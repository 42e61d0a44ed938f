/* ---------------------------------------------------------------- the network
 *
 * float32 numbers of one example, the last axis fastest; images are (channels, height, width).
 * Results stand where they overlap nothing that is still read.
 */

/* out[r][o] = bias[o] + sum of x[r][i] * weight[i][o] */
static void network_dense(const float *restrict x, float *restrict out, const float *weight,
                          const float *bias, int n_rows, int n_in, int n_out)
{
    for (int r = 0; r < n_rows; r++, x += n_in, out += n_out) {
        memcpy(out, bias, (size_t)n_out * sizeof *out);
        for (int i = 0; i < n_in; i++) {
            const float *restrict row = weight + (size_t)i * (size_t)n_out;
            for (int o = 0; o < n_out; o++)
                out[o] += x[i] * row[o];
        }
    }
}

typedef struct network_convolution {
    int channels, height, width, out_channels, out_height, out_width;    /* channels: of a group */
    int kernel_height, kernel_width, stride_y, stride_x, top, left, dilation_y, dilation_x, groups;
} network_convolution;

/* The first result along an axis whose input, begin + result * stride, is at least `least`. */
static int network_first(int begin, int stride, int least)
{
    return begin >= least ? 0 : (least - begin + stride - 1) / stride;
}

/* One result plane after another: every weight times an image that is shifted by its place. */
static void network_convolve(const float *restrict x, float *restrict out, const float *weight,
                             const float *bias, const network_convolution *c)
{
    const int plane = c->out_height * c->out_width;
    for (int o = 0; o < c->out_channels; o++, out += plane) {
        const float *image = x + (size_t)(o / (c->out_channels / c->groups) * c->channels)
                                     * (size_t)(c->height * c->width);
        for (int i = 0; i < plane; i++)
            out[i] = bias[o];
        for (int k = 0; k < c->channels * c->kernel_height * c->kernel_width; k++, weight++) {
            const int kx = k % c->kernel_width, ky = k / c->kernel_width % c->kernel_height;
            const float w = *weight;
            const int channel = k / (c->kernel_width * c->kernel_height);
            const int from_y = ky * c->dilation_y - c->top, from_x = kx * c->dilation_x - c->left;
            const int first_x = network_first(from_x, c->stride_x, 0);
            const int end_x = network_first(from_x, c->stride_x, c->width);
            const int end = end_x < c->out_width ? end_x : c->out_width;
            for (int y = network_first(from_y, c->stride_y, 0); y < c->out_height; y++) {
                const int in_y = y * c->stride_y + from_y;
                const float *row = image + (channel * c->height + in_y) * c->width + from_x;
                if (in_y >= c->height)
                    break;
                if (c->stride_x == 1)    /* compilers vectorise this one */
                    for (int i = first_x; i < end; i++)
                        out[y * c->out_width + i] += w * row[i];
                else
                    for (int i = first_x; i < end; i++)
                        out[y * c->out_width + i] += w * row[i * c->stride_x];
            }
        }
    }
}

/* rows, columns: of each window the first input, its end, and what an average divides by */
static void network_pool(const float *x, float *out, int channels, int height, int width,
                         const int32_t *rows, int n_rows, const int32_t *columns, int n_columns,
                         int dilation_y, int dilation_x, int largest)
{
    for (int c = 0; c < channels; c++, x += height * width)
        for (int y = 0; y < n_rows; y++)
            for (int i = 0; i < n_columns; i++) {
                const int32_t *r = rows + 3 * y, *q = columns + 3 * i;
                float best = -INFINITY;
                double sum = 0.0;
                for (int32_t a = r[0]; a < r[1]; a += dilation_y)
                    for (int32_t b = q[0]; b < q[1]; b += dilation_x) {
                        const float value = x[a * width + b];
                        if (!(value <= best))
                            best = best != best ? best : value;    /* larger, or NaN; NaN stays */
                        sum += value;
                    }
                *out++ = largest ? best : (float)(sum / ((double)r[2] * q[2]));
            }
}

/* Along the middle axis of (n_outer, n, n_inner) */
static void network_softmax(const float *x, float *out, int n_outer, int n, int n_inner,
                            int logarithm)
{
    for (int k = 0; k < n_outer * n_inner; k++) {
        const int start = k / n_inner * n * n_inner + k % n_inner;
        float top = x[start];
        double sum = 0.0;
        for (int i = 1; i < n; i++)
            top = x[start + i * n_inner] > top ? x[start + i * n_inner] : top;
        for (int i = 0; i < n; i++)
            sum += exp((double)x[start + i * n_inner] - top);
        for (int i = 0; i < n; i++) {
            const double shifted = (double)x[start + i * n_inner] - top;
            out[start + i * n_inner] = (float)(logarithm ? shifted - log(sum) : exp(shifted) / sum);
        }
    }
}

static float network_relu(float x, float a, float b) { return (void)a, (void)b, x < 0 ? 0 : x; }
static float network_leaky_relu(float x, float a, float b) { return (void)b, x < 0 ? a * x : x; }
static float network_sigmoid(float x, float a, float b)
{
    return (void)a, (void)b, (float)(1.0 / (1.0 + exp(-(double)x)));
}
static float network_tanh(float x, float a, float b) { return (void)a, (void)b, (float)tanh(x); }
static float network_silu(float x, float a, float b)
{
    return (void)a, (void)b, (float)(x / (1.0 + exp(-(double)x)));
}
static float network_gelu(float x, float a, float b)
{
    return (void)a, (void)b, (float)(0.5 * x * (1.0 + erf(x * 0.70710678118654752)));
}
static float network_gelu_tanh(float x, float a, float b)
{
    const double cubic = x + 0.044715 * x * x * x;
    return (void)a, (void)b, (float)(0.5 * x * (1.0 + tanh(0.79788456080286536 * cubic)));
}
static float network_clip(float x, float a, float b)
{
    const float low = x < a ? a : x;
    return low > b ? b : low;
}
