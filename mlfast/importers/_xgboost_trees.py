"""Trees of an XGBoost model document to a `spec.TreeEnsemble`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._ensemble import Nodes, ensemble

LESS, MEMBER = 0, 2


def n_outputs(learner: dict[str, Any]) -> int:
    """Margins a row: classes or targets."""
    param = learner["learner_model_param"]
    return max(1, int(param.get("num_class", 1)), int(param.get("num_target", 1)))


def trees(
    learner: dict[str, Any], base: np.ndarray, iterations: int | None, in_place: bool, path: str
) -> spec.TreeEnsemble:
    """Import the trees of the first `iterations` rounds (None: all).

    XGBoost rounds inputs to float32, goes left when ``x < threshold``, and adds
    leaf by leaf to the base margin in float32. With dart, a leaf is first
    multiplied by its tree's weight; `inplace_predict`, which the estimators use
    (`in_place`), obtains that leaf as ``(base + leaf) - base``, rounded twice.
    """
    booster = learner["gradient_booster"]
    name = booster["name"]
    if name not in ("gbtree", "dart"):
        raise UnsupportedError(
            f"{path}: XGBoost's booster {name!r} has no native counterpart; "
            "supported boosters: 'gbtree', 'dart'"
        )
    model = (booster["gbtree"] if name == "dart" else booster)["model"]
    found: list[dict[str, Any]] = model["trees"]
    group = np.asarray(model["tree_info"], dtype=np.int32)
    weights = np.ones(len(found), dtype=np.float32)
    if name == "dart":
        weights = np.asarray(booster["weight_drop"], dtype=np.float32)
    if iterations is not None:
        used = _n_trees(model, iterations, n_outputs(learner))
        found, group, weights = found[:used], group[:used], weights[:used]
    nodes, width = _nodes(found)
    if name == "dart":
        sizes = nodes.sizes
        if in_place:
            offset = np.repeat(np.asarray(base, dtype=np.float32)[group], sizes)[:, None]
            nodes.values = (offset + nodes.values) - offset
        nodes.values = nodes.values * np.repeat(weights, sizes)[:, None]
    return ensemble(
        nodes,
        n_features=int(learner["learner_model_param"]["num_feature"]),
        n_outputs=len(base),
        tree_output=np.full(len(found), -1) if width > 1 else group,
        base=base,
        base_first=True,
        input_dtype="float32",
        sum_dtype="float32",
        category_rule="xgboost",
    )


def _n_trees(model: dict[str, Any], iterations: int, groups: int) -> int:
    """Trees in the first `iterations` rounds; old files do not say where rounds begin."""
    if "iteration_indptr" in model:
        return int(model["iteration_indptr"][iterations])
    return iterations * groups * int(model["gbtree_model_param"].get("num_parallel_tree", 1))


def _nodes(found: list[dict[str, Any]]) -> tuple[Nodes, int]:
    """All trees' nodes as flat arrays, and the number of values a leaf."""

    def flat(key: str, dtype: Any) -> np.ndarray:
        arrays = [np.asarray(tree[key], dtype=dtype) for tree in found]
        return np.concatenate(arrays) if arrays else np.zeros(0, dtype)

    sizes = np.array([len(tree["left_children"]) for tree in found], dtype=np.int64)
    left, right = flat("left_children", np.int64), flat("right_children", np.int64)
    leaf = left < 0
    default_left = flat("default_left", bool)
    condition = flat("split_conditions", np.float32)
    width = int(found[0]["tree_param"].get("size_leaf_vector", 1)) if found else 1
    values = condition[:, None] if width <= 1 else _vectors(found, sizes, leaf, right, width)
    categories, counts = _categories(found, sizes)
    member = counts > 0
    if all("split_type" in tree for tree in found):
        member = (flat("split_type", np.int64) == 1) & ~leaf
    # XGBoost sends the node's categories to the right, all others to the left.
    left, right = np.where(member, right, left), np.where(member, left, right)
    local = np.arange(len(left)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    nodes = Nodes(
        sizes=sizes,
        feature=flat("split_indices", np.int64),
        left=np.where(leaf, -1, left),
        right=np.where(leaf, -1, right),
        threshold=condition,
        comparison=np.where(member, MEMBER, LESS),
        default_left=default_left ^ member,
        values=values,
        ids=local,
        categories=categories,
        category_counts=counts,
    )
    return nodes, max(width, 1)


def _vectors(
    found: list[dict[str, Any]], sizes: np.ndarray, leaf: np.ndarray, right: np.ndarray, width: int
) -> np.ndarray:
    """Leaf vectors: packed since XGBoost 3.2, where `right_children` has a leaf's place."""
    if "leaf_weights" not in found[0]:
        return np.concatenate([_float32(t["base_weights"]).reshape(-1, width) for t in found])
    packed = [_float32(tree["leaf_weights"]).reshape(-1, width) for tree in found]
    begins = np.cumsum([0, *map(len, packed[:-1])])
    values = np.zeros((len(leaf), width), dtype=np.float32)
    number = right[leaf] + np.repeat(begins, sizes)[leaf]
    values[leaf] = np.concatenate(packed)[number]
    return values


def _float32(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def _categories(found: list[dict[str, Any]], sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Category sets of all nodes in order, sorted, and how many each node has."""
    counts = np.zeros(int(sizes.sum()), dtype=np.int64)
    sets: list[np.ndarray] = []
    for tree, start in zip(found, np.cumsum(sizes) - sizes, strict=True):
        where = np.asarray(tree.get("categories_nodes", ()), dtype=np.int64)
        if not len(where):
            continue
        size = np.asarray(tree["categories_sizes"], dtype=np.int64)
        begin = np.asarray(tree["categories_segments"], dtype=np.int64)
        members = np.asarray(tree["categories"], dtype=np.int64)
        for number in np.argsort(where, kind="stable"):
            chosen = np.unique(members[begin[number] : begin[number] + size[number]])
            counts[start + where[number]] = len(chosen)
            sets.append(chosen)
    return (np.concatenate(sets) if sets else np.zeros(0, np.int64)), counts
