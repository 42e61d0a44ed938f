"""Times of whole loops over many records: free of what reading the clock takes."""

import random
import time


def loop_times(contenders, seconds):
    """Return nanoseconds a call in every round over a contender's arguments, rounds interleaved."""
    samples = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    share = seconds / len(contenders)
    while pending := [name for name in contenders if spent[name] < share]:
        for name in pending:
            function, arguments = contenders[name]
            start = time.perf_counter()
            for argument in arguments:
                function(argument)
            took = time.perf_counter() - start
            spent[name] += took
            samples[name].append(took / len(arguments) * 1e9)
    return samples


def rotating(ways, n_rows, seconds, turn=0.003):
    """Return nanoseconds a row of many short turns over consecutive rows, in random order.

    Parameters
    ----------
    ways : dict of str to callable(begin, end)
        Each answers the rows from `begin` to before `end`.
    n_rows : int
        Rows that there are; a contender goes through all of them before it begins again, so
        that no branch predictor can learn them.
    seconds : float
        For all contenders together; each has three turns at least.
    turn : float
        About how many seconds a turn takes.
    """
    sizes = {name: _turn_size(way, n_rows, turn) for name, way in ways.items()}
    at = dict.fromkeys(ways, 0)
    samples = {name: [] for name in ways}
    order = random.Random(0)
    names = list(ways)
    end_time = time.perf_counter() + seconds
    while time.perf_counter() < end_time or min(map(len, samples.values())) < 3:
        order.shuffle(names)
        for name in names:
            size, way = sizes[name], ways[name]
            # Some that bring the contender's own memory back into the caches.
            warm = min(max(size // 4, 1), size - 1)
            begin = at[name] if at[name] + size <= n_rows else 0
            way(begin, begin + warm)
            end = at[name] = begin + size
            start = time.perf_counter()
            way(begin + warm, end)
            samples[name].append((time.perf_counter() - start) / (size - warm) * 1e9)
    return samples


def _turn_size(way, n_rows, turn):
    """Return how many rows a turn takes, two at least so that one is not timed.

    The calls made for it warm the contender up.
    """
    n = min(2, n_rows)
    while True:
        start = time.perf_counter()
        way(0, n)
        took = time.perf_counter() - start
        if took >= turn / 2 or n >= n_rows:
            return n
        n = min(n * 2, n_rows)
