"""Latency against throughput: argmax of W x, W 64 x 262,144, by batch size.

    taskset -c 1 python -m benchmarks.linear_classifier float64 [largest batch]

Prints milliseconds a batch, of labels and of scores, beside NumPy's labels, and as multiples of
the roofline time: reading the weights and the batch from memory, or the multiply-adds, whichever
takes longer, as the core does them in the same round. Medians over rounds of all contenders in
turn.
"""

import os
import statistics
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from benchmarks import roofline  # noqa: E402
from mlfast import nn  # noqa: E402

CLASSES, FEATURES = 64, 262_144


def weights(dtype):
    return np.random.default_rng(0).standard_normal((CLASSES, FEATURES)).astype(dtype)


def batch(n, dtype):
    """Examples; the first sixteen over and over, shifted."""
    rows = np.random.default_rng(1).standard_normal((min(n, 16), FEATURES)).astype(dtype)
    x = np.empty((n, FEATURES), dtype)
    for i in range(n):
        x[i] = np.roll(rows[i % len(rows)], i)
    return x


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def roofline_seconds(weight, x):
    n_bytes, n_flops = weight.nbytes + x.nbytes, 2 * weight.size * len(x)
    peak = roofline.flops() * 4 / weight.itemsize
    return max(n_bytes / roofline.bandwidth(roofline.memory()), n_flops / peak)


def measure(weight, model, x, rounds):
    """Median seconds of each contender, and as multiples of the roofline."""
    calls = {
        "predict": lambda: model.predict(x),
        "scores": lambda: model.decision_function(x),
        "NumPy": lambda: (x @ weight.T).argmax(axis=1),
    }
    np.testing.assert_array_equal(calls["predict"](), calls["NumPy"]())
    took, ratios = {name: [] for name in calls}, {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            before = roofline_seconds(weight, x)
            took[name].append(seconds(call))
            ratios[name].append(took[name][-1] * 2 / (before + roofline_seconds(weight, x)))
    median = statistics.median
    return {name: (median(took[name]), median(ratios[name])) for name in calls}


def table(dtype, largest=1024):
    lines = [
        f"| {np.dtype(dtype)}, examples at once | predict, ms (x roofline) | decision_function | "
        "NumPy's argmax | predict, examples/s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    weight = weights(dtype)
    model = nn.LinearClassifier(weight)
    whole = batch(largest, dtype)
    n = 1
    while n <= largest:
        found = measure(weight, model, whole[:n], 9 if n < 256 else 5)
        cells = [f"{t * 1e3:.2f} ({ratio:.2f})" for t, ratio in found.values()]
        lines.append(f"| {n} | {' | '.join(cells)} | {n / found['predict'][0]:,.0f} |")
        n *= 2
    return lines


if __name__ == "__main__":
    print("\n".join(table(np.dtype(sys.argv[1]), *map(int, sys.argv[2:]))))
