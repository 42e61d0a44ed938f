"""ONNX operators with weights: convolutions, matrix products, batch norms."""

from __future__ import annotations

import math

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.nn._onnx_values import (
    Graph,
    Node,
    NotPerExampleError,
    Operand,
    Value,
    array_of,
    combined,
    pads,
    value_of,
)


def convolution(
    graph: Graph, node: Node, x: Operand, weight: Operand, bias: Operand = None
) -> Value:
    weight = array_of(weight, "the weight")
    spatial = weight.ndim - 2
    image = graph.image(value_of(x), spatial)
    sizes = list(image.shape[-spatial:])
    before, after = pads(node, sizes, list(weight.shape[2:]))
    if spatial == 3:
        volume = spec.Convolution3d(
            (image.number,), weight,
            np.zeros(len(weight), np.float32) if bias is None else array_of(bias, "the bias"),
            tuple(node.get("strides", [1] * 3)), (*before, *after),  # type: ignore[arg-type]
            tuple(node.get("dilations", [1] * 3)), node.get("group", 1),
        )  # fmt: skip
        return graph.from_image(graph.add(volume, image.shape), spatial)
    lost = 2 - spatial  # an axis of length 1 in front of a one-dimensional signal
    before, after = [0] * lost + before, [0] * lost + after
    made = spec.Convolution(
        (image.number,),
        weight.reshape(*weight.shape[:2], *(1,) * lost, *weight.shape[2:]),
        np.zeros(len(weight), np.float32) if bias is None else array_of(bias, "the bias"),
        (1,) * lost + tuple(node.get("strides", [1] * spatial)),
        (before[0], before[1], after[0], after[1]),
        (1,) * lost + tuple(node.get("dilations", [1] * spatial)),
        node.get("group", 1),
    )
    return graph.from_image(graph.add(made, image.shape), spatial)


def gemm(graph: Graph, node: Node, a: Operand, b: Operand, c: Operand = None) -> Value:
    a, weight = value_of(a), array_of(b, "B").astype(np.float64)
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
    return result if rest is None else combined(graph, "add", result, rest)


def matmul(graph: Graph, node: Node, a: Operand, b: Operand) -> Value:
    if isinstance(a, np.ndarray) and isinstance(b, Value) and a.ndim > 1 and graph.rank(b) > 1:
        return _swapped(graph, matmul(graph, node, _swapped(graph, b), a.swapaxes(-1, -2)))
    if not isinstance(a, Value) or not isinstance(b, np.ndarray) or b.ndim == 0:
        raise UnsupportedError("expected one computed and one constant factor")
    if len(a.shape) == 0:
        raise NotPerExampleError("multiplies the batch")
    if b.ndim > 2 and (math.prod(b.shape[:-2]) > 1 or graph.rank(a) < b.ndim):
        return _stack_matmul(graph, a, b)
    columns = b.reshape(-1, 1) if b.ndim == 1 else b.reshape(b.shape[-2:])
    zeros = np.zeros(columns.shape[1], np.float32)
    result = graph.add(spec.Dense((a.number,), columns.T, zeros), a.shape)
    return graph.reshape(result, result.shape[:-1]) if b.ndim == 1 else result


def _swapped(graph: Graph, x: Value) -> Value:
    """The last two axes in the other order."""
    if len(x.shape) < 2:
        raise NotPerExampleError("moves the batch")
    axes = list(range(len(x.shape)))
    axes[-2:] = axes[:-3:-1]
    return graph.add(spec.Permute((x.number,), tuple(axes)), x.shape)


def _stack_matmul(graph: Graph, a: Value, b: np.ndarray) -> Value:
    """Each matrix of a stack times its own constant one: a convolution in groups."""
    if graph.lead:
        raise NotPerExampleError("multiplies by a stack of matrices")
    left = graph.reshape(a, (1, *a.shape)) if len(a.shape) == 1 else a
    stack = np.broadcast_shapes(left.shape[:-2], b.shape[:-2])
    if left.shape[:-2] != stack:
        ones = np.ones((*stack, 1, 1), np.float32)
        left = combined(graph, "multiply", left, ones)
    n, inner = left.shape[-2:]
    count, outer = math.prod(stack), b.shape[-1]
    if b.shape[-2] != inner:
        raise UnsupportedError(f"cannot multiply {a.shape} and {b.shape}")
    matrices = np.broadcast_to(b, (*stack, inner, outer)).reshape(count, inner, outer)
    columns = _swapped(graph, graph.reshape(left, (count, n, inner)))
    image = graph.reshape(columns, (count * inner, 1, n))
    weight = matrices.swapaxes(1, 2).reshape(count * outer, inner, 1, 1).astype(np.float32)
    product = spec.Convolution(
        (image.number,), weight, np.zeros(len(weight), np.float32), (1, 1), (0, 0, 0, 0), (1, 1),
        count,
    )  # fmt: skip
    rows = graph.reshape(graph.add(product, image.shape), (count, outer, n))
    result = graph.reshape(_swapped(graph, rows), (*stack, n, outer))
    return graph.reshape(result, (*stack, outer)) if len(a.shape) == 1 else result


def batch_norm(graph: Graph, node: Node, x: Operand, *statistics: Operand) -> Value:
    x = value_of(x)
    scale, shift, mean, variance = (
        array_of(s, "statistics").astype(np.float64) for s in statistics
    )
    if node.get("training_mode", 0):
        raise UnsupportedError("expected training_mode 0")
    factor = scale / np.sqrt(variance + node.get("epsilon", 1e-5))
    shift = shift - mean * factor
    if graph.lead and len(x.shape) >= 1:
        affine = spec.Affine((x.number,), factor.astype(np.float32), shift.astype(np.float32))
        return graph.add(affine, x.shape)
    each = (1, -1, *(1,) * (graph.rank(x) - 2))
    scaled = combined(graph, "multiply", x, factor.reshape(each))
    return combined(graph, "add", scaled, shift.reshape(each))
