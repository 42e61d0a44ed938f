"""How the work of one example is split among threads, and whether it is."""

from __future__ import annotations

import functools

from mlfast import _pool, threads
from mlfast.nn._lower import CYCLES_PER_NS, Lowered

STRATEGIES: tuple[str, ...] = _pool.STRATEGIES
SEQUENTIAL, SPAWN, QUEUE, STATIC = range(4)

#: Parts that the strategies which start threads for a call cut an operation into, at most.
SPAWN_PARTS = 32

#: An example that threads could save less than this is never split: the cost of splitting is
#: not even measured, as that would start the workers.
WORTH_MEASURING_NS = 15_000


def number(name: str) -> int:
    """Number of a strategy by name."""
    if name not in STRATEGIES:
        raise ValueError(f"strategy: expected one of {STRATEGIES}, got {name!r}")
    return STRATEGIES.index(name)


@functools.cache
def _measured(n_threads: int) -> tuple[float, float]:
    return _pool.measure()


def choose(lowered: Lowered, strategy: int | None) -> tuple[int, set[int], int, str]:
    """Strategy, the operations that are split, parts of each, and the reason in words."""
    split = {i for i, f in enumerate(lowered.operations) if f["n_items"] > 1}
    n_threads = threads.get_num_threads()
    if strategy is not None:
        parts = {SEQUENTIAL: 1, SPAWN: SPAWN_PARTS, QUEUE: 4 * n_threads, STATIC: n_threads}
        return strategy, split, parts[strategy], f"{STRATEGIES[strategy]}: asked for"
    times = [float(f["cycles"]) / CYCLES_PER_NS for f in lowered.operations]
    total = sum(times)
    about = f"about {total / 1000:.1f} us of work"
    if n_threads == 1:
        return SEQUENTIAL, set(), 1, f"sequential: {about}, one thread"
    if total * (1 - 1 / n_threads) < WORTH_MEASURING_NS:
        return SEQUENTIAL, set(), 1, f"sequential: {about}, too little to split"
    spinning, parked = _measured(n_threads)
    gains = {i: times[i] * (1 - 1 / n_threads) - 2 * spinning for i in split}
    split = {i for i, gain in gains.items() if gain > 0}
    saved = sum(gains[i] for i in split)
    costs = (
        f"{about}, {n_threads} threads save {saved / 1000:.1f} us at most, waking them costs "
        f"{parked / 1000:.1f} us (a fork-join {spinning / 1000:.1f} us once awake)"
    )
    if saved < 1.5 * parked:
        return SEQUENTIAL, set(), 1, f"sequential: {costs}"
    return STATIC, split, n_threads, f"static: {costs}"
