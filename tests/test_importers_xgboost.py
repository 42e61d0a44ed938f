from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import check, hard_rows

from mlfast.importers import xgboost as importer

xgb = pytest.importorskip("xgboost")

RNG = np.random.default_rng(7)
X = RNG.normal(size=(300, 5)).astype(np.float32)
X[RNG.random(X.shape) < 0.1] = np.nan
NOISE = RNG.normal(size=300)
BINARY = (np.nan_to_num(X[:, 0]) + NOISE > 0.3).astype(int)
SMALL: dict[str, Any] = {"n_estimators": 12, "max_depth": 4}


def compare(model: Any) -> None:
    head = importer.import_head(model, "model")
    rows = hard_rows(head, RNG).astype(np.float32)
    check(
        model,
        head,
        rows,
        margin=model.predict(rows, output_margin=True),
        proba=model.predict_proba(rows) if "predict_proba" in head.output.methods else None,
        label=model.predict(rows),
    )
    finite = np.where(np.isinf(rows), 0.5, rows)  # apply goes through DMatrix, which refuses inf
    check(model, head, finite, leaves=model.apply(finite))


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
