"""Measures the main job and prints a Markdown table; ``--write`` puts it into the documents.

    python -m benchmarks.run [--core N] [--seconds S] [--write]

One pinned core, one thread in every library, contenders interleaved, 1,000
distinct synthetic records in random order; every answer is compared with the
pipeline's before anything is timed.
"""

import argparse
import gc
import os
import tempfile
from pathlib import Path

import mlfast
from benchmarks import cold, contenders, loops, report, start, titanic
from mlfast._measure import best_of, interleaved, quantile

REFERENCE = "len(dict) (reference)"
COLD_WAYS = (
    REFERENCE,
    "positive_proba_one(slotted dataclass)",
    "features ready + Booster.inplace_predict",
)


def measure(seconds):
    """Return a dict of sections, each a dict of rows."""
    pipeline = titanic.train()
    predictor = mlfast.compile(pipeline)
    records = titanic.records()
    contenders.check(predictor, pipeline, records)
    ways = contenders.mlfast_contenders(predictor, records)
    ways |= contenders.todays_ways(pipeline, records)
    ways[REFERENCE] = (len, records)
    gc.collect()
    gc.disable()
    rounds = loops.loop_times(ways, seconds / 3)
    single = interleaved(ways, seconds / 3)
    return {
        "single": {
            name: {
                "best": min(rounds[name]),
                "loop": quantile(rounds[name], 0.5),
                "p50": times.p50,
                "p99": times.p99,
            }
            for name, times in single.items()
        },
        "cold": {
            when: {name: quantile(cold.cold_times(*ways[name], disturb), 0.5) for name in COLD_WAYS}
            for when, disturb in cold.disturbances().items()
        },
        "batch": batches(pipeline, predictor, records, seconds / 3),
        "start": starts(predictor),
    }


def batches(pipeline, predictor, records, seconds):
    """Return rows a second of 100,000 rows."""
    many = [records[i % len(records)] for i in range(100_000)]
    frame = titanic.frame(many)
    ways = {
        "pipeline.predict_proba(DataFrame)": lambda: pipeline.predict_proba(frame),
        "mlfast predict_proba(DataFrame)": lambda: predictor.predict_proba(frame),
        "mlfast predict_proba(list of dicts)": lambda: predictor.predict_proba(many),
    }
    return {name: len(many) / best_of(way, seconds / len(ways)) for name, way in ways.items()}


def starts(predictor):
    """Return milliseconds before the first prediction of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "titanic.mlfast")
        predictor.save(path)
        return {
            "import mlfast, beyond NumPy": start.import_milliseconds(),
            "mlfast.load of this model": start.load_milliseconds(path),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, default=None, help="the core to pin to")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--write", action="store_true", help="update README.md and docs/")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[-1] if options.core is None else options.core})
    results = measure(options.seconds)
    print(report.markdown(results))
    if options.write:
        report.write(results)


if __name__ == "__main__":
    main()
