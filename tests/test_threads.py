"""The pool: right sums under nested, concurrent, forked and repeated use, and at exit."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from mlfast import _pool, threads

SEQUENTIAL, STATIC = 0, 3


@pytest.fixture(autouse=True)
def _restore():
    before = threads.get_num_threads()
    threads.set_num_threads(4)
    yield
    threads.set_num_threads(before)


def expected(size):
    return size * (size - 1) // 2


@pytest.mark.parametrize("strategy", range(4), ids=_pool.STRATEGIES)
@pytest.mark.parametrize("n_parts", [1, 2, 3, 64])
@pytest.mark.parametrize("depth", [0, 1])
def test_every_part_runs_once(strategy, n_parts, depth):
    for size in (0, 1, 1000, 100_003):
        assert _pool.sum_range(strategy, n_parts, size, depth) == expected(size)


def test_many_runs_in_a_row():
    assert all(_pool.sum_range(STATIC, 3, 100) == 4950 for _ in range(20_000))


def test_late_workers_leave_the_next_job_alone():
    """One that looks for parts of a job of two while the next one, of more, begins."""
    for n_parts in list(range(2, 10)) * 10_000:
        assert _pool.sum_range(STATIC, n_parts, 100) == 4950


def test_concurrent_use():
    wrong = []

    def work(seed):
        for i in range(300):
            size = 1000 * seed + i
            if _pool.sum_range(STATIC, 1 + i % 9, size, i % 2) != expected(size):
                wrong.append(size)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for i in range(50):
        threads.set_num_threads(1 + i % 5)
        threads.shutdown()
    for worker in workers:
        worker.join(timeout=60)
        assert not worker.is_alive()
    assert not wrong


def test_threads_start_when_needed_and_stop():
    threads.shutdown()
    assert _pool.workers() == 0
    _pool.sum_range(SEQUENTIAL, 8, 1000)
    assert _pool.workers() == 0
    _pool.sum_range(STATIC, 1, 1000)
    assert _pool.workers() == 0
    _pool.sum_range(STATIC, 2, 1000)
    assert _pool.workers() == 3
    threads.set_num_threads(2)
    assert _pool.workers() <= 1
    threads.shutdown()
    assert _pool.workers() == 0
    assert _pool.sum_range(STATIC, 4, 1000) == expected(1000)


def test_one_thread_never_starts_a_worker():
    threads.set_num_threads(1)
    assert _pool.sum_range(STATIC, 8, 1000) == expected(1000)
    assert _pool.workers() == 0
    assert _pool.measure() == (0.0, 0.0)


def test_measured_costs():
    spinning, parked = _pool.measure()
    assert spinning > 0
    assert parked > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_after_fork():
    code = """
        import os, warnings
        from mlfast import _pool, threads
        warnings.simplefilter("ignore")
        threads.set_num_threads(3)
        want = sum(range(100_000))
        assert _pool.sum_range(3, 8, 100_000) == want and _pool.workers() == 2
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                ok = _pool.workers() == 0 and _pool.sum_range(3, 8, 100_000, 1) == want
                ok = ok and _pool.workers() == 2
                os._exit(0 if ok else 1)
            assert os.waitpid(pid, 0)[1] == 0
            assert _pool.sum_range(3, 8, 100_000) == want
    """
    run_python(code)


def test_at_exit_while_another_thread_works():
    code = """
        import threading
        from mlfast import _pool, threads
        threads.set_num_threads(3)
        def work():
            while True:
                _pool.sum_range(3, 8, 100_000)
        for _ in range(2):
            threading.Thread(target=work, daemon=True).start()
        _pool.sum_range(3, 8, 100_000)
    """
    run_python(code)


def run_python(code):
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (10**9, ValueError)])
def test_number_out_of_range(n, error):
    with pytest.raises(error, match="expected 1 to"):
        threads.set_num_threads(n)


def test_not_a_number():
    with pytest.raises(TypeError, match="expected an int, got str 'two'"):
        threads.set_num_threads("two")
