/* Instruction sets: one name, one suffix and one kernel table for each.
 *
 * Kernel sources (setup.py: KERNELS) are compiled once for every set with
 * -DMLF_ISA=<name>; MLF_FN(f) is then f_<name>. Everything else is compiled once.
 * Feature macros (__AVX2__, __AVX512VBMI__, ...) tell a kernel what it may use.
 */
#ifndef MLF_ISA_H
#define MLF_ISA_H

#define MLF_CAT_(a, b) a##_##b
#define MLF_CAT(a, b) MLF_CAT_(a, b)
#ifdef MLF_ISA
#define MLF_FN(name) MLF_CAT(name, MLF_ISA)
#endif

/* Before a loop of few rounds, whose number is known where the compiler sees it. */
#if defined(__clang__)         /* ignores GCC's, and then keeps arrays of vectors in memory */
#define MLF_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MLF_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define MLF_X86 1
#define MLF_FOR_EACH_ISA(X) X(baseline) X(avx2) X(avx512)
#define MLF_ISA_TABLE(f) { f##_baseline, f##_avx2, f##_avx512 }   /* by mlf_isa */
#else
#define MLF_X86 0
#define MLF_FOR_EACH_ISA(X) X(baseline)
#define MLF_ISA_TABLE(f) { f##_baseline }
#endif

#define MLF_ENUM_(name) MLF_ISA_##name,
typedef enum { MLF_FOR_EACH_ISA(MLF_ENUM_) MLF_ISA_COUNT } mlf_isa;
#undef MLF_ENUM_

/* avx2: AVX2, FMA, BMI1/2, F16C. avx512: F, BW, CD, DQ, VL, VBMI, VBMI2, VNNI, BITALG, GFNI
 * (Ice Lake, Zen 4). */
const char *mlf_isa_name(mlf_isa isa);
int mlf_isa_supported(mlf_isa isa);   /* by this processor and operating system */
mlf_isa mlf_isa_best(void);

#endif
