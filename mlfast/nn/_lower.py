"""A `spec.Network` to the flat list of operations that native/nn.h runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import SpecError
from mlfast.nn import _convolution
from mlfast.nn._fuse import Node, fuse, is_max_pool_2

ARENA, INPUT, OUTPUT = 0, 1, 2
ALIGNMENT = 16  # floats
POINTWISE_ITEM = 1024  # ITEM of nn_pointwise_kernel.c
CYCLES_PER_NS = 2.4  # a usual processor: decides only whether threads are worth their cost

Fields = dict[str, Any]
Place = tuple[int, int]


@dataclasses.dataclass
class Lowered:
    """Everything that `_nn.Plan` is made of."""

    operations: list[Fields]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    arena: int
    tail: int
    cut: Place
    cut_size: int
    rows_work: int


def lower(network: spec.Network, kernels: Mapping[str, int]) -> Lowered:
    """Choose kernels, pack weights and place every array.

    `kernels` says what the instruction set's kernels are made for (`_nn.kernels`).
    """
    nodes, result = fuse(network)
    if result is None or isinstance(result.operation, spec.Tensor):
        copied = spec.Reshape((0,), network.shapes[-1])
        result = Node(copied, [result], [network.shapes[-1]], network.shapes[-1])
        nodes.append(result)
    nodes = [n for n in nodes if not isinstance(n.operation, spec.Tensor)]
    operations = [_lower_node(node, kernels) for node in nodes]
    arena = _place(nodes, operations, result)
    tail, rows_work = _tail(nodes, operations, kernels)
    cut = operations[tail]["in"] if tail < len(operations) else (INPUT, 0)
    cut_size = math.prod(nodes[tail].shapes[0]) if tail < len(operations) else 0
    shapes = network.shapes
    return Lowered(
        operations, network.input_shape, shapes[-1], arena, tail, cut, cut_size, rows_work
    )


def _lower_node(node: Node, kernels: Mapping[str, int]) -> Fields:
    operation = node.operation
    match operation:
        case spec.Convolution():
            fields = _convolution.lower(node, kernels)
        case spec.Convolution3d():
            fields = _convolution.lower_volume(node)
        case spec.Dense():
            fields = _dense(node, operation, kernels)
        case spec.Pooling():
            fields = _pooling(node, operation)
        case spec.Activation():
            n = math.prod(node.shape)
            number = spec.network.ACTIVATIONS.index(operation.name)
            slow = 4 if number > 2 else 1
            fields = {
                "kind": "ACTIVATION", "activation": number, "a": operation.a, "b": operation.b,
                "shape": (n, 1, 1, 1), "n_items": -(-n // POINTWISE_ITEM), "cycles": slow * n / 4,
            }  # fmt: skip
        case spec.Softmax():
            before, after = node.shape[: operation.axis], node.shape[operation.axis + 1 :]
            outer, n, inner = math.prod(before), node.shape[operation.axis], math.prod(after)
            fields = {
                "kind": "SOFTMAX", "a": float(operation.log), "shape": (outer, n, inner, 1),
                "n_items": outer, "cycles": 3 * outer * n * inner,
                "work_floats": outer * n if inner > 1 else 0,
            }  # fmt: skip
        case spec.Combine():
            fields = _combine(node, operation)
        case spec.Permute():
            fields = _permute(node, operation)
        case _:
            n = math.prod(node.shape)
            fields = {
                "kind": "COPY", "shape": (n, 1, 1, 1), "n_items": -(-n // POINTWISE_ITEM),
                "cycles": n / 8,
            }  # fmt: skip
    for source in node.inputs:
        if source is not None and isinstance(source.operation, spec.Tensor):
            fields["weights"] = source.operation.value
    fields["shape_out"], fields["numbers"] = node.shape, node.numbers
    return fields


def _is_constant(node: Node | None) -> bool:
    return node is not None and isinstance(node.operation, spec.Tensor)


def _dense(node: Node, dense: spec.Dense, kernels: Mapping[str, int]) -> Fields:
    n_out, n_in = dense.weight.shape
    vector, block = kernels["width"], kernels["block"]
    rows = math.prod(node.shape[:-1])
    fields: Fields = {
        "channels": n_in, "out_channels": n_out, "height": rows, "activation": int(node.relu),
    }  # fmt: skip
    if n_out <= block and n_in >= 2 * vector:
        weights, bias = _padded(dense, vector, vector)
        return fields | {
            "kind": "ROW_DOTS", "weights": weights, "bias": bias,
            "n_items": rows * len(bias) // vector,
            "cycles": rows * (weights.size / vector / 2 + 40),
        }  # fmt: skip
    padded, bias = _padded(dense, block, 1)
    n_blocks = len(bias) // block
    packed = padded.reshape(n_blocks, block, n_in).transpose(0, 2, 1)
    fields |= {
        "kind": "LINEAR_EACH", "weights": np.ascontiguousarray(packed), "bias": bias,
        "n_items": rows * n_blocks, "cycles": rows * padded.size / 10,
    }  # fmt: skip
    if rows > 1:
        return fields
    before = node.inputs[0]
    # 0 * x is 0 for finite weights alone.
    skip = before is not None and before.relu and bool(np.isfinite(dense.weight).all())
    return fields | {
        "kind": "LINEAR", "skip_zeros": int(skip), "work_floats": n_in + 1 if skip else 0,
        "rows_floats": n_in * kernels["max_rows"] + vector,
    }  # fmt: skip


def _padded(dense: spec.Dense, out: int, into: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias, zeros added up to multiples of `out` outputs and `into` inputs."""
    n_out, n_in = dense.weight.shape
    weight = np.zeros((-(-n_out // out) * out, -(-n_in // into) * into), np.float32)
    weight[:n_out, :n_in] = dense.weight
    bias = np.zeros(len(weight), np.float32)
    bias[:n_out] = dense.bias
    return weight, bias


def _pooling(node: Node, pooling: spec.Pooling) -> Fields:
    channels, height, width = node.shapes[0]
    fast = is_max_pool_2(pooling)
    kind = "MAX_POOL_2" if fast else "MAX_POOL" if pooling.kind == "max" else "AVERAGE_POOL"
    window = (pooling.rows[0, 1] - pooling.rows[0, 0]) * (
        pooling.columns[0, 1] - pooling.columns[0, 0]
    )
    return {
        "kind": kind, "channels": channels, "height": height, "width": width,
        "out_channels": channels, "out_height": node.shape[1], "out_width": node.shape[2],
        "windows": np.concatenate([pooling.rows, pooling.columns]).astype(np.int32),
        "dilation_h": pooling.dilation[0], "dilation_w": pooling.dilation[1],
        "activation": int(node.relu), "n_items": channels,
        "cycles": math.prod(node.shape) * (0.5 if fast else 2.0 * float(window)),
    }  # fmt: skip


def _combine(node: Node, combine: spec.Combine) -> Fields:
    """The axes of both operands, neighbours merged where both allow it, as four axes."""
    shape = node.shape
    strides = []
    for operand in node.shapes:
        full = (1,) * (len(shape) - len(operand)) + tuple(operand)
        steps = np.cumprod((1, *full[:0:-1]))[::-1][: len(full)]  # none of a scalar
        strides.append([0 if n == 1 else int(step) for n, step in zip(full, steps, strict=True)])
    axes: list[list[int]] = []  # (size, stride, stride), outermost first
    for size, a, b in zip(shape, *strides, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == a * size and axes[-1][2] == b * size:
            axes[-1] = [axes[-1][0] * size, a, b]
        else:
            axes.append([size, a, b])
    axes = [[1, 0, 0]] * (4 - len(axes)) + axes
    if len(axes) > 4:
        raise SpecError(f"Combine: shapes {node.shapes} have too many different axes")
    if axes[0][0] == axes[1][0] == 1 and axes[2][0] > 1:  # items are indices of the first axis
        axes = [axes[2], axes[0], axes[1], axes[3]]
    first, second = [axis[1] for axis in axes], [axis[2] for axis in axes]
    if _is_constant(node.inputs[0]):  # the constant is the kernel's second operand
        first, second = second, first
    return {
        "kind": "ADD" if combine.name == "add" else "MULTIPLY",
        "shape": tuple(axis[0] for axis in axes), "in_strides": first, "other_strides": second,
        "n_items": axes[0][0], "cycles": math.prod(shape) / 4,
    }  # fmt: skip


def _permute(node: Node, permute: spec.Permute) -> Fields:
    """A product with one, read in another order."""
    shape = node.shapes[0]
    steps = np.cumprod((1, *shape[:0:-1]))[::-1]
    axes = [1] * (4 - len(shape)) + [int(n) for n in node.shape]
    strides = [0] * (4 - len(shape)) + [int(steps[axis]) for axis in permute.axes]
    return {
        "kind": "MULTIPLY", "shape": tuple(axes), "in_strides": strides,
        "other_strides": [0] * 4, "weights": np.ones(1, np.float32), "n_items": axes[0],
        "cycles": 2 * math.prod(shape),
    }  # fmt: skip


def _place(nodes: list[Node], operations: list[Fields], result: Node) -> int:
    """Give every array a place: the lowest that is free for as long as the array lives."""
    number = {id(node): i for i, node in enumerate(nodes)}
    last_use = list(range(len(nodes)))
    for i, node in enumerate(nodes):
        for source in node.inputs:
            if id(source) in number:
                last_use[number[id(source)]] = i
    live: list[tuple[int, int, int]] = []  # (end of life, begin, end)
    arena = 0

    def allocate(floats: int, until: int, now: int) -> Place:
        nonlocal live, arena
        size = -(-floats // ALIGNMENT) * ALIGNMENT
        live = [entry for entry in live if entry[0] >= now]
        at = 0
        for _, begin, end in sorted(live, key=lambda entry: entry[1]):
            if begin - at >= size:
                break
            at = max(at, end)
        live.append((until, at, at + size))
        arena = max(arena, at + size)
        return ARENA, at

    places: dict[int, Place] = {}
    for i, (node, fields) in enumerate(zip(nodes, operations, strict=True)):
        read = [
            (INPUT, 0) if n is None else places[id(n)] for n in node.inputs if not _is_constant(n)
        ]
        fields["in"] = read[0] if read else (INPUT, 0)
        fields["other"] = read[1] if len(read) > 1 else (INPUT, 0)
        fields["work"] = allocate(fields.get("work_floats", 0), i, i)
        if node is result:
            places[id(node)] = (OUTPUT, 0)
        else:
            places[id(node)] = allocate(math.prod(node.shape), last_use[i], i)
        fields["out"] = places[id(node)]
    return arena


def _tail(
    nodes: list[Node], operations: list[Fields], kernels: Mapping[str, int]
) -> tuple[int, int]:
    """The first operation of the part that takes several examples at once, and its work."""
    for tail, fields in enumerate(operations):
        if fields["kind"] != "LINEAR":
            continue
        later = {id(node) for node in nodes[tail:]} | {id(nodes[tail].inputs[0])}
        if all(id(n) in later or _is_constant(n) for node in nodes[tail:] for n in node.inputs):
            return tail, max(f.get("rows_floats", 0) for f in operations[tail:])
        break
    return len(operations), 0
