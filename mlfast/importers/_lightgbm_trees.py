"""Trees of a LightGBM model text to a `spec.TreeEnsemble`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._ensemble import Nodes, ensemble
from mlfast.importers._lightgbm_text import LightGBMText

LESS_EQUAL, MEMBER = 1, 2
#: Bits of decision_type.
CATEGORICAL, DEFAULT_LEFT = 1, 2
NONE, ZERO, NAN = 0, 1, 2
#: Predicting from rows, LightGBM takes numbers up to this size for 0.0.
TINY = float(np.float32(1e-35))


def trees(text: LightGBMText, path: str) -> spec.TreeEnsemble:
    """Import all trees.

    LightGBM compares float64 with ``x <= threshold`` and adds leaf by leaf to
    0.0 in float64; random forests divide by the number of iterations.
    """
    outputs = int(text.header.get("num_tree_per_iteration", 1))
    n_features = int(text.header["max_feature_idx"]) + 1
    if any(tree.get("is_linear", "0") != "0" for tree in text.trees):
        raise UnsupportedError(
            f"{path}: LightGBM's linear trees (linear_tree=true) have no native counterpart; "
            "supported: trees with constant leaves"
        )
    nodes, zero = _nodes(text.trees, n_features, path)
    n_trees = len(text.trees)
    return ensemble(
        nodes,
        n_features=n_features,
        n_outputs=outputs,
        tree_output=np.arange(n_trees) % outputs,
        base=np.zeros(outputs),
        divisor=n_trees // outputs if "average_output" in text.header and n_trees else 1.0,
        zero_as_missing=zero,
        category_rule="lightgbm",
    )


def _nodes(found: list[dict[str, str]], n_features: int, path: str) -> tuple[Nodes, np.ndarray]:
    """Inner nodes of each tree first, in LightGBM's order, then its leaves."""
    leaves = np.array([int(tree["num_leaves"]) for tree in found], dtype=np.int64)
    sizes = 2 * leaves - 1
    starts = np.cumsum(sizes) - sizes
    inner = np.repeat(starts, leaves - 1) + _within(leaves - 1)
    leaf = np.repeat(starts + leaves - 1, leaves) + _within(leaves)
    split = [tree for tree, n in zip(found, leaves, strict=True) if n > 1]
    kind = _flat(split, "decision_type", int, len(inner))
    feature = _flat(split, "split_feature", int, len(inner))
    threshold = _flat(split, "threshold", float, len(inner))
    member = (kind & CATEGORICAL) != 0
    missing = (kind >> 2) & 3
    zero = _zero_as_missing(feature[~member], missing[~member], n_features, path)
    # Where NaN is not missing, LightGBM reads it as 0.0.
    default = np.where(missing == NONE, threshold >= 0.0, (kind & DEFAULT_LEFT) != 0) & ~member
    offset = np.repeat(leaves - 1, leaves - 1)
    left, right = (
        np.where(child < 0, offset + ~child, child)
        for child in (_flat(split, key, int, len(inner)) for key in ("left_child", "right_child"))
    )
    categories, counts = _categories(split, leaves[leaves > 1] - 1, member, threshold)
    n = int(sizes.sum())

    def spread(values: np.ndarray, dtype: Any, at_leaf: float) -> np.ndarray:
        array = np.full(n, at_leaf, dtype=dtype)
        array[inner] = values
        return array

    leaf_values = np.zeros(n)
    leaf_values[leaf] = _flat(found, "leaf_value", float, len(leaf))
    ids = np.zeros(n, dtype=np.int64)
    ids[leaf] = _within(leaves)
    nodes = Nodes(
        sizes=sizes,
        feature=spread(feature, np.int64, -1),
        left=spread(left, np.int64, -1),
        right=spread(right, np.int64, -1),
        threshold=spread(_around_zero(threshold), np.float64, 0.0),
        comparison=spread(np.where(member, MEMBER, LESS_EQUAL), np.int64, 0),
        default_left=spread(default, bool, 0),
        values=leaf_values,
        ids=ids,
        categories=categories,
        category_counts=spread(counts, np.int64, 0),
    )
    return nodes, zero


def _around_zero(threshold: np.ndarray) -> np.ndarray:
    """Thresholds that treat tiny numbers as they treat 0.0; others are unchanged."""
    tiny = np.abs(threshold) <= TINY
    return np.where(tiny, np.where(threshold < 0, np.nextafter(-TINY, -1), TINY), threshold)


def _within(sizes: np.ndarray) -> np.ndarray:
    """0 .. size - 1 for each size, one after another."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _flat(found: list[dict[str, str]], key: str, kind: Any, size: int) -> np.ndarray:
    """The numbers under `key` of all trees, one after another."""
    dtype = np.int64 if kind is int else np.float64
    values = np.fromstring(" ".join(tree[key] for tree in found), dtype=dtype, sep=" ")
    if len(values) != size:
        raise ValueError(f"expected {size} numbers under {key!r}, got {len(values)}")
    return values


def _zero_as_missing(
    feature: np.ndarray, missing: np.ndarray, n_features: int, path: str
) -> np.ndarray:
    """Features whose zeros are missing: a property of the feature, stored at every node."""
    zero, other = np.zeros(n_features, np.uint8), np.zeros(n_features, np.uint8)
    zero[feature[missing == ZERO]] = 1
    other[feature[missing != ZERO]] = 1
    mixed = np.flatnonzero(zero & other)
    if len(mixed):
        raise UnsupportedError(
            f"{path}: feature {mixed[0]} takes zero for missing in some trees only (training was "
            "continued with another zero_as_missing); supported: one meaning a feature"
        )
    return zero


def _categories(
    split: list[dict[str, str]], n_inner: np.ndarray, member: np.ndarray, threshold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Category sets (bit sets in the text) of all inner nodes, and how many each has."""
    counts = np.zeros(len(member), dtype=np.int64)
    sets: list[np.ndarray] = []
    start = 0
    for tree, size in zip(split, n_inner, strict=True):
        found = start + np.flatnonzero(member[start : start + size])
        if len(found):
            bounds = [int(word) for word in tree["cat_boundaries"].split()]
            words = np.array([int(word) for word in tree["cat_threshold"].split()], dtype="<u4")
        for node in found:
            number = int(threshold[node])
            bits = words[bounds[number] : bounds[number + 1]].view(np.uint8)
            chosen = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
            counts[node] = len(chosen)
            sets.append(chosen)
        start += int(size)
    return (np.concatenate(sets) if sets else np.zeros(0, np.int64)), counts
