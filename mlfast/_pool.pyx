"""The process-wide workers: the only module that holds native/pool.c."""

cdef extern from "pool.h" nogil:
    const int MLF_MAX_THREADS
    ctypedef struct mlf_pool_cost:
        double spinning
        double parked
    void mlf_pool_run(int n_parts, mlf_task task, void *context)
    void mlf_run_sequential(int n_parts, mlf_task task, void *context)
    void mlf_run_spawn(int n_parts, mlf_task task, void *context)
    void mlf_run_queue(int n_parts, mlf_task task, void *context)
    int mlf_pool_threads()
    void mlf_pool_set_threads(int n_threads)
    int mlf_pool_workers()
    void mlf_pool_shutdown()
    mlf_pool_cost mlf_pool_measure()

MAX_THREADS = MLF_MAX_THREADS
STRATEGIES = ("sequential", "spawn", "pool", "static")


cdef void run(int n_parts, mlf_task task, void *context) noexcept nogil:
    mlf_pool_run(n_parts, task, context)


cdef mlf_runner runner(int strategy) noexcept nogil:
    if strategy == SPAWN:
        return mlf_run_spawn
    if strategy == QUEUE:
        return mlf_run_queue
    if strategy == STATIC:
        return mlf_pool_run
    return mlf_run_sequential


cdef int threads() noexcept nogil:
    return mlf_pool_threads()


def get_threads():
    return mlf_pool_threads()


def set_threads(int n_threads):
    with nogil:
        mlf_pool_set_threads(n_threads)


def workers():
    return mlf_pool_workers()


def shutdown():
    with nogil:
        mlf_pool_shutdown()


def measure():
    """Nanoseconds of an empty fork-join: workers spinning, workers parked."""
    cdef mlf_pool_cost cost
    with nogil:
        cost = mlf_pool_measure()
    return cost.spinning, cost.parked


# What the tests run on the pool: part i of n sums its share of 0 .. size - 1.
cdef struct Sum:
    mlf_runner runner
    int depth
    int n_parts
    long long begin
    long long end
    long long totals[64]


cdef long long run_sum(Sum *job) noexcept nogil:
    cdef long long total = 0
    cdef int part
    job.runner(job.n_parts, sum_part, job)
    for part in range(job.n_parts):
        total += job.totals[part]
    return total


cdef void sum_part(void *context, int part) noexcept nogil:
    cdef Sum *job = <Sum *>context
    cdef Sum inner
    cdef long long size = job.end - job.begin
    cdef long long begin = job.begin + size * part // job.n_parts
    cdef long long end = job.begin + size * (part + 1) // job.n_parts
    cdef long long total = 0
    if job.depth > 0:
        inner.runner, inner.depth, inner.n_parts = job.runner, job.depth - 1, job.n_parts
        inner.begin, inner.end = begin, end
        total = run_sum(&inner)
    else:
        while begin < end:
            total += begin
            begin += 1
    job.totals[part] = total


def sum_range(int strategy, int n_parts, long long size, int depth=0):
    """Sum of ``range(size)`` in parts, each of them again in parts `depth` times."""
    cdef Sum job
    cdef long long total
    if not 1 <= n_parts <= 64:
        raise ValueError(f"n_parts: expected 1 to 64, got {n_parts}")
    job.runner, job.depth, job.n_parts = runner(strategy), depth, n_parts
    job.begin, job.end = 0, size
    with nogil:
        total = run_sum(&job)
    return total
