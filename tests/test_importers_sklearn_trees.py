from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import check, finite_rows, hard_rows

from mlfast.importers import sklearn_trees as importer

ensemble = pytest.importorskip("sklearn.ensemble")
tree = pytest.importorskip("sklearn.tree")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(250, 5))
GAPS = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
BINARY = (X[:, 0] + RNG.normal(size=250) > 0.3).astype(int)
THREE = np.array(["a", "b", "ü"])[RNG.integers(0, 3, 250)]
VALUE = np.abs(X[:, 1] + RNG.normal(size=250)) + 0.1


def compare(model: Any, ulp: int = 0) -> None:
    head = importer.import_head(model, "model")
    rows = hard_rows(head, RNG)
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
        ulp=ulp,
    )


@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesClassifier"])
@pytest.mark.parametrize("data", [X, GAPS], ids=["whole", "gaps"])
@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
def test_forest_classifier(name: str, data: np.ndarray, y: np.ndarray) -> None:
    compare(getattr(ensemble, name)(n_estimators=8, random_state=0).fit(data, y))
