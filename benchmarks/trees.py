"""Tree ensembles beside their peers: single rows, batches, threads, start.

    python -m benchmarks.trees [--core N] [--seconds S] [--only NAME ...] [--keep FILE] [--write]

One pinned core, one thread in every library, contenders interleaved over distinct synthetic rows
in random order. Every answer is compared first: mlfast's with the original's bit for bit. Peers
that are not installed (ONNX Runtime with onnxmltools and skl2onnx, tl2cgen) are left out; large
models are compiled by tl2cgen only with MLFAST_BENCH_COMPILE_LARGE=1, which takes minutes, once.
With --keep, models and sections can be measured in several runs.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import mlfast
from benchmarks import ensembles, loops, native, peers, start, trees_report
from mlfast._measure import best_of

N_ROWS = 4096
BATCHES = (100_000, 1000, 10)
CALLS_IN_A_ROW = 5
ROUNDS = 3
EXPORTED = (
    ("one row", False, ()),
    ("in batches", True, ()),
    ("in batches, -march=native", True, ("-march=native",)),
)
SECTIONS = ("single", "batch", "threads", "exported", "start")


def check(ensemble, predictor, engines, X):
    """Raise unless mlfast answers what the original does; return the share of rows off, by peer."""
    want = ensemble.original(X)
    if not np.array_equal(ensemble.answers(predictor, X), want):
        raise AssertionError(f"{ensemble.name}: the batch differs from the original")
    loop = native.predictor_loop(predictor, X)
    loop(0, len(X))
    if not np.array_equal(loop.out.reshape(want.shape).astype(want.dtype), want):
        raise AssertionError(f"{ensemble.name}: single rows differ from the original")
    return {name: peers.differing(engine(X), want) for name, engine in engines.items()}


def singles(ensemble, predictor, engines, seconds):
    """Return {contender: nanoseconds a row in every turn}."""
    X = ensemble.rows(N_ROWS)
    arrays, tuples = list(X), [tuple(row) for row in X.tolist()]
    ways = {
        "native": native.predictor_loop(predictor, X),
        "predict_one(float64 row)": _each(predictor.predict_one, arrays),
        "predict_one(tuple)": _each(predictor.predict_one, tuples),
        "empty function": _each(lambda row: None, arrays),
    }
    path = peers.compiled(ensemble)
    if path is not None:
        ways["native: tl2cgen"] = native.treelite_loop(path, X, predictor.model.head.n_outputs)
    rows = [row.reshape(1, -1) for row in X]
    ways |= {name: _each(engine, rows) for name, engine in engines.items()}
    return loops.rotating(ways, N_ROWS, seconds)


def _each(function, rows):
    def run(begin, end):
        for row in rows[begin:end]:
            function(row)

    return run


def batches(ensemble, predictor, engines, seconds):
    """Return {rows of a batch: {contender: nanoseconds a row in every turn}}."""
    X = ensemble.rows(max(BATCHES))
    ways = {"mlfast": lambda rows: ensemble.answers(predictor, rows)} | engines
    taken, sizes = {}, {}
    for size in BATCHES:
        sizes[size] = {name: _affordable(way, X, size) for name, way in ways.items()}
        taken[size] = {name: _batch(way, X, sizes[size][name]) for name, way in ways.items()}
    taken[min(BATCHES)]["ten single calls"] = _single_calls(predictor.predict_one, X, min(BATCHES))
    found = {size: {name: [] for name in taken[size]} for size in BATCHES}
    for _ in range(ROUNDS):  # sizes are compared, so they take turns too
        for size in BATCHES:
            share = seconds / len(BATCHES) / ROUNDS
            for name, samples in loops.rotating(taken[size], len(X) // size, share).items():
                found[size][name] += [t / sizes[size].get(name, size) for t in samples]
    return found


def _affordable(way, X, size):
    """Return `size`, or how many rows a slow engine answers in half a second."""
    start = time.perf_counter()
    way(X[:100])
    return max(min(size, int(50 / (time.perf_counter() - start))), 10)


def _batch(way, X, size):
    def run(begin, end):
        for i in range(begin, end):
            way(X[i * size : (i + 1) * size])

    return run


def _single_calls(predict_one, X, size):
    def run(begin, end):
        for row in X[begin * size : end * size]:
            predict_one(row)

    return run


def thread_times(ensemble, predictor, seconds, processors):
    """Return {threads: nanoseconds a row}, turns interleaved; the answers are compared.

    A turn is a few calls in a row, the first of them not counted: it wakes a worker that the
    other's turn let sleep, which takes the system as long as it likes.
    """
    (pinned,) = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    mlfast.threads.set_num_threads(2)
    X = ensemble.rows(max(BATCHES))
    one = ensemble.answers(predictor, X)
    if not np.array_equal(ensemble.answers(predictor, X, 2), one):
        raise AssertionError(f"{ensemble.name}: two threads answer otherwise")
    ways = {n: _calls(lambda n=n: ensemble.answers(predictor, X, n)) for n in (1, 2)}
    times = loops.rotating(ways, CALLS_IN_A_ROW, seconds, turn=1.0)
    mlfast.threads.shutdown()
    os.sched_setaffinity(0, {pinned})
    return {n: [t / len(X) for t in samples] for n, samples in times.items()}


def _calls(function):
    def run(begin, end):
        for _ in range(begin, end):
            function()

    return run


def exported(ensemble, predictor, seconds):
    """Return {contender: nanoseconds a row in every turn} of exported libraries, called in C."""
    X = ensemble.rows(N_ROWS)
    ways = {"native": native.predictor_loop(predictor, X)}
    n_outputs = ways["native"].out.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        for name, batch, flags in EXPORTED:
            library = predictor.export_library(Path(folder, f"{name}.so"), flags=flags)
            ways[name] = native.exported_loop(library, X, n_outputs, batch)
        for name, way in ways.items():
            way(0, N_ROWS)
            if not np.allclose(way.out, ways["native"].out, rtol=1e-15, atol=0):
                raise AssertionError(f"{ensemble.name}: {name} answers otherwise")
        return loops.rotating(ways, N_ROWS, seconds)


def starts(ensemble, predictor):
    """Return what it takes to have the model: seconds and bytes."""
    with tempfile.TemporaryDirectory() as folder:
        saved, library = Path(folder, "model.mlfast"), Path(folder, "model.so")
        predictor.save(saved)
        row = {
            "compile": best_of(lambda: mlfast.compile(ensemble.model), 0.5),
            "load": best_of(lambda: mlfast.load(saved), 0.3),
            "saved": saved.stat().st_size,
            "memory": start.load_bytes(saved),
        }
        begin = time.perf_counter()
        predictor.export_library(library)
        row |= {"export": time.perf_counter() - begin, "library": library.stat().st_size}
    path = peers.compiled(ensemble)
    if path is not None and path.with_suffix(".seconds").exists():
        seconds = float(path.with_suffix(".seconds").read_text())
        row |= {"tl2cgen": seconds, "tl2cgen library": path.stat().st_size}
    return row


def measure(names, sections, seconds, processors):
    """Return {model: {section: figures}}; times are (minimum, median)."""
    results = {}
    gc.disable()
    for name in names:
        ensemble = ensembles.load(name)
        predictor = ensemble.compiled()
        print(f"{ensemble.title}: {predictor.plan().splitlines()[-1]}", file=sys.stderr)
        row = results[name] = {"title": ensemble.title}
        if {"single", "batch"} & set(sections):
            engines = peers.engines(ensemble)
            row["off"] = check(ensemble, predictor, engines, ensemble.rows(1000))
        if "single" in sections:
            row["single"] = _short(singles(ensemble, predictor, engines, seconds))
        if "batch" in sections:
            times = batches(ensemble, predictor, engines, seconds)
            row["batch"] = {size: _short(samples) for size, samples in times.items()}
        if "threads" in sections and len(processors) > 1:
            row["threads"] = _short(thread_times(ensemble, predictor, seconds / 4, processors))
        if "exported" in sections:
            row["exported"] = _short(exported(ensemble, predictor, seconds / 2))
        if "start" in sections:
            row["start"] = starts(ensemble, predictor)
        gc.collect()
    return results


def _short(samples):
    return {name: (min(times), statistics.median(times)) for name, times in samples.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, default=None, help="the core to pin to")
    parser.add_argument("--seconds", type=float, default=5.0, help="for a section of a model")
    parser.add_argument("--only", nargs="+", choices=ensembles.MODELS, default=ensembles.MODELS)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--keep", type=Path, help="JSON: figures of earlier runs, added to")
    parser.add_argument("--write", action="store_true", help="update docs/")
    options = parser.parse_args()
    processors = set()
    if hasattr(os, "sched_setaffinity"):
        processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(processors) if options.core is None else options.core})
    measured = measure(options.only, options.sections, options.seconds, processors)
    results = merged(options.keep, measured)
    print(trees_report.markdown(results))
    if options.write:
        missing = [n for n in ensembles.MODELS if not set(SECTIONS) <= set(results.get(n, ()))]
        if missing:
            parser.error(f"--write: the documents show all; without figures: {', '.join(missing)}")
        trees_report.write(results)


def merged(path, measured):
    """Return the figures with those of earlier runs, models in order; and keep them."""
    kept = json.loads(path.read_text()) if path is not None and path.exists() else {}
    results = {
        name: kept.get(name, {}) | measured.get(name, {})
        for name in ensembles.MODELS
        if name in kept or name in measured
    }
    if path is not None:
        path.write_text(json.dumps(results, indent=1))
    return results


if __name__ == "__main__":
    main()
