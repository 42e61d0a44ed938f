"""Calls after other work: what a request in a service sees; a loop keeps caches warm."""

import time

import numpy as np

from benchmarks import titanic


def disturbances():
    """Return functions that run before each timed call, by name."""
    import pandas as pd

    record = titanic.records(1)[0]
    memory = np.zeros(8 << 20, dtype=np.uint8)

    def sweep():
        memory[:] += 1

    return {
        "after 1 ms of sleep": lambda: time.sleep(0.001),
        "after building a DataFrame": lambda: pd.DataFrame([record], columns=titanic.COLUMNS),
        "after sweeping 8 MiB": sweep,
    }


def cold_times(function, arguments, disturb, n=500):
    """Return nanoseconds of `n` calls, each timed right after `disturb()`."""
    clock = time.perf_counter_ns
    times = []
    for i in range(n):
        argument = arguments[i % len(arguments)]
        disturb()
        start = clock()
        function(argument)
        times.append(clock() - start)
    return times
