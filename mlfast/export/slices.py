"""Trees as lists of splits, children first, for templates/slices.c."""

from __future__ import annotations

import dataclasses

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
    [("entry", "<u2"), ("left", "<u1"), ("right", "<u1"), ("key", "<u1"), ("count", "<u1")]
)


@dataclasses.dataclass
class Trees:
    """What slicing reads of the tables for the walk (export/trees.py).

    Parameters
    ----------
    e : TreeEnsemble
    key : int64 (n_nodes,)
        Ranks of the splits by numbers, first words of the sets of the others.
    entry : int64 (n_nodes,)
        Of a split: where a prepared row has what it reads.
    leaf_entry : int
        The entry before those of categories.
    first : int32 (n_members + 1,)
        Of each column of categories: the first of its categories.
    sets : uint32 (n,)
        Words of sets: bit c says that code c goes right.
    heights : int64 (n_trees,)
    """

    e: TreeEnsemble
    key: np.ndarray
    entry: np.ndarray
    leaf_entry: int
    first: np.ndarray
    sets: np.ndarray
    heights: np.ndarray


def fits(trees: Trees) -> bool:
    """Whether every tree can be sliced, and whether that is faster."""
    e, key = trees.e, trees.key
    inner = e.feature >= 0
    ranks = key[inner & (e.comparison != MEMBER)]
    splits = np.add.reduceat(inner, e.tree_offsets[:-1]) if e.n_trees else np.zeros(0)
    return (
        e.n_trees > 0
        and e.input_dtype == "float64"
        and e.n_nodes < 2**31
        and ranks[ranks < NEVER].max(initial=0) < MOST_RANK
        and np.diff(trees.first).max(initial=0) + 2 <= MOST_RANK
        and splits.max() < MOST_LEAVES
        and splits.sum() <= SPLITS_A_LEVEL * trees.heights.sum()
    )


def source(trees: Trees) -> str:
    """The tables, where a split's result is numbered after all leaves' own numbers."""
    e, key, entry = trees.e, trees.key, trees.entry
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
    members = ""
    if len(trees.first) > 1:
        first_mask = trees.first + 2 * np.arange(len(trees.first), dtype=np.int32)
        macros["TREES_MASKS"] = int(first_mask[-1])
        found = np.flatnonzero(slices["entry"] > trees.leaf_entry)
        nodes = np.flatnonzero(inner)[np.argsort(place)][found]
        lists = [_codes(trees, node, first_mask) for node in nodes]
        slices["count"][found] = [len(codes) for codes, _ in lists]
        slices["key"][found] = [inverted for _, inverted in lists]
        members = tables.array("trees_first_mask", first_mask)
        members += tables.array("trees_codes", np.concatenate([codes for codes, _ in lists]))
    return (
        "".join(f"#define {name} {value}\n" for name, value in macros.items())
        + "typedef struct trees_slice { uint16_t entry; uint8_t left, right, key, count; } "
        + "trees_slice;\n\n"
        + members
        + tables.structs("trees_slices", "trees_slice", slices)
        + tables.array("trees_first_slice", first_split.astype(np.int32))
        + tables.array("trees_first_leaf", first_leaf[:-1].astype(np.uint32))
    )


def _codes(trees: Trees, node: int, first_mask: np.ndarray) -> tuple[np.ndarray, bool]:
    """Masks of the categories that go right; or of those that go left, where they are fewer."""
    column = trees.entry[node] - trees.leaf_entry - 1
    n_codes = first_mask[column + 1] - first_mask[column]
    words = trees.sets[trees.key[node] :][: -(-n_codes // 32)]
    right = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")[:n_codes]
    inverted = 2 * np.count_nonzero(right) > n_codes
    codes = np.flatnonzero(right != inverted) + first_mask[column]
    return codes.astype(np.uint16), bool(inverted)
