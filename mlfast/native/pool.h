/* Fork-join: run the parts of a job, on this thread and others, and wait for all of them.
 *
 * Every runner calls task(context, part) once for each part 0 .. n_parts - 1, in any order
 * and on any thread, and returns when all calls have returned; what the parts wrote is then
 * visible to the caller. Parts must not touch Python objects; the caller holds no GIL that
 * a part would need.
 */
#ifndef MLF_POOL_H
#define MLF_POOL_H

#define MLF_MAX_THREADS 256

typedef void (*mlf_task)(void *context, int part);
typedef void (*mlf_runner)(int n_parts, mlf_task task, void *context);

/* The workers of the process: the only state in native/ that outlives a call.
 *
 * Workers start with the first run that can use them, spin briefly between jobs and then
 * park. A run finds the workers busy when another thread, or a part that encloses this
 * run, uses them: it then does all its parts itself, so nothing can deadlock. A forked
 * child begins without workers and starts its own. */
void mlf_pool_run(int n_parts, mlf_task task, void *context);

/* Threads of a run, the caller's included: 1 .. MLF_MAX_THREADS. At first the processors
 * that the process may use. Not to be called from a part. */
int mlf_pool_threads(void);
void mlf_pool_set_threads(int n_threads);

/* Workers alive now. */
int mlf_pool_workers(void);

/* Ends the workers after the job that they are in; the next run starts them again. */
void mlf_pool_shutdown(void);

/* Nanoseconds of an empty fork-join, the median of a few: with workers still spinning, and
 * with workers parked. 0 where there is one thread only. */
typedef struct mlf_pool_cost {
    double spinning, parked;
} mlf_pool_cost;
mlf_pool_cost mlf_pool_measure(void);

/* The other strategies, for comparison and for jobs of their own. */
void mlf_run_sequential(int n_parts, mlf_task task, void *context);
/* A thread for every part but the first, made for the call. */
void mlf_run_spawn(int n_parts, mlf_task task, void *context);
/* mlf_pool_threads() - 1 workers made for the call, parts taken from a queue. */
void mlf_run_queue(int n_parts, mlf_task task, void *context);

#endif
