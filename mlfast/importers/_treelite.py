"""treelite's checkpoint format, version 4: the bytes of `serialize` and `serialize_bytes`.

Source: treelite's documentation, "Treelite Serialization Format v4", and
checkpoints of treelite 4.8. Numbers are little-endian; an array is its length
as uint64 and its items.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import numpy as np

_DTYPES: dict[int, np.dtype[Any]] = {2: np.dtype("<f4"), 3: np.dtype("<f8")}
LEAF, NUMERICAL, CATEGORICAL = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Tree:
    """One tree; arrays have an entry a node unless stated."""

    node_type: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    default_left: np.ndarray
    leaf_value: np.ndarray
    threshold: np.ndarray
    comparison: np.ndarray
    categories_right: np.ndarray
    leaf_vector: np.ndarray  # of all nodes, one after another
    leaf_vector_begin: np.ndarray
    leaf_vector_end: np.ndarray
    categories: np.ndarray  # of all nodes, one after another
    category_begin: np.ndarray
    category_end: np.ndarray
    ids: np.ndarray  # each node's number


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A whole model; names as in treelite's documentation."""

    dtype: str
    n_features: int
    average: bool
    n_class: np.ndarray
    leaf_vector_shape: np.ndarray
    target_id: np.ndarray
    class_id: np.ndarray
    postprocessor: str
    sigmoid_alpha: float
    ratio_c: float
    base_scores: np.ndarray
    trees: list[Tree]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def scalar(self, code: str) -> int | float | bool:
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value  # type: ignore[no-any-return]

    def array(self, dtype: str | np.dtype) -> np.ndarray:
        dtype = np.dtype(dtype)
        length = int(self.scalar("Q"))
        if length > (len(self.data) - self.at) // dtype.itemsize:
            raise ValueError(f"the file ends within an array of {length} items at byte {self.at}")
        array = np.frombuffer(self.data, dtype, length, self.at)
        self.at += array.nbytes
        return array

    def text(self) -> str:
        return self.array("u1").tobytes().decode("utf-8")

    def no_extensions(self) -> None:
        count = self.scalar("i")
        if count != 0:
            raise ValueError(f"expected no optional fields, got {count} at byte {self.at}")


def looks_like_checkpoint(start: bytes) -> bool:
    """Whether a file that starts so is a treelite checkpoint of some version."""
    if len(start) < 14:
        return False
    major, minor, patch = struct.unpack_from("<3i", start)
    return 3 <= major <= 9 and 0 <= minor < 100 and 0 <= patch < 100


def loads(data: bytes) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    ValueError
        The checkpoint is damaged or of another version.
    """
    reader = _Reader(data)
    try:
        return _checkpoint(reader)
    except struct.error:
        raise ValueError(f"the file ends too early, at byte {reader.at}") from None


def _checkpoint(reader: _Reader) -> Checkpoint:
    version = [int(reader.scalar("i")) for _ in range(3)]
    if version[0] != 4:
        text = ".".join(map(str, version))
        raise ValueError(
            f"expected a checkpoint of treelite 4, got one of {text}; load it with a treelite that "
            "reads it and serialize it again with treelite 4"
        )
    kinds = [int(reader.scalar("B")) for _ in range(2)]
    if kinds[0] != kinds[1] or kinds[0] not in _DTYPES:
        raise ValueError(f"expected float32 or float64 throughout, got the types {kinds}")
    dtype = _DTYPES[kinds[0]]
    n_trees = int(reader.scalar("Q"))
    n_features = int(reader.scalar("i"))
    reader.scalar("B")  # task type: says nothing that the fields below do not
    average = bool(reader.scalar("B"))
    reader.scalar("I")  # number of targets: the length of the next array
    header: dict[str, Any] = {
        "n_class": reader.array("<u4"),
        "leaf_vector_shape": reader.array("<u4"),
        "target_id": reader.array("<i4"),
        "class_id": reader.array("<i4"),
        "postprocessor": reader.text(),
        "sigmoid_alpha": float(reader.scalar("f")),
        "ratio_c": float(reader.scalar("f")),
        "base_scores": reader.array("<f8"),
    }
    reader.text()  # attributes
    reader.no_extensions()
    if len(header["target_id"]) != n_trees or len(header["class_id"]) != n_trees:
        raise ValueError(f"expected a target and a class for each of {n_trees} trees")
    trees = [_tree(reader, dtype) for _ in range(n_trees)]
    if reader.at != len(reader.data):
        raise ValueError(f"expected the end at byte {reader.at}, got {len(reader.data)} bytes")
    return Checkpoint(
        dtype=dtype.newbyteorder("=").name, n_features=n_features, average=average, trees=trees,
        **header,
    )  # fmt: skip


def _tree(reader: _Reader, dtype: np.dtype) -> Tree:
    n_nodes = int(reader.scalar("i"))
    reader.scalar("B")  # whether there are categorical splits
    tree = Tree(
        node_type=reader.array("i1"),
        left=reader.array("<i4"),
        right=reader.array("<i4"),
        feature=reader.array("<i4"),
        default_left=reader.array("u1"),
        leaf_value=reader.array(dtype),
        threshold=reader.array(dtype),
        comparison=reader.array("i1"),
        categories_right=reader.array("u1"),
        leaf_vector=reader.array(dtype),
        leaf_vector_begin=reader.array("<u8"),
        leaf_vector_end=reader.array("<u8"),
        categories=reader.array("<u4"),
        category_begin=reader.array("<u8"),
        category_end=reader.array("<u8"),
        ids=np.arange(n_nodes),
    )
    for kind in ("<u8", "<f8", "<f8"):  # data count, sum of hessians, gain; present or not
        reader.array(kind)
        reader.array("u1")
    reader.no_extensions()
    reader.no_extensions()
    fields = dataclasses.fields(tree)
    lengths = {f.name: len(getattr(tree, f.name)) for f in fields}
    if any(n != n_nodes for k, n in lengths.items() if k not in ("leaf_vector", "categories")):
        raise ValueError(f"expected {n_nodes} entries in each array of a tree, got {lengths}")
    return tree
