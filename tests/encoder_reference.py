"""A slow and obviously correct evaluation of a model's steps, one record at a time.

Text, numbers and missing values come in as Python values; the formulas are
those of the docstrings of `mlfast.spec.steps`.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import RecordError


def transform(model: spec.Model, record: Sequence[Any]) -> np.ndarray:
    """The encoded vector of one record, given in the order of the fields."""
    with np.errstate(all="ignore"):
        columns = [_read(model, i, record[read.field]) for i, read in enumerate(model.inputs)]
        for step in model.steps:
            columns += _run(model, step, [columns[i] for i in step.inputs])
        return np.array([columns[i] for i in model.outputs], dtype=np.float64)


def is_missing(value: Any) -> bool:
    if type(value).__name__ in ("NAType", "NaTType"):
        return True
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _read(model: spec.Model, number: int, value: Any) -> float:
    vocabulary = model.inputs[number].vocabulary
    if vocabulary >= 0:
        return _code(model.vocabularies[vocabulary], value)
    if is_missing(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise RecordError(f"expected a number, got {value!r}") from None


def _code(vocabulary: spec.Vocabulary, value: Any) -> int:
    if is_missing(value):
        return vocabulary.none if value is None else vocabulary.nan
    for code, key in enumerate(vocabulary.keys):
        if isinstance(key, str) == isinstance(value, str) and key == value:
            return code
    return vocabulary.unknown


def _run(model: spec.Model, step: spec.Step, x: list[float]) -> list[float]:
    v = np.array(x, dtype=np.float64)
    match step:
        case spec.ShiftDivide():
            return list((v - step.shift) / step.scale)
        case spec.MultiplyAdd():
            y = v * step.factor
            y = y + step.offset
            return list(np.where(y < step.low, step.low, np.where(y > step.high, step.high, y)))
        case spec.Ufunc():
            return list(getattr(np, step.name)(v))
        case spec.Impute():
            return list(np.where(_missing(v, step.missing), step.fill, v))
        case spec.Indicator():
            return list(_missing(v, step.missing).astype(float))
        case spec.Missing():
            return list(np.where(v == step.value, np.nan, v))
        case spec.Constant():
            return list(step.value)
        case spec.Round():
            return list(v.astype(np.float32).astype(np.float64))
        case spec.Quantile():
            return [
                _quantile(value, q, step.references, step.normal)
                for value, q in zip(v, step.quantiles, strict=True)
            ]
        case spec.Digitize():
            o = step.offsets
            return [
                float(np.sum(step.edges[a:b] <= value))
                for value, a, b in zip(v, o[:-1], o[1:], strict=True)
            ]
        case spec.Normalize():
            return list(v / _norm(v, step))
        case spec.Check():
            _check(v, step)
            return x
        case spec.Lookup():
            return [_code(model.vocabularies[step.vocabulary], float(v[0]))]
        case spec.Recode() | spec.Table() | spec.OneHot():
            return _coded(step, int(x[0]))
    raise TypeError(step)


def _coded(step: Any, code: int) -> list[float]:
    if step.raises[code] == 1:
        raise RecordError(f"{step.step} refuses code {code}")
    if step.raises[code] == 2:
        warnings.warn(f"{step.step} does not know this category", UserWarning, stacklevel=2)
    if isinstance(step, spec.Recode):
        return [int(step.codes[code])]
    if isinstance(step, spec.Table):
        return [float(step.values[code])]
    result = [0.0] * step.width
    if step.positions[code] >= 0:
        result[step.positions[code]] = 1.0
    return result


def _missing(v: np.ndarray, missing: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(missing), np.isnan(v), v == missing)


def _check(v: np.ndarray, step: spec.Check) -> None:
    bad = np.isinf(v)
    if step.kind in ("finite", "float32_no_nan"):
        bad |= np.isnan(v)
    if step.kind.startswith("float32"):
        bad |= np.isinf(v.astype(np.float32))
    if bad.any():
        raise RecordError(f"{step.step} refuses {v[bad]}")


def _norm(v: np.ndarray, step: spec.Normalize) -> float:
    if step.norm == "max":
        total = np.max(np.abs(v))
    elif step.sequential:
        total = sum((np.abs(v) if step.norm == "l1" else v * v).tolist())
        total = math.sqrt(total) if step.norm == "l2" else total
    elif step.norm == "l1":
        total = np.sum(np.abs(v[None, :]), axis=1)[0]
    else:
        total = np.sqrt(np.einsum("ij,ij->i", v[None, :], v[None, :]))[0]
    least = 5e-324 if step.sequential else 10 * np.finfo(float).eps
    return 1.0 if total < least else total


def _quantile(x: float, quantiles: np.ndarray, references: np.ndarray, normal: bool) -> float:
    from scipy.stats import norm

    if math.isnan(x):
        return x
    forward = np.interp(x, quantiles, references)
    backward = np.interp(-x, -quantiles[::-1], -references[::-1])
    y = 0.5 * (forward - backward)
    low, high = quantiles[0], quantiles[-1]
    if (x + 1e-7 > high) if normal else (x == high):
        y = 1.0
    if (x - 1e-7 < low) if normal else (x == low):
        y = 0.0
    if not normal:
        return float(y)
    bound = 1e-7 - np.spacing(1)
    return float(np.clip(norm.ppf(y), norm.ppf(bound), norm.ppf(1 - bound)))
