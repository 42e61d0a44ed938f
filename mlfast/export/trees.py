"""Tree ensembles as flat tables, for the walk in templates/trees.c.

Every split becomes "right when the row's integer >= the node's". The row is turned
into integers once: with float32 inputs order-preserving keys of the floats, else ranks among the
thresholds of the feature; category codes for categorical splits.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mlfast.export import slices, tables
from mlfast.spec import TreeEnsemble
from mlfast.spec.trees import CATEGORY_RULES, LESS_EQUAL, MEMBER

CHAINS = 8
BLOCK_ROWS, BLOCK_BYTES = 64, 1 << 15
LINK_BITS = 32  # of a node's link; 64 where an entry and a distance need more
NEVER = 2**31 - 1  # a key that no value reaches, only a missing one sent right
_NODE = {n: np.dtype([("key", f"<i{n}"), ("link", f"<u{n}")]) for n in (4, 8)}


@dataclasses.dataclass
class _Columns:
    """Features as one kind of split reads them; `column` is a node's, where `nodes` is true."""

    nodes: np.ndarray
    features: np.ndarray
    column: np.ndarray

    @classmethod
    def of(cls, e: TreeEnsemble, nodes: np.ndarray) -> _Columns:
        features, column = np.unique(e.feature[nodes], return_inverse=True)
        return cls(nodes, features, column)

    def __len__(self) -> int:
        return len(self.features)


def source(e: TreeEnsemble) -> tuple[str, bool]:
    """The tables of an ensemble as C99, with the macros that templates/trees.c reads; and whether
    blocks of rows are sliced (templates/slices.c).
    """
    inner = e.feature >= 0
    member = inner & (e.comparison == MEMBER)
    numeric, members = _Columns.of(e, inner & ~member), _Columns.of(e, member)
    key = np.empty(e.n_nodes, np.int64)
    key[~inner] = np.arange(np.count_nonzero(~inner))
    parts = []
    if e.input_dtype == "float32":
        key[numeric.nodes] = _float_keys(e, numeric)
    else:
        key[numeric.nodes], cuts, first = _ranks(e, numeric)
        parts += [tables.array("trees_cuts", cuts), tables.array("trees_first_cut", first)]
    key[members.nodes], categories, first, sets = _sets(e, members)
    parts += [
        tables.array("trees_numeric_feature", numeric.features.astype(np.int32)),
        tables.array("trees_zero_missing", e.zero_as_missing),
    ]
    if len(members):
        parts += [
            tables.array("trees_member_feature", members.features.astype(np.int32)),
            tables.array("trees_categories", categories),
            tables.array("trees_first_category", first),
            tables.array("trees_sets", sets),
        ]
    entry = np.full(e.n_nodes, 2 * len(numeric))  # a leaf's: the row's INT32_MIN
    right_copy = e.default_left[numeric.nodes] == 0
    entry[numeric.nodes] = numeric.column + right_copy * len(numeric)
    entry[members.nodes] = 2 * len(numeric) + 1 + members.column
    place, height = _places(e)
    distance = np.zeros(e.n_nodes, np.int64)
    start = np.repeat(e.tree_offsets[:-1], np.diff(e.tree_offsets))
    distance[inner] = place[(start + e.left)[inner]] - place[inner]
    shift = int(distance.max(initial=0)).bit_length()
    n_entries = 2 * len(numeric) + 1 + len(members)
    width = 4 if shift + n_entries.bit_length() <= LINK_BITS else 8
    nodes = np.zeros(max(e.n_nodes + e.n_trees, 1), _NODE[width])
    nodes["key"][place] = key
    nodes["link"][place] = entry.astype(np.uint64) << np.uint64(shift) | distance.astype(np.uint64)
    block_rows = _block_rows(n_entries, e.n_outputs)
    trees = slices.Trees(e, key, entry, 2 * len(numeric), first, sets, height)
    sliced = block_rows == BLOCK_ROWS and slices.fits(trees)
    macros = {
        "TREES_COUNT": e.n_trees,
        "TREES_ROWS": block_rows,
        "TREES_SLICED": int(sliced),
        "TREES_OUTPUTS": e.n_outputs,
        "TREES_WIDTH": e.width,
        "TREES_NUMERIC": len(numeric),
        "TREES_MEMBERS": len(members),
        "TREES_INPUT_FLOAT32": int(e.input_dtype == "float32"),
        "TREES_CATEGORY_RULE": CATEGORY_RULES.index(e.category_rule),
        "TREES_ANY_ZERO_MISSING": int(e.zero_as_missing.any()),
        "TREES_BASE_FIRST": int(e.base_first),
        "TREES_DIVISOR": tables.number(e.divisor),
        "TREES_SHIFT": shift,
    }
    float_type = "float" if e.sum_dtype == "float32" else "double"
    wide = "" if width == 4 else " /* wide: many features or very large trees */"
    head = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    head += f"typedef {float_type} trees_sum;\n"
    head += (
        f"typedef struct trees_node {{ int{8 * width}_t key; uint{8 * width}_t link; }} "
        f"trees_node;{wide}\n\n"
    )
    padding = -e.n_trees % CHAINS
    if e.n_trees:
        roots = np.pad(place[e.tree_offsets[:-1]], (0, padding), mode="edge")
        heights = np.pad(height, (0, padding), mode="edge")
    else:
        roots = heights = np.zeros(0)
    with np.errstate(over="ignore"):
        values = e.leaf_values.astype(e.sum_dtype).ravel()
    output = e.tree_output if e.width == 1 else np.zeros(0)
    parts += [
        tables.array("trees_roots", roots.astype(np.uint32)),
        tables.array("trees_heights", heights.astype(np.int32)),
        tables.array("trees_output", output.astype(np.int32)),
        tables.array("trees_base", e.base),
        tables.structs("trees_nodes", "trees_node", nodes),
        tables.array("trees_values", values),
    ]
    if sliced:
        parts.append(slices.source(trees))
    return head + "\n".join(parts), sliced


def _block_rows(n_entries: int, n_outputs: int) -> int:
    """Rows of a batch's block, so that their integers and sums stay in the first cache and on
    the stack; 0: rows are too long for that, and go one by one.
    """
    fit = BLOCK_BYTES // (4 * n_entries + 16 * n_outputs)
    return int(min(fit // CHAINS * CHAINS, BLOCK_ROWS))


def _float_keys(e: TreeEnsemble, numeric: _Columns) -> np.ndarray:
    """Keys of the smallest floats that go right."""
    threshold = e.threshold[numeric.nodes]
    beyond = e.comparison[numeric.nodes] == LESS_EQUAL
    infinite = np.float32(np.inf)
    with np.errstate(over="ignore"):
        cut = threshold.astype(np.float32)
        above = np.nextafter(cut, infinite)
    low = np.where(beyond, cut <= threshold, cut < threshold)
    bits = (np.where(low, above, cut) + np.float32(0)).view(np.int32)  # no -0.0
    keys = (bits ^ ((bits >> 31) & np.int32(2**31 - 1))).astype(np.int64)
    keys[low & (cut == infinite)] = NEVER
    return keys


def _ranks(e: TreeEnsemble, numeric: _Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranks of the nodes, and every column's cuts: the smallest doubles that go right."""
    threshold = e.threshold[numeric.nodes]
    beyond = e.comparison[numeric.nodes] == LESS_EQUAL
    never = beyond & (threshold == np.inf)
    with np.errstate(over="ignore"):
        cut = np.where(beyond, np.nextafter(threshold, np.inf), threshold) + 0.0
    column, own, place = _distinct(numeric.column[~never], cut[~never], len(numeric))
    rank = np.full(len(cut), NEVER, np.int64)
    rank[~never] = place + 1
    return rank, own, column


def _distinct(
    column: np.ndarray, value: np.ndarray, n_columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct values column by column: where each column's begin, all of them, and the place of
    each value among its column's.
    """
    order = np.lexsort((value, column))
    c, v = column[order], value[order]
    new = np.ones(len(c), bool)
    new[1:] = (c[1:] != c[:-1]) | (v[1:] != v[:-1])
    first = np.searchsorted(c[new], np.arange(n_columns + 1)).astype(np.int32)
    place = np.empty(len(c), np.int64)
    place[order] = np.cumsum(new) - 1 - first[c]
    return first, v[new], place


def _sets(
    e: TreeEnsemble, members: _Columns
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First words of the nodes' sets; categories of the columns; the words.

    Bit c of a set says that code c goes right; of n categories code n is any other value and
    code n + 1 a missing one.
    """
    nodes = np.flatnonzero(members.nodes)
    counts = np.diff(e.category_offsets)[nodes]
    column_of = np.repeat(members.column, counts)
    first, categories, code = _distinct(column_of, e.categories, len(members))
    n_codes = np.diff(first)[members.column] + 2 if len(nodes) else np.zeros(0, np.int64)
    n_words = (n_codes + 31) // 32
    begin = np.cumsum(n_words) - n_words
    words = np.full(int(n_words.sum()), 2**32 - 1, np.uint32)

    def left(word: np.ndarray, bit: np.ndarray) -> None:
        keep = ~(np.uint32(1) << (bit % 32).astype(np.uint32))
        np.bitwise_and.at(words, word + bit // 32, keep)

    left(np.repeat(begin, counts), code)
    missing_left = e.default_left[nodes] == 1
    left(begin[missing_left], n_codes[missing_left] - 1)
    return begin, categories, first, words


def _places(e: TreeEnsemble) -> tuple[np.ndarray, np.ndarray]:
    """Where each node stands, and the trees' heights.

    Siblings stand beside each other, and after them comes the larger subtree: a row that takes the
    likelier way finds the next nodes in the same cache line. A tree begins with its
    root and an unused place, so that no pair is split between two lines.
    """
    start = np.repeat(e.tree_offsets[:-1], np.diff(e.tree_offsets))
    left, right = start + e.left, start + e.right
    levels, heights = [], np.zeros(e.n_trees, np.int64)
    current = e.tree_offsets[:-1]
    while len(current):
        parents = current[e.feature[current] >= 0]
        levels.append(parents)
        heights[np.searchsorted(e.tree_offsets, parents, side="right") - 1] = len(levels)
        current = np.stack([left[parents], right[parents]], axis=1).ravel()
    size = np.ones(e.n_nodes, np.int64)
    for parents in reversed(levels):
        size[parents] += size[left[parents]] + size[right[parents]]
    place, below = np.empty(e.n_nodes, np.int64), np.empty(e.n_nodes, np.int64)
    place[e.tree_offsets[:-1]] = e.tree_offsets[:-1] + np.arange(e.n_trees)
    below[e.tree_offsets[:-1]] = place[e.tree_offsets[:-1]] + 2
    for parents in levels:
        near, far = left[parents], right[parents]
        place[near], place[far] = below[parents], below[parents] + 1
        swap = size[far] > size[near]
        near, far = np.where(swap, far, near), np.where(swap, near, far)
        below[near] = below[parents] + 2
        below[far] = below[near] + size[near] - 1
    return place, heights
