"""The main job from end to end, on 344 real penguins: train, compile, verify, save, load, time.

``mlfast demo`` runs `main`. The same module, run as a program with the path of
a saved model, is the new process that predicts without the training libraries.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlfast
from mlfast import _measure

#: What the new process must do without, by import name.
TRAINING = ("sklearn", "xgboost", "pandas", "scipy", "treelite")
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm"]
SIZES = ["body_mass_g"]
FIELDS = [*NUMBERS, *SIZES, "year", "island", "sex"]


@dataclasses.dataclass
class Penguin:
    """A record as a plain dataclass."""

    bill_length_mm: float | None
    bill_depth_mm: float | None
    flipper_length_mm: float | None
    body_mass_g: float | None
    year: int
    island: str
    sex: str | None


@dataclasses.dataclass(slots=True)
class SlottedPenguin:
    """The same with slots: the fastest to read."""

    bill_length_mm: float | None
    bill_depth_mm: float | None
    flipper_length_mm: float | None
    body_mass_g: float | None
    year: int
    island: str
    sex: str | None


class Differs(Exception):
    """Two ways to the same prediction did not agree."""


def load_penguins() -> Any:
    """Return the Palmer penguins as a data frame, read from the package's own CSV file."""
    import pandas as pd

    found = importlib.util.find_spec("palmerpenguins")  # its loader needs more than the file
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the demo needs its data: pip install 'mlfast[demo]'")
    return pd.read_csv(Path(found.submodule_search_locations[0], "data", "penguins.csv"))


def train(frame: Any, labels: Any) -> Any:
    """Fit a usual scikit-learn pipeline that ends in XGBoost."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        MinMaxScaler,
        OneHotEncoder,
        OrdinalEncoder,
        RobustScaler,
        StandardScaler,
    )
    from xgboost import XGBClassifier

    encoder = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            ("size", make_pipeline(SimpleImputer(add_indicator=True), RobustScaler()), SIZES),
            ("year", MinMaxScaler(), ["year"]),
            (
                "island",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                ["island"],
            ),
            (
                "sex",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
                ),
                ["sex"],
            ),
        ]
    )
    model = XGBClassifier(n_estimators=30, max_depth=4, n_jobs=1, random_state=0)
    return make_pipeline(encoder, model).fit(frame, labels)


def plain_records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows as dicts of plain Python values, None where one is missing."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{key: getattr(v, "item", lambda v=v: v)() for key, v in row.items()} for row in rows]


def expect(same: bool, what: str) -> None:
    """Raise `Differs` unless `same`."""
    if not same:
        raise Differs(what)


def check_records(predictor: Any, records: Sequence[Any], labels: Any, probabilities: Any) -> None:
    """Compare each record's answers with the pipeline's, bit for bit."""
    for row, record in enumerate(records):
        what = f"row {row} as {type(record).__name__}: {record}"
        expect(predictor.predict_one(record) == labels[row], f"label of {what}")
        answer = predictor.predict_proba_one(record)
        expected = dict(zip(predictor.classes_, probabilities[row].tolist(), strict=True))
        expect(answer == expected, f"probabilities of {what}: {answer}, expected {expected}")


def predict_elsewhere(path: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Load the model in a new process and predict there; return what it reports."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mlfast.demo", str(path)],  # -P: not the folder we are in
        input=json.dumps(records),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Differs(f"the new process failed:\n{done.stderr}")
    return json.loads(done.stdout)


def new_process(path: str) -> None:
    """Predict the records on standard input; report answers, libraries and times."""
    start = time.perf_counter()
    predictor = mlfast.load(path)
    milliseconds = (time.perf_counter() - start) * 1e3
    records = json.load(sys.stdin)
    report = {
        "labels": [predictor.predict_one(record) for record in records],
        "probabilities": [list(predictor.predict_proba_one(record).values()) for record in records],
        "imported": [name for name in TRAINING if name in sys.modules],
        "load_ms": milliseconds,
    }
    print(json.dumps(report))


def contenders(pipeline: Any, predictor: Any, frame: Any) -> dict[str, _measure.Contender]:
    """Return today's ways and mlfast's, each a function of one record."""
    import numpy as np
    import pandas as pd

    records = plain_records(frame)
    booster = pipeline[-1].get_booster()
    rows = [row.reshape(1, -1) for row in np.asarray(pipeline[:-1].transform(frame))]
    slow = 40  # records of the slow contender in a round
    return {
        "dict -> DataFrame -> pipeline.predict": (
            lambda record: pipeline.predict(pd.DataFrame([record], columns=FIELDS)),
            records[:slow],
        ),
        "encoded array -> Booster.inplace_predict": (booster.inplace_predict, rows),
        "mlfast predict_one(dict)": (predictor.predict_one, records),
        "mlfast predict_one(dataclass)": (predictor.predict_one, [Penguin(**r) for r in records]),
        "mlfast predict_one(slotted dataclass)": (
            predictor.predict_one,
            [SlottedPenguin(**r) for r in records],
        ),
    }


def table(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Return rows of text as aligned columns below a header and a rule."""
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3))])
        for row in rows
    ]
    return "\n".join(["  " + line for line in (lines[0], "-" * len(lines[0]), *lines[1:])])


def time_single(pipeline: Any, predictor: Any, frame: Any, seconds: float) -> str:
    """Return the table of single records."""
    times = _measure.interleaved(contenders(pipeline, predictor, frame), seconds)
    today = next(iter(times.values())).p50
    rows = [("one record", "median", "p99", "faster")]
    for name, (p50, p99, _) in times.items():
        rows.append((name, f"{p50:,.0f} ns", f"{p99:,.0f} ns", f"{today / max(p50, 1.0):,.0f} x"))
    return table(rows)


def time_batch(pipeline: Any, predictor: Any, frame: Any, seconds: float) -> str:
    """Return the table of a batch of many copies of the records."""
    import pandas as pd

    many = pd.concat([frame] * 100, ignore_index=True)
    ways = {"pipeline.predict": pipeline.predict, "mlfast predict": predictor.predict}
    rates = {
        name: len(many) / _measure.best_of(lambda way=way: way(many), seconds / 2)  # type: ignore[misc]
        for name, way in ways.items()
    }
    today = rates["pipeline.predict"]
    rows = [(f"a DataFrame of {len(many):,} rows, one thread", "rows/s", "", "faster")]
    rows += [(name, f"{rate:,.0f}", "", f"{rate / today:,.0f} x") for name, rate in rates.items()]
    return table(rows)


def main(seconds: float = 6.0) -> int:
    """Run the whole demo; return the exit code: 1 if anything differs."""
    try:
        _run(seconds)
    except (Differs, mlfast.ParityError) as error:
        print(f"\nDIFFERENT: {error}", file=sys.stderr)
        return 1
    return 0


def _run(seconds: float) -> None:
    import pandas as pd

    penguins = load_penguins()
    frame = penguins[FIELDS]
    codes, species = pd.factorize(penguins["species"], sort=True)
    gaps = int(frame.isna().any(axis=1).sum())
    print(f"Palmer penguins: {len(frame)} records of {len(FIELDS)} fields, {gaps} with gaps;")
    print(f"                 which species: {', '.join(species)}?")
    pipeline = train(frame, codes)
    print("Trained:         scikit-learn ColumnTransformer, XGBClassifier of 30 rounds, depth 4")

    start = time.perf_counter()
    predictor = mlfast.compile(pipeline)
    print(f"Compiled:        in {(time.perf_counter() - start) * 1e3:.0f} ms")

    predictor.verify(pipeline, frame)
    records = plain_records(frame)
    labels, probabilities = pipeline.predict(frame), pipeline.predict_proba(frame)
    check_records(predictor, records, labels, probabilities)
    for cls in (Penguin, SlottedPenguin):
        check_records(predictor, [cls(**record) for record in records], labels, probabilities)
    print(f"Verified:        {len(frame)} records equal the pipeline's answers, bit for bit,")
    print("                 as a table, dicts, dataclasses and slotted dataclasses")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "penguins.mlfast")
        predictor.save(path)
        size = path.stat().st_size
        report = predict_elsewhere(path, records)
    expect(report["labels"] == labels.tolist(), "labels in a new process")
    expect(report["probabilities"] == probabilities.tolist(), "probabilities in a new process")
    expect(not report["imported"], f"the new process imported {report['imported']}")
    print(
        f"Saved, loaded:   {size:,} bytes, in {report['load_ms']:.1f} ms in a new process without"
    )
    print(f"                 {', '.join(TRAINING)}: the same predictions")

    print(f"\n{time_single(pipeline, predictor, frame, seconds * 2 / 3)}")
    print(f"\n{time_batch(pipeline, predictor, frame, seconds / 3)}")


if __name__ == "__main__":
    new_process(sys.argv[1])
