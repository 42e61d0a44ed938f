#include "run.h"

#include "links_rows.h"

#include <stdatomic.h>
#include <string.h>

static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

static size_t carve(const mlf_plan *p, char *memory, size_t rows, size_t scratch, mlf_workspace *w)
{
    size_t at = 0;
#define TAKE_(field, bytes)                                                                        \
    do {                                                                                           \
        w->field = (void *)(memory + at);                                                          \
        at += round_up(bytes);                                                                     \
    } while (0)
    TAKE_(slots, (size_t)p->encoder.n_slots * rows * sizeof(double));
    TAKE_(raw, (size_t)p->head.n_outputs * rows * sizeof(double));
    TAKE_(row, (size_t)p->head.n_outputs * sizeof(double));
    TAKE_(linked, rows * sizeof(double));
    TAKE_(decisions, (size_t)p->output.n_decisions * sizeof(double));
    TAKE_(values, (size_t)p->output.n_values * sizeof(double));
    TAKE_(scratch, scratch);
#undef TAKE_
    return at;
}

int32_t mlf_block_rows(const mlf_plan *p, int64_t n_rows)
{
    const int32_t cached = 1 << 16;   /* values: half a MiB */
    int32_t rows = cached / (p->encoder.n_slots + 1) / 64 * 64;
    rows = rows < 64 ? 64 : rows > MLF_BLOCK ? MLF_BLOCK : rows;
    return rows <= n_rows ? rows : (int32_t)(n_rows + 63) / 64 * 64;
}

/* Bytes of the slots of a few rows, one row after the other. */
static size_t few_slots(const mlf_plan *p, int32_t n_rows)
{
    return round_up((size_t)p->encoder.n_slots * (size_t)n_rows * sizeof(double));
}

size_t mlf_workspace_one(const mlf_plan *p)
{
    mlf_workspace w;
    return carve(p, NULL, 1, p->head.scratch_one, &w);
}

size_t mlf_workspace_block(const mlf_plan *p, int64_t n_rows)
{
    mlf_workspace w;
    const int32_t stride = mlf_block_stride(mlf_block_rows(p, n_rows));
    return carve(p, NULL, (size_t)stride, p->head.scratch_block, &w);
}

size_t mlf_workspace_few(const mlf_plan *p, int32_t n_rows)
{
    return few_slots(p, n_rows) + mlf_workspace_one(p);
}

mlf_workspace mlf_carve(const mlf_plan *p, void *memory, int32_t stride)
{
    mlf_workspace w;
    carve(p, memory, (size_t)stride, 0, &w);
    return w;
}

int mlf_run_one(const mlf_plan *p, mlf_want want, const mlf_workspace *w, mlf_status *status)
{
    *status = (mlf_status){ -1, -1, 0, 0 };
    if (p->encoder.n_steps && p->encoder.one(&p->encoder, w->slots, status))
        return 1;
    if (want == MLF_WANT_ENCODED)
        return 0;
    p->head.one(p->head.data, w->slots, w->raw, w->scratch);
    mlf_decide(&p->output, w->raw, p->head.n_outputs, w->decisions);
    if (want == MLF_WANT_VALUES || (want == MLF_WANT_LABELS && mlf_label_needs_values(&p->output)))
        mlf_link(&p->output, w->decisions, w->values);
    return 0;
}

void mlf_run_row(const mlf_plan *p, const double *x, double *values, void *memory)
{
    const mlf_output *o = &p->output;
    if (p->head.n_outputs == 1) {              /* most models: the sum needs no memory */
        double sum;
        p->head.one(p->head.data, x, &sum, memory);
        if (o->decision_link != MLF_IDENTITY)
            mlf_decide(o, &sum, 1, &sum);
        mlf_link(o, &sum, values);
        return;
    }
    const mlf_workspace w = mlf_carve(p, memory, 1);
    p->head.one(p->head.data, x, w.raw, w.scratch);
    mlf_decide(o, w.raw, p->head.n_outputs, w.decisions);
    mlf_link(o, w.decisions, values);
}

static void put(void *out, int float32, int64_t at, const double *x, int32_t n)
{
    if (float32)
        for (int32_t k = 0; k < n; k++)
            ((float *)out)[at + k] = (float)x[k];
    else
        memcpy((double *)out + at, x, (size_t)n * sizeof *x);
}

static void link_rows(const mlf_plan *p, const double *x, int32_t n, double *linked)
{
    static mlf_link_fn *const sigmoid[] = MLF_ISA_TABLE(mlf_sigmoid_rows);
    if (p->output.link == MLF_SIGMOID_FLOAT32)
        sigmoid[p->isa](x, n, linked);
    else
        mlf_link_rows(&p->output, x, n, linked);
}

/* finish_block where a row has one raw sum and every link takes it alone: whole columns at a
 * time. */
static void finish_column(const mlf_plan *p, const mlf_sinks *sinks, const mlf_workspace *w,
                          int64_t first, int32_t n)
{
    const mlf_output *o = &p->output;
    double *x = w->raw, *v = w->linked;
    mlf_decide_rows(o, x, n);
    if (sinks->decisions)
        put(sinks->decisions, o->float32, first, x, n);
    const int linked = sinks->values || (sinks->labels && mlf_label_needs_values(o));
    if (linked)
        link_rows(p, x, n, v);
    if (sinks->values && !o->binary)
        put(sinks->values, o->float32, first, v, n);
    else if (sinks->values && o->float32)
        for (int32_t r = 0; r < n; r++) {
            float *out = (float *)sinks->values + 2 * (first + r);
            out[0] = 1.0f - (float)v[r];
            out[1] = (float)v[r];
        }
    else if (sinks->values)
        for (int32_t r = 0; r < n; r++) {
            double *out = (double *)sinks->values + 2 * (first + r);
            out[0] = 1.0 - v[r];
            out[1] = v[r];
        }
    if (sinks->labels)
        for (int32_t r = 0; r < n; r++) {
            double p = linked ? v[r] : 0.0;
            double pair[2] = { o->float32 ? (double)(1.0f - (float)p) : 1.0 - p, p };
            sinks->labels[first + r] = mlf_label(o, &x[r], pair);
        }
}

/* Decisions, values and labels of a block's rows; table row `first` is row 0. */
static void finish_block(const mlf_plan *p, const mlf_sinks *sinks, const mlf_workspace *w,
                         ptrdiff_t stride, int64_t first, int32_t n)
{
    const mlf_output *o = &p->output;
    const int linked = sinks->values || (sinks->labels && mlf_label_needs_values(o));
    const int32_t n_raw = p->head.n_outputs;
    double *row = w->row;
    for (int32_t r = 0; r < n; r++) {
        const double *raw = w->raw + r;
        if (n_raw > 1) {
            for (int32_t k = 0; k < n_raw; k++)
                row[k] = w->raw[k * stride + r];
            raw = row;
        }
        mlf_decide(o, raw, n_raw, w->decisions);
        if (linked)
            mlf_link(o, w->decisions, w->values);
        if (sinks->decisions)
            put(sinks->decisions, o->float32, (first + r) * o->n_decisions, w->decisions,
                o->n_decisions);
        if (sinks->values)
            put(sinks->values, o->float32, (first + r) * o->n_values, w->values, o->n_values);
        if (sinks->labels)
            sinks->labels[first + r] = mlf_label(o, w->decisions, w->values);
    }
}

static void finish(const mlf_plan *p, const mlf_sinks *sinks, const mlf_workspace *w,
                   ptrdiff_t stride, int64_t first, int32_t n)
{
    if (p->head.n_outputs == 1 && mlf_links_one(&p->output))
        finish_column(p, sinks, w, first, n);
    else
        finish_block(p, sinks, w, stride, first, n);
}

/* Rows that stand in the slots already; table row `first` is row 0. */
static int run_block(const mlf_plan *p, const mlf_workspace *w, ptrdiff_t stride, int64_t first,
                     int32_t n, const mlf_sinks *sinks, mlf_status *status)
{
    const mlf_encoder *e = &p->encoder;
    mlf_status block = { -1, -1, 0, 0 };
    int refused = e->n_steps && e->block(e, w->slots, stride, n, &block);
    if (block.warned >= 0 && status->warned < 0) {
        status->warned = block.warned;
        status->warned_row = first + block.warned_row;
    }
    if (refused) {
        status->refused = block.refused;
        status->refused_row = first + block.refused_row;
        return 1;
    }
    if (sinks->encoded)
        for (int32_t r = 0; r < n; r++)
            for (int32_t k = 0; k < e->n_outputs; k++)
                sinks->encoded[(first + r) * e->n_outputs + k] = w->slots[k * stride + r];
    if (sinks->decisions || sinks->values || sinks->labels) {
        p->head.block(p->head.data, w->slots, stride, n, w->raw, w->scratch);
        finish(p, sinks, w, stride, first, n);
    }
    return 0;
}

/* The array that the columns are, if a head may take it as it is: all its features beside each
 * other, and nothing to encode. */
static int find_array(const mlf_plan *p, const mlf_column *columns, const mlf_sinks *sinks,
                      mlf_array *array)
{
    const mlf_encoder *e = &p->encoder;
    if (columns == NULL || sinks->encoded || p->head.array == NULL || e->n_steps > 0
        || e->n_inputs != p->head.n_features || e->n_inputs == 0
        || (columns->type != MLF_F64 && columns->type != MLF_F32))
        return 0;
    const ptrdiff_t size = columns->type == MLF_F32 ? sizeof(float) : sizeof(double);
    for (int32_t i = 0; i < e->n_inputs; i++)
        if (e->input_slots[i] != i || columns[i].data != columns->data + i * size
            || columns[i].stride != columns->stride || columns[i].type != columns->type)
            return 0;
    *array = (mlf_array){ .rows = columns->data, .stride = columns->stride,
                          .float32 = columns->type == MLF_F32 };
    return 1;
}

void mlf_run_few(const mlf_plan *p, int32_t n, const mlf_sinks *sinks, void *memory,
                 mlf_status *status)
{
    const mlf_encoder *e = &p->encoder;
    mlf_workspace w = mlf_carve(p, (char *)memory + few_slots(p, n), 1);
    w.slots = memory;
    *status = (mlf_status){ -1, -1, 0, 0 };
    for (int32_t r = 0; r < n; r++, w.slots += e->n_slots) {
        mlf_status row = { -1, -1, 0, 0 };
        const int refused = e->n_steps && e->one(e, w.slots, &row);
        if (row.warned >= 0 && status->warned < 0) {
            status->warned = row.warned;
            status->warned_row = r;
        }
        if (refused) {
            status->refused = row.refused;
            status->refused_row = r;
            return;
        }
        if (sinks->encoded)
            memcpy(sinks->encoded + (int64_t)r * e->n_outputs, w.slots,
                   (size_t)e->n_outputs * sizeof *w.slots);
        if (sinks->decisions || sinks->values || sinks->labels) {
            p->head.one(p->head.data, w.slots, w.raw, w.scratch);
            finish_block(p, sinks, &w, 1, r, 1);
        }
    }
}

typedef struct batch {
    const mlf_plan *plan;
    const mlf_column *columns;
    const mlf_rows *rows;
    const mlf_sinks *sinks;
    char *memory;
    mlf_status *statuses;
    mlf_array array;
    int from_array;            /* the head takes `array` instead of slots */
    _Atomic int64_t next;      /* block that nobody has taken yet */
} batch;

/* Rows that are fetched while block `block` runs: the next one's, and of the first one its own. */
static void plan_fetch(const batch *b, int32_t rows, int64_t block, int64_t next, int first,
                       mlf_array *x)
{
    const int64_t n = b->rows->n;
    int64_t from = first ? block * rows + 64 : next * rows;
    int64_t to = first && next != block + 1 ? (block + 1) * rows : (next + 1) * rows;
    to = to < n ? to : n;
    if (from >= to || x->stride <= 0 || x->stride > 16 * b->plan->head.n_features)
        return;
    x->next = b->array.rows + from * x->stride;
    x->next_bytes = (size_t)((to - from) * x->stride);
}

/* Blocks of an array: each is taken while the one before it runs. */
static void run_array(batch *b, const mlf_workspace *w, int32_t rows, int64_t n_blocks)
{
    const mlf_head *head = &b->plan->head;
    const ptrdiff_t stride = mlf_block_stride(rows);
    int first = 1;
    for (int64_t next, block = atomic_fetch_add(&b->next, 1); block < n_blocks; block = next) {
        const int64_t row = block * rows, left = b->rows->n - row;
        const int32_t n = left < rows ? (int32_t)left : rows;
        mlf_array x = b->array;
        next = atomic_fetch_add(&b->next, 1);
        plan_fetch(b, rows, block, next, first, &x);
        first = 0;
        x.rows += row * x.stride;
        head->array(head->data, &x, n, w->raw, stride, w->scratch);
        finish(b->plan, b->sinks, w, stride, b->rows->first + row, n);
    }
}

/* Takes blocks in their order until there are none, or one refuses. */
static void run_part(void *context, int part)
{
    static mlf_load *const load[] = MLF_ISA_TABLE(mlf_load);
    batch *b = context;
    const int32_t rows = b->rows->block, stride = mlf_block_stride(rows);
    const size_t size = mlf_workspace_block(b->plan, rows);
    const mlf_workspace w = mlf_carve(b->plan, b->memory + (size_t)part * size, stride);
    const int64_t n_blocks = (b->rows->n + rows - 1) / rows;
    const int filled = b->columns == NULL;
    mlf_status *status = &b->statuses[part];
    *status = (mlf_status){ -1, -1, 0, 0 };
    if (b->from_array) {
        run_array(b, &w, rows, n_blocks);
        return;
    }
    int64_t block = filled ? part : atomic_fetch_add(&b->next, 1);
    for (; block < n_blocks; block = filled ? n_blocks : atomic_fetch_add(&b->next, 1)) {
        const int64_t row = block * rows, left = b->rows->n - row;
        const int32_t n = left < rows ? (int32_t)left : rows;
        if (!filled)
            load[b->plan->isa](&b->plan->encoder, b->columns, row, n, w.slots, stride);
        if (run_block(b->plan, &w, stride, b->rows->first + row, n, b->sinks, status)) {
            atomic_store(&b->next, n_blocks);
            return;
        }
    }
}

void mlf_run_batch(const mlf_plan *p, const mlf_column *columns, const mlf_rows *rows,
                   const mlf_sinks *sinks, int32_t n_parts, mlf_runner runner, void *memory,
                   mlf_status *statuses)
{
    batch b = { .plan = p, .columns = columns, .rows = rows, .sinks = sinks, .memory = memory,
                .statuses = statuses };
    b.from_array = find_array(p, columns, sinks, &b.array);
    if (n_parts == 1)
        run_part(&b, 0);
    else
        runner(n_parts, run_part, &b);
    for (int32_t part = 1; part < n_parts; part++) {
        const mlf_status *other = &statuses[part];
        if (other->refused >= 0
            && (statuses->refused < 0 || other->refused_row < statuses->refused_row)) {
            statuses->refused = other->refused;
            statuses->refused_row = other->refused_row;
        }
        if (other->warned >= 0
            && (statuses->warned < 0 || other->warned_row < statuses->warned_row)) {
            statuses->warned = other->warned;
            statuses->warned_row = other->warned_row;
        }
    }
}
