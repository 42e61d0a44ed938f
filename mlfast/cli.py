"""The command line: ``mlfast demo | compile | inspect | predict | bench | verify | export``.

Exit codes: 0 fine; 1 a comparison failed; 2 wrong usage, input or file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlfast
from mlfast import _measure

TABLES = {".csv": "read_csv", ".parquet": "read_parquet", ".feather": "read_feather"}
PICKLES = (".pkl", ".pickle", ".joblib")


class InputError(ValueError):
    """A file or an argument that the command cannot use."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except mlfast.ParityError as error:
        print(f"mlfast: different: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader like `head` left
        return 0
    except (mlfast.MlfastError, InputError, OSError, ImportError) as error:
        print(f"mlfast: error: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="mlfast", description="One prediction, as fast as the hardware allows."
    )
    top.add_argument("--version", action="version", version=f"mlfast {mlfast.__version__}")
    commands = top.add_subparsers(required=True, metavar="command")

    def command(run: Any, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__.rstrip("_"), help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    demo_ = command(demo, "train, compile, verify, save, load and time a model of 344 penguins")
    demo_.add_argument("--seconds", type=float, default=6.0, help="time spent measuring")

    compile__ = command(compile_, "compile a trained model into a model file")
    compile__.add_argument(
        "source",
        type=Path,
        help="XGBoost JSON / UBJ, LightGBM text, treelite checkpoint, or a pickle / joblib file "
        "of an estimator (a pickle runs code: only files you trust)",
    )
    compile__.add_argument("-o", "--output", type=Path, help="default: SOURCE with .mlfast")

    inspect_ = command(inspect, "say what is in a model file")
    inspect_.add_argument("model", type=Path)
    inspect_.add_argument("--json", action="store_true", help="as JSON")

    predict_ = command(predict, "predict records: one JSON value a line in, one out")
    predict_.add_argument("model", type=Path)
    predict_.add_argument(
        "data",
        nargs="?",
        default="-",
        help="JSON lines (.jsonl, or - for standard input), or a table: .csv, .parquet, .feather",
    )
    predict_.add_argument(
        "--method",
        default="predict",
        choices=("predict", "predict_proba", "decision_function", "transform"),
    )

    bench_ = command(bench, "time single records and a batch of your data")
    bench_.add_argument("model", type=Path)
    bench_.add_argument("data", help="as for predict")
    bench_.add_argument("--seconds", type=float, default=4.0, help="time spent measuring")

    verify_ = command(verify, "compare a model file with the original estimator on your data")
    verify_.add_argument("model", type=Path)
    verify_.add_argument("original", type=Path, help="pickle or joblib file (only if you trust it)")
    verify_.add_argument("data", help="a table: .csv, .parquet, .feather")

    export_ = command(export, "write a model as C99 source or as a shared library")
    export_.add_argument("model", type=Path)
    export_.add_argument("output", type=Path, help="source where it ends in .c, else a library")
    export_.add_argument(
        "--abi", default="mlfast", choices=("mlfast", "treelite-runtime", "tl2cgen")
    )
    return top


# ---------------------------------------------------------------- commands


def demo(options: argparse.Namespace) -> int:
    """Run `mlfast.demo`."""
    from mlfast.demo import main as run

    return run(options.seconds)


def compile_(options: argparse.Namespace) -> int:
    """Compile an estimator or a model file of another library."""
    pickled = options.source.suffix in PICKLES
    predictor = mlfast.compile(unpickle(options.source) if pickled else options.source)
    output = options.output or options.source.with_suffix(".mlfast")
    predictor.save(output)
    print(f"{output}: {output.stat().st_size:,} bytes, {predictor.n_features_in_} fields")
    return 0


def inspect(options: argparse.Namespace) -> int:
    """Print what a model file holds."""
    predictor = mlfast.load(options.model)
    facts = describe(predictor, options.model)
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        print(f"{name + ':':18}{shown}")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Predict records of a table or of JSON lines."""
    predictor = mlfast.load(options.model)
    if Path(options.data).suffix in TABLES:
        for answer in getattr(predictor, options.method)(read_table(options.data)):
            print(as_json(answer))
        return 0
    one = getattr(predictor, f"{options.method}_one")
    for number, record in json_lines(options.data):
        try:
            answer = one(record)
        except mlfast.RecordError as error:
            raise InputError(f"{options.data}, line {number}: {error}") from error
        print(as_json(answer))
    return 0


def bench(options: argparse.Namespace) -> int:
    """Time single dicts and the batch."""
    predictor = mlfast.load(options.model)
    if Path(options.data).suffix in TABLES:
        batch = read_table(options.data)
        rows = batch.astype(object).where(batch.notna(), None)
        records = rows.to_dict("records")
    else:
        batch = records = [record for _, record in json_lines(options.data)]
    if not records:
        raise InputError(f"{options.data}: no records")
    tuples = [tuple(record.values()) for record in records]
    named = list(records[0]) == list(predictor.feature_names_in_)
    ways: dict[str, _measure.Contender] = {"dict": (predictor.predict_one, records)}
    if named:
        ways["tuple"] = (predictor.predict_one, tuples)
    for name, times in _measure.interleaved(ways, options.seconds / 2).items():
        print(
            f"predict_one({name}): median {_measure.readable(times.p50)}, "
            f"p99 {_measure.readable(times.p99)} ({times.calls:,} calls)"
        )
    seconds = _measure.best_of(lambda: predictor.predict(batch), options.seconds / 2)
    print(f"predict({type(batch).__name__}): {len(records) / seconds:,.0f} rows/s ({len(records)})")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Compare a model file with its original, row by row."""
    predictor = mlfast.load(options.model)
    report = predictor.verify(unpickle(options.original), read_table(options.data))
    print(report)
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a model as C."""
    predictor = mlfast.load(options.model)
    is_source = options.output.suffix == ".c"
    write = predictor.export_source if is_source else predictor.export_library
    print(write(options.output, abi=options.abi))
    return 0


# ---------------------------------------------------------------- input and output


def unpickle(path: Path) -> Any:
    """Load an estimator that joblib or pickle wrote."""
    try:
        import joblib
    except ImportError:
        import pickle

        with path.open("rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def read_table(path: str) -> Any:
    """Read a table with pandas."""
    reader = TABLES.get(Path(path).suffix)
    if reader is None:
        raise InputError(f"{path}: expected a table ({', '.join(TABLES)})")
    try:
        import pandas as pd
    except ImportError:
        raise InputError("reading tables needs pandas: pip install pandas") from None
    try:
        return getattr(pd, reader)(path)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def json_lines(path: str) -> Iterator[tuple[int, Any]]:
    """Yield line numbers and values of a file of JSON lines, or of standard input."""
    lines = sys.stdin if path == "-" else Path(path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON: {error}") from error


def as_json(value: Any) -> str:
    """Return an answer as JSON; NaN and infinities, which JSON lacks, become null."""

    def plain(item: Any) -> Any:
        item = item.tolist() if hasattr(item, "tolist") else item
        if isinstance(item, dict):
            return {str(key): plain(one) for key, one in item.items()}
        if isinstance(item, (list, tuple)):
            return [plain(one) for one in item]
        return None if isinstance(item, float) and not math.isfinite(item) else item

    return json.dumps(plain(value), ensure_ascii=False)


def describe(predictor: Any, path: Path) -> dict[str, Any]:
    """Return the facts that `inspect` prints."""
    facts = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "fields": [str(name) for name in predictor.feature_names_in_],
        "encoded features": len(predictor.get_feature_names_out()),
    }
    classes = getattr(predictor, "classes_", None)
    if classes is not None:
        facts["classes"] = [getattr(label, "item", lambda one=label: one)() for label in classes]
    plan = getattr(predictor, "plan", None)
    if plan is not None:
        facts["plan"] = str(plan())
    return facts


if __name__ == "__main__":
    sys.exit(main())
