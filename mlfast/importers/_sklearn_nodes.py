"""Nodes of scikit-learn's trees, from their arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlfast.importers._ensemble import Nodes

LESS_EQUAL, MEMBER = 1, 2


def tree_nodes(trees: Sequence[Any], values: Sequence[np.ndarray]) -> Nodes:
    """Nodes of `sklearn.tree._tree.Tree` objects, with `values` (node_count, width) a tree.

    Inputs are rounded to float32 and compared with float64 thresholds, ``x <= threshold``.
    """

    def flat(name: str) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees])

    sizes = np.array([tree.node_count for tree in trees], dtype=np.int64)
    return Nodes(
        sizes=sizes,
        feature=flat("feature"),
        left=flat("children_left"),
        right=flat("children_right"),
        threshold=flat("threshold"),
        comparison=LESS_EQUAL,
        default_left=flat("missing_go_to_left") != 0,
        values=np.concatenate(values),
        ids=_numbers(sizes),
    )


def predictor_nodes(predictors: Sequence[Any], known: Sequence[np.ndarray | None]) -> Nodes:
    """Nodes of HistGradientBoosting's predictors; `known` are each feature's known categories.

    A category that training never saw goes where missing values go. Where
    that is left, the node is turned around: the known categories of the right
    side become its members, so that everything else is on the other side.
    """
    nodes = np.concatenate([predictor.nodes for predictor in predictors])
    sizes = np.array([len(predictor.nodes) for predictor in predictors], dtype=np.int64)
    leaf = nodes["is_leaf"] != 0
    member = (nodes["is_categorical"] != 0) & ~leaf
    default_left = nodes["missing_go_to_left"] != 0
    turned = member & default_left
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    left, right = np.where(turned, right, left), np.where(turned, left, right)
    owner = np.repeat(np.arange(len(predictors)), sizes)
    counts = np.zeros(len(nodes), dtype=np.int64)
    sets = []
    for node in np.flatnonzero(member):
        words = predictors[owner[node]].raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
        chosen = np.flatnonzero(bits)
        categories = known[nodes["feature_idx"][node]]
        if turned[node] and categories is not None:
            chosen = np.setdiff1d(categories, chosen)
        counts[node] = len(chosen)
        sets.append(chosen)
    return Nodes(
        sizes=sizes,
        feature=nodes["feature_idx"].astype(np.int64),
        left=np.where(leaf, -1, left),
        right=np.where(leaf, -1, right),
        threshold=nodes["num_threshold"],
        comparison=np.where(member, MEMBER, LESS_EQUAL),
        default_left=default_left & ~member,
        values=nodes["value"],
        ids=_numbers(sizes),
        categories=np.concatenate(sets).astype(np.int64) if sets else None,
        category_counts=counts,
    )


def _numbers(sizes: np.ndarray) -> np.ndarray:
    """Each node's number in its tree, as `apply` answers."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
