"""scikit-learn's multi-layer perceptrons, as networks.

They compute in float32 (scikit-learn: in the dtype they were fitted on), so a probability may
differ in the sixth digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._head import Head
from mlfast.importers._labels import labels

#: scikit-learn's names of hidden activations.
ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


def handles(estimator: Any) -> bool:
    """Whether `estimator` is a multi-layer perceptron."""
    cls = type(estimator)
    known = ("MLPClassifier", "MLPRegressor")
    return cls.__module__.startswith("sklearn.") and cls.__name__ in known


def import_head(estimator: Any, path: str) -> Head:
    """Import a fitted perceptron; the last activation becomes the output's link."""
    hidden = ACTIVATIONS[estimator.activation]
    operations: list[spec.Operation] = []
    for number, (weight, bias) in enumerate(
        zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ):
        if number and hidden != "identity":
            operations.append(spec.Activation((len(operations),), hidden))
        dense = spec.Dense((len(operations),), np.ascontiguousarray(weight.T, np.float32), bias)
        operations.append(dense)
    names = getattr(estimator, "feature_names_in_", None)
    return Head(
        model=spec.Network((len(estimator.coefs_[0]),), tuple(operations)),
        output=_output(estimator, path),
        check="finite",
        feature_names=None if names is None else tuple(str(name) for name in names),
    )


def _output(estimator: Any, path: str) -> spec.Output:
    if type(estimator).__name__ == "MLPRegressor":
        if estimator.out_activation_ != "identity":
            raise UnsupportedError(f"{path}: the loss {estimator.loss!r} has no native counterpart")
        return spec.Output(link="identity", rule="value", methods=("predict",))
    methods = ("predict", "predict_proba")
    label_type = getattr(estimator._label_binarizer, "y_type_", "")
    if label_type.startswith("multilabel"):
        return spec.Output(link="sigmoid", rule="each_half", methods=methods, class_dtype="int64")
    classes, dtype = labels(estimator.classes_, path)
    if estimator.out_activation_ == "logistic":
        return spec.Output(
            link="sigmoid", rule="half", binary=True, methods=methods, classes=classes,
            class_dtype=dtype,
        )  # fmt: skip
    return spec.Output(
        link="softmax", rule="argmax", methods=methods, classes=classes, class_dtype=dtype
    )
