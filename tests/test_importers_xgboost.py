from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity import check, finite_rows, hard_rows, same

import mlfast
from mlfast.errors import ModelFileError, NotFittedError, UnsupportedError
from mlfast.importers import model_files
from mlfast.importers import xgboost as importer

xgb = pytest.importorskip("xgboost")

RNG = np.random.default_rng(7)
X = RNG.normal(size=(300, 5)).astype(np.float32)
X[RNG.random(X.shape) < 0.1] = np.nan
NOISE = RNG.normal(size=300)
BINARY = (np.nan_to_num(X[:, 0]) + NOISE > 0.3).astype(int)
THREE = RNG.integers(0, 3, 300)
VALUE = np.abs(np.nan_to_num(X[:, 1]) + NOISE) + 0.1
SMALL: dict[str, Any] = {"n_estimators": 12, "max_depth": 4}


def compare(model: Any, ulp: int = 0, leaves: bool = True) -> None:
    head = importer.import_head(model, "model")
    rows = hard_rows(head.model, RNG)
    check(
        model,
        head,
        rows,
        margin=model.predict(rows, output_margin=True),
        proba=model.predict_proba(rows) if "predict_proba" in head.output.methods else None,
        label=model.predict(rows),
        ulp=ulp,
    )
    if leaves:
        finite = finite_rows(rows, nan=True)  # apply goes through DMatrix, which refuses inf
        check(model, head, finite, leaves=model.apply(finite))


def compare_booster(model: Any) -> None:
    head = importer.import_head(model, "model")
    rows = finite_rows(hard_rows(head.model, RNG), nan=True)
    data = xgb.DMatrix(rows)
    margin, leaves = model.predict(data, output_margin=True), model.predict(data, pred_leaf=True)
    check(model, head, rows, margin=margin, label=model.predict(data), leaves=leaves)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"base_score": 0.3},
        {"booster": "dart", "rate_drop": 0.4},
        {"objective": "binary:hinge"},
        {"objective": "binary:logitraw"},
    ],
    ids=str,
)
def test_binary_classifier(params: dict[str, Any]) -> None:
    compare(xgb.XGBClassifier(**SMALL, **params).fit(X, BINARY))


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
@pytest.mark.parametrize("params", [{}, {"booster": "dart", "rate_drop": 0.4}], ids=str)
def test_multiclass(objective: str, params: dict[str, Any]) -> None:
    model = xgb.XGBClassifier(objective=objective, **SMALL, **params).fit(X, THREE)
    compare(model)


def test_multilabel() -> None:
    compare(xgb.XGBClassifier(**SMALL).fit(X, np.c_[BINARY, X[:, 1] > 0, X[:, 2] > 1]))


@pytest.mark.parametrize(
    "objective",
    [
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:logistic",
        "reg:pseudohubererror",
        "reg:absoluteerror",
        "count:poisson",
        "reg:gamma",
        "reg:tweedie",
        "survival:cox",
    ],
)
def test_regression(objective: str) -> None:
    y = VALUE / (1 + VALUE.max()) if objective == "reg:logistic" else VALUE
    compare(xgb.XGBRegressor(objective=objective, **SMALL).fit(X, y))


def test_quantiles() -> None:
    model = xgb.XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9], **SMALL)
    compare(model.fit(X, VALUE))


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_several_outputs(strategy: str) -> None:
    targets = np.c_[VALUE, np.nan_to_num(X[:, 1]), NOISE]
    model = xgb.XGBRegressor(multi_strategy=strategy, tree_method="hist", **SMALL)
    compare(model.fit(X, targets), leaves=strategy == "one_output_per_tree")


@pytest.mark.parametrize("objective", ["rank:ndcg", "rank:map", "rank:pairwise"])
def test_ranking(objective: str) -> None:
    model = xgb.XGBRanker(objective=objective, **SMALL)
    compare(model.fit(X, BINARY, qid=np.repeat(np.arange(20), 15)))


def test_booster_predicts_with_all_rounds() -> None:
    data = xgb.DMatrix(X[:200], BINARY[:200])
    held = xgb.DMatrix(X[200:], BINARY[200:])
    params = {"objective": "binary:logistic", "eta": 1.0, "booster": "dart", "rate_drop": 0.3}
    model = xgb.train(params, data, 20, [(held, "held")], early_stopping_rounds=3, verbose_eval=0)
    compare_booster(model)


def test_aft() -> None:
    data = xgb.DMatrix(X)
    data.set_float_info("label_lower_bound", VALUE)
    data.set_float_info("label_upper_bound", VALUE + 1)
    compare_booster(xgb.train({"objective": "survival:aft", "max_depth": 3}, data, 8))


def test_custom_objective() -> None:
    def squares(y: np.ndarray, got: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return got - y, np.ones_like(y)

    compare(xgb.XGBRegressor(objective=squares, **SMALL).fit(X, VALUE))


def test_estimators_predict_with_the_best_round() -> None:
    model = xgb.XGBClassifier(n_estimators=60, learning_rate=1.0, early_stopping_rounds=2)
    model.fit(X[:200], BINARY[:200], eval_set=[(X[200:], BINARY[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    compare(model)


@pytest.mark.parametrize("name", ["XGBRFClassifier", "XGBRFRegressor"])
def test_random_forest(name: str) -> None:
    y = BINARY if name == "XGBRFClassifier" else VALUE
    compare(getattr(xgb, name)(n_estimators=9, subsample=0.7).fit(X, y))


def test_pruned_trees() -> None:
    """`gamma` prunes: deleted nodes stay in the model and belong to no tree."""
    params = {"tree_method": "exact", "gamma": 1.0, "max_depth": 6}
    compare(xgb.XGBClassifier(n_estimators=8, **params).fit(X, BINARY))


@pytest.mark.parametrize("missing", [0.0, -0.1, np.inf, -np.inf])
def test_missing_value(missing: float) -> None:
    rows = np.nan_to_num(X).astype(np.float64)
    rows[::3, 0] = missing
    model = xgb.XGBRegressor(missing=missing, **SMALL).fit(rows, VALUE)
    head = importer.import_head(model, "model")
    rows[1::3, 0] = -0.0
    rows[2::7, 1] = 1e300
    rows[3::7, 2] = missing
    rows[4::7, 2] = float(np.nextafter(np.float32(missing), np.float32(1)))
    rows[5::7, 3] = np.nan
    check(model, head, rows, label=model.predict(rows))


@pytest.mark.parametrize("onehot", [2, 100])
def test_categorical_numbers(onehot: int) -> None:
    """Categories in arrays are numbers, whatever they are at prediction."""
    data = X.copy()
    data[:, 1] = RNG.integers(0, 40, 300)
    model = xgb.XGBRegressor(
        feature_types=["float", "c", "float", "float", "float"],
        enable_categorical=True,
        max_cat_to_onehot=onehot,
        **SMALL,
    ).fit(data, np.isin(data[:, 1], [1, 5, 7, 33]) + 0.1 * NOISE)
    odd = [-0.5, -0.0, -1, 2.5, 39, 40, 64, 1e6, 2**24 - 1, 2**24, 2**31, 1e30, np.inf, np.nan]
    rows = np.array([[0.1, v, 0.2, w, 0.3] for v in [*range(40), *odd] for w in (0.0, np.nan)])
    head = importer.import_head(model, "model")
    assert len(head.model.categories)
    check(model, head, rows, label=model.predict(rows))


def frame() -> Any:
    pd = pytest.importorskip("pandas")
    words = np.array(["x", "", "long name", None], dtype=object)[RNG.integers(0, 4, 300)]
    numbers = np.array([3, -7, 70000])[RNG.integers(0, 3, 300)]
    columns = {"a": X[:, 0], "word": pd.Categorical(words), "number": pd.Categorical(numbers)}
    return pd.DataFrame(columns)


def test_categories_of_data_frames() -> None:
    table = frame()
    y = (table["word"] == "x") + 0.3 * (table["number"] == 3) + 0.1 * NOISE
    model = xgb.XGBRegressor(enable_categorical=True, max_cat_to_onehot=1, **SMALL).fit(table, y)
    head = importer.import_head(model, "model")
    assert head.categories[1].keys == ("", "long name", "x")
    assert head.categories[2].keys == (-7, 3, 70000)
    compiled = mlfast.compile(model)
    same(compiled.predict(table), model.predict(table))
    record = {"a": 0.5, "word": None, "number": 3}
    wanted = model.predict(table.head(1).assign(a=0.5, word=None, number=3).astype(table.dtypes))
    assert compiled.predict_one(record) == wanted[0]
    with pytest.raises(mlfast.RecordError, match="word"):
        compiled.predict_one({**record, "word": "unseen"})


def test_refused_categories() -> None:
    table = frame()
    model = xgb.XGBRegressor(n_estimators=2, enable_categorical=True, missing=0.0)
    with pytest.raises(UnsupportedError, match="missing=0"):
        importer.import_head(model.fit(table, VALUE), "model")
    table["word"] = table["word"].cat.rename_categories({"x": "ü"})
    model = xgb.XGBRegressor(n_estimators=2, enable_categorical=True).fit(table, VALUE)
    with pytest.raises(UnsupportedError, match="ASCII"):
        importer.import_head(model, "model")


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_files(ending: str, booster: str, tmp_path: Path) -> None:
    fitted = xgb.XGBClassifier(booster=booster, **SMALL).fit(X, THREE).get_booster()
    path = tmp_path / f"model.{ending}"
    fitted.save_model(path)
    unnamed = path.rename(tmp_path / "model")  # known by content
    loaded = model_files.load(unnamed)
    assert importer.handles(loaded)
    got, want = importer.import_head(loaded, "file"), importer.import_head(fitted, "booster")
    assert got.model == want.model
    assert got.output == want.output


def test_damaged_files(tmp_path: Path) -> None:
    fitted = xgb.XGBClassifier(n_estimators=2, max_depth=2).fit(X, BINARY).get_booster()
    for ending in ("json", "ubj"):
        data = bytes(fitted.save_raw(ending))
        path = tmp_path / ending
        for size in range(1, len(data) - 1, 37):
            path.write_bytes(data[:size])
            with pytest.raises(ModelFileError):
                importer.import_head(model_files.load(path), "model")


def test_changed_files_import_or_are_refused(tmp_path: Path) -> None:
    """One byte changed: the model that results is checked like any other."""
    fitted = xgb.XGBClassifier(n_estimators=2, max_depth=2).fit(X, BINARY).get_booster()
    data = bytearray(fitted.save_raw("ubj"))
    path = tmp_path / "model.ubj"
    for position in range(0, len(data), 5):
        changed = data.copy()
        changed[position] ^= int(RNG.integers(1, 256))
        path.write_bytes(changed)
        with contextlib.suppress(ModelFileError, UnsupportedError):
            importer.import_head(model_files.load(path), "model")


def test_refused() -> None:
    with pytest.raises(UnsupportedError, match="gblinear"):
        importer.import_head(xgb.XGBClassifier(booster="gblinear").fit(X, BINARY), "model")
    with pytest.raises(NotFittedError, match="XGBClassifier is not fitted"):
        importer.import_head(xgb.XGBClassifier(), "model")
    with pytest.raises(UnsupportedError, match="DMatrix"):
        importer.import_head(xgb.DMatrix(X), "model")
