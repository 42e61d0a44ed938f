"""scikit-learn's tree models, read from their own arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlfast.errors import NotFittedError, UnsupportedError
from mlfast.importers._head import Head
from mlfast.importers._sklearn_boosting import gradient_boosting, hist_gradient_boosting
from mlfast.importers._sklearn_forest import forest, isolation_forest, single_tree

#: Class -> importer and the attribute that fitting makes.
_IMPORTERS: dict[str, tuple[Callable[[Any, str], Head], str]] = {
    **dict.fromkeys(
        (
            "RandomForestClassifier",
            "RandomForestRegressor",
            "ExtraTreesClassifier",
            "ExtraTreesRegressor",
        ),
        (forest, "estimators_"),
    ),
    **dict.fromkeys(
        (
            "DecisionTreeClassifier",
            "DecisionTreeRegressor",
            "ExtraTreeClassifier",
            "ExtraTreeRegressor",
        ),
        (single_tree, "tree_"),
    ),
    **dict.fromkeys(
        ("GradientBoostingClassifier", "GradientBoostingRegressor"),
        (gradient_boosting, "estimators_"),
    ),
    **dict.fromkeys(
        ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
        (hist_gradient_boosting, "_predictors"),
    ),
    "IsolationForest": (isolation_forest, "estimators_"),
}


def _class(estimator: object) -> str | None:
    """Name of the scikit-learn tree or ensemble class that this is, or derives from."""
    for base in type(estimator).__mro__:
        if base.__module__.startswith(("sklearn.ensemble.", "sklearn.tree.")):
            return base.__name__
    return None


def handles(estimator: object) -> bool:
    """Whether this is an estimator of sklearn.ensemble or sklearn.tree."""
    return _class(estimator) is not None


def import_head(estimator: Any, path: str) -> Head:
    """Import a fitted tree model; `path` names it in errors."""
    name = _class(estimator)
    if name not in _IMPORTERS:
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} has no native counterpart; "
            f"supported tree models: {', '.join(_IMPORTERS)}"
        )
    importer, fitted = _IMPORTERS[name]
    if not hasattr(estimator, fitted):
        raise NotFittedError(f"{path}: {type(estimator).__name__} is not fitted; call fit first")
    return importer(estimator, path)
