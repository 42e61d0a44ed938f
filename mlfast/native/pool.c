#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"

/* Two cache lines: processors fetch them in pairs. */
#define APART _Alignas(128)

/* One job at a time. `ticket` is (number of the job << 32) + next part to take: a part is
 * taken by a compare-and-swap of the whole, so a late worker cannot take a part of a job
 * whose task it has not read. What is spun on is apart from what is written meanwhile. */
static struct {
    _Atomic int busy;         /* a run, or a change of the workers, is under way         */
    _Atomic int wanted;       /* threads of a run; 0: not decided yet                     */
    _Atomic int workers;      /* alive                                                    */
    _Atomic int stopping;
    pthread_t threads[MLF_MAX_THREADS];
    APART mlf_gate job;       /* value: number of the newest job                          */
    APART mlf_gate done;      /* value: finished parts of it                              */
    APART _Atomic uint64_t ticket;
    _Atomic uint32_t n_parts;
    _Atomic(mlf_task) task;
    _Atomic(void *) context;
} pool;

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void forget_workers(void)
{
    /* In a forked child: the workers do not exist here, whatever they were doing. */
    mlf_gate_reset(&pool.job);
    mlf_gate_reset(&pool.done);
    atomic_store(&pool.ticket, 0);
    atomic_store(&pool.n_parts, 0);
    atomic_store(&pool.workers, 0);
    atomic_store(&pool.stopping, 0);
    atomic_store(&pool.busy, 0);
}

static void prepare(void)
{
    mlf_gate_reset(&pool.job);
    mlf_gate_reset(&pool.done);
    pthread_atfork(NULL, NULL, forget_workers);
}

static int enter(void)
{
    int idle = 0;
    return atomic_compare_exchange_strong(&pool.busy, &idle, 1);
}

static void leave(void)
{
    atomic_store(&pool.busy, 0);
}

static int usable_processors(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

int mlf_pool_threads(void)
{
    int n = atomic_load(&pool.wanted);
    if (n == 0) {
        n = usable_processors();
        n = n < MLF_MAX_THREADS ? n : MLF_MAX_THREADS;
        int undecided = 0;
        if (!atomic_compare_exchange_strong(&pool.wanted, &undecided, n))
            n = undecided;
    }
    return n;
}

int mlf_pool_workers(void)
{
    return atomic_load(&pool.workers);
}

/* Takes parts of job `number` until none is left. */
static void work_on(uint32_t number)
{
    uint64_t ticket = atomic_load(&pool.ticket);
    for (;;) {
        mlf_task task = atomic_load(&pool.task);
        void *context = atomic_load(&pool.context);
        uint32_t n_parts = atomic_load(&pool.n_parts);
        uint32_t part = (uint32_t)ticket;
        if ((uint32_t)(ticket >> 32) != number || part >= n_parts)
            return;
        if (!atomic_compare_exchange_weak(&pool.ticket, &ticket, ticket + 1))
            continue;
        task(context, (int)part);
        if (atomic_fetch_add(&pool.done.value, 1) + 1 == n_parts)
            mlf_gate_wake(&pool.done, 1);
        ticket = atomic_load(&pool.ticket);
    }
}

static void *worker(void *first)
{
    uint32_t seen = (uint32_t)(uintptr_t)first;
    while (!atomic_load(&pool.stopping)) {
        work_on(seen);
        seen = mlf_gate_wait(&pool.job, seen);
    }
    return NULL;
}

/* While busy. Fewer workers than wanted, where the system gives no more, are fine. */
static void start_workers(int n)
{
    pthread_once(&prepared, prepare);
    uintptr_t seen = atomic_load(&pool.job.value);
    for (int i = atomic_load(&pool.workers); i < n; i++) {
        if (pthread_create(&pool.threads[i], NULL, worker, (void *)seen) != 0)
            break;
        atomic_store(&pool.workers, i + 1);
    }
}

/* While busy. */
static void stop_workers(void)
{
    int n = atomic_load(&pool.workers);
    if (n == 0)
        return;
    atomic_store(&pool.stopping, 1);
    atomic_fetch_add(&pool.job.value, 1);
    mlf_gate_wake(&pool.job, n);
    for (int i = 0; i < n; i++)
        pthread_join(pool.threads[i], NULL);
    atomic_store(&pool.workers, 0);
    atomic_store(&pool.stopping, 0);
}

void mlf_pool_run(int n_parts, mlf_task task, void *context)
{
    int n_workers = mlf_pool_threads() - 1;
    if (n_parts <= 1 || n_workers == 0 || !enter()) {
        mlf_run_sequential(n_parts, task, context);
        return;
    }
    start_workers(n_workers);
    uint32_t number = atomic_load(&pool.job.value) + 1;
    /* The ticket first: a late worker that reads anything of this job, and not the job's number,
     * finds the ticket that it holds out of date. */
    atomic_store_explicit(&pool.ticket, (uint64_t)number << 32 | UINT32_MAX, memory_order_release);
    atomic_store_explicit(&pool.done.value, 0, memory_order_release);
    atomic_store_explicit(&pool.task, task, memory_order_release);
    atomic_store_explicit(&pool.context, context, memory_order_release);
    atomic_store_explicit(&pool.n_parts, (uint32_t)n_parts, memory_order_release);
    atomic_store_explicit(&pool.ticket, (uint64_t)number << 32, memory_order_release);
    atomic_store(&pool.job.value, number);
    mlf_gate_wake(&pool.job, n_parts - 1);
    work_on(number);
    uint32_t done = atomic_load(&pool.done.value);
    while (done != (uint32_t)n_parts)
        done = mlf_gate_wait(&pool.done, done);
    leave();
}

static void enter_patiently(void)
{
    while (!enter())
        sched_yield();
}

void mlf_pool_set_threads(int n_threads)
{
    enter_patiently();
    atomic_store(&pool.wanted, n_threads);
    if (atomic_load(&pool.workers) > n_threads - 1)
        stop_workers();
    leave();
}

void mlf_pool_shutdown(void)
{
    enter_patiently();
    stop_workers();
    leave();
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Returns when all parts run at once, so that every worker takes one; gives up after a
 * millisecond in case there are fewer workers. */
static void meet(void *arrived, int part)
{
    (void)part;
    atomic_fetch_add((_Atomic int *)arrived, 1);
    int64_t deadline = now_ns() + 1000000;
    while (atomic_load((_Atomic int *)arrived) < mlf_pool_threads() && now_ns() < deadline)
        ;
}

static double median_run_ns(int rounds, const struct timespec *pause)
{
    int64_t times[64];
    for (int i = 0; i < rounds; i++) {
        _Atomic int arrived = 0;
        if (pause)
            nanosleep(pause, NULL);
        int64_t ns = now_ns();
        mlf_pool_run(mlf_pool_threads(), meet, &arrived);
        ns = now_ns() - ns;
        int j = i;
        for (; j > 0 && times[j - 1] > ns; j--)
            times[j] = times[j - 1];
        times[j] = ns;
    }
    return (double)times[rounds / 2];
}

mlf_pool_cost mlf_pool_measure(void)
{
    mlf_pool_cost cost = { 0, 0 };
    if (mlf_pool_threads() == 1)
        return cost;
    const struct timespec beyond_spinning = { 0, 3 * MLF_SPIN_NS };
    median_run_ns(3, NULL);
    cost.spinning = median_run_ns(63, NULL);
    cost.parked = median_run_ns(9, &beyond_spinning);
    return cost;
}
