"""Values and nodes of an ONNX graph while it is turned into a `spec.Network`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.spec.network import Shape


class NotPerExampleError(UnsupportedError):
    """An operator mixes the examples of a batch: axis 0 has to be a part of the example."""


@dataclasses.dataclass(frozen=True)
class Value:
    """A value of the network; `shape` is that of one example."""

    number: int
    shape: Shape


class Graph:
    """The operations made so far.

    `lead` is 1 when axis 0 of the graph's tensors is the batch, which examples lack, and 0
    when an example is a whole tensor.
    """

    def __init__(self, input_shape: Shape, lead: int) -> None:
        self.input_shape = input_shape
        self.lead = lead
        self.operations: list[spec.Operation] = []

    def add(self, operation: spec.Operation, *shapes: Shape) -> Value:
        """Append an operation; `shapes` are those of its inputs."""
        self.operations.append(operation)
        return Value(len(self.operations), operation.result_shape(*shapes))

    def rank(self, value: Value) -> int:
        """Axes of the graph's tensor."""
        return len(value.shape) + self.lead

    def axis(self, axis: int, value: Value) -> int:
        """Axis of the example for an axis of the graph's tensor."""
        rank = self.rank(value)
        if not -rank <= axis < rank:
            raise UnsupportedError(f"no axis {axis} in {rank} axes")
        example_axis = axis % rank - self.lead
        if example_axis < 0:
            raise NotPerExampleError("works along the batch")
        return example_axis

    def reshape(self, value: Value, shape: Shape) -> Value:
        if shape == value.shape:
            return value
        if math.prod(shape) != math.prod(value.shape):
            raise UnsupportedError(f"cannot reshape {value.shape} to {shape}")
        return self.add(spec.Reshape((value.number,), shape), value.shape)

    def image(self, value: Value, spatial: int) -> Value:
        """The value as (channels, height, width), or (channels, depth, height, width)."""
        shape = value.shape
        if not self.lead:
            if not shape or shape[0] != 1:
                raise UnsupportedError(f"expected one image, got a tensor {shape}")
            shape = shape[1:]
        if len(shape) != 1 + spatial or spatial not in (1, 2, 3):
            raise UnsupportedError(f"expected 1 to 3 spatial axes, got {len(shape) - 1}")
        if spatial == 3:
            return self.reshape(value, shape)
        return self.reshape(value, (shape[0], *(1,) * (2 - spatial), *shape[1:]))

    def from_image(self, value: Value, spatial: int) -> Value:
        """The reverse of `image`."""
        shape = (value.shape[0], *value.shape[3 - spatial if spatial < 3 else 1 :])
        return self.reshape(value, shape if self.lead else (1, *shape))

    def constant(self, array: np.ndarray) -> Value:
        """A constant operand; the batch axis, which it must not have, taken off."""
        array = np.asarray(array)
        if array.dtype.kind != "f":
            raise UnsupportedError(f"expected a float constant, got {array.dtype}")
        return self.add(spec.Tensor((), array.astype(np.float32)))

    def operand(self, operand: Any, rank: int) -> Value:
        """A value, or a constant that meets tensors of `rank` axes."""
        if isinstance(operand, Value):
            return operand
        array = np.asarray(operand)
        if self.lead and array.ndim == rank:
            if array.shape[0] != 1:
                raise NotPerExampleError("a constant differs between the examples of a batch")
            array = array[0]
        return self.constant(array)


Operand = Any  # Value, np.ndarray or None


@dataclasses.dataclass(frozen=True)
class Node:
    """What the functions read of a node."""

    kind: str
    attributes: dict[str, Any]
    opset: int

    def get(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)


def value_of(operand: Operand) -> Value:
    if not isinstance(operand, Value):
        raise UnsupportedError("expected a computed input, got a constant or none")
    return operand


def array_of(operand: Operand, what: str) -> np.ndarray:
    if not isinstance(operand, np.ndarray):
        raise UnsupportedError(f"expected {what} as a constant")
    return operand


def pads(node: Node, sizes: list[int], kernel: list[int]) -> tuple[list[int], list[int]]:
    """Padding before and after each spatial axis."""
    n = len(sizes)
    auto = node.get("auto_pad", b"NOTSET").decode()
    if auto in ("NOTSET", ""):
        pads = node.get("pads", [0] * (2 * n))
        return list(pads[:n]), list(pads[n:])
    strides, dilations = node.get("strides", [1] * n), node.get("dilations", [1] * n)
    before, after = [0] * n, [0] * n
    for i in range(n if auto != "VALID" else 0):
        span = (kernel[i] - 1) * dilations[i] + 1
        total = max((-(-sizes[i] // strides[i]) - 1) * strides[i] + span - sizes[i], 0)
        before[i] = total // 2 if auto == "SAME_UPPER" else total - total // 2
        after[i] = total - before[i]
    return before, after


def combined(graph: Graph, name: str, a: Operand, b: Operand) -> Value:
    rank = max(graph.rank(o) if isinstance(o, Value) else np.ndim(o) for o in (a, b))
    first, second = graph.operand(a, rank), graph.operand(b, rank)
    for value in (a, b):
        if isinstance(value, Value) and graph.rank(value) < rank and graph.lead:
            raise NotPerExampleError("the batch meets another axis")
    combine = spec.Combine((first.number, second.number), name)
    return graph.add(combine, first.shape, second.shape)
