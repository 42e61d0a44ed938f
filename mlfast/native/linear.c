#include <string.h>

#include "linear.h"

int mlf_linear_lower(const double *coef, const double *intercept, int32_t n_outputs,
                     int32_t n_features, mlf_isa isa, mlf_memory *memory, mlf_head *head)
{
    size_t n_coef = (size_t)n_outputs * (size_t)n_features;
    mlf_linear *linear = memory->alloc(memory, sizeof *linear);
    double *own = memory->alloc(memory, (n_coef + (size_t)n_outputs) * sizeof *own);
    if (!linear || !own)
        return -1;
    memcpy(own, coef, n_coef * sizeof *own);
    memcpy(own + n_coef, intercept, (size_t)n_outputs * sizeof *own);
    *linear = (mlf_linear){ n_features, n_outputs, own, own + n_coef };
    *head = (mlf_head){ .n_features = n_features, .n_outputs = n_outputs, .data = linear };
#define BIND_(name)                                                                                \
    if (isa == MLF_ISA_##name) {                                                                   \
        head->one = mlf_linear_one_##name;                                                         \
        head->block = mlf_linear_block_##name;                                                     \
    }
    MLF_FOR_EACH_ISA(BIND_)
#undef BIND_
    return 0;
}
