/* A number that one thread changes and others wait for: they spin briefly, then park.
 *
 * Linux parks on a futex, other systems on a condition variable. A gate is usable when
 * all its bytes are zero (mlf_gate_reset gives that state back, also in a forked child).
 */
#ifndef MLF_GATE_H
#define MLF_GATE_H

#include <stdatomic.h>
#include <stdint.h>
#ifndef __linux__
#include <pthread.h>
#endif

/* A waiter gives its processor back after this time. */
#define MLF_SPIN_NS 50000

typedef struct mlf_gate {
    _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
#ifndef __linux__
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
} mlf_gate;

void mlf_gate_reset(mlf_gate *gate);

/* Waits until the value differs from `seen`; returns it. */
uint32_t mlf_gate_wait(mlf_gate *gate, uint32_t seen);

/* Wakes at most `n` parked threads; to be called after the value was changed. */
void mlf_gate_wake(mlf_gate *gate, int n);

#endif
