from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity import check, hard_rows, same

import mlfast
from mlfast.errors import ModelFileError, NotFittedError, UnsupportedError
from mlfast.importers import lightgbm as importer
from mlfast.importers import model_files

lgb = pytest.importorskip("lightgbm")

RNG = np.random.default_rng(11)
X = RNG.normal(size=(300, 5))
X[RNG.random(X.shape) < 0.1] = np.nan
X[RNG.random(X.shape) < 0.1] = 0.0
X[:, 4] = RNG.integers(0, 9, 300)
NOISE = RNG.normal(size=300)
BINARY = (np.nan_to_num(X[:, 0]) + NOISE > 0.3).astype(int)
THREE = np.array(["a", "ü", "c"])[RNG.integers(0, 3, 300)]
VALUE = np.abs(np.nan_to_num(X[:, 1]) + NOISE) + 0.1
SMALL: dict[str, Any] = {
    "n_estimators": 10,
    "num_leaves": 13,
    "min_child_samples": 5,
    "cat_smooth": 0,
    "min_data_per_group": 3,
    "verbose": -1,
}


def compare(model: Any) -> None:
    head = importer.import_head(model, "model")
    rows = hard_rows(head.model, RNG)
    raw = "decision_function" in head.output.methods
    check(
        model,
        head,
        rows,
        margin=model.predict(rows, raw_score=True) if raw else None,
        proba=model.predict_proba(rows) if "predict_proba" in head.output.methods else None,
        label=model.predict(rows),
        leaves=model.predict(rows, pred_leaf=True),
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sigmoid": 0.7},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"boosting_type": "dart"},
        {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    ],
    ids=str,
)
def test_binary_classifier(params: dict[str, Any]) -> None:
    compare(lgb.LGBMClassifier(**SMALL, **params).fit(X, BINARY, categorical_feature=[4]))


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf"])
def test_multiclass(objective: str, boosting: str) -> None:
    bagging = {"bagging_freq": 1, "bagging_fraction": 0.6}
    model = lgb.LGBMClassifier(objective=objective, boosting_type=boosting, **bagging, **SMALL)
    compare(model.fit(X, THREE, categorical_feature=[4]))


@pytest.mark.parametrize(
    "objective",
    [
        "regression",
        "regression_l1",
        "huber",
        "fair",
        "poisson",
        "quantile",
        "mape",
        "gamma",
        "tweedie",
        "cross_entropy",
        "cross_entropy_lambda",
    ],
)
@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
def test_regression(objective: str, boosting: str) -> None:
    y = VALUE / (1 + VALUE.max()) if "cross" in objective else VALUE
    bagging = {"bagging_freq": 1, "bagging_fraction": 0.6}
    model = lgb.LGBMRegressor(objective=objective, boosting_type=boosting, **bagging, **SMALL)
    compare(model.fit(X, y))


def test_square_root() -> None:
    compare(lgb.LGBMRegressor(reg_sqrt=True, **SMALL).fit(X, VALUE - 1))


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_ranking(objective: str) -> None:
    compare(lgb.LGBMRanker(objective=objective, **SMALL).fit(X, BINARY, group=[20] * 15))


@pytest.mark.filterwarnings("ignore")
def test_custom_objective() -> None:
    def squares(y: np.ndarray, got: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return got - y, np.ones_like(y)

    compare(lgb.LGBMRegressor(objective=squares, **SMALL).fit(X, VALUE))
    compare(lgb.LGBMClassifier(objective=squares, **SMALL).fit(X, BINARY))


def test_best_iteration() -> None:
    model = lgb.LGBMClassifier(**{**SMALL, "n_estimators": 100, "learning_rate": 1.0})
    held_out: dict[str, Any] = {"eval_X": X[200:], "eval_y": BINARY[200:]}
    if "eval_X" not in inspect.signature(model.fit).parameters:  # before LightGBM 4.7
        held_out = {"eval_set": [(X[200:], BINARY[200:])]}
    model.fit(X[:200], BINARY[:200], callbacks=[STOP], **held_out)
    assert model.best_iteration_ < 100
    compare(model)
    compare(model.booster_)


STOP = lgb.early_stopping(2, verbose=False)


def test_trees_without_splits() -> None:
    compare(lgb.LGBMRegressor(n_estimators=3, min_child_samples=300, verbose=-1).fit(X, VALUE))


def test_many_categories() -> None:
    rows = np.c_[RNG.integers(0, 300, 300) * 7.0, X[:, 0]]
    model = lgb.LGBMRegressor(max_cat_to_onehot=1, **SMALL)
    model.fit(rows, np.sin(rows[:, 0]), categorical_feature=[0])
    odd = [-0.5, -0.0, -1, 2.5, 2093.9, 2094, 1e6, 2.0**31 - 1, 2.0**31, 1e30, np.inf, -np.inf]
    rows = np.array([[v, w] for v in [*range(0, 2110, 7), *odd, np.nan] for w in (0.0, np.nan)])
    head = importer.import_head(model, "model")
    assert len(head.model.categories)
    check(model, head, rows, label=model.predict(rows), leaves=model.predict(rows, pred_leaf=True))


def test_thresholds_around_zero() -> None:
    """LightGBM takes numbers up to 1e-35 (as float32) for 0.0 before it compares."""
    tiny = float(np.float32(1e-35))
    rows = np.zeros((300, 1))
    rows[:, 0] = RNG.choice([-1.0, -2 * tiny, -tiny, -1e-36, 0.0, 1e-36, tiny, 2 * tiny, 1.0], 300)
    model = lgb.LGBMRegressor(**SMALL, min_data_in_bin=1).fit(rows, np.sign(rows[:, 0]))
    head = importer.import_head(model, "model")
    near = [f(v) for v in (tiny, -tiny) for f in (float, lambda v: np.nextafter(v, 1))]
    rows = np.array([*np.unique(rows), *near, np.nextafter(-tiny, -1), -0.0, 5e-324])[:, None]
    check(model, head, rows, leaves=model.predict(rows, pred_leaf=True))


def frame() -> Any:
    pd = pytest.importorskip("pandas")
    words = np.array(["x", "ü", "long name", None], dtype=object)[RNG.integers(0, 4, 300)]
    return pd.DataFrame(
        {
            "a": X[:, 0],
            "word": pd.Categorical(words),
            "number": pd.Categorical(RNG.choice([3, -7, 70000], 300)),
            "real": pd.Categorical(RNG.choice([1.5, 2.0], 300)),
            "flag": pd.Categorical(RNG.random(300) < 0.5),
        }
    )


def test_categories_of_data_frames(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    table = frame()
    y = (table["word"] == "x") + 0.3 * (table["number"] == 3) + 0.1 * NOISE
    model = lgb.LGBMRegressor(max_cat_to_onehot=1, **SMALL).fit(table, y)
    head = importer.import_head(model, "model")
    assert head.categories[1].keys == ("long name", "x", "ü")
    path = tmp_path / "model.txt"
    model.booster_.save_model(path)
    assert importer.import_head(model_files.load(path), "file").categories == head.categories
    odd = table.copy()
    odd["word"] = pd.Categorical(odd["word"].astype(object).where(RNG.random(300) < 0.7, "unseen"))
    for compiled in (mlfast.compile(model), mlfast.compile(path)):
        for rows in (table, odd):
            same(compiled.predict(rows), model.predict(rows))
        assert compiled.predict_one(dict(odd.iloc[7])) == model.predict(odd.iloc[7:8])[0]


def test_ordered_categories_are_refused() -> None:
    table = frame()
    table["word"] = table["word"].cat.as_ordered()
    model = lgb.LGBMRegressor(**SMALL).fit(table, VALUE)
    with pytest.raises(UnsupportedError, match="ordered categories"):
        importer.import_head(model, "model")


def test_names() -> None:
    assert mlfast.compile(lgb.LGBMRegressor(**SMALL).fit(X, VALUE)).predict_one(tuple(X[0]))
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X, columns=list("abcde"))
    compiled = mlfast.compile(lgb.LGBMRegressor(**SMALL).fit(table, VALUE).booster_)
    assert list(compiled.feature_names_in_) == list("abcde")


def test_refused() -> None:
    linear = lgb.LGBMRegressor(linear_tree=True, **SMALL).fit(np.nan_to_num(X), VALUE)
    with pytest.raises(UnsupportedError, match="linear trees"):
        importer.import_head(linear, "model")
    with pytest.raises(NotFittedError, match="LGBMRanker is not fitted"):
        importer.import_head(lgb.LGBMRanker(), "model")
    with pytest.raises(UnsupportedError, match="Dataset"):
        importer.import_head(lgb.Dataset(X), "model")


def test_damaged_files(tmp_path: Path) -> None:
    text = lgb.LGBMRegressor(**{**SMALL, "n_estimators": 2}).fit(X, VALUE).booster_
    data = text.model_to_string().encode()
    path = tmp_path / "model.txt"
    for size in range(4, data.index(b"end of trees"), 97):
        path.write_bytes(data[:size])
        with pytest.raises(ModelFileError):
            importer.import_head(model_files.load(path), "model")
    for key in (b"split_feature", b"left_child", b"leaf_value", b"threshold", b"decision_type"):
        for value in (b"", b"9 9 9", b"-99", b"x"):
            start = data.index(key + b"=") + len(key) + 1
            path.write_bytes(data[:start] + value + data[data.index(b"\n", start) :])
            with pytest.raises(ModelFileError):
                importer.import_head(model_files.load(path), "model")
