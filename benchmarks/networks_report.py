"""Small networks beside their peers, as tables; calls of all contenders in turn.

    taskset -c 1 python -m benchmarks.networks_report layers sets
    python -m benchmarks.networks_report strategies images     # all processors
    taskset -c 1 python -m benchmarks.networks_report classifier-float64 classifier-float32

With --write the tables replace those of docs/nn.md. Peers that are not installed (torch, LiteRT,
onnxruntime with onnx) are left out. All answers are compared first.
"""

import contextlib
import functools
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import linear_classifier, network_peers, networks, older_cpu, roofline
from mlfast import nn, threads
from mlfast.nn import _nn

PAGE = Path(__file__).parent.parent / "docs" / "nn.md"
PEAK_ROUNDS = 20_000
STRATEGIES = ("sequential", "spawn", "pool", "static")


def samples(calls, seconds=1.5):
    """Microseconds a call: {name: list}, rounds of all calls in turn."""
    repeats = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(4e-4 / max(time.perf_counter() - start, 1e-7)))
    found = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            n = repeats[name]
            call()  # its weights, which the others pushed out of the caches
            start = time.perf_counter()
            for _ in range(n):
                call()
            found[name].append((time.perf_counter() - start) / n * 1e6)
    return found


def shown(times):
    return f"{min(times):.2f} / {statistics.median(times):.2f}"


def own_call(layer, shape, strategy=None, isa=None):
    """(call, its result): one example into a buffer."""
    layer = nn.Net(layer.network(shape))
    layer._isa = isa
    x = networks.image(shape)
    out = layer.forward(x)
    return functools.partial(layer.forward, x, out, strategy), out


def layers():
    """One core; the share of what it does in multiply-adds alone, in the same rounds."""
    threads.set_num_threads(1)
    names = ["mlfast", *network_peers.PEERS]
    lines = _head("one example, `out=` given, one core", [*names, "mlfast's share of the peak"])
    for what, (layer, shape) in networks.layers().items():
        call, out = own_call(layer, shape)
        calls = {"mlfast": call, **network_peers.calls(layer, networks.image(shape), out)}
        found = samples(calls | {"peak": functools.partial(roofline.multiply_add, PEAK_ROUNDS)})
        cells = [shown(found[name]) if name in found else "" for name in names]
        n = networks.OPERATIONS.get(what)
        share = f"{_share(n, found):.0%}" if n else ""
        lines.append(f"| {what} | {' | '.join([*cells, share])} |")
    return lines


def _share(n, found):
    """What `n` operations would take at the core's peak, of what they took; by rounds."""
    done = roofline.multiply_add(PEAK_ROUNDS)
    pairs = zip(found["mlfast"], found["peak"], strict=True)
    return statistics.median(n / took * peak / done for took, peak in pairs)


def sets():
    """Every instruction set beside an ONNX Runtime that finds no more of the processor."""
    names = _nn.instruction_sets()[::-1]
    titles = [title for name in names for title in (f"{name} (of its peak)", "ONNX Runtime")]
    found = {}
    for name in names:
        command = [sys.executable, "-m", "benchmarks.networks_report", "one-set"]
        environment = older_cpu.environment(name)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found[name] = done.stdout.strip().split("\n")
    lines = _head("one example, one core, by instruction set", titles)
    for i, what in enumerate(networks.layers()):
        lines.append(f"| {what} | {' | '.join(found[name][i] for name in names)} |")
    return lines


def one_set():
    """Cells of the table of `sets` for the instruction set that this process finds."""
    threads.set_num_threads(1)
    lines = []
    for what, (layer, shape) in networks.layers().items():
        call, out = own_call(layer, shape)
        peers = network_peers.calls(layer, networks.image(shape), out, ["ONNX Runtime"])
        peak = functools.partial(roofline.multiply_add, PEAK_ROUNDS)
        found = samples({"mlfast": call, **peers, "peak": peak}, 1.0)
        n = networks.OPERATIONS.get(what)
        share = f" ({_share(n, found):.0%})" if n else ""
        lines.append(f"{shown(found['mlfast'])}{share} | {shown(found['ONNX Runtime'])}")
    return lines


def strategies():
    titles = [*STRATEGIES, "Go, published: sequential", "its best other"]
    lines = _head(f"one example, {threads.get_num_threads()} threads", titles)
    for what, (layer, shape) in networks.layers().items():
        cells = []
        for name in STRATEGIES:  # one after another: workers park while others run
            call = own_call(layer, shape, name)[0]
            cells.append(shown(samples({name: call}, 1.0)[name]))
        cells += [f"{us:,.2f}".rstrip("0").rstrip(".") for us in networks.GO.get(what, ())]
        lines.append(f"| {what} | {' | '.join(cells + [''] * (len(titles) - len(cells)))} |")
    return lines


def images():
    """Pictures a second: one thread beside ONNX Runtime's, and the parallel image pipeline."""
    lines = _head("256 digits in one call", ["images/s at best", "median", "us an image"])
    calls = {"one thread": networks.batch_call(256, 1)}
    net, x = networks.digits(), networks.images(256)
    with contextlib.suppress(ImportError):
        calls["ONNX Runtime, one thread"] = network_peers.onnx_batch_call(net, x, net(x))
    found = samples(calls, 3.0)
    if threads.get_num_threads() > 1:  # alone: its workers spin on for a while
        pool = f"the pool, {threads.get_num_threads()} threads"
        found |= samples({pool: networks.batch_call(256, threads.get_num_threads())}, 3.0)
    for what, times in found.items():
        best, median = 256e6 / min(times), 256e6 / statistics.median(times)
        lines.append(f"| {what} | {best:,.0f} | {median:,.0f} | {1e6 / best:.1f} |")
    return lines


def _head(first, titles):
    return [f"| {first} | {' | '.join(titles)} |", "| --- |" + " ---: |" * len(titles)]


SECTIONS = {
    "layers": layers,
    "sets": sets,
    "one-set": one_set,
    "strategies": strategies,
    "images": images,
    "classifier-float64": lambda: linear_classifier.table(np.float64),
    "classifier-float32": lambda: linear_classifier.table(np.float32),
}


def write(section, lines):
    """Put a table between its markers."""
    marked = re.compile(rf"(?s)(<!-- measured: {section} -->\n).*?(<!-- /measured -->)")
    table = "\n".join(lines) + "\n"
    text = PAGE.read_text()
    if not marked.search(text):
        raise SystemExit(f"{PAGE.name} has no place for {section}")
    PAGE.write_text(marked.sub(lambda found: found.group(1) + table + found.group(2), text))


def main():
    asked = [name for name in sys.argv[1:] if name != "--write"] or [
        name for name in SECTIONS if name != "one-set"
    ]
    for section in asked:
        lines = SECTIONS[section]()
        print("\n".join(lines), "\n", sep="\n")
        if "--write" in sys.argv:
            write(section, lines)


if __name__ == "__main__":
    main()
