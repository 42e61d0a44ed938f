"""XGBoost objectives: base margin, link, and what predict answers."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlfast import spec

_SIGMOID = frozenset({"binary:logistic", "reg:logistic"})
_EXP = frozenset({"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"})
_IDENTITY = frozenset(
    {
        "binary:logitraw",
        "reg:squarederror",
        "reg:linear",
        "reg:squaredlogerror",
        "reg:pseudohubererror",
        "reg:absoluteerror",
        "reg:quantileerror",
        "reg:expectileerror",
        "rank:ndcg",
        "rank:map",
        "rank:pairwise",
    }
)
#: Objective -> link; multi:softmax answers the class number itself.
LINK_OF = {
    **dict.fromkeys(_SIGMOID, "sigmoid_float32"),
    **dict.fromkeys(_EXP, "exp_float32"),
    **dict.fromkeys(_IDENTITY, "identity"),
    "binary:hinge": "hinge",
    "multi:softprob": "softmax_float32",
    "multi:softmax": "argmax",
}


def base_margin(learner: dict[str, Any], n_outputs: int) -> np.ndarray:
    """The base score of each output, as a margin in float32.

    Files hold it on the scale of the prediction: one number, or from XGBoost
    3.1 on a list with one a output.
    """
    text = str(learner["learner_model_param"]["base_score"]).strip("[] ")
    score = np.array([float(part) for part in text.split(",")], dtype=np.float32)
    score = np.broadcast_to(score, (n_outputs,))
    name = learner["objective"]["name"]
    if name in _SIGMOID:
        one = np.float32(1)
        return np.array([-_logf(one / p - one) for p in score], dtype=np.float32)
    if name in _EXP:
        return np.array([_logf(p) for p in score], dtype=np.float32)
    return score


def _logf(x: np.float32) -> float:
    """The C library's float32 logarithm, which is XGBoost's; NumPy's own may differ."""
    return float(_libm_logf(float(x)))


def _find_logf() -> Callable[[float], float]:
    try:
        function = ctypes.CDLL(None).logf
    except (AttributeError, OSError, TypeError):  # no such symbol in the process: Windows
        return lambda x: math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return function


_libm_logf = _find_logf()


def booster_output(objective: str, n_outputs: int) -> spec.Output:
    """What `xgboost.Booster` and the regressors and rankers answer: linked values."""
    return spec.Output(
        link=LINK_OF.get(objective, "identity"),
        rule="value",
        methods=("predict", "decision_function"),
        class_dtype="float32",
        dtype="float32",
    )


def classifier_output(objective: str, n_outputs: int, n_classes: int) -> spec.Output:
    """What `XGBClassifier` answers, in the cases that its `predict` distinguishes."""
    link = LINK_OF.get(objective, "identity")
    shared: dict[str, Any] = {
        "methods": ("predict", "predict_proba", "decision_function"),
        "dtype": "float32",
    }
    classes = tuple(range(n_classes))
    if objective == "multi:softmax":
        return spec.Output(
            link="softmax_numpy_float32",  # SciPy's softmax of the margins
            rule="argmax_margin",
            classes=classes,
            class_dtype="int32",
            **shared,
        )
    if n_outputs > 1 and n_classes != 2:
        return spec.Output(link=link, rule="argmax", classes=classes, class_dtype="int64", **shared)
    if n_outputs > 1:
        return spec.Output(link=link, rule="each_half", class_dtype="float64", **shared)
    if n_classes != 2:  # one class alone, or labels of a hand-made model: the half decides
        classes = (0, 1)
    return spec.Output(
        link=link, rule="half", binary=True, classes=classes, class_dtype="int64", **shared
    )
