"""scikit-learn's SimpleImputer, on numbers and on categories."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.importers import _facts
from mlfast.importers._builder import Builder, Growing
from mlfast.importers._columns import Column, Frame, Number, Value, float_dtype
from mlfast.importers._keys import NAN, NONE, Mapping, Missing, Token, token


def simple_imputer(b: Builder, imputer: Any, frame: Frame, path: str) -> Frame:
    """A missing value becomes the feature's statistic; indicators follow all features."""
    missing = token(imputer.missing_values, path)
    # Features without a single value at fit are dropped, or kept and filled.
    empty = [_is_nan(value) and not imputer.keep_empty_features for value in imputer.statistics_]
    marked = list(imputer.indicator_.features_) if imputer.add_indicator else []
    if imputer._fit_dtype.kind == "O":
        columns = _categories(b, imputer, frame, missing, empty, marked, path)
    else:
        columns = _numbers(b, imputer, frame, missing, empty, marked, path)
    names = [name for name, dropped in zip(frame.names, empty, strict=True) if not dropped]
    names += [f"missingindicator_{frame.names[i]}" for i in marked]
    return Frame(columns, names, frame.sparse)


def _numbers(
    b: Builder,
    imputer: Any,
    frame: Frame,
    missing: Token,
    empty: list[bool],
    marked: list[int],
    path: str,
) -> list[Column]:
    value = math.nan if isinstance(missing, Missing) else float(missing)
    kind = "no_infinity" if math.isnan(value) else "finite"
    numbers = b.check(b.as_numbers(frame.columns), kind, path)
    dtype = float_dtype(numbers)
    kept = [number for number, dropped in zip(numbers, empty, strict=True) if not dropped]
    statistics = np.asarray(imputer.statistics_)[~np.array(empty, bool)]
    # scikit-learn 1.6 and later first cast to the dtype that the imputer was fitted on.
    fill_dtype = getattr(imputer, "_fill_dtype", dtype)
    fills = statistics.astype(fill_dtype).astype(dtype).astype(np.float64)
    imputed = b.step(
        spec.Impute,
        kept,
        dtype=dtype,
        facts=[
            _facts.of_imputed(b.facts(number), value, fill)
            for number, fill in zip(kept, fills, strict=True)
        ],
        missing=np.full(len(kept), value),
        fill=fills,
    )
    shown = [numbers[i] for i in marked]
    facts = [_facts.ALL] * len(shown)
    missing_values = np.full(len(shown), value)
    indicators = b.step(spec.Indicator, shown, dtype=dtype, facts=facts, missing=missing_values)
    return [*imputed, *indicators]


def _categories(
    b: Builder,
    imputer: Any,
    frame: Frame,
    missing: Token,
    empty: list[bool],
    marked: list[int],
    path: str,
) -> list[Column]:
    columns: list[Column] = []
    for column, dropped, statistic in zip(frame.columns, empty, imputer.statistics_, strict=True):
        if dropped:
            continue
        fill = token(statistic, path)
        if isinstance(column, Value):
            columns.append(Value(column.field, column, missing, fill, path))
        else:
            columns.append(_impute_number(b, column, missing, fill))
    for i in marked:
        code = b.as_code(frame.columns[i], [] if isinstance(missing, Missing) else [missing])
        columns.append(b.table(code, _Marks(missing, code.vocabulary), path))
    return columns


class _Marks(Mapping[tuple[float, int]]):
    """1.0 for the missing category; None is one like NaN unless an encoder tells them apart."""

    def __init__(self, missing: Token, vocabulary: Growing) -> None:
        super().__init__({missing: (1.0, 0)}, (0.0, 0))
        self._vocabulary = vocabulary

    def expand(self, vocabulary: spec.Vocabulary) -> list[tuple[float, int]]:
        values = super().expand(vocabulary)
        if NAN in self.known and self._vocabulary.knows_none:
            values[vocabulary.none] = (0.0, 0)
        return values


def _impute_number(b: Builder, column: Number, missing: Token, fill: Token) -> Number:
    if isinstance(missing, str) or missing is NONE:
        return column
    value = math.nan if isinstance(missing, Missing) else float(missing)
    number = float(fill)  # type: ignore[arg-type]
    facts = [_facts.of_imputed(b.facts(column), value, number)]
    return b.step(
        spec.Impute, [column], facts=facts, missing=np.array([value]), fill=np.array([number])
    )[0]


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and math.isnan(value)
