"""ONNX pools, of one to three spatial axes."""

from __future__ import annotations

import math

import numpy as np

from mlfast import spec
from mlfast.nn._onnx_values import Graph, Node, Operand, Value, pads, value_of
from mlfast.nn._windows import windows


def pool(graph: Graph, node: Node, x: Operand) -> Value:
    kernel = list(node.get("kernel_shape", []))
    spatial = len(kernel)
    image = graph.image(value_of(x), spatial)
    sizes = list(image.shape[-spatial:])
    before, after = pads(node, sizes, kernel)
    strides, dilations = node.get("strides", [1] * spatial), node.get("dilations", [1] * spatial)
    counted = node.kind == "MaxPool" or bool(node.get("count_include_pad", 0))
    tables = [
        windows(
            sizes[i], kernel[i], strides[i], (before[i], after[i]), dilations[i],
            bool(node.get("ceil_mode", 0)), counted,
        )
        for i in range(spatial)
    ]  # fmt: skip
    return graph.from_image(_pooled(graph, node, image, tables, list(dilations)), spatial)


def _pooled(
    graph: Graph, node: Node, image: Value, tables: list[np.ndarray], steps: list[int]
) -> Value:
    """Windows of one to three axes; the depth of a volume after its rows and columns."""
    kind = "max" if "Max" in node.kind else "average"
    if len(tables) == 1:
        tables, steps = [_window(1), *tables], [1, *steps]
    if len(tables) == 2:
        rows, columns = tables
        made = spec.Pooling((image.number,), kind, rows, columns, (steps[0], steps[1]))
        return graph.add(made, image.shape)
    channels, depth, height, width = image.shape
    slices = graph.reshape(image, (channels * depth, height, width))
    slices = _pooled(graph, node, slices, tables[1:], steps[1:])
    size = math.prod(slices.shape[1:])
    each = np.stack([np.arange(size), np.arange(size) + 1, np.ones(size, int)], axis=1)
    lines = graph.reshape(slices, (channels, depth, size))
    lines = _pooled(graph, node, lines, [tables[0], each.astype(np.int32)], [steps[0], 1])
    return graph.reshape(lines, (channels, lines.shape[1], *slices.shape[1:]))


def _window(size: int) -> np.ndarray:
    """One window over a whole axis."""
    return np.array([[0, size, size]], np.int32)


def global_pool(graph: Graph, node: Node, x: Operand) -> Value:
    x = value_of(x)
    spatial = graph.rank(x) - 2
    image = graph.image(x, spatial)
    tables = [_window(size) for size in image.shape[1:]]
    return graph.from_image(_pooled(graph, node, image, tables, [1] * len(tables)), spatial)
