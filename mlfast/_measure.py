"""Times of single calls, for `mlfast demo`, `mlfast bench` and the benchmarks.

Calls of less than a microsecond are timed one by one, so that their quantiles
mean something; what reading the clock takes is measured in the same way, on a
function that does nothing, and subtracted. Contenders take turns, so that a
slow second of the machine hits all of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Contender = tuple[Callable[[Any], Any], Sequence[Any]]
"""A function of one argument, and the arguments it is called with in turn."""


class Times(NamedTuple):
    """Nanoseconds a call."""

    p50: float
    p99: float
    calls: int


def nothing(argument: Any) -> None:
    """Do what every contender does besides its work."""


def interleaved(contenders: Mapping[str, Contender], seconds: float) -> dict[str, Times]:
    """Time all `contenders` in turns for about `seconds` altogether.

    Parameters
    ----------
    contenders : mapping of str to (function, arguments)
    seconds : float
        Shared equally; each contender gets a round over its arguments at least.

    Returns
    -------
    dict of str to Times
    """
    samples: dict[str, list[int]] = {name: [] for name in contenders}
    clock: list[int] = []
    share = seconds / max(len(contenders), 1) * 1e9
    spent = dict.fromkeys(contenders, 0)
    for function, arguments in contenders.values():
        function(arguments[0])  # warm: imports, caches by type
    enabled = gc.isenabled()
    gc.disable()
    try:
        while pending := [name for name in contenders if spent[name] < share]:
            clock += _round(nothing, range(200))
            for name in pending:
                function, arguments = contenders[name]
                start = time.perf_counter_ns()
                samples[name] += _round(function, arguments)
                spent[name] += time.perf_counter_ns() - start
    finally:
        if enabled:
            gc.enable()
    empty = quantile(clock, 0.5)
    return {
        name: Times(
            max(quantile(times, 0.5) - empty, 0.0),
            max(quantile(times, 0.99) - empty, 0.0),
            len(times),
        )
        for name, times in samples.items()
    }


def _round(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[int]:
    clock = time.perf_counter_ns
    times = []
    for argument in arguments:
        start = clock()
        function(argument)
        times.append(clock() - start)
    return times


def quantile(values: Sequence[float], q: float) -> float:
    """Return the value below which a share `q` of the sorted values lies."""
    ordered = sorted(values)
    return float(ordered[min(int(q * len(ordered)), len(ordered) - 1)])


def best_of(function: Callable[[], Any], seconds: float) -> float:
    """Return the shortest time of a call, in seconds, of those that fit into `seconds`."""
    best = float("inf")
    end = time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def readable(nanoseconds: float) -> str:
    """Return a time with a unit that leaves a few digits: '153 ns', '9.31 ms'."""
    for unit, size in (("ns", 1.0), ("us", 1e3), ("ms", 1e6)):
        value = nanoseconds / size
        if value < 999.5:
            digits = ".0f" if unit == "ns" or value >= 99.95 else ".3g"
            return f"{value:{digits}} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"
