"""The process-wide pool of workers that batches and networks share.

No thread exists before a call can use one; a forked child starts its own. Between
jobs the workers spin for some 50 microseconds, then sleep.
"""

from __future__ import annotations

import atexit
import operator

from mlfast import _pool


def get_num_threads() -> int:
    """Threads that one call may use, its own included.

    At first as many as there are processors that the process may run on.
    """
    return _pool.get_threads()


def set_num_threads(n_threads: int) -> None:
    """Limit the threads of one call, its own included; 1 never starts a worker."""
    try:
        n = operator.index(n_threads)
    except TypeError:
        raise TypeError(
            f"n_threads: expected an int, got {type(n_threads).__name__} {n_threads!r}"
        ) from None
    if not 1 <= n <= _pool.MAX_THREADS:
        raise ValueError(f"n_threads: expected 1 to {_pool.MAX_THREADS}, got {n}")
    _pool.set_threads(n)


def shutdown() -> None:
    """End the workers; the next call that can use them starts them again."""
    _pool.shutdown()


atexit.register(shutdown)
