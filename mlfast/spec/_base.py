"""What every spec class shares: frozen, compared by value, arrays checked and locked."""

import dataclasses
import typing
from typing import Any

import numpy as np

from mlfast.errors import SpecError


@typing.dataclass_transform(frozen_default=True, eq_default=False)
class Spec:
    """Base of the frozen descriptions; subclasses annotate fields and add `_check`.

    Subclasses are dataclasses without further ado. Their methods are these,
    not generated ones: generating takes a millisecond a class at every import.
    """

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

    def __init__(self, *args: Any, **values: Any) -> None:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        names = [field.name for field in fields]
        given = dict(zip(names, args, strict=False)) | values
        defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
        complete = defaults | given
        if len(args) > len(names) or complete.keys() != set(names):
            wrong = sorted(complete.keys() ^ set(names)) or f"{len(args)} values"
            raise TypeError(f"{type(self).__name__} takes {names}; missing or too many: {wrong}")
        self.__dict__.update((name, complete[name]) for name in names)
        self._check()

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to {self._where(name)}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete {self._where(name)}")

    def __repr__(self) -> str:
        values = (f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({', '.join(values)})"

    def _check(self) -> None:
        """Raise `SpecError` unless the whole object is consistent."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = (field.name for field in dataclasses.fields(self))  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

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
            raise SpecError(
                f"{self._where(name)}: expected {np.dtype(dtype)}, got {error}"
            ) from None
        sizes: tuple[int, ...] = cast.shape
        if len(sizes) != len(shape) or any(
            want is not None and want != got for want, got in zip(shape, sizes, strict=True)
        ):
            raise SpecError(f"{self._where(name)}: expected shape {shape}, got {sizes}")
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
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float):
        return repr(a) == repr(b)
    return bool(a == b)
