from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import check, hard_rows

from mlfast.importers import lightgbm as importer

lgb = pytest.importorskip("lightgbm")

RNG = np.random.default_rng(11)
X = RNG.normal(size=(300, 5))
X[RNG.random(X.shape) < 0.1] = np.nan
X[RNG.random(X.shape) < 0.1] = 0.0
X[:, 4] = RNG.integers(0, 9, 300)
NOISE = RNG.normal(size=300)
BINARY = (np.nan_to_num(X[:, 0]) + NOISE > 0.3).astype(int)
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
    rows = hard_rows(head, RNG)
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
