"""The largest of a few linear scores of very many features."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast.errors import RecordError, SpecError
from mlfast.nn import _strategy
from mlfast.nn._net import thread_count
from mlfast.nn._wide import Wide

#: Threads share a batch from this many examples each: each of them reads all the weights.
EXAMPLES_A_THREAD = 64


class LinearClassifier:
    """The index of the largest of ``weight @ x + bias``, for weights far beyond the caches.

    Scores are computed in the weight's precision. The weights are kept packed and read once for
    every 128 examples. Labels of a float64 model are told by a copy in float32, and by float64
    where that cannot tell: they are always those of the float64 scores.

    Parameters
    ----------
    weight : float32 or float64 (n_classes, n_features)
        Other numbers become float64.
    bias : (n_classes,), optional
    """

    def __init__(self, weight: Any, bias: Any = None) -> None:
        matrix = _numbers("weight", weight)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise SpecError(
                "LinearClassifier expects weight (n_classes, n_features), none empty, "
                f"got shape {matrix.shape}"
            )
        self.n_classes, self.n_features_in_ = matrix.shape
        self.dtype = matrix.dtype if matrix.dtype == np.float32 else np.dtype(np.float64)
        shift = np.zeros(self.n_classes) if bias is None else _numbers("bias", bias)
        if shift.shape != (self.n_classes,):
            raise SpecError(
                f"LinearClassifier expects bias of shape ({self.n_classes},), "
                f"got shape {shift.shape}"
            )
        self._wide = Wide(matrix.astype(self.dtype, copy=False), shift.astype(self.dtype))

    @property
    def weight(self) -> np.ndarray:
        """A copy of the weights, unpacked."""
        return self._wide.weight(self.n_classes)

    @property
    def bias(self) -> np.ndarray:
        return self._wide.bias(self.n_classes)

    def decision_function(self, X: Any, n_threads: int = 1) -> np.ndarray:
        """Scores of a batch (n, n_features): (n, n_classes), in the weight's precision."""
        return self._scores(*self._checked(X, n_threads, "decision_function"))

    def predict(self, X: Any, n_threads: int = 1) -> np.ndarray:
        """Index of the largest score of each example; a NaN counts as the largest: int64 (n,)."""
        return self._labels(*self._checked(X, n_threads, "predict"))

    def predict_one(self, x: Any) -> int:
        """Index of the largest score of one example (n_features,)."""
        example = np.asarray(x)
        if example.ndim != 1:
            raise RecordError(f"predict_one: expected one example, got shape {example.shape}")
        return int(self._labels(*self._checked(example[None], 1, "predict_one"))[0])

    def _scores(self, x: np.ndarray, strategy: int, n_parts: int) -> np.ndarray:
        return self._wide.scores(x, strategy, n_parts)[:, : self.n_classes]

    def _labels(self, x: np.ndarray, strategy: int, n_parts: int) -> np.ndarray:
        if self._wide.screened:
            return self._wide.labels(x, strategy, n_parts)
        return self._scores(x, strategy, n_parts).argmax(axis=1)

    def _checked(self, X: Any, n_threads: int, method: str) -> tuple[np.ndarray, int, int]:
        """The batch in our type with each row's numbers side by side; strategy and parts."""
        x = np.asarray(X)
        if x.dtype.kind not in "biuf":
            raise RecordError(f"{method}: expected numbers, got dtype {x.dtype}")
        if x.ndim != 2 or x.shape[1] != self.n_features_in_:
            raise RecordError(
                f"{method}: expected a batch (n, {self.n_features_in_}), got shape {x.shape}"
            )
        size = self.dtype.itemsize
        in_rows = x.dtype == self.dtype and x.flags.aligned and x.strides[1] == size
        if not in_rows or x.strides[0] % size:
            x = np.require(x, self.dtype, ["C", "A"])
        parts = min(thread_count(n_threads), max(1, len(x) // EXAMPLES_A_THREAD))
        return x, _strategy.STATIC if parts > 1 else _strategy.SEQUENTIAL, parts

    def __repr__(self) -> str:
        shape = f"{self.n_classes}, {self.n_features_in_}"
        return f"LinearClassifier(weight=<{self.dtype} ({shape})>)"

    def __reduce__(self) -> Any:
        return LinearClassifier, (self.weight, self.bias)


def _numbers(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise SpecError(f"LinearClassifier expects numbers as {name}, got dtype {array.dtype}")
    return array
