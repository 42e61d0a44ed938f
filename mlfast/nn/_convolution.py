"""Convolutions for their kernels: geometry, packed weights, and which of them is fastest.

The layouts are those of native/nn_gather_kernel.c, nn_planes_kernel.c and
nn_channels_kernel.c; Winograd's is in _winograd.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.nn import _winograd
from mlfast.nn._fuse import Node

#: Cycles that gathering a float, and transposing one of the result, take about.
GATHER, TRANSPOSE = 0.4, 0.3

Fields = dict[str, Any]


def lower(node: Node, kernels: Mapping[str, int]) -> Fields:
    """Fields of the mlf_nn_op for a convolution node."""
    c = node.operation
    assert isinstance(c, spec.Convolution)
    channels, height, width = node.shapes[0]
    out_channels, out_height, out_width = node.shape
    common: Fields = {
        "channels": channels, "height": height, "width": width,
        "out_channels": out_channels, "out_height": out_height, "out_width": out_width,
        "groups": c.groups, "pool": node.pool, "n_taps": c.weight.shape[2] * c.weight.shape[3],
        "pad_top": c.padding[0], "pad_left": c.padding[1], "activation": int(node.relu),
        "dilation_h": c.dilation[0], "dilation_w": c.dilation[1],
    }  # fmt: skip
    options = [_channels(node, c, kernels), _planes(node, c, kernels)]
    if _winograd.takes(c):
        options.append(_winograd.lower(node, c, options[0], kernels))
    return common | min(options, key=lambda option: float(option["cycles"]))


def lower_volume(node: Node) -> Fields:
    """Fields of the mlf_nn_op for a convolution of volumes: nn_volume_kernel.c."""
    c = node.operation
    assert isinstance(c, spec.Convolution3d)
    channels, depth, height, width = node.shapes[0]
    out_channels, out_depth, out_height, out_width = node.shape
    taps = c.weight.shape[2:]
    n_taps = int(np.prod(taps))
    return {
        "kind": "CONV_VOLUME", "weights": c.weight, "bias": c.bias, "groups": c.groups,
        "channels": channels, "height": height, "width": width, "out_channels": out_channels,
        "out_height": out_height, "out_width": out_width, "n_taps": n_taps,
        "pad_top": c.padding[1], "pad_left": c.padding[2],
        "shape": (depth, out_depth, taps[0], taps[1]), "in_strides": (*c.stride, taps[2]),
        "other_strides": (*c.dilation, c.padding[0]), "n_items": out_channels * out_depth,
        "cycles": float(np.prod(node.shape)) * c.weight.shape[1] * n_taps / 4,
    }  # fmt: skip


def _pack(weight: np.ndarray, bias: np.ndarray, groups: int, block: int) -> Fields:
    """weights[group][block][in][tap][block], bias[group][block][block]; zeros fill the blocks."""
    n_out, n_in = weight.shape[:2]
    per_group = n_out // groups
    n_blocks = -(-per_group // block)
    padded = np.zeros((groups, n_blocks * block, n_in, weight[0, 0].size), np.float32)
    padded[:, :per_group] = weight.reshape(groups, per_group, n_in, -1)
    biases = np.zeros((groups, n_blocks * block), np.float32)
    biases[:, :per_group] = bias.reshape(groups, per_group)
    packed = padded.reshape(groups * n_blocks, block, n_in, -1).transpose(0, 2, 3, 1)
    return {"weights": np.ascontiguousarray(packed), "bias": biases}


def _tap_positions(c: spec.Convolution) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each tap in the padded image, for the first output pixel."""
    rows = np.arange(c.weight.shape[2]) * c.dilation[0]
    columns = np.arange(c.weight.shape[3]) * c.dilation[1]
    return np.repeat(rows, len(columns)), np.tile(columns, len(rows))


def _channels(node: Node, c: spec.Convolution, kernels: Mapping[str, int]) -> Fields:
    """Vectors over output channels; a strided image is split into columns of one phase each."""
    channels, height, width = node.shapes[0]
    n_out, n_in = c.weight.shape[:2]
    block, vector = kernels["block"], kernels["width"]
    step = c.stride[1]
    tap_rows, tap_columns = _tap_positions(c)
    fields: Fields = {"kind": "CONV_CHANNELS"}
    if step == 1 and not any(c.padding):
        rows, columns = height, width
        fields |= {"n_shifts": 0, "work_floats": 0}
    else:
        rows = height + c.padding[0] + c.padding[2]
        columns = -(-(width + c.padding[1] + c.padding[3]) // step)
        fields |= {
            "n_shifts": step, "shifts": np.arange(step, dtype=np.int32), "row_phases": 1,
            "column_step": step, "rows": rows, "columns": columns,
            "work_floats": channels * step * rows * columns,
        }  # fmt: skip
    phase = tap_columns % step
    taps = (phase * rows + tap_rows) * columns + tap_columns // step
    out_width = node.shape[2] * node.pool
    strip = min(out_width, 64)
    tile = -(-strip // -(-strip // kernels["max_tile"]))
    per_group = n_out // c.groups
    n_blocks = -(-per_group // block)
    vectors = 2 if per_group % block == 0 or per_group % block > vector else 1
    cycles_tap = max(tile * vectors / 2, (tile + vectors + 1) / 2, 4)
    tiles = -(-out_width // tile) * node.shape[1] * node.pool
    cycles = c.groups * n_blocks * n_in * len(taps) * tiles * cycles_tap
    around = TRANSPOSE * np.prod(node.shape) * node.pool + GATHER * fields["work_floats"]
    return fields | _pack(c.weight, c.bias, c.groups, block) | {
        "taps": taps.astype(np.int32), "tile": tile, "plane": max(step, 1) * rows * columns,
        "row_step": c.stride[0] * columns, "n_items": c.groups * n_blocks * node.shape[1],
        "cycles": cycles + around, "cycles_around": around,
    }  # fmt: skip


def _planes(node: Node, c: spec.Convolution, kernels: Mapping[str, int]) -> Fields:
    """Vectors over positions, each tap's values side by side in a plane."""
    channels = node.shapes[0][0]
    n_out, n_in = c.weight.shape[:2]
    block, vector = kernels["plane_channels"], kernels["width"]
    out_height, out_width = node.shape[1:]
    row_step, column_step = c.stride[0] * node.pool, c.stride[1] * node.pool
    # Places of a pooling window; without a pool the four vectors differ in position alone.
    window = np.arange(4 if node.pool == 2 else 1)
    tap_rows, tap_columns = _tap_positions(c)
    t = tap_rows[:, None] + (window // 2) * c.stride[0]
    s = tap_columns[:, None] + (window % 2) * c.stride[1]
    shifts = np.unique(s)
    rows = int((t // row_step).max()) + out_height
    plane = row_step * len(shifts) * rows * out_width
    taps = (t % row_step * len(shifts) + np.searchsorted(shifts, s)) * rows + t // row_step
    taps = np.broadcast_to(taps * out_width, (len(taps), 4)).copy()
    step = vector
    if node.pool == 1:
        taps += np.arange(4) * vector
        step = 4 * vector
    n_steps = -(-out_height * out_width // step)
    per_group = n_out // c.groups
    n_blocks = -(-per_group // block)
    whole, rest = divmod(per_group, block)
    cycles_tap = sum(
        n * max(2 * size, (4 + size) / 2, 4) for n, size in ((whole, block), (1, rest)) if size
    )
    work = channels * plane + 8 * vector
    cycles = c.groups * n_in * len(taps) * n_steps * cycles_tap + GATHER * work
    if work > 8192:  # beyond half of the first-level cache the loads take longer
        cycles *= 1.3
    return _pack(c.weight, c.bias, c.groups, block) | {
        "kind": "CONV_PLANES", "taps": taps.astype(np.int32), "tile": 0, "plane": plane,
        "row_step": 0, "n_shifts": len(shifts), "shifts": shifts.astype(np.int32),
        "row_phases": row_step, "column_step": column_step, "rows": rows, "columns": out_width,
        "work_floats": work, "n_items": c.groups * n_blocks * n_steps, "cycles": cycles,
    }  # fmt: skip
