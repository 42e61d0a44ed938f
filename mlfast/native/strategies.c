/* Runners that keep nothing alive between calls. */
#include <pthread.h>
#include <stdatomic.h>

#include "pool.h"

typedef struct job {
    mlf_task task;
    void *context;
    int n_parts;
    _Atomic int next;
} job;

typedef struct single {
    const job *job;
    int part;
} single;

void mlf_run_sequential(int n_parts, mlf_task task, void *context)
{
    for (int part = 0; part < n_parts; part++)
        task(context, part);
}

static void *run_single(void *argument)
{
    const single *s = argument;
    s->job->task(s->job->context, s->part);
    return NULL;
}

static void *run_queue(void *argument)
{
    job *j = argument;
    for (int part; (part = atomic_fetch_add(&j->next, 1)) < j->n_parts;)
        j->task(j->context, part);
    return NULL;
}

void mlf_run_spawn(int n_parts, mlf_task task, void *context)
{
    job j = { .task = task, .context = context, .n_parts = n_parts };
    pthread_t threads[MLF_MAX_THREADS];
    single singles[MLF_MAX_THREADS];
    for (int first = 0; first < n_parts; first += MLF_MAX_THREADS) {
        int n = n_parts - first < MLF_MAX_THREADS ? n_parts - first : MLF_MAX_THREADS;
        int started = 0;
        for (int i = 1; i < n; i++) {
            singles[started] = (single){ &j, first + i };
            if (pthread_create(&threads[started], NULL, run_single, &singles[started]) == 0)
                started++;
            else /* no more threads: the caller does this part */
                task(context, first + i);
        }
        task(context, first);
        for (int i = 0; i < started; i++)
            pthread_join(threads[i], NULL);
    }
}

void mlf_run_queue(int n_parts, mlf_task task, void *context)
{
    job j = { .task = task, .context = context, .n_parts = n_parts };
    pthread_t threads[MLF_MAX_THREADS];
    int n = mlf_pool_threads() < n_parts ? mlf_pool_threads() : n_parts;
    int started = 0;
    while (started < n - 1
           && pthread_create(&threads[started], NULL, run_queue, &j) == 0)
        started++;
    run_queue(&j);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}
