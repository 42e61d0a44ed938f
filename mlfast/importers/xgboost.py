"""XGBoost: boosters, scikit-learn estimators and model files (JSON, UBJSON).

Every model is read from XGBoost's own document, which holds what other readers
drop: leaf numbers, dart weights, the categories of data frames.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from mlfast.errors import ModelFileError, NotFittedError, SpecError, UnsupportedError
from mlfast.importers import _ubjson
from mlfast.importers._head import Head
from mlfast.importers._loaded import class_names, comes_from
from mlfast.importers._xgboost_categories import categories
from mlfast.importers._xgboost_output import base_margin, booster_output, classifier_output
from mlfast.importers._xgboost_trees import n_outputs, trees


@dataclasses.dataclass(frozen=True)
class XGBoostFile:
    """A model file's document; it predicts as `xgboost.Booster` would."""

    document: dict[str, Any]


def handles(estimator: object) -> bool:
    """Whether this is XGBoost's: a Booster, an estimator, or a loaded file."""
    return isinstance(estimator, XGBoostFile) or comes_from(estimator, "xgboost")


def load_file(path: str | Path) -> XGBoostFile:
    """Read a model file written by `save_model`, JSON or UBJSON."""
    data = Path(path).read_bytes()
    try:
        document = json.loads(data) if data[1:2] in b' \t\r\n"' else _ubjson.loads(data)
        document["learner"]["gradient_booster"]["name"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: expected an XGBoost model (JSON or UBJSON): {error}"
        ) from None
    return XGBoostFile(document)


def import_head(estimator: Any, path: str) -> Head:
    """Import a fitted XGBoost object; `path` names it in errors."""
    if isinstance(estimator, XGBoostFile):
        return _guarded(estimator.document, path, None)
    names = class_names(estimator, "xgboost")
    if "Booster" in names:
        return _guarded(_document(estimator), path, None)
    if "XGBModel" not in names:
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} has no native counterpart; "
            "supported: xgboost.Booster and the XGB* estimators"
        )
    if not estimator.__sklearn_is_fitted__():
        raise NotFittedError(f"{path}: {type(estimator).__name__} is not fitted; call fit first")
    return _guarded(_document(estimator.get_booster()), path, estimator)


def _document(booster: Any) -> dict[str, Any]:
    document: dict[str, Any] = _ubjson.loads(booster.save_raw("ubj"))
    return document


def _guarded(document: dict[str, Any], path: str, estimator: Any) -> Head:
    try:
        return _import(document["learner"], path, estimator)
    except (KeyError, IndexError, ValueError, AttributeError, SpecError) as error:
        raise ModelFileError(
            f"{path}: expected an XGBoost model, got an inconsistent one "
            f"({type(error).__name__}: {error})"
        ) from error


def _import(learner: dict[str, Any], path: str, estimator: Any) -> Head:
    objective = learner["objective"]["name"]
    outputs = n_outputs(learner)
    iterations, missing, n_classes = None, math.nan, None
    if estimator is not None:
        # With early stopping the estimators, unlike Booster, predict with the best round's trees.
        best = learner.get("attributes", {}).get("best_iteration")
        iterations = None if best is None else int(best) + 1
        missing = float(np.float32(estimator.missing))
        if "XGBClassifier" in class_names(estimator, "xgboost"):
            n_classes = int(estimator.n_classes_)
    base = base_margin(learner, outputs)
    model = trees(learner, base, iterations, estimator is not None, path)
    if n_classes is None:
        output = booster_output(objective, outputs)
    else:
        output = classifier_output(objective, outputs, n_classes)
    names = tuple(learner.get("feature_names") or ())
    return Head(
        model=model,
        output=output,
        missing=missing,
        categories=categories(learner, missing, path),
        feature_names=names or None,
    )
