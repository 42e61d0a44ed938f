"""Tree ensembles: every library's quirks as named fields."""

import numpy as np

from mlfast.spec._base import Spec

LESS, LESS_EQUAL, MEMBER = 0, 1, 2
CATEGORY_RULES = ("lightgbm", "xgboost", "treelite")
DTYPES = ("float32", "float64")


class TreeEnsemble(Spec):
    """A sum of decision trees over `n_features` numbers.

    Nodes of all trees stand one after another; tree ``t`` has the nodes
    ``tree_offsets[t]:tree_offsets[t + 1]``, its root first, and children are
    counted from the tree's first node and always come after their parent.

    A row's value of a feature is first rounded to `input_dtype`, made missing
    where `zero_as_missing` says so, then compared at the node:

    ========== ===================================================
    comparison goes left when
    ========== ===================================================
    0 LESS        ``x < threshold``
    1 LESS_EQUAL  ``x <= threshold``
    2 MEMBER      x is one of the node's `categories` (see `category_rule`)
    ========== ===================================================

    and a missing value goes left where `default_left` is 1.

    The leaves' values are added tree by tree, in order, each sum in
    `sum_dtype`; the sums start at `base` (`base_first`) or `base` is added to
    the finished sums in float64 and the result rounded to `sum_dtype`; before that
    they are divided by `divisor` unless it is 1.

    Parameters
    ----------
    n_features, n_outputs : int
    tree_offsets : int64 (n_trees + 1,)
    feature : int32 (n_nodes,), -1 at a leaf
    comparison : uint8 (n_nodes,), 0 at a leaf
    threshold : float64 (n_nodes,), never NaN; 0.0 at leaves and MEMBER nodes
    left, right : int32 (n_nodes,), -1 at a leaf
    default_left : uint8 (n_nodes,)
    categories : int32 (n,), sorted within each node, >= 0
    category_offsets : int64 (n_nodes + 1,), where each node's categories begin
    leaf_values : float64 (n_leaves, width), leaves in the order of the nodes;
        width is 1 (a tree adds to output ``tree_output[t]``) or `n_outputs`
        (a tree adds to all of them)
    leaf_ids : int32 (n_leaves,), what the library's own ``apply`` calls the leaf
    tree_output : int32 (n_trees,), -1 when width is `n_outputs` > 1
    base : float64 (n_outputs,)
    base_first : bool
    divisor : float
    input_dtype, sum_dtype : "float32" or "float64"
    zero_as_missing : uint8 (n_features,), LightGBM's zero_as_missing: NaN and
        ``|x| <= 1e-35`` (as float32) are missing
    category_rule : str
        How x becomes a category. All truncate towards zero; NaN is missing.
        "xgboost": ``x < 0`` and ``x >= 2**24`` belong to no category.
        "lightgbm": a negative truncated value, or one beyond int32, is missing.
        "treelite": ``x < 0`` and ``x > 2**24`` (float32; 2**53 for float64)
        belong to no category.
    """

    n_features: int
    n_outputs: int
    tree_offsets: np.ndarray
    feature: np.ndarray
    comparison: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    default_left: np.ndarray
    categories: np.ndarray
    category_offsets: np.ndarray
    leaf_values: np.ndarray
    leaf_ids: np.ndarray
    tree_output: np.ndarray
    base: np.ndarray
    base_first: bool
    divisor: float
    input_dtype: str
    sum_dtype: str
    zero_as_missing: np.ndarray
    category_rule: str

    @property
    def n_trees(self) -> int:
        return len(self.tree_offsets) - 1

    @property
    def n_nodes(self) -> int:
        return len(self.feature)

    @property
    def width(self) -> int:
        return int(self.leaf_values.shape[1])

    def _check(self) -> None:
        for name in ("n_features", "n_outputs"):
            value = getattr(self, name)
            self._require(isinstance(value, int) and value >= 1, name, "an int >= 1")
        offsets = self._array("tree_offsets", np.int64, (None,))
        self._require(
            len(offsets) >= 1 and offsets[0] == 0 and not np.any(np.diff(offsets) < 1),
            "tree_offsets",
            "rising offsets from 0, a node or more a tree",
        )
        n = int(offsets[-1])
        self._require(n < 2**31, "tree_offsets", "fewer than 2**31 nodes")
        feature = self._array("feature", np.int32, (n,))
        self._array("comparison", np.uint8, (n,))
        self._array("threshold", np.float64, (n,))
        self._array("left", np.int32, (n,))
        self._array("right", np.int32, (n,))
        self._array("default_left", np.uint8, (n,))
        self._require(
            bool(np.all((feature >= -1) & (feature < self.n_features))),
            "feature",
            "-1 or a feature",
        )
        self._require(bool(np.all(self.comparison <= MEMBER)), "comparison", "0, 1 or 2")
        self._require(bool(np.all(self.default_left <= 1)), "default_left", "0 or 1")
        self._require(not np.any(np.isnan(self.threshold)), "threshold", "no NaN")
        self._check_children(offsets, feature)
        self._check_categories(n)
        n_leaves = int(np.count_nonzero(feature < 0))
        values = self._array("leaf_values", np.float64, (n_leaves, None))
        self._require(
            values.shape[1] in (1, self.n_outputs), "leaf_values", "1 or n_outputs values a leaf"
        )
        self._array("leaf_ids", np.int32, (n_leaves,))
        out = self._array("tree_output", np.int32, (self.n_trees,))
        whole = values.shape[1] == self.n_outputs > 1
        low, high = (-1, 0) if whole else (0, self.n_outputs)
        self._require(
            bool(np.all((out >= low) & (out < high))), "tree_output", f"in [{low}, {high})"
        )
        self._array("base", np.float64, (self.n_outputs,))
        self._require(isinstance(self.base_first, bool), "base_first", "a bool")
        self._require(
            isinstance(self.divisor, float) and self.divisor == self.divisor, "divisor", "a float"
        )
        for name in ("input_dtype", "sum_dtype"):
            self._require(getattr(self, name) in DTYPES, name, f"one of {DTYPES}")
        self._array("zero_as_missing", np.uint8, (self.n_features,))
        self._require(
            self.category_rule in CATEGORY_RULES, "category_rule", f"one of {CATEGORY_RULES}"
        )

    def _check_children(self, offsets: np.ndarray, feature: np.ndarray) -> None:
        """Every tree is a tree: children forward and in range, one parent each."""
        sizes = np.diff(offsets).astype(np.int32)
        local = np.arange(len(feature), dtype=np.int32) - np.repeat(offsets[:-1], sizes)
        size = np.repeat(sizes, sizes)
        leaf = feature < 0
        inner = np.flatnonzero(~leaf)
        own, most = local[inner], size[inner]
        parents = np.zeros(len(feature), dtype=np.int64)
        for name in ("left", "right"):
            child = getattr(self, name)
            self._require(bool(np.all(child[leaf] == -1)), name, "-1 at leaves")
            child = child[inner]
            ok = (child > own) & (child < most)
            self._require(bool(np.all(ok)), name, "children after their parent, in the same tree")
            parents += np.bincount(inner - own + child, minlength=len(feature))
        self._require(
            bool(np.all(parents == (local > 0))), "left", "exactly one parent a node but the roots"
        )

    def _check_categories(self, n: int) -> None:
        offsets = self._array("category_offsets", np.int64, (n + 1,))
        counts = np.diff(offsets)
        self._require(
            offsets[0] == 0 and not np.any(counts < 0), "category_offsets", "rising offsets from 0"
        )
        categories = self._array("categories", np.int32, (int(offsets[-1]),))
        self._require(not np.any(categories < 0), "categories", "values >= 0")
        self._require(
            not np.any((counts > 0) & (self.comparison != MEMBER)),
            "category_offsets",
            "categories at MEMBER nodes only",
        )
        within = np.ones(len(categories), dtype=bool)
        within[offsets[:-1][counts > 0]] = False
        rising = np.diff(categories, prepend=-1) > 0
        self._require(
            bool(np.all(rising[within])), "categories", "sorted and distinct in each node"
        )
