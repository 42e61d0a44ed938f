"""Fitted models of the libraries, with rows to predict; each fitted once."""

import functools

import numpy as np
import pytest


def table(seed, n=400, categories=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    X[rng.random(X.shape) < 0.1] = np.nan
    for column in range(categories):
        X[:, column] = rng.integers(0, 9, n)
    return X, np.nansum(X[:, :3], axis=1) + rng.normal(size=n) / 3


def classes(y, n):
    return np.digitize(y, np.quantile(y, np.linspace(0, 1, n + 1)[1:-1]))


def fitted_once(models):
    """The models and rows of a generator as a list, made at the first call."""
    return functools.cache(lambda: list(models()))


@fitted_once
def xgboost_models():
    xgboost = pytest.importorskip("xgboost")
    X, y = table(10)
    options = {"n_estimators": 12, "max_depth": 4, "n_jobs": 1}
    yield xgboost.XGBClassifier(**options).fit(X, classes(y, 2)), X
    yield xgboost.XGBClassifier(**options).fit(X, classes(y, 3)), X
    yield xgboost.XGBRegressor(**options, missing=-1.0, objective="count:poisson").fit(X, abs(y)), X
    yield (
        xgboost.XGBRegressor(**options, multi_strategy="multi_output_tree").fit(X, np.c_[y, -y]),
        X,
    )
    Z, y = table(11, categories=2)
    options["feature_types"] = ["c", "c", "q", "q", "q", "q"]
    yield xgboost.XGBClassifier(**options, enable_categorical=True).fit(Z, classes(y, 2)), Z


@fitted_once
def lightgbm_models():
    lightgbm = pytest.importorskip("lightgbm")
    X, y = table(20)
    options = {"n_estimators": 12, "num_leaves": 15, "verbose": -1, "n_jobs": 1}
    yield lightgbm.LGBMRegressor(**options).fit(X, y), X
    yield lightgbm.LGBMClassifier(**options, zero_as_missing=True).fit(X, classes(y, 2)), X
    Z, y = table(21, categories=2)
    fitted = lightgbm.LGBMClassifier(**options, min_data_per_group=5).fit(
        Z, classes(y, 4), categorical_feature=[0, 1]
    )
    yield fitted, Z


@fitted_once
def sklearn_models():
    ensembles = pytest.importorskip("sklearn.ensemble")
    linear = pytest.importorskip("sklearn.linear_model")
    X, y = table(30)
    Y = np.nan_to_num(X)
    yield ensembles.RandomForestClassifier(n_estimators=10, random_state=0).fit(Y, classes(y, 3)), Y
    yield ensembles.RandomForestRegressor(n_estimators=10, random_state=0).fit(Y, np.c_[y, -y]), Y
    yield ensembles.GradientBoostingClassifier(n_estimators=10).fit(Y, classes(y, 2)), Y
    yield ensembles.HistGradientBoostingClassifier(max_iter=8).fit(X, classes(y, 3)), X
    yield ensembles.IsolationForest(n_estimators=10, random_state=0).fit(Y), Y
    yield linear.LogisticRegression().fit(Y, classes(y, 3)), Y
    yield linear.LinearRegression().fit(Y, y), Y


MODELS = [
    pytest.param(xgboost_models, id="xgboost"),
    pytest.param(lightgbm_models, id="lightgbm"),
    pytest.param(sklearn_models, id="sklearn"),
]
