"""scikit-learn's boosted trees: GradientBoosting* and HistGradientBoosting*."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._ensemble import ensemble
from mlfast.importers._head import Head
from mlfast.importers._labels import labels
from mlfast.importers._sklearn_nodes import predictor_nodes, tree_nodes


def gradient_boosting(estimator: Any, path: str) -> Head:
    """GradientBoosting*: leaves times the learning rate, added to the initial prediction."""
    stages = estimator.estimators_
    rate = float(estimator.learning_rate)
    found = [tree.tree_ for tree in stages.ravel()]
    outputs = stages.shape[1]
    model = ensemble(
        tree_nodes(found, [rate * tree.value[:, 0, :] for tree in found]),
        n_features=int(estimator.n_features_in_),
        n_outputs=outputs,
        tree_output=np.arange(len(found)) % outputs,
        base=_initial(estimator, path),
        input_dtype="float32",
    )
    output = _output(estimator, "not_negative", 0.0, path)
    return Head(model=model, output=output, check="float32_no_nan")


def _initial(estimator: Any, path: str) -> np.ndarray:
    """The prediction before the first tree, where it does not depend on the record."""
    start = estimator.init_
    constant = isinstance(start, str) and start == "zero"
    if type(start).__name__ == "DummyRegressor":
        constant = True
    elif type(start).__name__ == "DummyClassifier":
        constant = start.strategy in ("prior", "most_frequent", "constant")
    if not constant:
        name = type(start).__name__
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} that starts from init={name} has no native "
            "counterpart; supported: a constant start (init=None or 'zero')"
        )
    row = np.zeros((1, estimator.n_features_in_))
    return np.asarray(estimator._raw_predict_init(row), dtype=np.float64)[0]


def hist_gradient_boosting(estimator: Any, path: str) -> Head:
    """HistGradientBoosting*: float64 throughout, any number allowed, NaN is missing."""
    rounds = estimator._predictors
    found = [predictor for stage in rounds for predictor in stage]
    outputs = int(estimator.n_trees_per_iteration_)
    mapper = estimator._bin_mapper
    known = [
        thresholds if categorical else None
        for thresholds, categorical in zip(
            mapper.bin_thresholds_, mapper.is_categorical_, strict=True
        )
    ]
    model = ensemble(
        predictor_nodes(found, known),
        n_features=len(known),
        n_outputs=outputs,
        tree_output=np.arange(len(found)) % outputs,
        base=np.ravel(estimator._baseline_prediction),
    )
    # Its raw sums stand column by column, over which NumPy sums in order.
    output = _output(estimator, "positive", 1.0, path)
    return Head(model=model, output=output, preprocessor=_preprocessor(estimator))


def _preprocessor(estimator: Any) -> Any:
    """The ColumnTransformer that numbers the categories; None without categorical features.

    Its other transformer calls `check_array`, which passes numbers on.
    """
    before = estimator._preprocessor
    if before is None:
        return None
    from sklearn.preprocessing import FunctionTransformer

    plain = copy.copy(before)
    plain.transformers_ = [
        (name, FunctionTransformer() if name == "numerical" else step, columns)
        for name, step, columns in before.transformers_
    ]
    return plain


#: Loss -> link of its probabilities and the link's slope, binary, then several classes.
_CLASSIFIER_LOSSES = {
    "HalfBinomialLoss": ("sigmoid", 1.0),
    "ExponentialLoss": ("sigmoid", 2.0),
    "HalfMultinomialLoss": ("softmax_numpy", 1.0),
}
_REGRESSOR_LINKS = {"IdentityLink": "identity", "LogLink": "exp_numpy"}


def _output(estimator: Any, binary_rule: str, in_order: float, path: str) -> spec.Output:
    """What the estimator answers; `in_order` is `b` of the link softmax_numpy."""
    loss = estimator._loss
    if not hasattr(estimator, "classes_"):
        name = type(loss.link).__name__
        return spec.Output(
            link=_known(_REGRESSOR_LINKS, name, loss, path), rule="value", methods=("predict",)
        )
    link, slope = _known(_CLASSIFIER_LOSSES, type(loss).__name__, loss, path)
    plain, dtype = labels(estimator.classes_, path)
    binary = len(plain) == 2
    return spec.Output(
        link=link,
        link_params=(slope, in_order),
        rule=binary_rule if binary else "argmax_margin",
        binary=binary,
        classes=plain,
        class_dtype=dtype,
        methods=("predict", "predict_proba", "decision_function"),
    )


def _known(table: dict[str, Any], name: str, loss: Any, path: str) -> Any:
    if name not in table:
        raise UnsupportedError(
            f"{path}: loss {type(loss).__name__} has no native counterpart; "
            f"supported: {', '.join(table)}"
        )
    return table[name]
