"""The main promises again; CI runs this file with PYTHONOPTIMIZE=2 as well.

No assert statement here: with optimisation they would be silent.
"""

import numpy as np
import pytest
from passengers import Passenger, frame, pipeline, predictor, records
from sklearn.pipeline import make_pipeline

import mlfast


def expect(condition):
    if not condition:
        pytest.fail("see the traceback")


def test_answers_and_refusals():
    expected = pipeline().decision_function(frame())
    expect(np.array_equal(predictor().decision_function(frame()), expected))
    for row, record in enumerate(records()):
        expect(predictor().decision_function_one(Passenger(**record)) == expected[row])
    for wrong in ({"Age": "abc"}, {"Sex": "other"}, {"Age": float("inf")}):
        with pytest.raises(mlfast.RecordError):
            predictor().predict_one(records(1)[0] | wrong)
    with pytest.raises(mlfast.RecordError):
        predictor().predict_one((1, 2))


def test_files(tmp_path):
    path = tmp_path / "model.mlfast"
    predictor().save(path)
    data = path.read_bytes()
    for at in range(0, len(data), 37):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(mlfast.ModelFileError):
            mlfast.load(path)


def test_parity_is_still_checked():
    encoder, model = pipeline()[:-1], pipeline()[-1]
    other = make_pipeline(encoder, model.__class__(n_estimators=3))
    other.fit(frame(), np.where(frame()["Age"] > 30, "survived", "died"))
    with pytest.raises(mlfast.ParityError):
        mlfast.compile(other).verify(pipeline(), frame())
