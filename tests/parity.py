"""Compares an imported head with the original: through the reference walker, and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference

import mlfast
from mlfast.importers._head import Head
from mlfast.spec import TreeEnsemble


def hard_rows(trees: TreeEnsemble, rng: np.random.Generator, n: int = 150) -> np.ndarray:
    """Rows of special values, thresholds of the model and their neighbours."""
    dtype = np.dtype(trees.input_dtype).type
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-35, -1e-35, 9.9e-36, 5e-324, 1e-45]
    special += [1.0, 2.0, 2.5, -1.0, -0.5, 300.0, 2.0**24, 2.0**31, 1e300, -1e300]
    X = rng.normal(size=(n, trees.n_features))
    for feature in range(trees.n_features):
        known = trees.threshold[trees.feature == feature]
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
    model: Any,
    head: Head,
    X: np.ndarray,
    *,
    margin: Any = None,
    proba: Any = None,
    label: Any = None,
    leaves: Any = None,
    ulp: int = 0,
) -> None:
    """What the head of `model` answers for X against the original's answers.

    `ulp` is for values that came through a function of NumPy's own, never for sums.
    """
    found = reference.leaves(head.model, reference.prepare(head, X))
    decisions, values, labels = reference.answers(head.output, reference.raw(head.model, found))
    compiled = mlfast.compile(model)
    linked = ulp if head.output.decision_link != "identity" else 0
    if leaves is not None:
        same(head.model.leaf_ids[found], leaves)
        same(compiled.apply(X), leaves)
    if margin is not None:
        same(decisions, margin, linked)
        same(compiled.decision_function(X), margin, linked)
    if proba is not None:
        same(values, proba, ulp)
        same(compiled.predict_proba(X), proba, ulp)
    if label is not None:
        valued = ulp if head.output.rule == "value" else 0
        for got in (labels, compiled.predict(X)):
            same(got, label, valued)
            assert got.dtype.kind == "U" or got.dtype == np.asarray(label).dtype
