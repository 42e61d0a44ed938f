#include "nn_wide.h"

#define DECLARE(isa) extern const mlf_wide_kernels mlf_wide_table_##isa;
MLF_FOR_EACH_ISA(DECLARE)
#undef DECLARE

const mlf_wide_kernels *mlf_wide_kernels_for(mlf_isa isa)
{
#define ENTRY(isa) &mlf_wide_table_##isa,
    static const mlf_wide_kernels *const tables[] = { MLF_FOR_EACH_ISA(ENTRY) };
#undef ENTRY
    return tables[isa];
}

typedef struct job {
    const mlf_wide *model;
    const char *x;
    ptrdiff_t stride;
    int64_t n;
    char *scores, *scratch;
    size_t scratch_size;      /* of a part                                                 */
    int size, n_parts;
    ptrdiff_t n_scores;
    mlf_wide_run run;
} job;

static void run_part(void *context, int part)
{
    const job *j = context;
    int64_t begin = j->n * part / j->n_parts, end = j->n * (part + 1) / j->n_parts;
    j->run(j->model, j->x + begin * j->stride * j->size, j->stride, end - begin,
           j->scores + begin * j->n_scores * j->size, j->scratch + part * j->scratch_size, NULL);
}

static size_t part_scratch(int64_t n, int n_parts)
{
    int64_t rows = (n + n_parts - 1) / n_parts;
    return (size_t)(rows < MLF_WIDE_GROUP ? rows : MLF_WIDE_GROUP) * 2 * MLF_WIDE_PITCH;
}

size_t mlf_wide_scratch(int64_t n, int n_parts)
{
    return part_scratch(n, n_parts) * n_parts;
}

void mlf_wide_batch(const mlf_wide_kernels *kernels, const mlf_wide *model, int size,
                    const void *x, ptrdiff_t stride, int64_t n, void *scores, void *scratch,
                    mlf_runner runner, int n_parts)
{
    ptrdiff_t n_scores = (ptrdiff_t)model->n_blocks * model->vectors * kernels->vector_bytes / size;
    mlf_wide_run run = size == 4 ? kernels->run_float : kernels->run_double;
    job j = { model, x, stride, n, scores, scratch, part_scratch(n, n_parts),
              size, n_parts, n_scores, run };
    runner(n_parts, run_part, &j);
}
