"""A slow, obviously correct reading of spec.TreeEnsemble and spec.Output.

Tests compare it with the original libraries, and the native kernels with both.
"""

from __future__ import annotations

import ctypes
import math

import numpy as np

from mlfast.importers._head import Head
from mlfast.spec import Output, TreeEnsemble

LESS, LESS_EQUAL, MEMBER = 0, 1, 2

_expf = ctypes.CDLL(None).expf
_expf.restype, _expf.argtypes = ctypes.c_float, [ctypes.c_float]


def prepare(head: Head, X: np.ndarray) -> np.ndarray:
    """Inputs as the trees see them: rounded, with missing values as NaN."""
    dtype = np.dtype(head.model.input_dtype)
    with np.errstate(over="ignore"):
        X = np.asarray(X, dtype=np.float64).astype(dtype)
        if not math.isnan(head.missing):
            X = np.where(dtype.type(head.missing) == X, dtype.type("nan"), X)
    return X.astype(np.float64)  # holds every float32


def _is_missing(t: TreeEnsemble, feature: int, x: float) -> bool:
    if math.isnan(x):
        return True
    return bool(t.zero_as_missing[feature]) and abs(x) <= float(np.float32(1e-35))


def _goes_left(t: TreeEnsemble, node: int, x: float) -> bool:
    if _is_missing(t, t.feature[node], x):
        return bool(t.default_left[node])
    if t.comparison[node] == LESS:
        return x < t.threshold[node]
    if t.comparison[node] == LESS_EQUAL:
        return x <= t.threshold[node]
    begin, end = t.category_offsets[node : node + 2]
    members = t.categories[begin:end]
    whole = math.trunc(x) if math.isfinite(x) else x
    if t.category_rule == "xgboost":
        return bool(0 <= x < 2**24 and whole in members)
    if t.category_rule == "lightgbm":
        if not 0 <= whole < 2**31:
            return bool(t.default_left[node])
        return whole in members
    limit = 2**24 if t.input_dtype == "float32" else 2**53
    return bool(0 <= x <= limit and whole in members)


def leaves(t: TreeEnsemble, X: np.ndarray) -> np.ndarray:
    """Number of the leaf (among all leaves of the ensemble) for every row and tree."""
    number = np.cumsum(t.feature < 0) - 1
    found = np.empty((len(X), t.n_trees), dtype=np.int64)
    for row, x in enumerate(X):
        values = x.tolist()
        for tree, start in enumerate(t.tree_offsets[:-1]):
            node = start
            while t.feature[node] >= 0:
                left = _goes_left(t, node, values[t.feature[node]])
                node = start + (t.left if left else t.right)[node]
            found[row, tree] = number[node]
    return found


def raw(t: TreeEnsemble, found: np.ndarray) -> np.ndarray:
    """Raw sums (n_rows, n_outputs), in the stated order and dtype."""
    dtype = np.dtype(t.sum_dtype).type
    base = t.base.astype(dtype)
    total = np.zeros((len(found), t.n_outputs), dtype=dtype)
    if t.base_first:
        total += base
    for tree in range(t.n_trees):
        values = t.leaf_values[found[:, tree]].astype(dtype)
        if t.width == 1:
            total[:, t.tree_output[tree]] += values[:, 0]
        else:
            total += values
    if t.divisor != 1.0:
        total /= dtype(t.divisor)
    if not t.base_first:
        total = (total.astype(np.float64) + t.base).astype(dtype)
    return total


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _link(name: str, params: tuple[float, float], x: np.ndarray) -> np.ndarray:
    """One row's linked values."""
    a, b = params
    one = np.float32(1)
    row = [float(v) for v in x]
    with np.errstate(all="ignore"):
        if name == "identity":
            return x
        if name == "sigmoid":
            return np.array([1 / (1 + _exp(-a * v)) for v in row])
        if name == "sigmoid_float32":
            low = [min(-np.float32(v), np.float32(88.7)) for v in row]
            down = [np.float32(_expf(v)) + one + np.float32(1e-16) for v in low]
            return np.array([one / v for v in down], dtype=np.float32)
        if name == "softmax":
            e = [_exp(v - max(row)) for v in row]
            total = 0.0
            for v in e:
                total += v
            return np.array([v / total for v in e])
        if name == "softmax_float32":
            e32 = [np.float32(_expf(np.float32(v) - np.float32(max(row)))) for v in row]
            total = 0.0
            for w in e32:
                total += float(w)
            return np.array([w / np.float32(total) for w in e32], dtype=np.float32)
        if name == "exp":
            return np.array([_exp(v) for v in row])
        if name == "exp_float32":
            return np.array([_expf(v) for v in row], dtype=np.float32)
        if name == "log1p_exp":
            return np.array([math.log1p(_exp(v)) for v in row])
        if name == "signed_square":
            return np.array([math.copysign(1, v) * v * v if v else 0.0 for v in row])
        if name == "hinge":
            return np.array([1.0 if v > 0 else 0.0 for v in row], dtype=x.dtype)
        if name == "isolation":
            return -(2 ** (-np.divide(x, a))) - b
        if name == "softmax_numpy":
            whole = np.exp(x - x.max())[None]
            return (whole / (whole.cumsum()[-1] if b else whole.sum(axis=1)))[0]
        if name == "softmax_numpy_float32":
            whole = np.exp(x.astype(np.float32) - np.float32(x.max()))[None]
            return (whole / whole.sum(axis=1))[0]
        if name == "exp_numpy":
            return np.exp(x)
        assert name == "argmax"
        return np.array([row.index(max(row))], dtype=x.dtype)


def answers(output: Output, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decisions, values and labels (or values) for rows of raw sums."""
    dtype = np.dtype(output.dtype)
    decisions = np.array([_link(output.decision_link, output.decision_params, x) for x in sums])
    values = np.array([_link(output.link, output.link_params, x) for x in decisions])
    decisions, values = decisions.astype(dtype), values.astype(dtype)
    if output.binary:
        values = np.concatenate([dtype.type(1) - values, values], axis=1)
    classes = np.array(output.classes) if output.classes else None
    if output.rule == "value":
        labels = values[:, 0] if values.shape[1] == 1 else values
    elif output.rule == "argmax":
        labels = classes[np.argmax(values, axis=1)]
    elif output.rule == "argmax_margin":
        labels = classes[np.argmax(decisions, axis=1)]
    elif output.rule == "half":
        labels = classes[(values[:, 1] > 0.5).astype(int)]
    elif output.rule == "positive":
        labels = classes[(decisions[:, 0] > 0).astype(int)]
    elif output.rule == "not_negative":
        labels = classes[(decisions[:, 0] >= 0).astype(int)]
    elif output.rule == "each_half":
        labels = (values > 0.5).astype(int)
    else:
        assert output.rule == "outlier"
        labels = np.where(decisions[:, 0] < 0, -1, 1)
    if output.class_dtype != "object":
        labels = labels.astype(output.class_dtype)
    return decisions, values, labels
