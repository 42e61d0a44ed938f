"""The base of layers: frozen, made of arrays, checked when made, runnable alone."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from mlfast import spec
from mlfast.errors import SpecError
from mlfast.nn import _strategy
from mlfast.nn._net import Net
from mlfast.spec.network import Shape

#: A shape of which some sizes, or the number of axes too (None), are not known yet.
Known = tuple[int | None, ...] | None

WEIGHT_NAMES = ("weight", "bias", "running_mean", "running_var")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Layer(Net):
    """One layer: PyTorch's name, weight shapes and meaning, for float32 examples."""

    #: Axes of an example, None: any.
    axes: ClassVar[int | None] = None

    #: How the layer's work on one example is split among threads: see `Net.forward`.
    strategy: str | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_absent", ())
        if self.strategy is not None and self.strategy not in _strategy.STRATEGIES:
            want = ", ".join(_strategy.STRATEGIES)
            raise self._fail(f"expects strategy to be one of {want}, got {self.strategy!r}")
        self._check()
        for name, value in (("_plans", {}), ("_isa", None), ("_graph", None)):
            object.__setattr__(self, name, value)

    def _check(self) -> None:
        """Raise `SpecError` unless the arrays and numbers fit together."""

    def infer(self, shape: Known) -> Known:
        """Shape of the result as far as it is known; `SpecError` where it cannot fit."""
        return shape

    def operation(self, shape: Shape, value: int) -> spec.Operation | None:
        """The operation on value number `value` of a shape; None: nothing to do."""
        raise NotImplementedError

    # ------------------------------------------------------------ running alone

    @property
    def input_shape(self) -> Shape | None:
        return None

    def network(self, input_shape: Shape | None = None) -> spec.Network:
        input_shape = input_shape or self.input_shape
        if input_shape is None:
            raise SpecError(f"{type(self).__name__}: expected an input shape: the layer takes many")
        self.infer(input_shape)
        operation = self.operation(input_shape, 0) or spec.Reshape((0,), input_shape)
        return spec.Network(input_shape, (operation,))

    def _strategies(self, shape: Shape) -> dict[int, str]:
        return {} if self.strategy is None else {0: self.strategy}

    def _axes(self) -> int:
        return self.axes or 1

    def _last_operation(self) -> spec.Operation:
        operation = self.operation((1,) * self._axes(), 0)
        return operation or spec.Reshape((0,), (1,))

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                shown.append(f"{field.name}=<float32 {value.shape}>")
            elif value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> Any:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _rebuild, (type(self), fields)

    # ------------------------------------------------------------ checks

    def _fail(self, message: str) -> SpecError:
        return SpecError(f"{type(self).__name__} {message}")

    def _array(self, name: str, axes: int, shape: Shape | None = None) -> np.ndarray:
        """Replace an argument by a read-only float32 array of its own."""
        try:
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "fiu":
                raise TypeError(f"dtype {array.dtype}")
        except (TypeError, ValueError) as error:
            raise self._fail(f"expects numbers as {name}, got {error}") from None
        if array.ndim != axes or shape not in (None, array.shape) or 0 in array.shape:
            want = f"shape {shape}" if shape else f"{axes} axes, none empty"
            raise self._fail(f"expects {name} of {want}, got shape {array.shape}")
        array = array.astype(np.float32)
        array.flags.writeable = False
        object.__setattr__(self, name, array)
        return array

    def weight_names(self) -> tuple[str, ...]:
        """Arguments that hold arrays, as far as they were given."""
        arrays = [f.name for f in dataclasses.fields(self) if f.name in WEIGHT_NAMES]
        return tuple(name for name in arrays if name not in self._absent)  # type: ignore[attr-defined]

    def _bias(self, name: str, n: int) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, "_absent", (name,))
            object.__setattr__(self, name, np.zeros(n, np.float32))
        self._array(name, 1, (n,))

    def _pair(self, name: str, least: int) -> tuple[int, int]:
        """Replace an argument, an int or two, by two."""
        value = getattr(self, name)
        pair = value if isinstance(value, (tuple, list)) else (value, value)
        ok = len(pair) == 2 and all(isinstance(v, (int, np.integer)) and v >= least for v in pair)
        if not ok or isinstance(value, bool):
            raise self._fail(f"expects {name} to be an int >= {least} or two, got {value!r}")
        result = (int(pair[0]), int(pair[1]))
        object.__setattr__(self, name, result)
        return result

    def _bool(self, name: str) -> None:
        if not isinstance(getattr(self, name), bool):
            raise self._fail(f"expects {name} to be a bool, got {getattr(self, name)!r}")

    def _image(self, shape: Known, channels: int | None = None) -> tuple[int | None, ...]:
        """(channels, height, width), as far as known."""
        if shape is None:
            return (channels, None, None)
        if len(shape) != 3:
            raise self._fail(f"expects examples (channels, height, width), got {shape}")
        if channels is not None and shape[0] not in (None, channels):
            raise self._fail(f"expects {channels} input channels, got {shape[0]}")
        return shape if channels is None else (channels, *shape[1:])


def _rebuild(layer: type[Layer], fields: dict[str, Any]) -> Layer:
    return layer(**fields)
