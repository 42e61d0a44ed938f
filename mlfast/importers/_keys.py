"""Categories as a vocabulary knows them."""

from __future__ import annotations

import math
from typing import Any, Final, Generic, TypeVar

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError

V = TypeVar("V")


class Missing:
    """One of the two missing categories, which are not keys but codes of their own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NONE: Final = Missing("None")
NAN: Final = Missing("NaN")

Token = str | int | float | Missing


def token(value: Any, path: str) -> Token:
    """The key, `NONE` or `NAN` that stands for a category of the original."""
    if isinstance(value, np.generic):
        if value.dtype.kind in "mM" and not np.isnat(value):
            raise _unsupported(value, path)
        value = value.item()
    if value is None:
        return NONE
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, int)):
        if -(2**63) <= value < 2**63:
            return int(value)
    elif isinstance(value, float):
        if math.isnan(value):
            return NAN
        return int(value) if value.is_integer() and -(2.0**63) <= value < 2.0**63 else float(value)
    elif type(value).__name__ in ("NAType", "NaTType"):
        return NAN
    raise _unsupported(value, path)


def _unsupported(value: Any, path: str) -> UnsupportedError:
    return UnsupportedError(
        f"{path}: the category {value!r} is a {type(value).__name__}; categories can be text, "
        "numbers (integers of 64 bits), booleans, None and NaN"
    )


class Mapping(Generic[V]):
    """What becomes of each known category, of the missing ones and of all others.

    Where only one of None and NaN is known, the other behaves as it; where
    neither is, both are unknown.
    """

    def __init__(self, known: dict[Token, V], unknown: V) -> None:
        self.known = known
        self.unknown = unknown

    def expand(self, vocabulary: spec.Vocabulary) -> list[V]:
        """The entries of a table over `vocabulary`, in the order of its codes."""
        known, unknown = self.known, self.unknown
        none = known.get(NONE, known.get(NAN, unknown))
        nan = known.get(NAN, known.get(NONE, unknown))
        return [*(known.get(key, unknown) for key in vocabulary.keys), unknown, none, nan]
