"""Nodes of treelite's trees, which know five comparisons, in the two of `spec.TreeEnsemble`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlfast.errors import UnsupportedError
from mlfast.importers._ensemble import Nodes
from mlfast.importers._treelite import CATEGORICAL, LEAF, Tree

LESS, LESS_EQUAL, MEMBER = 0, 1, 2
EQUAL, LESS_THAN, AT_MOST, GREATER, AT_LEAST = 1, 2, 3, 4, 5
#: A tree may grow to this many nodes when its == nodes are expanded.
_MOST = 1_000_000


def nodes(trees: Sequence[Tree], width: int, path: str) -> Nodes:
    """All trees' nodes, leaves with `width` values.

    ``x > t`` is ``x <= t`` with its children exchanged, ``x >= t`` is ``x < t``
    likewise, and so is a set of categories that belongs to the right child.
    ``x == t`` becomes ``x <= t`` over ``x < t``, with its right subtree twice.
    """
    trees = [_expanded(tree, path) for tree in trees]

    def flat(name: str, dtype: Any) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype), *(getattr(t, name) for t in trees)])

    kind = flat("node_type", np.int8)
    comparison = flat("comparison", np.int8)
    leaf = kind == LEAF
    member = kind == CATEGORICAL
    operators = np.isin(comparison, [LESS_THAN, AT_MOST, GREATER, AT_LEAST])
    if not (leaf | member | operators).all():
        raise ValueError(f"unknown comparison operator {comparison[~(leaf | member | operators)]}")
    turned = np.isin(comparison, [GREATER, AT_LEAST])
    turned = np.where(member, flat("categories_right", np.uint8) != 0, turned) & ~leaf
    left, right = flat("left", np.int64), flat("right", np.int64)
    own = np.where(np.isin(comparison, [LESS_THAN, AT_LEAST]), LESS, LESS_EQUAL)
    categories, counts = _categories(trees, member)
    return Nodes(
        sizes=np.array([len(tree.left) for tree in trees], dtype=np.int64),
        feature=flat("feature", np.int64),
        left=np.where(leaf, -1, np.where(turned, right, left)),
        right=np.where(leaf, -1, np.where(turned, left, right)),
        threshold=flat("threshold", np.float64),
        comparison=np.where(member, MEMBER, own),
        default_left=(flat("default_left", np.uint8) != 0) ^ turned,
        values=_values(trees, width) if width > 1 else flat("leaf_value", np.float64),
        ids=flat("ids", np.int64),
        categories=categories,
        category_counts=counts,
    )


def _values(trees: Sequence[Tree], width: int) -> np.ndarray:
    """Leaf vectors (n_nodes, width), zeros at inner nodes."""
    values = [np.zeros((0, width))]
    for tree in trees:
        begin, end = (a.astype(np.int64) for a in (tree.leaf_vector_begin, tree.leaf_vector_end))
        leaf = tree.node_type == LEAF
        if np.any((end - begin)[leaf] != width):
            raise ValueError(f"expected {width} values in each leaf")
        rows = np.zeros((len(begin), width))
        rows[leaf] = tree.leaf_vector[begin[leaf][:, None] + np.arange(width)]
        values.append(rows)
    return np.concatenate(values)


def _categories(trees: Sequence[Tree], member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros(len(member), dtype=np.int64)
    sets: list[np.ndarray] = []
    start = 0
    for tree in trees:
        for node in np.flatnonzero(tree.node_type == CATEGORICAL):
            begin, end = int(tree.category_begin[node]), int(tree.category_end[node])
            chosen = np.unique(tree.categories[begin:end]).astype(np.int64)
            counts[start + node] = len(chosen)
            sets.append(chosen)
        start += len(tree.left)
    return (np.concatenate(sets) if sets else np.zeros(0, np.int64)), counts


def _expanded(tree: Tree, path: str) -> Tree:
    """The tree without == nodes, in depth-first order where it had any."""
    equal = (tree.comparison == EQUAL) & (tree.node_type != LEAF) & (tree.node_type != CATEGORICAL)
    if not equal.any():
        return tree
    origin: list[int] = []
    comparison: list[int] = []
    children: list[list[int]] = []
    second: list[int] = []  # the lower nodes of expanded pairs
    todo: list[tuple[int, int, int]] = [(0, -1, 0)]  # node, and where to note its new number
    while todo:
        node, parent, side = todo.pop()
        own = len(origin)
        if own >= _MOST:
            raise UnsupportedError(
                f"{path}: a tree with so many == comparisons has no native counterpart; "
                f"supported: up to {_MOST} nodes when each is expanded into < and <="
            )
        if parent >= 0:
            children[parent][side] = own
        origin.append(node)
        comparison.append(int(tree.comparison[node]))
        children.append([-1, -1])
        left, right = int(tree.left[node]), int(tree.right[node])
        if equal[node]:  # x <= t ? (x < t ? right : left) : right
            comparison[own] = AT_MOST
            origin.append(node)
            comparison.append(LESS_THAN)
            children.append([-1, -1])
            children[own][0] = own + 1
            second.append(own + 1)
            todo += [(right, own, 1), (right, own + 1, 0), (left, own + 1, 1)]
        elif tree.node_type[node] != LEAF:
            todo += [(right, own, 1), (left, own, 0)]
    index = np.array(origin)
    arrays = {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    for name, array in arrays.items():
        if name not in ("leaf_vector", "categories"):  # these are no arrays of nodes
            arrays[name] = array[index]
    arrays["comparison"] = np.array(comparison, dtype=np.int8)
    arrays["left"], arrays["right"] = np.array(children, dtype=np.int32).T
    arrays["default_left"][second] = 0  # a missing value that went left comes to x == t
    return Tree(**arrays)
