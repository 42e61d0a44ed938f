#include "isa.h"

const char *mlf_isa_name(mlf_isa isa)
{
#define NAME_(name) #name,
    static const char *const names[] = { MLF_FOR_EACH_ISA(NAME_) };
#undef NAME_
    return names[isa];
}

int mlf_isa_supported(mlf_isa isa)
{
#if MLF_X86
    __builtin_cpu_init();
    if (isa == MLF_ISA_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
            && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (isa == MLF_ISA_avx512)
        return mlf_isa_supported(MLF_ISA_avx2)
            && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2")
            && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bitalg")
            && __builtin_cpu_supports("gfni");
#endif
    return isa == MLF_ISA_baseline;
}

mlf_isa mlf_isa_best(void)
{
    int isa = MLF_ISA_COUNT - 1;
    while (!mlf_isa_supported((mlf_isa)isa))
        isa--;
    return (mlf_isa)isa;
}
