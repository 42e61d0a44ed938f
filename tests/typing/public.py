"""Not run but type-checked: what a person's editor knows of the public names."""

from os import PathLike
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import mlfast

Label = str | int | float | bool


def check(estimator: object, record: object, path: PathLike[str]) -> None:
    predictor = mlfast.compile(estimator, missing_fields="nan")
    assert_type(predictor, mlfast.Predictor)
    assert_type(mlfast.compile("model.json"), mlfast.Predictor)
    assert_type(mlfast.load(path), mlfast.Predictor)
    assert_type(predictor.save(path), None)

    assert_type(predictor.predict_one(record), Any)
    assert_type(predictor.predict_proba_one(record), dict[Label, float])
    assert_type(predictor.positive_proba_one(record), float)
    assert_type(predictor.decision_function_one(record), float | list[float])
    row = np.empty(3)
    assert_type(predictor.transform_one(record), npt.NDArray[np.float64])
    assert_type(predictor.transform_one(record, out=row), npt.NDArray[np.float64])

    assert_type(predictor.predict([record], n_threads=2), np.ndarray)
    assert_type(predictor.n_features_in_, int)
    assert_type(mlfast.__version__, str)
    try:
        predictor.verify(estimator, [record])
    except mlfast.ParityError as error:
        assert_type(error, mlfast.ParityError)
