"""Layers with weights or windows: PyTorch's names, weight shapes and semantics."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from mlfast import spec
from mlfast.errors import SpecError
from mlfast.nn._layer import Known, Layer
from mlfast.nn._windows import adaptive_windows, output_size, windows
from mlfast.spec.network import Shape

_layer = dataclasses.dataclass(frozen=True, eq=False, repr=False)


@_layer
class Linear(Layer):
    """``weight @ x + bias``; weight (out, in), bias (out,)."""

    weight: Any
    bias: Any = None
    axes: ClassVar[int | None] = 1

    def _check(self) -> None:
        self._bias("bias", self._array("weight", 2).shape[0])

    @property
    def input_shape(self) -> Shape:
        return (self.weight.shape[1],)

    def infer(self, shape: Known) -> Known:
        n_out, n_in = self.weight.shape
        if shape is None:
            return (n_out,)
        if shape[-1] not in (None, n_in):
            hint = ": add a Flatten before" if len(shape) > 1 else ""
            raise self._fail(f"expects {n_in} inputs, got {shape[-1]} of {shape}{hint}")
        return (*shape[:-1], n_out)

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        return spec.Dense((value,), self.weight, self.bias)


@_layer
class Conv2d(Layer):
    """Convolution of images (channels, height, width).

    Parameters
    ----------
    weight : (out, in / groups, height, width)
    bias : (out,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
    groups : int
    """

    weight: Any
    bias: Any = None
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    axes: ClassVar[int | None] = 3

    def _check(self) -> None:
        weight = self._array("weight", 4)
        self._bias("bias", weight.shape[0])
        stride = self._pair("stride", 1)
        self._pair("dilation", 1)
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid") or (
                self.padding == "same" and stride != (1, 1)
            ):
                raise self._fail(
                    f"expects padding to be ints, 'valid', or 'same' with stride 1, got "
                    f"{self.padding!r} with stride {stride}"
                )
        else:
            self._pair("padding", 0)
        if type(self.groups) is not int or self.groups < 1 or weight.shape[0] % self.groups:
            raise self._fail(
                f"expects groups that divide the {weight.shape[0]} outputs, got {self.groups!r}"
            )

    def _sides(self, axis: int) -> tuple[int, int]:
        """Padding before and after an axis."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "same":
            total = self.dilation[axis] * (self.weight.shape[2 + axis] - 1)
            return total // 2, total - total // 2
        return self.padding[axis], self.padding[axis]

    def infer(self, shape: Known) -> Known:
        shape = self._image(shape, self.weight.shape[1] * self.groups)
        try:
            sizes = [
                None if size is None else output_size(
                    size, self.weight.shape[2 + axis], self.stride[axis], self._sides(axis),
                    self.dilation[axis],
                )
                for axis, size in enumerate(shape[1:])
            ]  # fmt: skip
        except SpecError as error:
            raise self._fail(f"does not fit {shape}: {error}") from None
        return (self.weight.shape[0], *sizes)

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        (top, bottom), (left, right) = self._sides(0), self._sides(1)
        return spec.Convolution(
            (value,), self.weight, self.bias, self.stride, (top, left, bottom, right),
            self.dilation, self.groups,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Pool2d(Layer):
    """What the two pooling layers share."""

    kernel_size: Any
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    ceil_mode: bool = False
    axes: ClassVar[int | None] = 3

    def _check(self) -> None:
        kernel = self._pair("kernel_size", 1)
        if self.stride is None:
            object.__setattr__(self, "stride", kernel)
        self._pair("stride", 1)
        self._pair("dilation", 1)
        padding = self._pair("padding", 0)
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            raise self._fail(f"expects padding of at most half the kernel {kernel}, got {padding}")
        self._bool("ceil_mode")

    def _windows(self, axis: int, size: int, count_padding: bool) -> np.ndarray:
        return windows(
            size, self.kernel_size[axis], self.stride[axis], (self.padding[axis],) * 2,
            self.dilation[axis], self.ceil_mode, count_padding,
        )  # fmt: skip

    def infer(self, shape: Known) -> Known:
        shape = self._image(shape)
        try:
            sizes = [
                None if size is None else len(self._windows(axis, size, True))
                for axis, size in enumerate(shape[1:])
            ]
        except SpecError as error:
            raise self._fail(f"does not fit {shape}: {error}") from None
        return (shape[0], *sizes)


@_layer
class MaxPool2d(_Pool2d):
    """The largest of each window of an image; a NaN wins."""

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        rows, columns = (self._windows(axis, shape[1 + axis], True) for axis in (0, 1))
        return spec.Pooling((value,), "max", rows, columns, self.dilation)


@_layer
class AvgPool2d(Layer):
    """The mean of each window of an image, padding counted as zeros unless told otherwise."""

    kernel_size: Any
    stride: Any = None
    padding: Any = 0
    ceil_mode: bool = False
    count_include_pad: bool = True
    axes: ClassVar[int | None] = 3

    def _check(self) -> None:
        pool = _Pool2d(self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)
        for name in ("kernel_size", "stride", "padding"):
            object.__setattr__(self, name, getattr(pool, name))
        object.__setattr__(self, "_pool", pool)
        self._bool("count_include_pad")

    def infer(self, shape: Known) -> Known:
        return self._pool.infer(self._image(shape))  # type: ignore[attr-defined, no-any-return]

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        rows, columns = (
            self._pool._windows(axis, shape[1 + axis], self.count_include_pad)  # type: ignore[attr-defined]
            for axis in (0, 1)
        )
        return spec.Pooling((value,), "average", rows, columns, (1, 1))


@_layer
class AdaptiveAvgPool2d(Layer):
    """Means over windows that divide the image into `output_size`; None keeps an axis."""

    output_size: Any
    axes: ClassVar[int | None] = 3

    def _check(self) -> None:
        size = self.output_size
        pair = size if isinstance(size, (tuple, list)) else (size, size)
        if len(pair) != 2 or not all(n is None or (type(n) is int and n >= 1) for n in pair):
            raise self._fail(f"expects output_size to be an int >= 1 or two, got {size!r}")
        object.__setattr__(self, "output_size", tuple(pair))

    def infer(self, shape: Known) -> Known:
        shape = self._image(shape)
        sizes = (want or size for want, size in zip(self.output_size, shape[1:], strict=True))
        return (shape[0], *sizes)

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        _, height, width = self.infer(shape)  # type: ignore[misc]
        rows = adaptive_windows(shape[1], height)  # type: ignore[arg-type]
        columns = adaptive_windows(shape[2], width)  # type: ignore[arg-type]
        return spec.Pooling((value,), "average", rows, columns, (1, 1))


@_layer
class BatchNorm2d(Layer):
    """``(x - running_mean) / sqrt(running_var + eps) * weight + bias`` for each channel."""

    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any
    eps: float = 1e-5
    axes: ClassVar[int | None] = 3

    def _check(self) -> None:
        n = np.size(self.running_mean)
        for name, usual in (("weight", 1.0), ("bias", 0.0)):
            if getattr(self, name) is None:  # affine=False
                object.__setattr__(self, name, np.full(n, usual, np.float32))
        for name in ("running_mean", "running_var", "weight", "bias"):
            self._array(name, 1, (n,))
        if not isinstance(self.eps, (int, float)) or not self.eps >= 0:
            raise self._fail(f"expects eps >= 0, got {self.eps!r}")

    def infer(self, shape: Known) -> Known:
        return self._image(shape, len(self.weight))

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        # In double precision: folded into weights it is rounded once.
        scale = self.weight.astype(np.float64) / np.sqrt(
            self.running_var.astype(np.float64) + self.eps
        )
        shift = self.bias - self.running_mean * scale
        return spec.Affine((value,), scale.astype(np.float32), shift.astype(np.float32))


@_layer
class BatchNorm1d(BatchNorm2d):
    """The same for flat examples (features,)."""

    axes: ClassVar[int | None] = 1

    def infer(self, shape: Known) -> Known:
        n = len(self.weight)
        if shape is not None and (len(shape) != 1 or shape[0] not in (None, n)):
            raise self._fail(f"expects examples ({n},), got {shape}")
        return (n,)


@_layer
class Flatten(Layer):
    """Axes `start_dim` to `end_dim` become one; axis 0 is the batch, as in PyTorch."""

    start_dim: int = 1
    end_dim: int = -1

    def _check(self) -> None:
        ok = type(self.start_dim) is int and type(self.end_dim) is int
        if not ok or self.start_dim < 1 or self.end_dim == 0:
            raise self._fail(
                f"expects start_dim >= 1 (axis 0 is the batch), got {self.start_dim!r} "
                f"to {self.end_dim!r}"
            )

    def infer(self, shape: Known) -> Known:
        if shape is None:
            return (None,) if (self.start_dim, self.end_dim) == (1, -1) else None
        start = self.start_dim - 1
        end = self.end_dim - 1 if self.end_dim > 0 else len(shape) + self.end_dim
        if not start <= end < len(shape):
            raise self._fail(f"cannot join axes {self.start_dim} to {self.end_dim} of {shape}")
        joined = shape[start : end + 1]
        n = None if None in joined else math.prod(joined)  # type: ignore[arg-type]
        return (*shape[:start], n, *shape[end + 1 :])

    def operation(self, shape: Shape, value: int) -> spec.Operation:
        return spec.Reshape((value,), self.infer(shape))  # type: ignore[arg-type]

    def _axes(self) -> int:
        return 3


@_layer
class Dropout(Layer):
    """Does nothing when a network predicts."""

    p: float = 0.5

    def operation(self, shape: Shape, value: int) -> spec.Operation | None:
        return None
