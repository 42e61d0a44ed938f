"""scikit-learn's transformers of numbers: scalers, quantiles, norms and functions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._builder import Builder
from mlfast.importers._columns import FLOAT32, FLOAT64, Frame, Number, float_dtype
from mlfast.importers._facts import BOUNDED, NO_NAN, NOTHING

UFUNCS = {name: getattr(np, name) for name in spec.steps.UFUNCS}


def standard_scaler(b: Builder, scaler: Any, frame: Frame, path: str) -> Frame:
    """``(x - mean_) / scale_``."""
    numbers, dtype = _floats(b, frame, "no_infinity", path)
    shift = scaler.mean_.astype(dtype) if scaler.with_mean else None
    scale = scaler.scale_.astype(dtype) if scaler.with_std else None
    return frame.with_columns(_scaled(b, numbers, shift, scale, frame.sparse))


def min_max_scaler(b: Builder, scaler: Any, frame: Frame, path: str) -> Frame:
    """``x * scale_ + min_``, clipped to the feature range if so asked."""
    numbers, dtype = _floats(b, frame, "no_infinity", path)
    bounds = None
    if scaler.clip:
        low, high = np.asarray(scaler.feature_range, dtype).astype(np.float64)
        bounds = (float(low), float(high))
    return frame.with_columns(multiply_add(b, numbers, scaler.scale_, scaler.min_, bounds))


def max_abs_scaler(b: Builder, scaler: Any, frame: Frame, path: str) -> Frame:
    """``x / scale_``, clipped to [-1, 1] if so asked."""
    numbers, _ = _floats(b, frame, "no_infinity", path)
    numbers = _scaled(b, numbers, None, scaler.scale_, frame.sparse)
    if getattr(scaler, "clip", False):
        numbers = multiply_add(b, numbers, bounds=(-1.0, 1.0))
    return frame.with_columns(numbers)


def robust_scaler(b: Builder, scaler: Any, frame: Frame, path: str) -> Frame:
    """``(x - center_) / scale_``."""
    numbers, _ = _floats(b, frame, "no_infinity", path)
    shift = scaler.center_ if scaler.with_centering else None
    scale = scaler.scale_ if scaler.with_scaling else None
    return frame.with_columns(_scaled(b, numbers, shift, scale, frame.sparse))


def quantile_transformer(b: Builder, transformer: Any, frame: Frame, path: str) -> Frame:
    """See `spec.Quantile`."""
    if frame.sparse:
        raise UnsupportedError(
            f"{path}: QuantileTransformer on a sparse matrix is not supported; "
            "make the step before it give dense output (sparse_output=False)"
        )
    numbers, dtype = _floats(b, frame, "no_infinity", path)
    _demand_float64(dtype, path, "QuantileTransformer")
    result = b.step(
        spec.Quantile,
        numbers,
        facts=[BOUNDED | (b.facts(c) & {NO_NAN}) for c in numbers],
        quantiles=np.ascontiguousarray(transformer.quantiles_.T, np.float64),
        references=np.asarray(transformer.references_, np.float64),
        normal=transformer.output_distribution == "normal",
    )
    return frame.with_columns(result)


def normalizer(b: Builder, transformer: Any, frame: Frame, path: str) -> Frame:
    """Each record divided by its norm."""
    numbers, dtype = _floats(b, frame, "finite", path)
    _demand_float64(dtype, path, "Normalizer")
    return frame.with_columns(
        b.step(spec.Normalize, numbers, norm=transformer.norm, sequential=frame.sparse)
    )


def function_transformer(b: Builder, transformer: Any, frame: Frame, path: str) -> Frame:
    """The identity, or one of the NumPy functions of `spec.Ufunc`."""
    function = transformer.func
    if _is_plain_check(function):  # of HistGradientBoosting's numbers
        return frame.with_columns(b.as_numbers(frame.columns))
    names = [name for name, ufunc in UFUNCS.items() if function is ufunc]
    if transformer.kw_args or not (function is None or names):
        raise UnsupportedError(
            f"{path}: FunctionTransformer of {getattr(function, '__name__', function)!r} is not "
            "supported; supported are func=None and, without kw_args, "
            + ", ".join(f"numpy.{name}" for name in UFUNCS)
        )
    if transformer.validate:
        numbers = b.check(b.as_numbers(frame.columns), "finite", path)
        frame = frame.with_columns(numbers)
    if function is None:
        return frame
    numbers = b.as_numbers(frame.columns)
    exact = names[0] in ("sqrt", "abs", "square")  # float32: rounding the float64 result is right
    narrow = {c.dtype for c in numbers if c.dtype.kind == "b" or c.dtype.itemsize < 4}
    if narrow or (not exact and any(c.dtype == FLOAT32 for c in numbers)):
        raise UnsupportedError(
            f"{path}: numpy.{names[0]} is supported in float64, and its input is "
            f"{', '.join(sorted({str(c.dtype) for c in numbers}))}"
        )
    result = b.step(spec.Ufunc, numbers, name=names[0])
    return frame.with_columns(_rounded(b, result))


# ---------------------------------------------------------------- shared arithmetic


def multiply_add(
    b: Builder,
    numbers: Sequence[Number],
    factor: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    bounds: tuple[float, float] | None = None,
) -> Sequence[Number]:
    """``clip(x * factor + offset, *bounds)``, in the columns' own precision.

    Without an offset -0.0 is added, which changes nothing, not even a zero's sign.
    """
    n = len(numbers)
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    factor = np.ones(n) if factor is None else np.asarray(factor, np.float64)
    if offset is not None and any(column.dtype == FLOAT32 for column in numbers):
        numbers = multiply_add(b, numbers, factor)
        factor = np.ones(n)
    offset = np.full(n, -0.0) if offset is None else np.asarray(offset, np.float64)
    facts = [BOUNDED | (b.facts(c) & {NO_NAN}) if bounds else NOTHING for c in numbers]
    result = b.step(
        spec.MultiplyAdd,
        numbers,
        facts=facts,
        factor=factor,
        offset=offset,
        low=np.full(n, low),
        high=np.full(n, high),
    )
    return _rounded(b, result)


def _scaled(
    b: Builder,
    numbers: Sequence[Number],
    shift: np.ndarray | None,
    scale: np.ndarray | None,
    sparse: bool,
) -> Sequence[Number]:
    """``(x - shift) / scale``; the original multiplies a sparse matrix by ``1 / scale``."""
    n = len(numbers)
    if sparse:
        return numbers if scale is None else multiply_add(b, numbers, 1 / scale)
    zeros, ones = np.zeros(n), np.ones(n)
    if shift is not None and any(column.dtype == FLOAT32 for column in numbers):
        numbers = _rounded(b, b.step(spec.ShiftDivide, numbers, shift=shift, scale=ones))
        shift = None
    shift = zeros if shift is None else shift
    scale = ones if scale is None else scale
    return _rounded(b, b.step(spec.ShiftDivide, numbers, shift=shift, scale=scale))


def _floats(b: Builder, frame: Frame, check: str, path: str) -> tuple[Sequence[Number], np.dtype]:
    """The columns as the float type in which the original computes, checked."""
    numbers = b.as_numbers(frame.columns)
    dtype = float_dtype(numbers)
    if any(column.dtype == np.float16 for column in numbers):
        raise UnsupportedError(f"{path}: arithmetic in float16 is not supported")
    numbers = b.check(numbers, check, path)
    return [Number(c.slot, dtype) for c in numbers], dtype


def _rounded(b: Builder, numbers: Sequence[Number]) -> Sequence[Number]:
    """Round float32 columns after a float64 operation: one rounding too many changes nothing."""
    if not any(column.dtype == FLOAT32 for column in numbers):
        return numbers
    return b.step(spec.Round, numbers, facts=[b.facts(c) for c in numbers])


def _is_plain_check(function: Any) -> bool:
    """Whether `function` only turns its input into float64 numbers."""
    if not isinstance(function, functools.partial) or function.args:
        return False
    plain = {"dtype": [np.float64], "ensure_all_finite": False}
    return function.func.__name__ == "check_array" and function.keywords == plain


def _demand_float64(dtype: np.dtype, path: str, name: str) -> None:
    if dtype != FLOAT64:
        raise UnsupportedError(f"{path}: {name} is supported in float64, and its input is {dtype}")
