"""What cannot be compiled says so, by path and class, and what would be."""

import functools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)

import mlfast
from mlfast.errors import ModelFileError, NotFittedError, UnsupportedError

X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 0.0, 1.0, 0.5]})
Y = np.array([0, 1, 1, 0])


class Halved(StandardScaler):
    """Overrides what the base class would do."""

    def transform(self, X: Any, copy: Any = None) -> Any:
        return super().transform(X) / 2


def square(x: Any, power: int = 2) -> Any:
    return x**power


def hot() -> ColumnTransformer:
    return ColumnTransformer([("hot", OneHotEncoder(), ["b"])], sparse_threshold=1.0)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (make_pipeline(Halved(), LogisticRegression()), r"pipeline\.halved: .*Halved"),
        (PolynomialFeatures(), r"polynomialfeatures: .*PolynomialFeatures"),
        (FeatureUnion([("p", PolynomialFeatures())]), r"featureunion\.p: .*PolynomialFeatures"),
        (
            make_pipeline(FunctionTransformer(square)),
            r"functiontransformer: .*'square'.*numpy\.log",
        ),
        (FunctionTransformer(np.abs, kw_args={"where": True}), "without kw_args"),
        (FunctionTransformer(functools.partial(np.power, 2)), "functiontransformer: "),
        (make_pipeline(hot(), QuantileTransformer(n_quantiles=2)), "sparse_output=False"),
        (TransformedTargetRegressor(LinearRegression()), "TransformedTargetRegressor"),
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2), "best_estimator_"),
    ],
)
def test_an_unsupported_step_is_named(estimator: Any, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        mlfast.compile(estimator.fit(X, Y))


@pytest.mark.parametrize("thing", [42, None, LogisticRegression, {"a": 1}])
def test_other_things_are_refused(thing: Any) -> None:
    with pytest.raises((UnsupportedError, NotFittedError)):
        mlfast.compile(thing)


def test_a_file_that_is_no_model_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "model"
    with pytest.raises(ModelFileError, match="cannot be read"):
        mlfast.compile(path)
    path.write_bytes(b"{}")
    with pytest.raises(ModelFileError):
        mlfast.compile(path)


def test_the_sides_of_a_half_fitted_composition_are_named() -> None:
    columns = ColumnTransformer([("a", StandardScaler(), ["a"])])
    with pytest.raises(NotFittedError, match=r"pipeline\.columntransformer"):
        mlfast.compile(make_pipeline(columns, LogisticRegression().fit(X, Y)))
