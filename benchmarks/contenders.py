"""The ways to one prediction for a Titanic-shaped record, each a function of one argument.

Every contender comes with the arguments it is called with in turn: 1,000
distinct records in random order, in the shape that it reads.
"""

import json

import numpy as np

from benchmarks import titanic


def readers(records):
    """Return the records in every shape that mlfast is timed with, by the shape's name."""
    import msgspec

    struct = msgspec.defstruct(
        "Struct", [(name, object) for name in titanic.COLUMNS], module=__name__
    )
    return {
        "slotted dataclass": [titanic.SlottedPassenger(**r) for r in records],
        "NamedTuple": [titanic.TuplePassenger(**r) for r in records],
        "msgspec.Struct": [struct(**r) for r in records],
        "dict": [dict(r) for r in records],
        "dict from json.loads": [json.loads(json.dumps(r)) for r in records],
        "plain dataclass": [titanic.Passenger(**r) for r in records],
    }


def mlfast_contenders(predictor, records):
    """Return mlfast's calls: the cheapest answer from every shape, every answer from one."""
    shapes = readers(records)
    slotted = shapes["slotted dataclass"]
    row = np.empty(len(predictor.get_feature_names_out()))
    transform_one = predictor.transform_one
    found = {
        f"positive_proba_one({shape})": (predictor.positive_proba_one, rows)
        for shape, rows in shapes.items()
    }
    found["predict_one(slotted dataclass)"] = (predictor.predict_one, slotted)
    found["predict_proba_one(slotted dataclass)"] = (predictor.predict_proba_one, slotted)
    found["transform_one(slotted dataclass, out=row)"] = (
        lambda record: transform_one(record, out=row),
        slotted,
    )
    return found


def todays_ways(pipeline, records):
    """Return what people do without mlfast."""
    import pandas as pd

    booster = pipeline[-1].get_booster()
    rows = [row.reshape(1, -1) for row in pipeline[:-1].transform(titanic.frame(records))]
    return {
        "DataFrame + pipeline.predict_proba": (
            lambda record: pipeline.predict_proba(pd.DataFrame([record], columns=titanic.COLUMNS)),
            records[:50],
        ),
        "features ready + Booster.inplace_predict": (booster.inplace_predict, rows),
    }


def check(predictor, pipeline, records):
    """Raise unless every contender answers what the pipeline does, bit for bit."""
    frame = titanic.frame(records)
    expected = pipeline.predict_proba(frame)
    labels = pipeline.predict(frame)
    encoded = np.asarray(pipeline[:-1].transform(frame))
    for shape, rows in readers(records).items():
        for i, record in enumerate(rows):
            same = (
                predictor.positive_proba_one(record) == expected[i, 1]
                and list(predictor.predict_proba_one(record).values()) == expected[i].tolist()
                and predictor.predict_one(record) == labels[i]
                and np.array_equal(predictor.transform_one(record), encoded[i], equal_nan=True)
            )
            if not same:
                raise AssertionError(f"{shape}, record {i} differs: {record}")
    if not np.array_equal(predictor.predict_proba(frame), expected):
        raise AssertionError("the batch differs")
