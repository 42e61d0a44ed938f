"""Columns of an encoder under construction: what flows from step to step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from mlfast.importers._keys import Token

if TYPE_CHECKING:
    from mlfast.importers._builder import Growing, Slot

FLOAT64 = np.dtype(np.float64)
FLOAT32 = np.dtype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A field that nobody has read yet, or what an imputer made of one.

    It is read as a number or as a category, whichever the next step wants.

    Parameters
    ----------
    field : int
    source : Value or None
        What the imputer read; None for the field itself.
    missing, fill : Token
        The imputer's: `missing` becomes `fill`.
    path : str
        Of the imputer.
    """

    field: int
    source: Value | None = None
    missing: Token = 0
    fill: Token = 0
    path: str = ""
    dtype = FLOAT64


@dataclasses.dataclass(frozen=True)
class Number:
    """A column of numbers; `dtype` is what the original computes in."""

    slot: Slot
    dtype: np.dtype = FLOAT64


@dataclasses.dataclass(frozen=True)
class Code:
    """A column of codes of a vocabulary that still grows."""

    slot: Slot
    vocabulary: Growing


Column = Value | Number


def float_dtype(columns: Iterable[Column]) -> np.dtype:
    """What scikit-learn makes of the columns where it computes: float32 stays, others widen."""
    dtypes = [column.dtype for column in columns]
    return FLOAT32 if dtypes and np.result_type(*dtypes) == FLOAT32 else FLOAT64


@dataclasses.dataclass(frozen=True)
class Frame:
    """What one transformer hands to the next.

    Parameters
    ----------
    columns : list of Column
    names : list of str
        The features' names as far as mlfast can tell, one a column.
    sparse : bool
        The original holds it as a sparse matrix, which has no -0.0, is scaled
        by multiplication, and has absent entries for XGBoost.
    """

    columns: list[Column]
    names: list[str]
    sparse: bool = False

    def with_columns(self, columns: Iterable[Column]) -> Frame:
        """The same features after a step that makes one column of each."""
        return Frame(list(columns), self.names, self.sparse)
