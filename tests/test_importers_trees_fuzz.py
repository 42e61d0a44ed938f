"""Random models of every library on random rows: sums, probabilities and labels bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import finite_rows, hard_rows, same

import mlfast

SCIKIT_LEARN = (
    "RandomForest",
    "ExtraTrees",
    "DecisionTree",
    "ExtraTree",
    "HistGradientBoosting",
    "GradientBoosting",
)


def table(rng: np.random.Generator) -> np.ndarray:
    """Columns of very different kinds, some with gaps."""
    n, width = int(rng.integers(20, 200)), int(rng.integers(1, 9))
    X = rng.normal(size=(n, width)) * 10.0 ** rng.integers(-3, 4)
    tiny = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-35, 1e-40, 1e-45, 1.0])
    for column in range(width):
        kind = rng.integers(0, 6)
        if kind == 0:
            X[:, column] = rng.integers(0, 5, n)
        elif kind == 1:
            X[:, column] = rng.integers(0, 70, n)
        elif kind == 2:
            X[:, column] = rng.choice(tiny, n)
        elif kind == 3:
            X[:, column] *= 1e30
    if rng.random() < 0.5:
        X[rng.random(X.shape) < 0.2] = np.nan
    return X


def target(rng: np.random.Generator, n: int) -> tuple[str, np.ndarray]:
    task = str(rng.choice(["Regressor", "binary", "several"]))
    if task == "Regressor":
        return task, rng.gamma(2.0, size=n) + 0.1
    n_classes = 2 if task == "binary" else int(rng.integers(3, 12))
    y = rng.integers(0, n_classes, n)
    y[:n_classes] = np.arange(n_classes)
    return "Classifier", y


def categorical(X: np.ndarray) -> list[int]:
    whole = np.isnan(X) | ((X >= 0) & (X < 100) & (np.floor(X) == X))
    return np.flatnonzero(whole.all(axis=0)).tolist()


def xgboost(rng: np.random.Generator, X: np.ndarray, task: str, y: np.ndarray) -> Any:
    library = pytest.importorskip("xgboost")
    params: dict[str, Any] = {
        "n_estimators": int(rng.integers(1, 15)),
        "max_depth": int(rng.integers(1, 8)),
        "tree_method": str(rng.choice(["hist", "exact", "approx"])),
        "num_parallel_tree": int(rng.choice([1, 3])),
        "subsample": 0.8,
    }
    if rng.random() < 0.5:
        params |= {"booster": "dart", "rate_drop": 0.4}
    if task == "Regressor":
        kinds = ["squarederror", "tweedie", "absoluteerror", "gamma", "pseudohubererror"]
        params["objective"] = f"reg:{rng.choice(kinds)}"
    codes = categorical(X)
    if codes and params["tree_method"] != "exact":
        params["feature_types"] = ["c" if i in codes else "float" for i in range(X.shape[1])]
        params |= {"enable_categorical": True, "max_cat_to_onehot": int(rng.choice([1, 100]))}
    return getattr(library, f"XGB{task}")(**params).fit(X, y)


def lightgbm(rng: np.random.Generator, X: np.ndarray, task: str, y: np.ndarray) -> Any:
    library = pytest.importorskip("lightgbm")
    params: dict[str, Any] = {
        "n_estimators": int(rng.integers(1, 15)),
        "num_leaves": int(rng.integers(2, 40)),
        "min_child_samples": int(rng.integers(1, 10)),
        "boosting_type": str(rng.choice(["gbdt", "dart", "rf"])),
        "bagging_freq": 1,
        "bagging_fraction": 0.7,
        "zero_as_missing": bool(rng.random() < 0.3),
        "use_missing": bool(rng.random() < 0.8),
        "max_cat_to_onehot": int(rng.choice([1, 4])),
        "cat_smooth": 0,
        "min_data_per_group": 1,
        "min_data_in_bin": 1,
        "verbose": -1,
    }
    if task == "Regressor":
        params["objective"] = str(rng.choice(["regression", "poisson", "quantile", "huber"]))
    codes = categorical(X) if rng.random() < 0.7 else []
    model = getattr(library, f"LGBM{task}")(**params)
    return model.fit(X, y, categorical_feature=codes or "auto")


def scikit_learn(rng: np.random.Generator, X: np.ndarray, task: str, y: np.ndarray) -> Any:
    ensemble = pytest.importorskip("sklearn.ensemble")
    tree = pytest.importorskip("sklearn.tree")
    family = str(rng.choice(SCIKIT_LEARN))
    params: dict[str, Any] = {"max_leaf_nodes": int(rng.integers(2, 40))}
    if family == "HistGradientBoosting":
        params |= {"max_iter": int(rng.integers(1, 10)), "min_samples_leaf": 2}
    elif not family.endswith("Tree"):
        params["n_estimators"] = int(rng.integers(1, 15))
    if family in ("GradientBoosting", "ExtraTrees", "ExtraTree"):
        X = np.clip(np.nan_to_num(X), -1e30, 1e30)
    return getattr(tree if family.endswith("Tree") else ensemble, family + task)(**params).fit(X, y)


def compare(fit: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = table(rng)
    model = fit(rng, X, *target(rng, len(X)))
    compiled = mlfast.compile(model)
    rows = np.concatenate([hard_rows(compiled.model.head, rng, 100), X])
    if fit is scikit_learn and not type(model).__name__.startswith("Hist"):
        rows = finite_rows(rows, nan=model.__sklearn_tags__().input_tags.allow_nan)
    output = compiled.model.output
    if fit is xgboost:
        same(compiled.decision_function(rows), model.predict(rows, output_margin=True))
    elif fit is lightgbm and "decision_function" in output.methods:
        same(compiled.decision_function(rows), model.predict(rows, raw_score=True))
    elif fit is scikit_learn and hasattr(model, "decision_function"):
        same(compiled.decision_function(rows), model.decision_function(rows))
    if "predict_proba" in output.methods:
        same(compiled.predict_proba(rows), model.predict_proba(rows))
    want = model.predict(rows)
    same(compiled.predict(rows), want)
    for i in rng.integers(0, len(rows), 4):
        assert compiled.predict_one(tuple(rows[i].tolist())) == want[i]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("fit", [xgboost, lightgbm, scikit_learn])
def test_random_models(fit: Any, seed: int) -> None:
    compare(fit, seed)


@pytest.mark.slow
@pytest.mark.parametrize("fit", [xgboost, lightgbm, scikit_learn])
def test_many_random_models(fit: Any) -> None:
    for seed in range(100, 500):
        compare(fit, seed)
