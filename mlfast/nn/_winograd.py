"""Convolutions of 3 x 3 taps by Winograd's method: native/nn_winograd_kernel.c."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.nn._fuse import Node

#: Of the weights: G g G' are the 16 points of a tile.
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
POINTS = 16

#: Cycles of a pair of vectors of an input channel, of a tile of a vector of output channels, and
#: of a product of matrices besides its multiply-adds, with one more for each of its sums.
INPUT, OUTPUT, PRODUCT = 25, 20, 15

#: Weights of more bytes are beyond the second-level cache: there are 16 for the 9 of the direct
#: convolution, so that reading them costs what the multiplications save.
MOST = 1 << 20

Fields = dict[str, Any]


def takes(c: spec.Convolution) -> bool:
    """Whether a convolution is one that the kernel does, and does well."""
    points = 4 * POINTS * c.weight.shape[0] * c.weight.shape[1]
    return (
        c.weight.shape[2:] == (3, 3)
        and points <= MOST
        and c.groups == c.stride[0] == c.stride[1] == c.dilation[0] == c.dilation[1] == 1
    )


def lower(node: Node, c: spec.Convolution, direct: Fields, kernels: Mapping[str, int]) -> Fields:
    """Fields of the mlf_nn_op, from those of the direct convolution that it falls back on."""
    n_out, n_in = c.weight.shape[:2]
    block, vector = kernels["block"], kernels["width"]
    side = 2 // node.pool
    tile_rows, tile_columns = (-(-size // side) for size in node.shape[1:])
    pieces = -(-tile_columns // min(kernels["max_tile"], vector - 1))
    columns = -(-tile_columns // pieces)
    rows = min(tile_rows, kernels["max_tile"] // columns)
    n_items = -(-tile_rows // rows)
    n_blocks = -(-n_out // block)
    vectors = 2 if n_out % block == 0 or n_out % block > vector else 1
    with np.errstate(all="ignore"):
        points = (G @ c.weight.astype(np.float64) @ G.T).astype(np.float32)
    padded = np.zeros((n_blocks * block, n_in, POINTS), np.float32)
    padded[:n_out] = points.reshape(n_out, n_in, POINTS)
    packed = padded.reshape(n_blocks, block, n_in, POINTS).transpose(0, 3, 2, 1)
    both = np.concatenate([packed.reshape(-1), direct["weights"].reshape(-1)])
    tiles = tile_rows * tile_columns
    pairs = tile_rows * pieces / (2 if vector == 16 and columns < 8 else 1)
    sums = rows * columns * vectors
    product = n_in * max(sums / 2, 4) + sums + PRODUCT
    cycles = n_items * pieces * n_blocks * POINTS * product
    times = n_blocks if n_in > kernels["winograd_channels"] else 1  # that they are transformed
    cycles += n_in * pairs * times * INPUT + tiles * n_blocks * vectors * OUTPUT
    return direct | {
        "kind": "CONV_WINOGRAD", "weights": both, "tile": columns, "tile_rows": rows,
        "n_items": n_items, "cycles": cycles + direct["cycles_around"],
    }  # fmt: skip
