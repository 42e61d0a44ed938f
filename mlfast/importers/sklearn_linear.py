"""scikit-learn's linear models.

Class tables instead of base classes: only models whose `predict` is known to be
``X @ coef_ + intercept_`` and a link are taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._head import Head
from mlfast.importers._labels import labels

CLASSIFIERS = frozenset(
    {
        "LinearSVC",
        "LogisticRegression",
        "LogisticRegressionCV",
        "PassiveAggressiveClassifier",
        "Perceptron",
        "RidgeClassifier",
        "RidgeClassifierCV",
        "SGDClassifier",
    }
)
REGRESSORS = frozenset(
    {
        "ARDRegression",
        "BayesianRidge",
        "ElasticNet",
        "ElasticNetCV",
        "HuberRegressor",
        "Lars",
        "LarsCV",
        "Lasso",
        "LassoCV",
        "LassoLars",
        "LassoLarsCV",
        "LassoLarsIC",
        "LinearRegression",
        "LinearSVR",
        "MultiTaskElasticNet",
        "MultiTaskElasticNetCV",
        "MultiTaskLasso",
        "MultiTaskLassoCV",
        "OrthogonalMatchingPursuit",
        "OrthogonalMatchingPursuitCV",
        "PassiveAggressiveRegressor",
        "QuantileRegressor",
        "Ridge",
        "RidgeCV",
        "SGDRegressor",
        "TheilSenRegressor",
    }
)
LOG_LINK_REGRESSORS = frozenset({"GammaRegressor", "PoissonRegressor"})


def handles(estimator: Any) -> bool:
    """Whether `estimator` is one of scikit-learn's linear models."""
    cls = type(estimator)
    known = CLASSIFIERS | REGRESSORS | LOG_LINK_REGRESSORS
    return cls.__module__.startswith("sklearn.") and cls.__name__ in known


def import_head(estimator: Any, path: str) -> Head:
    """Import a fitted linear model."""
    coef = np.atleast_2d(np.asarray(estimator.coef_, np.float64))
    intercept = np.broadcast_to(np.asarray(estimator.intercept_, np.float64), (len(coef),))
    if type(estimator).__name__ in CLASSIFIERS:
        output = _classifier(estimator, len(coef), path)
    else:
        link = "exp" if type(estimator).__name__ in LOG_LINK_REGRESSORS else "identity"
        # fitted to a table of one target, some keep a row of coefficients, and answer a table
        rule = "values" if np.ndim(estimator.coef_) == 2 else "value"
        output = spec.Output(link=link, rule=rule, methods=("predict",))
    names = getattr(estimator, "feature_names_in_", None)
    return Head(
        spec.Linear(coef, intercept),
        output,
        check="finite",
        feature_names=None if names is None else tuple(str(name) for name in names),
    )


def _classifier(estimator: Any, n_outputs: int, path: str) -> spec.Output:
    binarizer = getattr(estimator, "_label_binarizer", None)
    if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} with several labels a row is not supported; "
            "fit one model a label"
        )
    classes, class_dtype = labels(estimator.classes_, path)
    binary = n_outputs == 1
    link = _probability_link(estimator, binary, path)
    methods = ("predict", "decision_function") + (("predict_proba",) if link else ())
    return spec.Output(
        link=link or "identity",
        rule="positive" if binary else "argmax_margin",
        methods=methods,
        binary=binary and link is not None,
        classes=classes,
        class_dtype=class_dtype,
    )


def _probability_link(estimator: Any, binary: bool, path: str) -> str | None:
    """The link of `predict_proba`, None where the original has none."""
    name = type(estimator).__name__
    if name == "SGDClassifier":
        if estimator.loss == "log_loss":
            return "sigmoid" if binary else "ovr"
        return "modified_huber" if estimator.loss == "modified_huber" else None
    if name not in ("LogisticRegression", "LogisticRegressionCV"):
        return None
    scheme = getattr(estimator, "multi_class", "auto")  # gone from scikit-learn 1.8 on
    if binary and scheme == "multinomial":
        raise UnsupportedError(
            f"{path}: multi_class='multinomial' with two classes is not supported; "
            "fit with the default, which gives a sigmoid"
        )
    if binary:
        return "sigmoid"
    return "ovr" if scheme == "ovr" or estimator.solver == "liblinear" else "softmax_numpy"
