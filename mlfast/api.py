"""`compile` and `load`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlfast import serialize
from mlfast.predictor import Predictor


def compile(
    estimator: Any, *, missing_fields: str = "error", layout: str | None = None
) -> Predictor:
    """Turn a fitted estimator into a native predictor.

    Parameters
    ----------
    estimator : fitted estimator or path
        A scikit-learn pipeline, transformer or model; an XGBoost or LightGBM
        estimator or booster; a treelite model; or the path of an XGBoost (JSON,
        UBJ), LightGBM (text) or treelite file.
    missing_fields : {"error", "nan"}
        What a record's missing field is: an error, or NaN.
    layout : str, optional
        Forces a layout of the tree kernels (docs/trees.md), for tests and benchmarks: "heap",
        "walk", "tables", "masks", "lanes", "gather" or "bitslice".

    Returns
    -------
    Predictor

    Raises
    ------
    UnsupportedError
        A step has no native counterpart; names the step by its path.
    NotFittedError
        The estimator, or a step of it, is not fitted.
    ModelFileError
        The file is not a model.
    """
    from mlfast.importers import import_model

    return Predictor(import_model(estimator), missing_fields=missing_fields, layout=layout)


def load(
    path: str | os.PathLike[str],
    *,
    missing_fields: str = "error",
    layout: str | None = None,
    features: int | Sequence[str] | None = None,
) -> Predictor:
    """Read a predictor that `Predictor.save` wrote; see `compile` for the options.

    Parameters
    ----------
    path : path
        A model file; or a shared library (.so, .dll, .dylib) that treelite or tl2cgen
        compiled, whose code then runs in this process: only libraries that you trust.
    missing_fields, layout
        See `compile`.
    features : int or sequence of str, optional
        For libraries: how many fields a record has, or their names.

    Raises
    ------
    ModelFileError
        The file is not a model, is damaged, or was written by a newer mlfast.
    """
    if str(path).endswith((".so", ".dll", ".dylib")):
        from mlfast import foreign

        model = foreign.load_model(path, features)
        return Predictor(model, missing_fields=missing_fields, layout=layout)
    if features is not None:
        raise ValueError("features: only for shared libraries; a model file holds its own")
    return Predictor(serialize.load_model(path), missing_fields=missing_fields, layout=layout)
