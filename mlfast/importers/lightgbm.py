"""LightGBM: boosters, scikit-learn estimators and model files (text).

Every model is read from LightGBM's own text, which keeps missing types, leaf
numbers and the categories of data frames, and exact float64 numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlfast.errors import ModelFileError, NotFittedError, SpecError, UnsupportedError
from mlfast.importers._head import Head
from mlfast.importers._lightgbm_categories import categories
from mlfast.importers._lightgbm_output import output
from mlfast.importers._lightgbm_text import LightGBMText, parse
from mlfast.importers._lightgbm_trees import trees
from mlfast.importers._loaded import class_names, comes_from


def handles(estimator: object) -> bool:
    """Whether this is LightGBM's: a Booster, an estimator, or a loaded file."""
    return isinstance(estimator, LightGBMText) or comes_from(estimator, "lightgbm")


def load_file(path: str | Path) -> LightGBMText:
    """Read a model file written by `save_model`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path}: expected a LightGBM model text: {error}") from None
    return _parse(text, str(path))


def import_head(estimator: Any, path: str) -> Head:
    """Import a fitted LightGBM object; `path` names it in errors."""
    if isinstance(estimator, LightGBMText):
        return _import(estimator, None, path)
    names = class_names(estimator, "lightgbm")
    if "Booster" in names:
        return _import(_parse(estimator.model_to_string(), path), None, path)
    if "LGBMModel" not in names:
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} has no native counterpart; "
            "supported: lightgbm.Booster and the LGBM* estimators"
        )
    if not estimator.__sklearn_is_fitted__():
        raise NotFittedError(f"{path}: {type(estimator).__name__} is not fitted; call fit first")
    classes = None
    if "LGBMClassifier" in names and not callable(estimator.objective_):
        classes = estimator.classes_
        if len(classes) < 2:
            raise UnsupportedError(
                f"{path}: {type(estimator).__name__} was fitted on one class alone; "
                "supported: two or more"
            )
    return _import(_parse(estimator.booster_.model_to_string(), path), classes, path)


def _parse(text: str, path: str) -> LightGBMText:
    try:
        return parse(text, path)
    except ValueError as error:
        raise ModelFileError(f"{path}: expected a LightGBM model text: {error}") from None


def _import(text: LightGBMText, classes: Any, path: str) -> Head:
    try:
        model = trees(text, path)
        names = tuple(text.header.get("feature_names", "").split())
        if names == tuple(f"Column_{i}" for i in range(len(names))):
            names = ()  # LightGBM's own, for arrays
        averaged = "average_output" in text.header
        return Head(
            model=model,
            output=output(text.header.get("objective", ""), averaged, classes, path),
            categories=categories(text, path),
            feature_names=names or None,
        )
    except (KeyError, IndexError, ValueError, OverflowError, SpecError) as error:
        raise ModelFileError(
            f"{path}: expected a LightGBM model, got an inconsistent one "
            f"({type(error).__name__}: {error})"
        ) from error
