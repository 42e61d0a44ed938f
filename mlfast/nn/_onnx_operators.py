"""ONNX operators, each as operations of `spec.Network`.

A function takes the graph, the node (`Node` below) and its inputs: a `Value`, an array for a
constant, or None for an input left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.nn._onnx_values import Graph, NotPerExampleError, Value
from mlfast.nn._windows import windows

Operand = Any  # Value, np.ndarray or None


@dataclasses.dataclass(frozen=True)
class Node:
    """What the functions read of a node."""

    kind: str
    attributes: dict[str, Any]
    opset: int

    def get(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)


def _value(operand: Operand) -> Value:
    if not isinstance(operand, Value):
        raise UnsupportedError("expected a computed input, got a constant or none")
    return operand


def _array(operand: Operand, what: str) -> np.ndarray:
    if not isinstance(operand, np.ndarray):
        raise UnsupportedError(f"expected {what} as a constant")
    return operand


# ---------------------------------------------------------------- weights


def _pads(node: Node, sizes: list[int], kernel: list[int]) -> tuple[list[int], list[int]]:
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


def _convolution(
    graph: Graph, node: Node, x: Operand, weight: Operand, bias: Operand = None
) -> Value:
    weight = _array(weight, "the weight")
    spatial = weight.ndim - 2
    image = graph.image(_value(x), spatial)
    sizes = list(image.shape[3 - spatial :])
    before, after = _pads(node, sizes, list(weight.shape[2:]))
    lost = 2 - spatial  # an axis of length 1 in front of a one-dimensional signal
    before, after = [0] * lost + before, [0] * lost + after
    made = spec.Convolution(
        (image.number,),
        weight.reshape(*weight.shape[:2], *(1,) * lost, *weight.shape[2:]),
        np.zeros(len(weight), np.float32) if bias is None else _array(bias, "the bias"),
        (1,) * lost + tuple(node.get("strides", [1] * spatial)),
        (before[0], before[1], after[0], after[1]),
        (1,) * lost + tuple(node.get("dilations", [1] * spatial)),
        node.get("group", 1),
    )
    return graph.from_image(graph.add(made, image.shape), spatial)


def _gemm(graph: Graph, node: Node, a: Operand, b: Operand, c: Operand = None) -> Value:
    a, weight = _value(a), _array(b, "B").astype(np.float64)
    if node.get("transA", 0):
        axes = (graph.axis(1, a), graph.axis(0, a))
        a = graph.add(spec.Permute((a.number,), axes), a.shape)
    weight = node.get("alpha", 1.0) * (weight if node.get("transB", 0) else weight.T)
    bias = np.zeros(len(weight))
    rest: Operand = None
    if c is not None:
        if isinstance(c, Value):
            if node.get("beta", 1.0) != 1.0:
                raise UnsupportedError("expected beta 1 with a computed C")
            rest = c
            c = 0.0
        added = node.get("beta", 1.0) * np.asarray(c, np.float64)
        if added.ndim < 2 or added.shape[0] == 1:
            bias = np.broadcast_to(added.reshape(-1), bias.shape)
        else:
            rest = added
    dense = spec.Dense((a.number,), weight.astype(np.float32), bias.astype(np.float32))
    result = graph.add(dense, a.shape)
    return result if rest is None else _combined(graph, "add", result, rest)


def _matmul(graph: Graph, node: Node, a: Operand, b: Operand) -> Value:
    if isinstance(a, Value) and isinstance(b, np.ndarray) and graph.rank(a) >= max(b.ndim, 2):
        matrix = b.reshape(b.shape[max(b.ndim - 2, 0) :]) if math.prod(b.shape[:-2]) == 1 else b
        columns = matrix.reshape(len(matrix), -1) if matrix.ndim < 3 else None
        if columns is not None:
            zeros = np.zeros(columns.shape[1], np.float32)
            result = graph.add(spec.Dense((a.number,), columns.T, zeros), a.shape)
            return graph.reshape(result, result.shape[:-1]) if b.ndim == 1 else result
    raise UnsupportedError("expected a computed tensor times a constant matrix")


def _batch_norm(graph: Graph, node: Node, x: Operand, *statistics: Operand) -> Value:
    x = _value(x)
    scale, shift, mean, variance = (_array(s, "statistics").astype(np.float64) for s in statistics)
    if node.get("training_mode", 0):
        raise UnsupportedError("expected training_mode 0")
    factor = scale / np.sqrt(variance + node.get("epsilon", 1e-5))
    shift = shift - mean * factor
    if graph.lead and len(x.shape) >= 1:
        affine = spec.Affine((x.number,), factor.astype(np.float32), shift.astype(np.float32))
        return graph.add(affine, x.shape)
    each = (1, -1, *(1,) * (graph.rank(x) - 2))
    scaled = _combined(graph, "multiply", x, factor.reshape(each))
    return _combined(graph, "add", scaled, shift.reshape(each))


# ---------------------------------------------------------------- pools


def _pool(graph: Graph, node: Node, x: Operand) -> Value:
    kernel = list(node.get("kernel_shape", []))
    spatial = len(kernel)
    image = graph.image(_value(x), spatial)
    sizes = list(image.shape[3 - spatial :])
    before, after = _pads(node, sizes, kernel)
    strides, dilations = node.get("strides", [1] * spatial), node.get("dilations", [1] * spatial)
    counted = node.kind == "MaxPool" or bool(node.get("count_include_pad", 0))
    tables = [np.array([[0, 1, 1]], np.int32)] * (2 - spatial) + [
        windows(
            sizes[i], kernel[i], strides[i], (before[i], after[i]), dilations[i],
            bool(node.get("ceil_mode", 0)), counted,
        )
        for i in range(spatial)
    ]  # fmt: skip
    kind = "max" if node.kind == "MaxPool" else "average"
    steps = tuple([1] * (2 - spatial) + list(dilations))
    made = spec.Pooling((image.number,), kind, tables[0], tables[1], steps)
    return graph.from_image(graph.add(made, image.shape), spatial)


def _global_pool(graph: Graph, node: Node, x: Operand) -> Value:
    x = _value(x)
    spatial = graph.rank(x) - 2
    image = graph.image(x, spatial)
    rows, columns = (np.array([[0, n, n]], np.int32) for n in image.shape[1:])
    kind = "max" if node.kind == "GlobalMaxPool" else "average"
    made = spec.Pooling((image.number,), kind, rows, columns, (1, 1))
    return graph.from_image(graph.add(made, image.shape), spatial)


# ---------------------------------------------------------------- elements


def _activation(graph: Graph, node: Node, x: Operand) -> Value:
    x = _value(x)
    name, a = node.kind.lower(), 0.0
    if node.kind == "LeakyRelu":
        name, a = "leaky_relu", float(node.get("alpha", 0.01))
    return graph.add(spec.Activation((x.number,), name, a), x.shape)


def _clip(graph: Graph, node: Node, x: Operand, low: Operand = None, high: Operand = None) -> Value:
    x = _value(x)
    ends = []
    for operand, attribute, usual in ((low, "min", -math.inf), (high, "max", math.inf)):
        end = node.get(attribute, usual)
        if operand is not None:
            end = _array(operand, attribute).item()
        ends.append(float(end))
    return graph.add(spec.Activation((x.number,), "clip", *ends), x.shape)


def _same(graph: Graph, node: Node, x: Operand, *rest: Operand) -> Operand:
    if node.kind == "Dropout" and any(
        isinstance(r, Value) or (r is not None and r.dtype == bool and r.any()) for r in rest
    ):
        raise UnsupportedError("expected training_mode false")  # fmt: skip
    return x


def _combined(graph: Graph, name: str, a: Operand, b: Operand) -> Value:
    rank = max(graph.rank(o) if isinstance(o, Value) else np.ndim(o) for o in (a, b))
    first, second = graph.operand(a, rank), graph.operand(b, rank)
    for value in (a, b):
        if isinstance(value, Value) and graph.rank(value) < rank and graph.lead:
            raise NotPerExampleError("the batch meets another axis")
    combine = spec.Combine((first.number, second.number), name)
    return graph.add(combine, first.shape, second.shape)


def _combine(graph: Graph, node: Node, *operands: Operand) -> Operand:
    name = "multiply" if node.kind == "Mul" else "add"
    result = operands[0]
    for operand in operands[1:]:
        if "axis" in node.attributes and isinstance(operand, np.ndarray):  # before opset 7
            rank, axis = graph.rank(_value(result)), node.attributes["axis"]
            operand = operand.reshape(*operand.shape, *(1,) * (rank - axis % rank - operand.ndim))
        if isinstance(result, np.ndarray) and isinstance(operand, np.ndarray):
            result = result * operand if name == "multiply" else result + operand
        else:
            result = _combined(graph, name, result, operand)
    return result


def _softmax(graph: Graph, node: Node, x: Operand) -> Value:
    x = _value(x)
    log = node.kind == "LogSoftmax"
    if node.opset >= 13:
        axis = graph.axis(node.get("axis", -1), x)
        return graph.add(spec.Softmax((x.number,), axis, log), x.shape)
    # Before opset 13: over all axes from `axis` on.
    axis = graph.axis(node.get("axis", 1), x)
    flat = graph.reshape(x, (*x.shape[:axis], math.prod(x.shape[axis:])))
    result = graph.add(spec.Softmax((flat.number,), axis, log), flat.shape)
    return graph.reshape(result, x.shape)


# ---------------------------------------------------------------- shapes


def _flatten(graph: Graph, node: Node, x: Operand) -> Value:
    x = _value(x)
    axis = node.get("axis", 1)
    axis = axis + graph.rank(x) if axis < 0 else axis
    if graph.lead:
        if axis != 1:
            raise NotPerExampleError("flattens the batch")
        return graph.reshape(x, (math.prod(x.shape),))
    return graph.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _reshape(graph: Graph, node: Node, x: Operand, shape: Operand = None) -> Operand:
    wanted = (
        [int(n) for n in node.get("shape", ())]
        if shape is None
        else [int(n) for n in _array(shape, "the shape")]
    )
    if isinstance(x, np.ndarray):
        return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(wanted)])
    x = _value(x)
    if graph.lead:
        # The batch stays: 0 copies it, -1 is it when the rest is an example's size.
        rest = wanted[1:]
        size = math.prod(x.shape)
        fixed = math.prod(n for n in rest if n > 0)
        kept = wanted[:1] == [0] or (0 not in rest and -1 not in rest and fixed == size)
        if not kept and not (wanted[:1] == [1] and -1 in rest):
            raise NotPerExampleError("reshapes the batch")
        wanted = rest
    zero_copies = not node.get("allowzero", 0)
    first = 1 if graph.lead else 0
    if zero_copies:
        wanted = [x.shape[i + first - graph.lead] if n == 0 else n for i, n in enumerate(wanted)]
    if wanted.count(-1) == 1:
        known = math.prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = math.prod(x.shape) // max(known, 1)
    if any(n < 0 for n in wanted):
        raise UnsupportedError(f"cannot reshape {x.shape} to {wanted}")
    return graph.reshape(x, tuple(wanted))


def _transpose(graph: Graph, node: Node, x: Operand) -> Operand:
    if isinstance(x, np.ndarray):
        return x.transpose(node.get("perm", None))
    x = _value(x)
    rank = graph.rank(x)
    axes = list(node.get("perm", range(rank)[::-1]))
    if graph.lead and axes[0] != 0:
        raise NotPerExampleError("moves the batch")
    axes = [axis - graph.lead for axis in axes[graph.lead :]]
    return graph.add(spec.Permute((x.number,), tuple(axes)), x.shape)


OPERATORS: dict[str, Callable[..., Operand]] = {
    "Conv": _convolution, "Gemm": _gemm, "MatMul": _matmul, "BatchNormalization": _batch_norm,
    "MaxPool": _pool, "AveragePool": _pool, "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool, "Relu": _activation, "LeakyRelu": _activation,
    "Sigmoid": _activation, "Tanh": _activation, "Clip": _clip, "Identity": _same,
    "Dropout": _same, "Add": _combine, "Mul": _combine, "Sum": _combine, "Softmax": _softmax,
    "LogSoftmax": _softmax, "Flatten": _flatten, "Reshape": _reshape, "Transpose": _transpose,
}  # fmt: skip
