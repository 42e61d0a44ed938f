#include "nn.h"

#include <string.h>

#define DECLARE(isa) extern const mlf_nn_kernels mlf_nn_table_##isa;
MLF_FOR_EACH_ISA(DECLARE)
#undef DECLARE

const mlf_nn_kernels *mlf_nn_kernels_for(mlf_isa isa)
{
#define ENTRY(isa) &mlf_nn_table_##isa,
    static const mlf_nn_kernels *const tables[] = { MLF_FOR_EACH_ISA(ENTRY) };
#undef ENTRY
    return tables[isa];
}

/* ---------------------------------------------------------------- one example */

typedef struct split {
    const mlf_nn_kernel *kernel;
    const mlf_nn_op *op;
    float *const *base;
    int n_parts, own_work;
} split;

static void run_part(void *context, int part)
{
    const split *s = context;
    /* Rounded up: the first parts, which begin earlier, have the larger share. */
    const int64_t n = s->op->n_items, n_parts = s->n_parts;
    int begin = (int)((n * part + n_parts - 1) / n_parts);
    int end = (int)((n * (part + 1) + n_parts - 1) / n_parts);
    if (begin == end)
        return;
    if (!s->own_work) {
        s->kernel->run(s->op, s->base, begin, end);
        return;
    }
    mlf_nn_op own = *s->op;
    own.work.offset += part * own.own_work;
    s->kernel->prepare(&own, s->base);
    s->kernel->run(&own, s->base, begin, end);
}

static void run_op(const mlf_nn *net, const mlf_nn_op *op, float *const *base, mlf_runner runner)
{
    const mlf_nn_kernel *kernel = &net->kernels->of[op->kind];
    const int own_work = runner && kernel->prepare && op->own_work;
    if (kernel->prepare && !own_work)
        kernel->prepare(op, base);
    if (runner) {
        int n_parts = op->n_parts < op->n_items ? op->n_parts : op->n_items;
        split s = { kernel, op, base, n_parts, own_work };
        runner(s.n_parts, run_part, &s);
    } else {
        kernel->run(op, base, 0, op->n_items);
    }
}

void mlf_nn_forward(const mlf_nn *net, const float *x, float *out, float *arena)
{
    /* Operations do not write to their input. */
    float *const base[MLF_NN_BASES] = { arena, (float *)(uintptr_t)x, out };
    for (int i = 0; i < net->n_ops; i++)
        run_op(net, &net->ops[i], base, net->ops[i].runner);
}

/* ---------------------------------------------------------------- several examples */

int64_t mlf_nn_batch_arena(const mlf_nn *net)
{
    return (net->arena * net->kernels->max_rows + net->rows_work + 15) / 16 * 16;
}

/* n <= max_rows examples: up to the tail one by one in the first slot of the arena, from
 * there on together, each in a slot of its own. */
static void run_rows(const mlf_nn *net, const float *x, float *out, float *arena, int n)
{
    const ptrdiff_t stride[MLF_NN_BASES] = { net->arena, net->n_inputs, net->n_outputs };
    float *const first[MLF_NN_BASES] = { arena, (float *)(uintptr_t)x, out };
    for (int r = n - 1; r >= 0 && net->tail > 0; r--) {
        float *const base[MLF_NN_BASES] = { arena, first[MLF_NN_INPUT] + r * stride[MLF_NN_INPUT],
                                            out + r * stride[MLF_NN_OUTPUT] };
        for (int i = 0; i < net->tail; i++)
            run_op(net, &net->ops[i], base, NULL);
        if (r > 0 && net->cut.base == MLF_NN_ARENA)
            memcpy(arena + r * net->arena + net->cut.offset, arena + net->cut.offset,
                   4 * (size_t)net->cut_size);
    }
    for (int i = net->tail; i < net->n_ops; i++) {
        const mlf_nn_op *op = &net->ops[i];
        const mlf_nn_kernel *kernel = &net->kernels->of[op->kind];
        if (kernel->rows && n > 1) {
            kernel->rows(op, first, stride, n, arena + net->arena * net->kernels->max_rows);
            continue;
        }
        for (int r = 0; r < n; r++) {
            float *base[MLF_NN_BASES];
            for (int b = 0; b < MLF_NN_BASES; b++)
                base[b] = first[b] + r * stride[b];
            run_op(net, op, base, NULL);
        }
    }
}

typedef struct batch {
    const mlf_nn *net;
    const float *x;
    float *out, *arena;
    int64_t n;
    int n_parts;
} batch;

static void run_range(void *context, int part)
{
    const batch *b = context;
    const mlf_nn *net = b->net;
    int64_t begin = b->n * part / b->n_parts, end = b->n * (part + 1) / b->n_parts;
    float *arena = b->arena + part * mlf_nn_batch_arena(net);
    while (begin < end) {
        int64_t left = end - begin;
        int n = left < net->kernels->max_rows ? (int)left : net->kernels->max_rows;
        run_rows(net, b->x + begin * net->n_inputs, b->out + begin * net->n_outputs, arena, n);
        begin += n;
    }
}

void mlf_nn_batch(const mlf_nn *net, const float *x, int64_t n, float *out, float *arena,
                  mlf_runner runner, int n_threads)
{
    batch b = { net, x, out, arena, n, n_threads };
    if (runner && n_threads > 1)
        runner(n_threads, run_range, &b);
    else
        run_range(&b, 0);
}

/* ---------------------------------------------------------------- a head of a plan */

static float *aligned(void *scratch, float **next, int64_t floats)
{
    float *p = scratch;
    *next = p + (floats + 15) / 16 * 16;
    return p;
}

static void head_one(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_nn *net = data;
    float *in = aligned(scratch, (float **)&scratch, net->n_inputs);
    float *out = aligned(scratch, (float **)&scratch, net->n_outputs);
    for (int64_t i = 0; i < net->n_inputs; i++)
        in[i] = (float)x[i];
    mlf_nn_forward(net, in, out, scratch);
    for (int64_t i = 0; i < net->n_outputs; i++)
        raw[i] = out[i];
}

static void head_block(const void *data, const double *x, ptrdiff_t stride, int32_t n, double *raw,
                       void *scratch)
{
    const mlf_nn *net = data;
    const int max_rows = net->kernels->max_rows;
    float *in = aligned(scratch, (float **)&scratch, net->n_inputs * max_rows);
    float *out = aligned(scratch, (float **)&scratch, net->n_outputs * max_rows);
    for (int first = 0; first < n; first += max_rows) {
        int rows = n - first < max_rows ? n - first : max_rows;
        for (int r = 0; r < rows; r++)
            for (int64_t i = 0; i < net->n_inputs; i++)
                in[r * net->n_inputs + i] = (float)x[i * stride + first + r];
        run_rows(net, in, out, scratch, rows);
        for (int r = 0; r < rows; r++)
            for (int64_t i = 0; i < net->n_outputs; i++)
                raw[i * stride + first + r] = out[r * net->n_outputs + i];
    }
}

void mlf_nn_head(const mlf_nn *net, mlf_head *head)
{
    size_t in_out = 4 * (size_t)(net->n_inputs + net->n_outputs), slack = 256;
    head->n_features = (int32_t)net->n_inputs;
    head->n_outputs = (int32_t)net->n_outputs;
    head->scratch_one = in_out + 4 * (size_t)net->arena + slack;
    head->scratch_block = in_out * (size_t)net->kernels->max_rows
        + 4 * (size_t)mlf_nn_batch_arena(net) + slack;
    head->data = net;
    head->one = head_one;
    head->block = head_block;
}
