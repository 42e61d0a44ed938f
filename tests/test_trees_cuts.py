"""Ranks of values among one feature's thresholds, however these are spread."""

import numpy as np
import pytest
from treelite_regressor import regressor

import mlfast
from mlfast import _plan

pytest.importorskip("treelite.model_builder")

LARGEST = float(np.finfo(np.float32).max)
SPREADS = {
    "even": lambda n: np.arange(n) - n / 3.0,
    "normal": lambda n: np.random.default_rng(0).normal(size=n),
    "doubling": lambda n: (
        np.ldexp(1.0, np.arange(n) % 200 - 100) * np.where(np.arange(n) < 200, 1, -1)
    ),
    "neighbours": lambda n: 1.0 + np.arange(n) * 2.0**-23,
    "two clusters": lambda n: np.where(np.arange(n) % 2, 1e6, -1e6) + np.arange(n),
    "around zero": lambda n: (np.arange(n) - n // 2) * 1e-45,
    "all that there are": lambda n: np.linspace(-LARGEST, LARGEST / 2, n),
    "nearly all": lambda n: np.concatenate([[-LARGEST, LARGEST], np.linspace(0.0, 1.0, n - 2)]),
}


def stumps(thresholds: np.ndarray, dtype: str, operator: str):
    """A tree a threshold: 1 on the right, 0 on the left and for missing values."""
    made = regressor(dtype, n_features=1, n_trees=len(thresholds), base=0.0)
    for threshold in thresholds.tolist():
        made.start_tree()
        made.start_node(0)
        made.numerical_test(
            0, threshold, default_left=True, opname=operator, left_child_key=1, right_child_key=2
        )
        made.end_node()
        for key in (1, 2):
            made.start_node(key)
            made.leaf(key - 1.0)
            made.end_node()
        made.end_tree()
    return made.commit()


def values_around(thresholds: np.ndarray, dtype: type) -> np.ndarray:
    with np.errstate(over="ignore"):
        beside = [np.nextafter(thresholds, dtype(end)) for end in (-np.inf, np.inf)]
        between = (thresholds + np.roll(thresholds, 1)) / 2
    others = [np.nan, -np.inf, np.inf, 0.0, -0.0, LARGEST, -LARGEST, 1e-45, -1e-45]
    values = np.concatenate([thresholds, *beside, between, np.array(others, dtype)])
    return np.random.default_rng(1).permutation(values).reshape(-1, 1)


@pytest.mark.parametrize("operator", ["<", "<="])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [9, 39, 81, 255])
@pytest.mark.parametrize("spread", SPREADS)
def test_every_threshold_is_counted(spread, n, dtype, operator):
    thresholds = np.unique(SPREADS[spread](n).astype(dtype))
    X = values_around(thresholds, dtype)
    reached = thresholds <= X if operator == "<" else thresholds < X
    model = mlfast.compile(stumps(thresholds, dtype.__name__, operator)).model
    for isa in _plan.isa_names():
        predictor = mlfast.Predictor(model, layout="bitslice", isa=isa)
        for rows in (X, np.asfortranarray(np.hstack([X, X]))[:, :1]):
            np.testing.assert_array_equal(predictor.predict(rows).ravel(), reached.sum(axis=1))
        for layout in ("walk", "tables"):
            predictor = mlfast.Predictor(model, layout=layout, isa=isa)
            np.testing.assert_array_equal(predictor.predict(X).ravel(), reached.sum(axis=1))
