"""Compares an imported head with the original model, through the reference walker."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference

from mlfast.importers._head import Head


def hard_rows(head: Head, rng: np.random.Generator, n: int = 150) -> np.ndarray:
    """Rows of special values, thresholds of the model and their neighbours."""
    dtype = np.dtype(head.model.input_dtype).type
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-35, -1e-35, 9.9e-36, 5e-324, 1e-45]
    special += [1.0, 2.0, 2.5, -1.0, -0.5, 300.0, 2.0**24, 2.0**31, 1e300, -1e300]
    X = rng.normal(size=(n, head.model.n_features))
    for feature in range(head.model.n_features):
        known = head.model.threshold[head.model.feature == feature]
        pool = np.array(special)
        if len(known):
            near = known.astype(dtype)
            with np.errstate(over="ignore"):
                above, below = np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))
            pool = np.concatenate([pool, known, near, above, below])
        chosen = rng.random(n) < 0.7
        X[chosen, feature] = rng.choice(pool, size=int(chosen.sum()))
    return X


def finite_rows(X: np.ndarray, nan: bool) -> np.ndarray:
    """The same rows with what `check_array` refuses taken out."""
    with np.errstate(over="ignore"):
        bad = np.isinf(X.astype(np.float32)) | (np.isnan(X) & (not nan))
    return np.where(bad, 0.25, X)


def same(got: Any, want: Any, ulp: int = 0) -> None:
    """Equal bit for bit (or within `ulp` units in the last place)."""
    got, want = np.asarray(got), np.asarray(want)
    got = got.reshape(want.shape)
    if ulp and want.dtype.kind == "f":
        np.testing.assert_array_max_ulp(got.astype(want.dtype), want, maxulp=ulp)
        return
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind == "f":
        assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def check(
    head: Head,
    X: np.ndarray,
    *,
    margin: Any = None,
    proba: Any = None,
    label: Any = None,
    leaves: Any = None,
    ulp: int = 0,
) -> None:
    """What the head answers for X against the original's answers."""
    found = reference.leaves(head.model, reference.prepare(head, X))
    decisions, values, labels = reference.answers(head.output, reference.raw(head.model, found))
    if leaves is not None:
        same(head.model.leaf_ids[found], leaves)
    if margin is not None:
        same(decisions, margin, ulp if head.output.decision_link != "identity" else 0)
    if proba is not None:
        same(values, proba, ulp)
    if label is not None:
        label = np.asarray(label)
        same(labels, label, ulp if head.output.rule == "value" else 0)
        if labels.dtype.kind != "U":
            assert labels.dtype == label.dtype
