"""What every spec class shares: frozen, compared by value, arrays checked and locked."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mlfast.errors import SpecError


@dataclasses.dataclass(frozen=True, eq=False)
class Spec:
    """Base of the frozen descriptions; subclasses add `_check`."""

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        """Raise `SpecError` unless the whole object is consistent."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            _same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self)
        )

    __hash__ = None  # type: ignore[assignment]

    def _array(self, name: str, dtype: Any, shape: tuple[int | None, ...]) -> np.ndarray:
        """Replace field `name` by a read-only C-contiguous array; check dtype and shape.

        A `None` in `shape` is any length.
        """
        try:
            array = np.asarray(getattr(self, name))
            if not np.can_cast(array.dtype, dtype, "same_kind") and array.size:
                raise TypeError(f"dtype {array.dtype}")
            cast = np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
            if cast.dtype.kind in "iu" and not np.array_equal(cast, array):
                raise TypeError("values out of range")
        except (TypeError, ValueError) as error:
            raise SpecError(f"{self._where(name)}: expected {np.dtype(dtype)}, got {error}") from None
        if cast.ndim != len(shape) or any(
            want is not None and want != got for want, got in zip(shape, cast.shape, strict=True)
        ):
            raise SpecError(f"{self._where(name)}: expected shape {shape}, got {cast.shape}")
        if cast.flags.writeable:
            cast = cast.view()
            cast.flags.writeable = False
        object.__setattr__(self, name, cast)
        return cast

    def _require(self, condition: bool, name: str, expected: str) -> None:
        if not condition:
            raise SpecError(f"{self._where(name)}: expected {expected}")

    def _where(self, name: str) -> str:
        return f"{type(self).__name__}.{name}"


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return a.tobytes() == b.tobytes()  # bit for bit: NaN equals NaN, 0.0 differs from -0.0
    return bool(type(a) is type(b) and (a == b or (a != a and b != b)))
