"""scikit-learn's encoders of categories: OneHotEncoder, OrdinalEncoder, KBinsDiscretizer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.importers import _facts
from mlfast.importers._builder import Builder
from mlfast.importers._columns import Code, Column, Frame, Number, float_dtype
from mlfast.importers._keys import NAN, Mapping, Token, token

REFUSED, WARNED = 1, 2


def one_hot_encoder(b: Builder, encoder: Any, frame: Frame, path: str) -> Frame:
    """A column for every group of categories but the dropped one."""
    warns = encoder.handle_unknown == "warn" or (
        encoder.drop is not None and encoder.handle_unknown != "error"
    )
    raises = {"error": REFUSED}.get(encoder.handle_unknown, WARNED if warns else 0)
    to_infrequent = encoder.handle_unknown in ("infrequent_if_exist", "warn")
    columns: list[Column] = []
    names: list[str] = []
    for i, column in enumerate(frame.columns):
        tokens, groups, n_groups, infrequent = _groups(encoder, i, path)
        dropped = _dropped(encoder, i, groups)
        width = n_groups - (dropped >= 0)

        def position(group: int, dropped: int = dropped) -> int:
            return -1 if group == dropped else group - (0 <= dropped < group)

        unknown = position(infrequent) if to_infrequent and infrequent >= 0 else -1
        known = {t: (position(g), 0) for t, g in zip(tokens, groups, strict=True)}
        code = _coded(b, column, encoder.categories_[i], known, (-1, REFUSED), path)
        labels = [""] * width
        for t, g in zip(tokens, groups, strict=True):
            if position(g) >= 0:
                labels[position(g)] = "infrequent_sklearn" if g == infrequent else str(t)
        names += [f"{frame.names[i]}_{label}" for label in labels]
        mapping = Mapping(known, (unknown, raises))
        columns += b.one_hot(code, mapping, width, path, np.dtype(encoder.dtype))
    return Frame(columns, names, encoder.sparse_output)


def ordinal_encoder(b: Builder, encoder: Any, frame: Frame, path: str) -> Frame:
    """A category becomes the number of its group, cast to the encoder's dtype."""
    dtype = np.dtype(encoder.dtype)

    def cast(value: Any) -> float:
        return float(np.asarray(value).astype(dtype))

    refuses = encoder.handle_unknown == "error"
    unknown = (math.nan, REFUSED) if refuses else (cast(encoder.unknown_value), 0)
    columns: list[Column] = []
    for i, column in enumerate(frame.columns):
        tokens, groups, _, _ = _groups(encoder, i, path, missing_apart=True)
        known = {t: (cast(g), 0) for t, g in zip(tokens, groups, strict=True)}
        if NAN in known:
            known[NAN] = (cast(encoder.encoded_missing_value), 0)
        code = _coded(b, column, encoder.categories_[i], known, (math.nan, REFUSED), path)
        columns.append(b.table(code, Mapping(known, unknown), path, dtype))
    return Frame(columns, frame.names)


def k_bins_discretizer(b: Builder, binner: Any, frame: Frame, path: str) -> Frame:
    """A number becomes the number of inner edges up to it, or a column for every bin."""
    numbers = b.as_numbers(frame.columns)
    dtype = float_dtype(numbers) if binner.dtype is None else np.dtype(binner.dtype)
    # The original rounds its input first when the output is to be float32.
    single = dtype == np.float32
    numbers = b.check(numbers, "float32_no_nan" if single else "finite", path)
    if single and any(column.dtype != dtype for column in numbers):
        numbers = b.step(spec.Round, numbers, dtype=dtype, facts=[b.facts(c) for c in numbers])
    inner = [edges[1:-1] for edges in binner.bin_edges_]
    bins = b.step(
        spec.Digitize,
        numbers,
        dtype=dtype,
        facts=[_facts.ALL] * len(numbers),
        edges=np.concatenate([*inner, np.empty(0)]),
        offsets=np.cumsum([0, *map(len, inner)]),
    )
    if binner.encode == "ordinal":
        return frame.with_columns(bins)
    columns: list[Column] = []
    names: list[str] = []
    for name, column, n_bins in zip(frame.names, bins, binner.n_bins_, strict=True):
        known: dict[Token, tuple[int, int]] = {k: (k, 0) for k in range(int(n_bins))}
        code = b.as_code(column, known)
        columns += b.one_hot(code, Mapping(known, (-1, REFUSED)), int(n_bins), path, dtype)
        names += [f"{name}_{float(k)}" for k in range(int(n_bins))]
    return Frame(columns, names, sparse=binner.encode == "onehot")


def _groups(
    encoder: Any, i: int, path: str, missing_apart: bool = False
) -> tuple[list[Token], list[int], int, int]:
    """Feature `i`'s categories, the group of each, how many groups, the infrequent one or -1.

    Groups are numbered as the original does: frequent categories in their
    order, then one for all infrequent ones. `missing_apart`: NaN has no group
    of its own (it is the last category and gets the number -1).
    """
    tokens = [token(category, path) for category in encoder.categories_[i]]
    limits = (getattr(encoder, "min_frequency", None), getattr(encoder, "max_categories", None))
    rare = encoder.infrequent_categories_[i] if limits != (None, None) else None
    infrequent = set() if rare is None else {token(category, path) for category in rare}
    groups, n_frequent = [], 0
    for t in tokens:
        if (missing_apart and t is NAN) or t in infrequent:
            groups.append(-1)
        else:
            groups.append(n_frequent)
            n_frequent += 1
    if not infrequent:
        return tokens, groups, n_frequent, -1
    groups = [n_frequent if t in infrequent else g for t, g in zip(tokens, groups, strict=True)]
    return tokens, groups, n_frequent + 1, n_frequent


def _dropped(encoder: Any, i: int, groups: list[int]) -> int:
    """The group that OneHotEncoder leaves out, or -1."""
    if encoder.drop_idx_ is None or encoder.drop_idx_[i] is None:
        return -1
    return groups[int(encoder.drop_idx_[i])]


def _coded(
    b: Builder,
    column: Column,
    categories: np.ndarray,
    known: dict[Token, Any],
    refused: Any,
    path: str,
) -> Code:
    """`column` as a code; the original refuses infinity in a column of numbers."""
    if isinstance(column, Number):
        column = b.check([column], "no_infinity", path)[0]
    elif categories.dtype.kind in "fiu":
        known |= {math.inf: refused, -math.inf: refused}
    return b.as_code(column, known)
