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


#: Of an operation: the strategy's number, and the parts it is cut into.
Split = tuple[int, int]


def choose(
    lowered: Lowered, strategy: int | None, wanted: dict[int, str]
) -> tuple[list[Split], str]:
    """Split of each operation, and the reason in words.

    `strategy` holds for all of them; else `wanted` for those of the network's operations that
    it numbers; else what is worth its cost.
    """
    n_threads = threads.get_num_threads()
    items = [int(f["n_items"]) for f in lowered.operations]
    if strategy is not None:
        splits = [_split(strategy, n, n_threads) for n in items]
        return splits, f"{STRATEGIES[strategy]}: asked for"
    asked = [
        next((wanted[number] for number in f["numbers"] if number in wanted), None)
        for f in lowered.operations
    ]
    usual, reason = _default(lowered, n_threads, [name is None for name in asked])
    splits = [
        _split(number(name), items[i], n_threads) if name is not None
        else _split(STATIC, items[i], n_threads) if i in usual else (SEQUENTIAL, 1)
        for i, name in enumerate(asked)
    ]  # fmt: skip
    return splits, reason if None in asked else "the layers' strategies"


def _split(strategy: int, n_items: int, n_threads: int) -> Split:
    parts = {SEQUENTIAL: 1, SPAWN: SPAWN_PARTS, QUEUE: 4 * n_threads, STATIC: n_threads}
    n = min(parts[strategy], n_items)
    return (strategy, n) if n > 1 else (SEQUENTIAL, 1)


def _default(lowered: Lowered, n_threads: int, open_: list[bool]) -> tuple[set[int], str]:
    """Of the operations that are open, those worth splitting among the process's workers."""
    times = [float(f["cycles"]) / CYCLES_PER_NS for f in lowered.operations]
    total = sum(times)
    about = f"about {total / 1000:.1f} us of work"
    if n_threads == 1:
        return set(), f"sequential: {about}, one thread"
    if total * (1 - 1 / n_threads) < WORTH_MEASURING_NS:
        return set(), f"sequential: {about}, too little to split"
    spinning, parked = _measured(n_threads)
    gains = {
        i: times[i] * (1 - 1 / n_threads) - 2 * spinning
        for i, f in enumerate(lowered.operations) if f["n_items"] > 1 and open_[i]
    }  # fmt: skip
    split = {i for i, gain in gains.items() if gain > 0}
    saved = sum(gains[i] for i in split)
    costs = (
        f"{about}, {n_threads} threads save {saved / 1000:.1f} us at most, waking them costs "
        f"{parked / 1000:.1f} us (a fork-join {spinning / 1000:.1f} us once awake)"
    )
    if saved < 1.5 * parked:
        return set(), f"sequential: {costs}"
    return split, f"static: {costs}"
