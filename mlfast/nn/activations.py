"""Functions of each element, and softmax."""

from __future__ import annotations

import dataclasses
import math

from mlfast import spec
from mlfast.nn._layer import Known, Layer
from mlfast.spec.network import Shape

_layer = dataclasses.dataclass(frozen=True, eq=False, repr=False)


class _Elementwise(Layer):
    """A function without parameters: `function` names it in `spec.ACTIVATIONS`."""

    function = "identity"

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        return spec.Activation((value,), self.function)


@_layer
class ReLU(_Elementwise):
    """``max(x, 0)``"""

    function = "relu"


@_layer
class Sigmoid(_Elementwise):
    """``1 / (1 + exp(-x))``"""

    function = "sigmoid"


@_layer
class Tanh(_Elementwise):
    """The hyperbolic tangent."""

    function = "tanh"


@_layer
class SiLU(_Elementwise):
    """``x * sigmoid(x)``"""

    function = "silu"


@_layer
class LeakyReLU(Layer):
    """``x`` where it is not negative, else ``negative_slope * x``."""

    negative_slope: float = 0.01

    def _check(self) -> None:
        if not isinstance(self.negative_slope, (int, float)) or math.isnan(self.negative_slope):
            raise self._fail(f"expects negative_slope to be a number, got {self.negative_slope!r}")

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        return spec.Activation((value,), "leaky_relu", float(self.negative_slope))


@_layer
class GELU(Layer):
    """``x`` times the normal distribution function, or its approximation by tanh."""

    approximate: str = "none"

    def _check(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise self._fail(f"expects approximate 'none' or 'tanh', got {self.approximate!r}")

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        return spec.Activation((value,), "gelu" if self.approximate == "none" else "gelu_tanh")


@_layer
class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` along `dim`; axis 0 is the batch, as in PyTorch."""

    dim: int = -1
    log = False

    def _check(self) -> None:
        if type(self.dim) is not int or self.dim == 0:
            raise self._fail(f"expects dim, an int other than 0 (the batch), got {self.dim!r}")

    def infer(self, shape: Known) -> Known:
        if shape is not None and not -len(shape) <= self._axis(len(shape)) < len(shape):
            raise self._fail(f"has no axis {self.dim} in examples {shape}")
        return shape

    def _axis(self, axes: int) -> int:
        axis = self.dim - 1 if self.dim > 0 else axes + self.dim
        return axis if axis >= 0 else axes

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        return spec.Softmax((value,), self._axis(len(shape)), self.log)


@_layer
class LogSoftmax(Softmax):
    """The logarithm of `Softmax`."""

    log = True
