from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import check, finite_rows, hard_rows, same

import mlfast
from mlfast.errors import NotFittedError, UnsupportedError
from mlfast.importers import sklearn_trees as importer

ensemble = pytest.importorskip("sklearn.ensemble")
tree = pytest.importorskip("sklearn.tree")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(250, 5))
GAPS = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
BINARY = (X[:, 0] + RNG.normal(size=250) > 0.3).astype(int)
THREE = np.array(["a", "b", "ü"])[RNG.integers(0, 3, 250)]
VALUE = np.abs(X[:, 1] + RNG.normal(size=250)) + 0.1


def compare(model: Any) -> None:
    head = importer.import_head(model, "model")
    rows = hard_rows(head.model, RNG)
    if head.check is not None:
        rows = finite_rows(rows, nan=head.check == "float32")

    def ask(method: str) -> Any:
        return getattr(model, method)(rows) if method in head.output.methods else None

    check(
        model,
        head,
        rows,
        margin=ask("decision_function"),
        proba=ask("predict_proba"),
        label=ask("predict"),
        leaves=model.apply(rows) if hasattr(model, "apply") else None,
    )


@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesClassifier"])
@pytest.mark.parametrize("data", [X, GAPS], ids=["whole", "gaps"])
@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
def test_forest_classifier(name: str, data: np.ndarray, y: np.ndarray) -> None:
    compare(getattr(ensemble, name)(n_estimators=8, random_state=0).fit(data, y))


@pytest.mark.parametrize("name", ["RandomForestRegressor", "ExtraTreesRegressor"])
@pytest.mark.parametrize("y", [VALUE, np.c_[VALUE, X[:, :2]]], ids=["one", "three"])
@pytest.mark.parametrize("params", [{"max_leaf_nodes": 20}, {"max_depth": 5}], ids=str)
def test_forest_regressor(name: str, y: np.ndarray, params: dict[str, Any]) -> None:
    compare(getattr(ensemble, name)(n_estimators=7, **params).fit(GAPS, y))


def test_forest_that_refuses_missing_values() -> None:
    model = ensemble.RandomForestRegressor(n_estimators=3, criterion="poisson", monotonic_cst=None)
    compare(model.fit(X, VALUE))
    model = ensemble.RandomForestRegressor(n_estimators=3, monotonic_cst=[1, 0, 0, 0, 0])
    compare(model.fit(X, VALUE))


@pytest.mark.parametrize("name", ["DecisionTree", "ExtraTree"])
@pytest.mark.parametrize("data", [X, GAPS], ids=["whole", "gaps"])
def test_single_trees(name: str, data: np.ndarray) -> None:
    for y in (BINARY, THREE, BINARY == 1):
        compare(getattr(tree, name + "Classifier")(max_depth=6).fit(data, y))
    for y in (VALUE, np.where(VALUE > 1, VALUE, -0.0), np.c_[VALUE, X[:, :2]]):
        compare(getattr(tree, name + "Regressor")(max_leaf_nodes=15).fit(data, y))


@pytest.mark.parametrize("params", [{}, {"loss": "exponential"}, {"init": "zero"}], ids=str)
def test_gradient_boosting_classifier(params: dict[str, Any]) -> None:
    compare(ensemble.GradientBoostingClassifier(n_estimators=9, **params).fit(X, BINARY))
    if params.get("loss") != "exponential":
        model = ensemble.GradientBoostingClassifier(n_estimators=6, **params)
        compare(model.fit(X, THREE))
        compare(model.fit(X, RNG.integers(0, 19, 250)))  # NumPy sums eight and more in parts


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_gradient_boosting_regressor(loss: str) -> None:
    compare(ensemble.GradientBoostingRegressor(n_estimators=9, loss=loss).fit(X, VALUE))


@pytest.mark.parametrize("data", [X, GAPS], ids=["whole", "gaps"])
def test_hist_gradient_boosting_classifier(data: np.ndarray) -> None:
    compare(ensemble.HistGradientBoostingClassifier(max_iter=9).fit(data, BINARY))
    compare(ensemble.HistGradientBoostingClassifier(max_iter=6).fit(data, THREE))
    model = ensemble.HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=5)
    compare(model.fit(data, RNG.integers(0, 12, 250)))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "gamma", "poisson"])
def test_hist_gradient_boosting_regressor(loss: str) -> None:
    model = ensemble.HistGradientBoostingRegressor(max_iter=9, loss=loss)
    compare(model.fit(GAPS, VALUE))


def test_hist_gradient_boosting_stopped_early() -> None:
    model = ensemble.HistGradientBoostingClassifier(
        max_iter=200, learning_rate=1.0, early_stopping=True, n_iter_no_change=2
    )
    compare(model.fit(X, BINARY))
    assert model.n_iter_ < 200


def categorical_frame() -> Any:
    pd = pytest.importorskip("pandas")
    words = np.array(["x", "ü", "z", "rare"], dtype=object)
    chosen = RNG.choice(4, 250, p=[0.4, 0.3, 0.28, 0.02])
    return pd.DataFrame(
        {
            "a": GAPS[:, 0],
            "word": pd.Categorical(words[chosen]),
            "b": X[:, 1],
            "number": pd.Categorical(RNG.choice([3, 70, -5], 250)),
            "gaps": pd.Categorical(np.where(RNG.random(250) < 0.3, None, words[chosen])),
        }
    )


@pytest.mark.parametrize("features", ["from_dtype", "names", "mask", "numbers"])
def test_hist_gradient_boosting_categories(features: str) -> None:
    table = categorical_frame()
    y = ((table["word"] == "x") ^ (table["number"] == 3)) + 0.3 * RNG.normal(size=250) > 0.5
    given = {
        "from_dtype": "from_dtype",
        "names": ["word", "number", "gaps"],
        "mask": [False, True, False, True, True],
        "numbers": [1, 3, 4],
    }[features]
    model = ensemble.HistGradientBoostingClassifier(
        max_iter=12, categorical_features=given, min_samples_leaf=4
    ).fit(table, y)
    compiled = mlfast.compile(model)
    assert len(compiled.model.head.categories)
    odd = table.copy()
    for column in ("word", "number", "gaps"):  # unseen categories and missing ones
        unseen = -1 if column == "number" else "unseen"
        odd[column] = odd[column].astype(object).where(RNG.random(250) < 0.7, unseen)
        odd[column] = odd[column].where(RNG.random(250) < 0.8, None)
    for rows in (table, odd):
        same(compiled.decision_function(rows), model.decision_function(rows))
        same(compiled.predict(rows), model.predict(rows))
    record = dict(odd.iloc[0])
    assert compiled.decision_function_one(record) == model.decision_function(odd.head(1))[0]


def test_hist_gradient_boosting_many_categories() -> None:
    rows = X.copy()
    rows[:, 1] = RNG.integers(0, 200, 250)
    model = ensemble.HistGradientBoostingRegressor(
        max_iter=9, categorical_features=[1], min_samples_leaf=2
    ).fit(rows, np.sin(rows[:, 1] * 7))
    compiled = mlfast.compile(model)
    rows[::5, 1] = 777
    rows[1::5, 1] = np.nan
    rows[2::5, 1] = -1
    same(compiled.predict(rows), model.predict(rows))


@pytest.mark.parametrize("data", [X, GAPS], ids=["whole", "gaps"])
@pytest.mark.parametrize(
    "params", [{}, {"max_features": 0.5, "contamination": 0.1}, {"max_samples": 1}], ids=str
)
def test_isolation_forest(data: np.ndarray, params: dict[str, Any]) -> None:
    model = ensemble.IsolationForest(n_estimators=9, **params).fit(data)
    compare(model)
    same(mlfast.compile(model).decision_function(data), model.decision_function(data))


def test_isolation_forest_on_its_own_border() -> None:
    """`contamination` puts the border exactly on a training row when it can."""
    for seed in range(8):
        rows = np.random.default_rng(seed).normal(size=(101, 3))
        model = ensemble.IsolationForest(n_estimators=5, contamination=0.1, random_state=seed)
        model.fit(rows)
        assert (model.decision_function(rows) == 0).any()
        same(mlfast.compile(model).predict(rows), model.predict(rows))


@pytest.mark.parametrize("name", ["AdaBoostClassifier", "BaggingRegressor", "RandomTreesEmbedding"])
def test_refused_classes(name: str) -> None:
    model = getattr(ensemble, name)(n_estimators=2).fit(X, BINARY)
    assert importer.handles(model)
    with pytest.raises(UnsupportedError, match=f"{name}.*supported tree models: RandomForest"):
        importer.import_head(model, "model")


def test_refused() -> None:
    several = np.c_[BINARY, BINARY]
    with pytest.raises(UnsupportedError, match="2 outputs"):
        importer.import_head(tree.DecisionTreeClassifier().fit(X, several), "model")
    start = tree.DecisionTreeRegressor()
    model = ensemble.GradientBoostingRegressor(n_estimators=2, init=start).fit(X, VALUE)
    with pytest.raises(UnsupportedError, match="init=DecisionTreeRegressor"):
        importer.import_head(model, "model")
    for model in (ensemble.RandomForestClassifier(), ensemble.HistGradientBoostingRegressor()):
        with pytest.raises(NotFittedError, match="is not fitted"):
            importer.import_head(model, "model")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("RandomForestRegressor", {}),
        ("RandomForestRegressor", {"criterion": "poisson"}),
        ("RandomForestRegressor", {"criterion": "absolute_error"}),
        ("RandomForestRegressor", {"monotonic_cst": [1, 0, 0, 0, 0]}),
        ("ExtraTreesRegressor", {}),
        ("ExtraTreesRegressor", {"monotonic_cst": [1, 0, 0, 0, 0]}),
        ("GradientBoostingRegressor", {}),
        ("HistGradientBoostingRegressor", {"max_iter": 3}),
        ("IsolationForest", {}),
    ],
    ids=str,
)
def test_refuses_the_values_that_the_original_refuses(name: str, params: dict[str, Any]) -> None:
    size = {} if "max_iter" in params else {"n_estimators": 2}
    model = getattr(ensemble, name)(**size, **params).fit(X, VALUE)
    compiled = mlfast.compile(model)
    for value in (np.nan, np.inf, -np.inf, 1e300, 3.5e38, 1e-320):
        row = np.zeros((1, 5))
        row[0, 2] = value
        try:
            wanted = model.predict(row)
        except ValueError:
            with pytest.raises(mlfast.RecordError):
                compiled.predict(row)
            with pytest.raises(mlfast.RecordError):
                compiled.predict_one(tuple(row[0]))
        else:
            assert compiled.predict_one(tuple(row[0])) == wanted[0] == compiled.predict(row)[0]
