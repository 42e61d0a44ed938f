"""Does a predictor answer as the original does? Row by row, tables and single records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlfast import spec
from mlfast.errors import ParityError

if TYPE_CHECKING:
    from mlfast.predictor import Predictor

#: Links whose original uses NumPy's vectorised exp or another libm: see docs/exactness.md.
_VECTORISED_LINKS = {"softmax", "softmax_numpy", "softmax_numpy_float32", "ovr"}
_PROBABILITY_ULP = 2
#: A Normalizer's sum: NumPy adds in an order that depends on the batch's layout in memory.
_NORM_ULP = 4


@dataclasses.dataclass(frozen=True)
class Report:
    """What was compared; made only when everything agrees.

    Attributes
    ----------
    n_rows : int
    max_ulp : dict of str to int
        For each method, the largest difference in units in the last place; 0
        means bit for bit.
    """

    n_rows: int
    max_ulp: dict[str, int]

    def __str__(self) -> str:
        lines = [f"{self.n_rows} rows, tables and single records alike:"]
        for method, ulp in self.max_ulp.items():
            lines.append(f"  {method}: {'bit for bit' if ulp == 0 else f'within {ulp} ulp'}")
        return "\n".join(lines)


def verify(predictor: Predictor, original: Any, X: Any) -> Report:
    """See `Predictor.verify`."""
    n_rows = predictor._table.open(X).n_rows
    records = _records(X)
    worst: dict[str, int] = {}
    for method, expected in _answers(predictor, original, X):
        expected = np.asarray(expected)
        got = np.asarray(getattr(predictor, method)(X))
        worst[method] = _compare(predictor, method, expected.reshape(got.shape), got, X)
        single = getattr(predictor, f"{method}_one")
        for row, record in enumerate(records):
            one = single(record)
            one = list(one.values()) if isinstance(one, dict) else one
            if not _same_bits(np.asarray(one, dtype=got.dtype), got[row]):
                raise ParityError(
                    f"{method}_one, row {row}: expected {got[row]!r} as {method} gives, got {one!r}"
                )
    return Report(n_rows, worst)


def _records(X: Any) -> list[Any]:
    if hasattr(X, "to_dict") and hasattr(X, "iloc"):
        return X.to_dict("records")
    if hasattr(X, "to_dicts"):  # polars
        return X.to_dicts()
    if hasattr(X, "to_pylist"):  # pyarrow
        return X.to_pylist()
    if isinstance(X, dict):
        return [dict(zip(X, row, strict=True)) for row in zip(*X.values(), strict=True)]
    return list(X)


def _answers(predictor: Predictor, original: Any, X: Any) -> Iterator[tuple[str, Any]]:
    """The original's answers, under the names of the predictor's methods."""
    family = type(original).__module__.split(".")[0]
    kind = type(original).__name__
    if kind == "Booster" and family == "xgboost":
        import xgboost

        data = xgboost.DMatrix(X, enable_categorical=True)
        yield "predict", original.predict(data)
        yield "decision_function", original.predict(data, output_margin=True)
        return
    if kind == "Booster" and family == "lightgbm":
        yield "predict", original.predict(X)
        yield "decision_function", original.predict(X, raw_score=True)
        return
    if predictor.model.head is None:
        yield "transform", _dense(original.transform(X))
        return
    if kind == "Pipeline":
        yield "transform", _dense(original[:-1].transform(X))
    yield "predict", original.predict(X)
    for method in ("predict_proba", "decision_function"):
        if hasattr(original, method):
            yield method, getattr(original, method)(X)
    last = original[-1] if kind == "Pipeline" else original
    family = type(last).__module__.split(".")[0]
    margin = {"xgboost": {"output_margin": True}, "lightgbm": {"raw_score": True}}.get(family)
    if margin:
        yield "decision_function", original.predict(X, **margin)


def _dense(X: Any) -> np.ndarray:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)


def _compare(
    predictor: Predictor, method: str, expected: np.ndarray, got: np.ndarray, X: Any
) -> int:
    """Largest difference in ulp; ParityError where it is above what the model allows."""
    if got.dtype.kind != "f" or expected.dtype.kind != "f":
        _refuse(method, expected, got, expected != got)
        return 0
    expected = expected.astype(got.dtype, copy=False)
    distance = ulp_distance(expected, got)
    allowed = _allowed(predictor.model, method)
    if isinstance(predictor.model.head, spec.Linear) and method != "transform":
        scale = _linear_scale(predictor, X).reshape((-1,) + (1,) * (got.ndim - 1))
        _refuse(method, expected, got, np.abs(expected - got) > scale)
    else:
        _refuse(method, expected, got, distance > allowed)
    return int(distance.max(initial=0))


def _allowed(model: spec.Model, method: str) -> int:
    norms = {s.norm for s in model.steps if isinstance(s, spec.Normalize) and not s.sequential}
    if method == "transform" and norms & {"l1", "l2"}:
        return _NORM_ULP
    link = model.output.link if model.output is not None else ""
    linked = method in ("predict", "predict_proba")
    return _PROBABILITY_ULP if linked and link in _VECTORISED_LINKS else 0


def _linear_scale(predictor: Predictor, X: Any) -> np.ndarray:
    """How far two orders of the same dot product may differ, for each row."""
    head = predictor.model.head
    assert isinstance(head, spec.Linear)
    encoded = np.abs(predictor.transform(X))
    sums = (encoded @ np.abs(head.coef).T + np.abs(head.intercept)).max(axis=1)
    return 4 * (head.n_features + 4) * np.finfo(float).eps * (1 + sums)


def ulp_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Floats between `a` and `b`, element by element; 0 for two NaN."""
    integer = np.int32 if a.dtype == np.float32 else np.int64
    low = np.iinfo(integer).min

    def ordered(x: np.ndarray) -> np.ndarray:
        bits = np.ascontiguousarray(x).view(integer).astype(np.int64)
        return np.where(bits < 0, low - bits, bits)

    distance = np.abs(ordered(a) - ordered(b)).astype(np.uint64)
    signs = (a == 0) & (b == 0) & (np.signbit(a) != np.signbit(b))
    distance = np.where(signs, 1, distance)
    return np.where(np.isnan(a) & np.isnan(b), 0, distance).astype(np.uint64)


def _same_bits(a: np.ndarray, b: Any) -> bool:
    b = np.asarray(b)
    if a.dtype.kind != "f":
        return bool(np.all(a == b))
    return bool(np.all(ulp_distance(a, b.astype(a.dtype)) == 0))


def _refuse(method: str, expected: np.ndarray, got: np.ndarray, wrong: np.ndarray) -> None:
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise ParityError(
            f"{method}, row {row}: expected {expected[row]!r}, got {got[row]!r} "
            f"({int(np.count_nonzero(wrong))} differences in {len(expected)} rows)"
        )
