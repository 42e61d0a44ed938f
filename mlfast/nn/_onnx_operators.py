"""ONNX operators, each as operations of `spec.Network`.

A function takes the graph, the node  and its inputs: a `Value`, an array for a
constant, or None for an input left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.nn._onnx_pools import global_pool, pool
from mlfast.nn._onnx_values import (
    Graph,
    Node,
    NotPerExampleError,
    Operand,
    Value,
    array_of,
    combined,
    value_of,
)
from mlfast.nn._onnx_weights import batch_norm, convolution, gemm, matmul

# ---------------------------------------------------------------- elements


def _activation(graph: Graph, node: Node, x: Operand) -> Value:
    x = value_of(x)
    name, a = node.kind.lower(), 0.0
    if node.kind == "LeakyRelu":
        name, a = "leaky_relu", float(node.get("alpha", 0.01))
    return graph.add(spec.Activation((x.number,), name, a), x.shape)


def _clip(graph: Graph, node: Node, x: Operand, low: Operand = None, high: Operand = None) -> Value:
    x = value_of(x)
    ends = []
    for operand, attribute, usual in ((low, "min", -math.inf), (high, "max", math.inf)):
        end = node.get(attribute, usual)
        if operand is not None:
            end = array_of(operand, attribute).item()
        ends.append(float(end))
    return graph.add(spec.Activation((x.number,), "clip", *ends), x.shape)


def _same(graph: Graph, node: Node, x: Operand, *rest: Operand) -> Operand:
    if node.kind != "Dropout":
        return x
    ratio, training = (*rest, None, None)[:2]
    if isinstance(training, Value) or isinstance(ratio, Value):
        raise UnsupportedError("expected ratio and training_mode as constants")
    if training is not None and training.any() and (ratio is None or ratio.any()):
        raise UnsupportedError("expected training_mode false: its result is random")
    return x


def _combine(graph: Graph, node: Node, *operands: Operand) -> Operand:
    name = "multiply" if node.kind == "Mul" else "add"
    result = operands[0]
    for operand in operands[1:]:
        if "axis" in node.attributes and isinstance(operand, np.ndarray):  # before opset 7
            rank, axis = graph.rank(value_of(result)), node.attributes["axis"]
            operand = operand.reshape(*operand.shape, *(1,) * (rank - axis % rank - operand.ndim))
        if isinstance(result, np.ndarray) and isinstance(operand, np.ndarray):
            result = result * operand if name == "multiply" else result + operand
        else:
            result = combined(graph, name, result, operand)
    return result


def _softmax(graph: Graph, node: Node, x: Operand) -> Value:
    x = value_of(x)
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
    x = value_of(x)
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
        else [int(n) for n in array_of(shape, "the shape")]
    )
    if isinstance(x, np.ndarray):
        return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(wanted)])
    x = value_of(x)
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
    x = value_of(x)
    rank = graph.rank(x)
    axes = list(node.get("perm", range(rank)[::-1]))
    if graph.lead and axes[0] != 0:
        raise NotPerExampleError("moves the batch")
    axes = [axis - graph.lead for axis in axes[graph.lead :]]
    return graph.add(spec.Permute((x.number,), tuple(axes)), x.shape)


OPERATORS: dict[str, Callable[..., Operand]] = {
    "Conv": convolution, "Gemm": gemm, "MatMul": matmul, "BatchNormalization": batch_norm,
    "MaxPool": pool, "AveragePool": pool, "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool, "Relu": _activation, "LeakyRelu": _activation,
    "Sigmoid": _activation, "Tanh": _activation, "Clip": _clip, "Identity": _same,
    "Dropout": _same, "Add": _combine, "Mul": _combine, "Sum": _combine, "Softmax": _softmax,
    "LogSoftmax": _softmax, "Flatten": _flatten, "Reshape": _reshape, "Transpose": _transpose,
}  # fmt: skip
