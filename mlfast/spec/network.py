"""Small neural networks: operations on float32 arrays.

A network's values are numbered: 0 is the input, ``i + 1`` the result of
``operations[i]``; an operation reads values before it. Shapes are those of one
example, without a batch axis: (channels, height, width) for images, (n,) for
vectors.
"""

import math

import numpy as np

from mlfast.errors import SpecError
from mlfast.spec._base import Spec

ACTIVATIONS = (
    "identity", "relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "gelu_tanh", "clip",
)  # fmt: skip

Shape = tuple[int, ...]


class Operation(Spec):
    """Base class: `inputs`, numbers of the values read."""

    inputs: tuple[int, ...]
    n_operands = 1

    def _check(self) -> None:
        ok = isinstance(self.inputs, tuple) and len(self.inputs) == self.n_operands
        self._require(ok, "inputs", f"{self.n_operands} values")

    def result_shape(self, *shapes: Shape) -> Shape:
        """Shape of the result; `SpecError` unless the operation takes these shapes."""
        return shapes[0]

    def _image(self, shape: Shape, channels: int | None = None) -> Shape:
        if len(shape) != 3 or channels not in (None, shape[0]):
            want = "channels" if channels is None else f"{channels} channels"
            raise SpecError(f"{type(self).__name__}: expected ({want}, height, width), got {shape}")
        return shape

    def _sizes(self, name: str, length: int, least: int) -> None:
        value = getattr(self, name)
        ok = isinstance(value, tuple) and len(value) == length
        ok = ok and all(type(v) is int and least <= v < 2**24 for v in value)
        self._require(ok, name, f"{length} ints >= {least}")


class Dense(Operation):
    """``weight @ x + bias`` along the last axis; weight float32 (n_out, n_in), bias (n_out,)."""

    weight: np.ndarray
    bias: np.ndarray

    def _check(self) -> None:
        super()._check()
        weight = self._array("weight", np.float32, (None, None))
        self._require(weight.size > 0, "weight", "at least one input and output")
        self._array("bias", np.float32, (weight.shape[0],))

    def result_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][-1:] != self.weight.shape[1:]:
            raise SpecError(f"Dense: expected (..., {self.weight.shape[1]}), got {shapes[0]}")
        return (*shapes[0][:-1], int(self.weight.shape[0]))


class Convolution(Operation):
    """Cross-correlation with zeros around the image, as PyTorch's Conv2d.

    Parameters
    ----------
    weight : float32 (out, in / groups, height, width)
    bias : float32 (out,)
    stride, dilation : (int, int)
    padding : (int, int, int, int), rows above, columns left, rows below, columns right
    groups : int
    """

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def _check(self) -> None:
        super()._check()
        weight = self._array("weight", np.float32, (None, None, None, None))
        self._require(weight.size > 0, "weight", "no empty axis")
        self._array("bias", np.float32, (weight.shape[0],))
        self._sizes("stride", 2, 1)
        self._sizes("dilation", 2, 1)
        self._sizes("padding", 4, 0)
        ok = type(self.groups) is int and self.groups >= 1 and weight.shape[0] % self.groups == 0
        self._require(ok, "groups", "a divisor of the output channels")

    def result_shape(self, *shapes: Shape) -> Shape:
        _, height, width = self._image(shapes[0], self.weight.shape[1] * self.groups)
        top, left, bottom, right = self.padding
        sizes = []
        for axis, size in enumerate((height + top + bottom, width + left + right)):
            span = (self.weight.shape[2 + axis] - 1) * self.dilation[axis] + 1
            if size < span:
                raise SpecError(
                    f"Convolution: kernel spans {span}, the padded image {shapes[0]} only {size}"
                )
            sizes.append((size - span) // self.stride[axis] + 1)
        return (int(self.weight.shape[0]), *sizes)


class Convolution3d(Operation):
    """Cross-correlation of volumes (channels, depth, height, width), zeros around them.

    Parameters
    ----------
    weight : float32 (out, in / groups, depth, height, width)
    bias : float32 (out,)
    stride, dilation : (int, int, int)
    padding : six ints, before depth, height and width, then behind each
    groups : int
    """

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int, int]
    padding: tuple[int, int, int, int, int, int]
    dilation: tuple[int, int, int]
    groups: int

    def _check(self) -> None:
        super()._check()
        weight = self._array("weight", np.float32, (None,) * 5)
        self._require(weight.size > 0, "weight", "no empty axis")
        self._array("bias", np.float32, (weight.shape[0],))
        self._sizes("stride", 3, 1)
        self._sizes("dilation", 3, 1)
        self._sizes("padding", 6, 0)
        ok = type(self.groups) is int and self.groups >= 1 and weight.shape[0] % self.groups == 0
        self._require(ok, "groups", "a divisor of the output channels")

    def result_shape(self, *shapes: Shape) -> Shape:
        shape, channels = shapes[0], self.weight.shape[1] * self.groups
        if len(shape) != 4 or shape[0] != channels:
            raise SpecError(
                f"Convolution3d: expected ({channels} channels, depth, height, width), got {shape}"
            )
        sizes = []
        for axis, size in enumerate(shape[1:]):
            padded = size + self.padding[axis] + self.padding[axis + 3]
            span = (self.weight.shape[2 + axis] - 1) * self.dilation[axis] + 1
            if padded < span:
                raise SpecError(f"Convolution3d: kernel spans {span}, padded {shape} only {padded}")
            sizes.append((padded - span) // self.stride[axis] + 1)
        return (int(self.weight.shape[0]), *sizes)


class Pooling(Operation):
    """The largest, or the mean, of a window for each output pixel.

    Parameters
    ----------
    kind : "max" or "average"
    rows, columns : int32 (n, 3), of each output row and column: the first input
        row of the window, its end, and the size that an average divides by
    dilation : (int, int), step between the rows, and columns, of a window
    """

    kind: str
    rows: np.ndarray
    columns: np.ndarray
    dilation: tuple[int, int]

    def _check(self) -> None:
        super()._check()
        self._require(self.kind in ("max", "average"), "kind", "max or average")
        self._sizes("dilation", 2, 1)
        for name in ("rows", "columns"):
            w = self._array(name, np.int32, (None, 3))
            ok = len(w) > 0 and np.all(w[:, 0] >= 0) and np.all(w[:, 1] > w[:, 0])
            self._require(bool(ok and np.all(w[:, 2] >= 1)), name, "windows that are not empty")

    def result_shape(self, *shapes: Shape) -> Shape:
        channels, height, width = self._image(shapes[0])
        if self.rows[:, 1].max() > height or self.columns[:, 1].max() > width:
            raise SpecError(f"Pooling: windows reach beyond the image {shapes[0]}")
        return (channels, len(self.rows), len(self.columns))


class Activation(Operation):
    """A function of each element: a name of `ACTIVATIONS`.

    `a` is leaky_relu's slope; clip gives ``min(max(x, a), b)``.
    """

    name: str
    a: float = 0.0
    b: float = 0.0

    def _check(self) -> None:
        super()._check()
        self._require(self.name in ACTIVATIONS, "name", f"one of {ACTIVATIONS}")
        self._require(type(self.a) is float and type(self.b) is float, "a", "floats")


class Softmax(Operation):
    """Softmax along `axis`, or its logarithm."""

    axis: int
    log: bool

    def _check(self) -> None:
        super()._check()
        self._require(type(self.axis) is int and self.axis >= 0, "axis", "an int >= 0")
        self._require(type(self.log) is bool, "log", "a bool")

    def result_shape(self, *shapes: Shape) -> Shape:
        if self.axis >= len(shapes[0]):
            raise SpecError(f"Softmax: no axis {self.axis} in {shapes[0]}")
        return shapes[0]


class Affine(Operation):
    """``x * scale + shift`` for each channel (axis 0): a batch norm; float32 (channels,)."""

    scale: np.ndarray
    shift: np.ndarray

    def _check(self) -> None:
        super()._check()
        scale = self._array("scale", np.float32, (None,))
        self._array("shift", np.float32, scale.shape)

    def result_shape(self, *shapes: Shape) -> Shape:
        if not shapes[0] or shapes[0][0] != len(self.scale):
            raise SpecError(f"Affine: expected {len(self.scale)} channels, got {shapes[0]}")
        return shapes[0]


class Tensor(Operation):
    """A constant, float32."""

    value: np.ndarray
    n_operands = 0

    def _check(self) -> None:
        super()._check()
        self._array("value", np.float32, (None,) * np.ndim(self.value))

    def result_shape(self, *shapes: Shape) -> Shape:
        return tuple(int(size) for size in self.value.shape)


class Combine(Operation):
    """``a + b`` ("add") or ``a * b`` ("multiply"), repeated along axes as NumPy does."""

    name: str
    n_operands = 2

    def _check(self) -> None:
        super()._check()
        self._require(self.name in ("add", "multiply"), "name", "add or multiply")

    def result_shape(self, *shapes: Shape) -> Shape:
        try:
            return tuple(np.broadcast_shapes(*shapes))
        except ValueError:
            raise SpecError(f"Combine: shapes {shapes} do not go together") from None


class Reshape(Operation):
    """The same numbers in another shape."""

    shape: tuple[int, ...]

    def _check(self) -> None:
        super()._check()
        ok = isinstance(self.shape, tuple) and all(type(n) is int and n >= 0 for n in self.shape)
        self._require(ok, "shape", "ints >= 0")

    def result_shape(self, *shapes: Shape) -> Shape:
        if math.prod(shapes[0]) != math.prod(self.shape):
            raise SpecError(f"Reshape: cannot make {self.shape} of {shapes[0]}")
        return self.shape


class Permute(Operation):
    """The axes in another order, as numpy.transpose: at most four."""

    axes: tuple[int, ...]

    def _check(self) -> None:
        super()._check()
        ok = isinstance(self.axes, tuple) and sorted(self.axes) == list(range(len(self.axes)))
        self._require(ok and len(self.axes) <= 4, "axes", "each axis once, at most four")

    def result_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != len(self.axes):
            raise SpecError(f"Permute: expected {len(self.axes)} axes, got {shapes[0]}")
        return tuple(shapes[0][axis] for axis in self.axes)


class Network(Spec):
    """Operations from an example of `input_shape` to the last operation's result.

    Parameters
    ----------
    input_shape : tuple of int
    operations : tuple of Operation, at least one
    """

    input_shape: tuple[int, ...]
    operations: tuple[Operation, ...]

    @property
    def n_features(self) -> int:
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.shapes[-1])

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of every value."""
        shapes: list[Shape] = [self.input_shape]
        for number, operation in enumerate(self.operations):
            where = f"operations[{number}]"
            for value in operation.inputs:
                if type(value) is not int or not 0 <= value < len(shapes):
                    raise SpecError(f"Network.{where}: no value {value!r} before it")
            try:
                shapes.append(operation.result_shape(*(shapes[v] for v in operation.inputs)))
            except SpecError as error:
                raise SpecError(f"Network.{where}: {error}") from None
        return tuple(shapes)

    def _check(self) -> None:
        shape = self.input_shape
        ok = isinstance(shape, tuple) and all(type(n) is int and n >= 1 for n in shape)
        self._require(ok, "input_shape", "ints >= 1")
        ok = len(self.operations) > 0 and all(isinstance(o, Operation) for o in self.operations)
        self._require(ok, "operations", "at least one operation")
        for shape in self.shapes:
            self._require(0 < math.prod(shape) < 2**31, "operations", "values of 1 to 2**31 floats")
