"""Tables to columns: one 1-d array for every input of a model.

Numbers stay in the dtype they have, without a copy where the native side reads
that dtype; what a model reads as a category becomes int32 codes. What has to be
converted is converted some thousand rows at a time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlfast import _batch, spec
from mlfast._record import number, plain_value, shorten
from mlfast.errors import RecordError

#: Rows of a table that are converted at a time.
ROWS_AT_ONCE = 1 << 14

#: An array, or a function of first row and number of rows that makes one.
Column = np.ndarray | Callable[[int, int], np.ndarray]


@dataclasses.dataclass(eq=False, repr=False)
class Table:
    """A table as one model reads it.

    Parameters
    ----------
    n_rows : int
    inputs : list of Column
        For every input of the model.
    records : sequence of records or None
        Instead of columns.
    """

    n_rows: int
    inputs: list[Column]
    records: Sequence[Any] | None = None

    @property
    def rows_at_once(self) -> int:
        """How many rows to ask for; all where nothing is converted."""
        whole = all(isinstance(column, np.ndarray) for column in self.inputs)
        return self.n_rows if whole else min(self.n_rows, ROWS_AT_ONCE)

    def columns(self, first: int, n: int) -> list[np.ndarray]:
        """Rows first .. first + n - 1 of all inputs."""
        return [
            column[first : first + n] if isinstance(column, np.ndarray) else column(first, n)
            for column in self.inputs
        ]

    def number(self, number: int, row: int) -> str:
        """The value of one input in one row, for messages."""
        if self.records is not None:
            return "a value"
        return repr(self.columns(row, 1)[number][0].item())


@dataclasses.dataclass(eq=False, repr=False)
class TableReader:
    """Reads tables for one model.

    Parameters
    ----------
    model : spec.Model
    codes : callable
        ``codes(vocabulary number, values) -> int32 (n,)``.
    missing_fields_nan : bool
        A missing column is NaN rather than an error.
    """

    model: spec.Model
    codes: Callable[[int, Any], np.ndarray]
    missing_fields_nan: bool

    def open(self, X: Any) -> Table:
        """Find the columns of the model's inputs."""
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
            return Table(len(X), [], X)
        else:
            raise RecordError(
                "expected a 2-d array, a pandas, polars or pyarrow table, a dict of columns "
                f"or a sequence of records, got {type(X).__name__}"
            )
        if n_rows == 0:
            raise RecordError("expected at least one row, got a table without rows")
        inputs = []
        for read in self.model.inputs:
            column = find(read.field)
            name = self.model.fields[read.field].name
            _check_length(column, name, n_rows)
            if read.vocabulary < 0:
                inputs.append(_numbers(column, name))
            else:
                inputs.append(self._codes(column, name, read.vocabulary))
        return Table(n_rows, inputs)

    def _from_array(self, X: np.ndarray) -> tuple[Callable[[int], Any], int]:
        shape = self.model.example_shape
        if X.ndim > 2 and X.shape[1:] == shape:
            X = X.reshape(len(X), -1)
        if X.ndim != 2:
            rows = ", ".join(["n_rows", *map(str, shape)])
            raise RecordError(
                f"expected a {len(shape) + 1}-d array ({rows}), got shape {X.shape}; "
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

    def _codes(self, column: Any, name: str, vocabulary: int) -> Column:
        categories = getattr(getattr(column, "cat", None), "categories", None)
        if categories is not None and hasattr(column, "iloc"):  # pandas: look up each once
            table = self.codes(vocabulary, [*np.asarray(categories, dtype=object), np.nan])
            numbers = np.asarray(column.cat.codes)
            return lambda first, n: table[numbers[first : first + n]]

        def codes(first: int, n: int) -> np.ndarray:
            values = _rows(column, name, first, n)
            if values.dtype.kind in "biuf":
                whole = values.dtype.kind == "b" or np.can_cast(values.dtype, np.int64)
                return self.codes(vocabulary, values.astype(np.int64 if whole else np.float64))
            return self.codes(vocabulary, values.tolist())

        return codes


def _numbers(column: Any, name: str) -> Column:
    """A column of numbers: as it is where the native side reads it so."""
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        values = as_array(column)
        if values.ndim == 1 and _batch.reads_type(values):
            return values
    return lambda first, n: as_numbers(_rows(column, name, first, n), name, first)


def _rows(column: Any, name: str, first: int, n: int) -> np.ndarray:
    if first > 0 or n < len(column):
        if hasattr(column, "iloc"):
            column = column.iloc[first : first + n]
        elif hasattr(column, "slice"):  # pyarrow, polars
            column = column.slice(first, n)
        else:
            column = column[first : first + n]
    values = as_array(column)
    if values.shape != (n,):
        raise RecordError(f"column {name!r}: expected shape ({n},), got {values.shape}")
    return values


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


def _check_length(column: Any, name: str, n_rows: int) -> None:
    shape = getattr(column, "shape", None)
    if not isinstance(shape, tuple):
        shape = (len(column),)
    if shape != (n_rows,):
        raise RecordError(f"column {name!r}: expected shape ({n_rows},), got {shape}")


def as_numbers(values: np.ndarray, name: str, first: int) -> np.ndarray:
    """Values as an array whose dtype the native side reads; `first` is the first one's row."""
    dtype = values.dtype
    if dtype.kind in "biuf":
        return values if _batch.reads_type(values) else values.astype(np.float64)
    if dtype.kind in "cmMV":
        raise RecordError(f"column {name!r}: expected numbers, got dtype {dtype}")
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        if type(value) is float:
            numbers[row] = value
            continue
        plain = plain_value(value)
        try:
            numbers[row] = np.nan if plain is None else number(plain, name, value)
        except RecordError as error:
            raise RecordError(f"row {first + row}: {error}") from None
    return numbers
