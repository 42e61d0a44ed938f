"""From flat arrays of nodes, as libraries store them, to a `spec.TreeEnsemble`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mlfast import spec
from mlfast.errors import SpecError


@dataclasses.dataclass
class Nodes:
    """Nodes of all trees, one tree after another, in any order within a tree.

    Parameters
    ----------
    sizes : int (n_trees,)
        Nodes of each tree; the root is the first.
    feature : int (n_nodes,)
        Anything at a leaf.
    left, right : int (n_nodes,)
        Counted from the tree's first node; negative at a leaf.
    threshold : float (n_nodes,)
    comparison : int or int (n_nodes,)
        As in `spec.TreeEnsemble`, anything at a leaf.
    default_left : bool (n_nodes,)
    values : float (n_nodes,) or (n_nodes, width)
        Anything at an inner node.
    ids : int (n_nodes,)
        The library's own name of each leaf.
    categories : int (n,)
        Of the MEMBER nodes, sorted within each.
    category_counts : int (n_nodes,), or None without categories
    """

    sizes: np.ndarray
    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    comparison: np.ndarray | int
    default_left: np.ndarray
    values: np.ndarray
    ids: np.ndarray
    categories: np.ndarray | None = None
    category_counts: np.ndarray | None = None


def ensemble(
    nodes: Nodes,
    *,
    n_features: int,
    n_outputs: int,
    tree_output: np.ndarray,
    base: np.ndarray | Sequence[float],
    base_first: bool = True,
    divisor: float = 1.0,
    input_dtype: str = "float64",
    sum_dtype: str = "float64",
    zero_as_missing: np.ndarray | None = None,
    category_rule: str = "treelite",
) -> spec.TreeEnsemble:
    """Drop unreachable nodes, put parents before children, and fill in what leaves do not have."""
    sizes = np.asarray(nodes.sizes, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    n = int(sizes.sum())
    first = np.repeat(starts, sizes)
    left, right = (np.asarray(a, dtype=np.int64) for a in (nodes.left, nodes.right))
    leaf = left < 0
    order, sizes = _order(
        left + first, right + first, leaf, starts, np.repeat(sizes, sizes) + first
    )
    new = np.empty(n, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    new[order] = np.arange(len(order)) - np.repeat(offsets[:-1], sizes)
    leaf, first = leaf[order], first[order]

    def inner(array: np.ndarray | int, at_leaf: float) -> np.ndarray:
        return np.where(leaf, at_leaf, np.broadcast_to(array, (n,))[order])

    comparison = inner(nodes.comparison, 0)
    values = np.asarray(nodes.values)
    values = values.reshape(n, -1)[order[leaf]]
    categories, counts = _categories(nodes, n, order, comparison == 2)
    return spec.TreeEnsemble(
        n_features=n_features,
        n_outputs=n_outputs,
        tree_offsets=offsets,
        feature=inner(nodes.feature, -1),
        comparison=comparison.astype(np.uint8),
        threshold=np.where(leaf | (comparison == 2), 0.0, nodes.threshold[order]),
        left=np.where(leaf, -1, new[np.where(leaf, 0, left[order] + first)]),
        right=np.where(leaf, -1, new[np.where(leaf, 0, right[order] + first)]),
        default_left=inner(nodes.default_left, 0).astype(np.uint8),
        categories=categories,
        category_offsets=np.concatenate([[0], np.cumsum(counts)]),
        leaf_values=values,
        leaf_ids=nodes.ids[order[leaf]],
        tree_output=tree_output,
        base=np.asarray(base, dtype=np.float64),
        base_first=base_first,
        divisor=float(divisor),
        input_dtype=input_dtype,
        sum_dtype=sum_dtype,
        zero_as_missing=(
            np.zeros(n_features, np.uint8) if zero_as_missing is None else zero_as_missing
        ),
        category_rule=category_rule,
    )


def _order(
    left: np.ndarray, right: np.ndarray, leaf: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reachable nodes with parents first, tree by tree; and how many each tree has."""
    n = len(leaf)
    begins = np.repeat(starts, np.diff(np.append(starts, n)))
    inner = ~leaf
    for child in (left, right):
        bad = inner & ((child <= begins) | (child >= ends))
        if bad.any():
            node = int(np.flatnonzero(bad)[0])
            raise SpecError(
                f"tree node {node}: expected children inside the tree, got {child[node]}"
            )
    depth = np.full(n, -1, dtype=np.int64)
    level, reached = starts, 0
    while level.size:
        depth[level] = reached
        reached += 1
        parents = level[inner[level]]
        level = np.concatenate([left[parents], right[parents]])
        twice = np.empty(n, dtype=np.int64)
        twice[level] = np.arange(len(level))
        if (depth[level] >= 0).any() or (twice[level] != np.arange(len(level))).any():
            raise SpecError("tree: expected one parent a node, got a cycle or a shared child")
    kept = np.flatnonzero(depth >= 0)
    sizes = np.add.reduceat(depth >= 0, starts, dtype=np.int64) if n else starts
    own = np.arange(n)
    if (inner & (depth >= 0) & ((left < own) | (right < own))).any():
        kept = kept[np.lexsort((depth[kept], begins[kept]))]
    return kept, sizes


def _categories(
    nodes: Nodes, n: int, order: np.ndarray, member: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Categories in the new order of the nodes, and their number a node."""
    if nodes.category_counts is None or nodes.categories is None:
        return np.zeros(0, np.int32), np.zeros(len(order), np.int64)
    counts = np.asarray(nodes.category_counts, dtype=np.int64)
    begins = (np.cumsum(counts) - counts)[order]
    counts = np.where(member, counts[order], 0)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(nodes.categories)[np.repeat(begins, counts) + within], counts
