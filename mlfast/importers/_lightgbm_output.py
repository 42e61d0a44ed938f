"""LightGBM objectives: link, and what predict answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.importers._labels import labels

#: Objective -> link; any other objective's output is the raw sum.
LINK_OF = {
    "binary": "sigmoid",
    "multiclassova": "sigmoid",
    "cross_entropy": "sigmoid",
    "cross_entropy_lambda": "log1p_exp",
    "multiclass": "softmax",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
}


def link(objective: str) -> tuple[str, tuple[float, float]]:
    """Link and its parameters from the header's line, such as ``binary sigmoid:1``."""
    name, *options = objective.split() or [""]
    found = LINK_OF.get(name, "identity")
    if found == "identity" and "sqrt" in options:
        found = "signed_square"
    slope = 1.0
    for option in options:
        key, _, value = option.partition(":")
        if key == "sigmoid" and found == "sigmoid":
            slope = float(value)
    return found, (slope, 0.0)


def output(
    objective: str, averaged: bool, classes: Sequence[Any] | np.ndarray | None, path: str
) -> spec.Output:
    """What a model answers; `classes` are a classifier's labels, None without any."""
    name, params = link(objective)
    # The raw score of a random forest is the sum of its trees; the head has the mean, its value.
    methods: tuple[str, ...] = () if averaged else ("decision_function",)
    if classes is None:
        return spec.Output(
            link=name, link_params=params, rule="value", methods=("predict", *methods)
        )
    plain, dtype = labels(classes, path)
    return spec.Output(
        link=name,
        link_params=params,
        rule="argmax",
        binary=len(plain) == 2,
        classes=plain,
        class_dtype=dtype,
        methods=("predict", "predict_proba", *methods),
    )
