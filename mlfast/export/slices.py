"""Trees as lists of splits, children first, for templates/slices.c."""

from __future__ import annotations

import numpy as np

from mlfast.export import tables
from mlfast.spec import TreeEnsemble
from mlfast.spec.trees import MEMBER

MOST_LEAVES = 128
NEVER = 2**31 - 1  # a rank that no value reaches
MOST_RANK = 255  # of a column: ranks are bytes
#: Splits that are worked out for many rows as fast as a walk goes down one level.
SPLITS_A_LEVEL = 8
FEW = 16  # rows that a walk answers sooner
_SLICE = np.dtype(
    [("entry", "<u2"), ("left", "<u1"), ("right", "<u1"), ("key", "<u1"), ("unused", "<u1")]
)


def fits(e: TreeEnsemble, key: np.ndarray, heights: np.ndarray) -> bool:
    """Whether every tree can be sliced, and whether that is faster.

    Parameters
    ----------
    e : TreeEnsemble
    key : int64 (n_nodes,)
        Ranks of the splits.
    heights : int64 (n_trees,)
    """
    inner = e.feature >= 0
    splits = np.add.reduceat(inner, e.tree_offsets[:-1]) if e.n_trees else np.zeros(0)
    return (
        e.n_trees > 0
        and e.input_dtype == "float64"
        and e.n_nodes < 2**31
        and not np.any(inner & (e.comparison == MEMBER))
        and key[inner & (key < NEVER)].max(initial=0) < MOST_RANK
        and splits.max() < MOST_LEAVES
        and splits.sum() <= SPLITS_A_LEVEL * heights.sum()
    )


def source(e: TreeEnsemble, key: np.ndarray, entry: np.ndarray) -> str:
    """The tables, where a split's result is numbered after all leaves' own numbers."""
    inner = e.feature >= 0
    first_leaf, first_split = (
        np.concatenate(([0], np.cumsum(which)))[e.tree_offsets] for which in (~inner, inner)
    )
    most_leaves, most_splits = int(np.diff(first_leaf).max()), int(np.diff(first_split).max())
    tree = np.repeat(np.arange(e.n_trees), np.diff(e.tree_offsets))
    of = tree[inner]
    place = first_split[of] + first_split[of + 1] - 1 - np.arange(len(of))  # backwards
    number = np.empty(e.n_nodes, np.int64)
    number[~inner] = np.arange(first_leaf[-1]) - first_leaf[tree[~inner]]
    number[inner] = most_leaves + place - first_split[of]
    slices = np.zeros(max(len(of), 1), _SLICE)
    start = e.tree_offsets[of]
    slices["key"][place] = np.minimum(key[inner], MOST_RANK)
    slices["entry"][place] = entry[inner]
    slices["left"][place] = number[start + e.left[inner]]
    slices["right"][place] = number[start + e.right[inner]]
    macros = {
        "TREES_MOST_LEAVES": most_leaves,
        "TREES_MOST_SPLITS": max(most_splits, 1),
        "TREES_FEW": FEW,
    }
    return (
        "".join(f"#define {name} {value}\n" for name, value in macros.items())
        + "typedef struct trees_slice { uint16_t entry; uint8_t left, right, key, unused; } "
        + "trees_slice;\n\n"
        + tables.structs("trees_slices", "trees_slice", slices)
        + tables.array("trees_first_slice", first_split.astype(np.int32))
        + tables.array("trees_first_leaf", first_leaf[:-1].astype(np.uint32))
    )
