#define _GNU_SOURCE
#include "gate.h"

#include <string.h>
#include <time.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void mlf_gate_reset(mlf_gate *gate)
{
    memset(gate, 0, sizeof *gate);
#ifndef __linux__
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
#endif
}

/* Sleeps unless the value is no longer `seen`; may return early. */
static void park(mlf_gate *gate, uint32_t seen)
{
    /* Sequentially consistent, as is the waker's order (value, then sleepers): one of the
     * two sees the other, so no wake-up is lost. */
    atomic_fetch_add(&gate->sleepers, 1);
#ifdef __linux__
    syscall(SYS_futex, &gate->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
#else
    pthread_mutex_lock(&gate->mutex);
    while (atomic_load(&gate->value) == seen)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
#endif
    atomic_fetch_sub(&gate->sleepers, 1);
}

uint32_t mlf_gate_wait(mlf_gate *gate, uint32_t seen)
{
    uint32_t value = atomic_load_explicit(&gate->value, memory_order_acquire);
    int64_t deadline = 0;
    for (unsigned tries = 0; value == seen; tries++) {
        if (tries % 16 == 15) { /* the clock costs as much as a pause: read it now and then */
            int64_t now = now_ns();
            if (deadline == 0)
                deadline = now + MLF_SPIN_NS;
            else if (now > deadline)
                park(gate, seen);
        }
        relax();
        value = atomic_load_explicit(&gate->value, memory_order_acquire);
    }
    return value;
}

void mlf_gate_wake(mlf_gate *gate, int n)
{
    if (atomic_load(&gate->sleepers) == 0)
        return;
#ifdef __linux__
    syscall(SYS_futex, &gate->value, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
#else
    (void)n;
    pthread_mutex_lock(&gate->mutex);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
#endif
}
