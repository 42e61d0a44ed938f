from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity import check, hard_rows
from treelite_regressor import regressor

from mlfast.errors import ModelFileError, UnsupportedError
from mlfast.importers import model_files
from mlfast.importers import treelite as importer

treelite = pytest.importorskip("treelite")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 4))
X[:, 3] = RNG.integers(0, 9, 300)
BINARY = (X[:, 0] + RNG.normal(size=300) > 0.3).astype(int)
THREE = RNG.integers(0, 3, 300)


def compare(model: Any, ulp: int = 0, values: bool = True) -> None:
    head = importer.import_head(model, "model")
    with np.errstate(over="ignore"):
        rows = hard_rows(head.model, RNG).astype(head.model.input_dtype)
    check(
        model,
        head,
        rows,
        margin=treelite.gtil.predict(model, rows, pred_margin=True, nthread=1),
        leaves=treelite.gtil.predict_leaf(model, rows, nthread=1),
        label=treelite.gtil.predict(model, rows, nthread=1) if values else None,
        ulp=ulp,
    )


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
def test_from_xgboost(y: np.ndarray) -> None:
    xgb = pytest.importorskip("xgboost")
    fitted = xgb.XGBClassifier(n_estimators=9, max_depth=4).fit(X, y)
    compare(treelite.frontend.from_xgboost(fitted.get_booster()))


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
def test_from_lightgbm(y: np.ndarray) -> None:
    lgb = pytest.importorskip("lightgbm")
    fitted = lgb.LGBMClassifier(n_estimators=9, num_leaves=9, verbose=-1, cat_smooth=0)
    fitted.fit(X, y, categorical_feature=[3])
    # treelite's softmax of float64 rounds to float32 inside
    compare(treelite.frontend.from_lightgbm(fitted.booster_), values=y is BINARY)


@pytest.mark.parametrize(
    ("name", "y"),
    [
        ("RandomForestClassifier", THREE),
        ("RandomForestRegressor", X[:, :2]),
        ("GradientBoostingClassifier", BINARY),
        ("HistGradientBoostingRegressor", X[:, 0]),
    ],
)
def test_from_sklearn(name: str, y: np.ndarray) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    fitted = getattr(ensemble, name)(max_depth=4).fit(X, y)
    compare(treelite.sklearn.import_model(fitted))


def by_hand(operator: str, dtype: str, default_left: bool = True, depth: int = 3) -> Any:
    """A complete tree with `operator` everywhere."""
    made = regressor(dtype, n_features=2, n_trees=1, base=0.1)
    made.start_tree()
    inner = 2**depth - 1
    for node in range(2 * inner + 1):
        made.start_node(node)
        if node < inner:
            made.numerical_test(
                feature_id=node % 2,
                threshold=float(node % 5) - 2.0,
                default_left=default_left,
                opname=operator,
                left_child_key=2 * node + 1,
                right_child_key=2 * node + 2,
            )
        else:
            made.leaf(0.1 * node)
        made.end_node()
    made.end_tree()
    return made.commit()


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "=="])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("default_left", [True, False])
def test_every_operator(operator: str, dtype: str, default_left: bool) -> None:
    compare(by_hand(operator, dtype, default_left))


def test_unsupported_postprocessor() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    model = treelite.sklearn.import_model(ensemble.IsolationForest(n_estimators=3).fit(X))
    with pytest.raises(UnsupportedError, match="exponential_standard_ratio"):
        importer.import_head(model, "model")


def test_checkpoint_file(tmp_path: Path) -> None:
    model = by_hand("<", "float64")
    path = tmp_path / "model.bin"
    model.serialize(path)
    loaded = model_files.load(path)
    assert importer.handles(loaded)
    assert importer.import_head(loaded, "a").model == importer.import_head(model, "b").model
    data = path.read_bytes()
    for size in range(12, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(ModelFileError):
            model_files.load(path)
