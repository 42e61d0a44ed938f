"""Tables to columns: one 1-d array for every input of a model.

Numbers stay in the dtype they have, without a copy where the native side reads
that dtype; what a model reads as a category becomes int32 codes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlfast import spec
from mlfast._record import number, plain_value, shorten
from mlfast.errors import RecordError

#: dtypes that native/run.c reads; others become float64 first.
_NATIVE = {"f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"}


@dataclasses.dataclass(eq=False, repr=False)
class TableReader:
    """Reads tables for one model.

    Parameters
    ----------
    model : spec.Model
    codes : callable
        ``codes(vocabulary number, values) -> int32 (n,)``.
    read_records : callable
        ``read_records(sequence of records) -> float64 (n_inputs, n)``.
    missing_fields_nan : bool
        A missing column is NaN rather than an error.
    """

    model: spec.Model
    codes: Callable[[int, Any], np.ndarray]
    read_records: Callable[[Sequence[Any]], np.ndarray]
    missing_fields_nan: bool

    def read(self, X: Any) -> tuple[list[np.ndarray], int]:
        """Columns of the model's inputs, and the number of rows."""
        if isinstance(X, np.ndarray) and X.dtype.names is None:
            find, n_rows = self._from_array(X)
        elif isinstance(X, Mapping) or hasattr(X, "columns") or hasattr(X, "column_names"):
            find, n_rows = self._from_columns(X)
        elif isinstance(X, np.ndarray):  # structured
            find, n_rows = self._from_columns({name: X[name] for name in X.dtype.names})
        elif hasattr(X, "tocsr"):
            raise RecordError("expected a dense table, got a sparse matrix: pass X.toarray()")
        elif isinstance(X, Sequence) and not isinstance(X, (str, bytes)):
            if len(X) == 0:
                raise RecordError("expected at least one row, got an empty sequence")
            return list(self.read_records(X)), len(X)
        else:
            raise RecordError(
                "expected a 2-d array, a pandas, polars or pyarrow table, a dict of columns "
                f"or a sequence of records, got {type(X).__name__}"
            )
        if n_rows == 0:
            raise RecordError("expected at least one row, got a table without rows")
        columns = []
        for read in self.model.inputs:
            column = find(read.field)
            name = self.model.fields[read.field].name
            if read.vocabulary < 0:
                columns.append(as_numbers(column, name, n_rows))
            else:
                columns.append(self._as_codes(column, read.vocabulary, name, n_rows))
        return columns, n_rows

    def _from_array(self, X: np.ndarray) -> tuple[Callable[[int], Any], int]:
        if X.ndim != 2:
            raise RecordError(
                f"expected a 2-d array (n_rows, {len(self.model.fields)}), got shape {X.shape}; "
                "for a single record there is predict_one"
            )
        self._check_width(X.shape[1])
        return lambda field: X[:, field], X.shape[0]

    def _check_width(self, n_columns: int) -> None:
        if n_columns != len(self.model.fields):
            raise RecordError(f"expected {len(self.model.fields)} columns, got {n_columns}")

    def _from_columns(self, X: Any) -> tuple[Callable[[int], Any], int]:
        """Anything with named columns; by position where the model knows no names."""
        if isinstance(X, Mapping):
            names, column = list(X), X.__getitem__
        elif hasattr(X, "column_names"):  # pyarrow
            names, column = list(X.column_names), lambda name: X.column(names.index(name))
        else:
            names, column = list(X.columns), X.__getitem__
        duplicates = (
            {name for name in names if names.count(name) > 1}
            if len(names) > len(set(names))
            else set()
        )
        if not self.model.named:
            self._check_width(len(names))
            if hasattr(X, "iloc"):
                return lambda field: X.iloc[:, field], len(X)
            n_rows = len(column(names[0])) if names else 0
            return lambda field: column(names[field]), n_rows
        used = [self.model.fields[read.field].name for read in self.model.inputs]
        repeated = sorted(duplicates & set(used), key=str)
        if repeated:
            raise RecordError(f"duplicate columns {', '.join(map(repr, repeated))} in the table")
        known = set(names)
        missing = [name for name in dict.fromkeys(used) if name not in known]
        if missing and not self.missing_fields_nan:
            raise RecordError(
                f"missing columns {', '.join(map(repr, missing))}: got {shorten(names, 200)}"
            )
        present = [name for name in used if name in known] or names
        lengths = {name: len(column(name)) for name in present}
        if len(set(lengths.values())) > 1:
            raise RecordError(f"expected columns of one length, got {shorten(lengths, 200)}")
        n_rows = next(iter(lengths.values()), 0)

        def find(field: int) -> Any:
            name = self.model.fields[field].name
            return column(name) if name in known else np.full(n_rows, np.nan)

        return find, n_rows

    def _as_codes(self, column: Any, vocabulary: int, name: str, n_rows: int) -> np.ndarray:
        categories = getattr(getattr(column, "cat", None), "categories", None)
        if categories is not None and hasattr(column, "iloc"):  # pandas: look up each once
            table = self.codes(vocabulary, [*np.asarray(categories, dtype=object), np.nan])
            return table[np.asarray(column.cat.codes)]
        values = as_array(column)
        _check_column(values, name, n_rows)
        if values.dtype.kind in "biuf":
            whole = values.dtype.kind == "b" or np.can_cast(values.dtype, np.int64)
            return self.codes(vocabulary, values.astype(np.int64 if whole else np.float64))
        return self.codes(vocabulary, values.tolist())


def as_array(column: Any) -> np.ndarray:
    """A column of any kind of table as a NumPy array; text as objects."""
    if isinstance(column, np.ndarray):
        return column
    if hasattr(column, "to_pylist"):  # pyarrow
        import pyarrow as pa

        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(False)
        return _objects(column.to_pylist())
    if hasattr(column, "to_list") and hasattr(column, "to_physical"):  # polars
        if column.dtype.is_numeric():
            return column.to_numpy()
        return _objects(column.to_list())
    if hasattr(column, "to_numpy"):  # pandas
        array = column.to_numpy()
        return array if isinstance(array, np.ndarray) else np.asarray(array)
    return _objects(list(column))


def _objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _check_column(values: np.ndarray, name: str, n_rows: int) -> None:
    if values.shape != (n_rows,):
        raise RecordError(f"column {name!r}: expected shape ({n_rows},), got {values.shape}")


def as_numbers(column: Any, name: str, n_rows: int) -> np.ndarray:
    """A column as an array whose dtype the native side reads."""
    values = as_array(column)
    _check_column(values, name, n_rows)
    dtype = values.dtype
    if dtype.kind in "biuf" and dtype.isnative:
        if dtype.str[1:] in _NATIVE and values.strides[0] % dtype.itemsize == 0:
            return values
        return values.astype(np.float64)
    if dtype.kind in "cmMV":
        raise RecordError(f"column {name!r}: expected numbers, got dtype {dtype}")
    if dtype.kind in "biuf":
        return values.astype(np.float64)
    numbers = np.empty(n_rows)
    for row, value in enumerate(values):
        if type(value) is float:
            numbers[row] = value
            continue
        plain = plain_value(value)
        try:
            numbers[row] = np.nan if plain is None else number(plain, name, value)
        except RecordError as error:
            raise RecordError(f"row {row}: {error}") from None
    return numbers
