"""scikit-learn's linear models: labels equal, margins as near as the order of a sum allows."""

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import linear_model, svm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlfast
from mlfast.errors import RecordError, UnsupportedError
from mlfast.importers import import_model, sklearn_linear

MODULES = (linear_model, svm)


def make(name: str, **options: Any) -> Any:
    found = [getattr(module, name) for module in MODULES if hasattr(module, name)]
    if not found:
        pytest.skip(f"no {name} in this scikit-learn")
    return found[0](**options)


def fit(model: Any, X: np.ndarray, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def rows(seed: int = 0, n: int = 120, width: int = 11) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width))


def close(got: np.ndarray, want: np.ndarray, model: Any, X: np.ndarray) -> None:
    """Equal within the rounding of a sum in another order."""
    assert got.shape == want.shape
    terms = np.abs(X) @ np.abs(np.atleast_2d(model.coef_)).T + np.abs(model.intercept_)
    allowed = 2 * X.shape[1] * np.finfo(float).eps * terms.reshape(len(X), -1)
    assert (np.abs(got - want).reshape(len(X), -1) <= allowed).all()


@pytest.mark.parametrize("name", sorted(sklearn_linear.CLASSIFIERS))
@pytest.mark.parametrize("labels", [("no", "yes"), (3, 5, 9)])
def test_classifiers(name: str, labels: tuple) -> None:
    X = rows()
    y = np.array(labels)[np.digitize(X[:, 0] + X[:, 1], [0.0, 0.8][: len(labels) - 1])]
    model = fit(make(name), X, y)
    predictor = mlfast.compile(model)
    unseen = rows(1)
    want = model.decision_function(unseen)
    close(predictor.decision_function(unseen), want, model, unseen)
    np.testing.assert_array_equal(predictor.predict(unseen), model.predict(unseen))
    assert predictor.predict(unseen).dtype == model.predict(unseen).dtype
    assert predictor.predict_one(tuple(unseen[0].tolist())) == model.predict(unseen[:1])[0]
    if hasattr(model, "predict_proba"):
        got, want = predictor.predict_proba(unseen), model.predict_proba(unseen)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-300)
    else:
        with pytest.raises(AttributeError):
            predictor.predict_proba(unseen)


@pytest.mark.parametrize("name", sorted(sklearn_linear.REGRESSORS))
def test_regressors(name: str) -> None:
    X = rows(n=60, width=4)
    Y = X @ np.arange(8.0).reshape(4, 2) + 0.1 * rows(2, 60, 2)
    several = name.startswith("MultiTask")
    model = fit(make(name), X, Y if several else Y[:, 0])
    unseen = rows(1, width=4)
    close(mlfast.compile(model).predict(unseen), model.predict(unseen), model, unseen)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "ElasticNet"])
@pytest.mark.parametrize("n_targets", [3, 1])
def test_a_table_of_targets(name: str, n_targets: int) -> None:
    X = rows(n=60, width=4)
    model = fit(make(name), X, X @ np.arange(4.0 * n_targets).reshape(4, n_targets))
    predictor = mlfast.compile(model)
    close(predictor.predict(X), model.predict(X), model, X)
    assert predictor.predict_one(tuple(X[0].tolist())) == predictor.predict(X)[0].tolist()


@pytest.mark.parametrize("name", sorted(sklearn_linear.LOG_LINK_REGRESSORS))
def test_models_with_a_log_link(name: str) -> None:
    X = rows(n=60, width=3)
    model = fit(make(name), X, np.exp(X[:, 0]) + 0.1)
    np.testing.assert_allclose(mlfast.compile(model).predict(X), model.predict(X), rtol=1e-13)


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_of_sgd(loss: str, n_classes: int) -> None:
    X = 3 * rows()
    y = np.digitize(X[:, 0], np.linspace(-2, 2, n_classes - 1) if n_classes > 2 else [0.0])
    model = fit(linear_model.SGDClassifier(loss=loss, random_state=0), X, y)
    predictor = mlfast.compile(model)
    far = np.concatenate([X, 1e4 * X, np.zeros((1, X.shape[1]))])
    if loss == "hinge":
        assert "predict_proba" not in predictor.model.output.methods
        return
    np.testing.assert_allclose(
        predictor.predict_proba(far), model.predict_proba(far), rtol=1e-11, atol=1e-300
    )


def test_values_that_are_not_finite_are_refused() -> None:
    X = rows(width=2)
    pipeline = make_pipeline(StandardScaler(), linear_model.LogisticRegression())
    predictor = mlfast.compile(pipeline.fit(X, X[:, 0] > 0))
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(RecordError):
            predictor.predict_one((value, 0.0))
    assert np.isnan(predictor.transform_one((np.nan, 0.0))[0])  # the scaler alone accepts it


def test_several_labels_a_row_are_not_supported() -> None:
    X = rows(width=2)
    model = linear_model.RidgeClassifier().fit(X, X > 0)
    with pytest.raises(UnsupportedError, match=r"ridgeclassifier: .*several labels"):
        import_model(model)
