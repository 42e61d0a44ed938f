/* A processor that says that it is older. Preloaded, with OLDER_CPU=avx2 or baseline, it hides
 * AVX-512 or all of AVX from CPUID. Built by older_cpu.py. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static int no_avx;
static struct sigaction before;

static void set_faulting(int on)
{
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, !on);
}

/* Bits of a register, by number. */
static unsigned bits(const char *numbers)
{
    unsigned found = 0;
    for (char *end; *numbers; numbers = end)
        found |= 1u << strtoul(numbers, &end, 10);
    return found;
}

static void hide(unsigned leaf, unsigned part, unsigned *a, unsigned *b, unsigned *c, unsigned *d)
{
    if (leaf == 1 && no_avx)
        *c &= ~bits("12 28 29");             /* FMA, AVX, F16C                                */
    if (leaf == 7 && part == 0) {
        *b &= ~bits("16 17 21 26 27 28 30 31"); /* AVX-512 F DQ IFMA PF ER CD BW VL           */
        *c &= ~bits("1 6 11 12 14");         /* AVX-512 VBMI VBMI2 VNNI BITALG VPOPCNTDQ      */
        *d &= ~bits("2 3 8 22 23 24 25");    /* 4VNNIW 4FMAPS VP2INTERSECT, FP16, AMX         */
        if (no_avx) {
            *b &= ~bits("5");                /* AVX2                                          */
            *c &= ~bits("9 10");             /* VAES VPCLMULQDQ                               */
        }
    }
    if (leaf == 7 && part == 1) {
        *a &= ~bits("5 21 23");              /* AVX512-BF16, AMX-FP16, AVX-IFMA               */
        *d &= ~bits("4 5 10 19");            /* AVX-VNNI-INT8, AVX-NE-CONVERT, INT16, AVX10   */
        if (no_avx)
            *a &= ~bits("4");                /* AVX-VNNI                                      */
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)g[REG_RIP];
    (void)number;
    (void)info;
    if (at[0] != 0x0f || at[1] != 0xa2) { /* no CPUID: it faults again, as without this */
        sigaction(SIGSEGV, &before, NULL);
        return;
    }
    unsigned leaf = (unsigned)g[REG_RAX], part = (unsigned)g[REG_RCX], a, b, c, d;
    set_faulting(0);
    __cpuid_count(leaf, part, a, b, c, d);
    set_faulting(1);
    hide(leaf, part, &a, &b, &c, &d);
    g[REG_RAX] = a;
    g[REG_RBX] = b;
    g[REG_RCX] = c;
    g[REG_RDX] = d;
    g[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void)
{
    const char *set = getenv("OLDER_CPU");
    no_avx = set && strcmp(set, "baseline") == 0;
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigaction(SIGSEGV, &action, &before);
    set_faulting(1);
    unsetenv("LD_PRELOAD"); /* compilers, say, handle the signal themselves */
}
