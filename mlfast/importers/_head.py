"""What a model's importer gives: the head, and what has to happen to its inputs first."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from mlfast import spec


@dataclasses.dataclass(frozen=True)
class FeatureCategories:
    """A feature that the model reads as a category (a data frame's category column).

    Parameters
    ----------
    keys : tuple of str, int or float
        The known values; `values[i]` is the number the model takes for `keys[i]`.
    values : tuple of float
    unknown : float or None
        The number of an unknown value; None where the original refuses it.
    missing : float
        The number of None and NaN.
    """

    keys: tuple[str | int | float, ...]
    values: tuple[float, ...]
    unknown: float | None = math.nan
    missing: float = math.nan


@dataclasses.dataclass(frozen=True)
class Head:
    """An imported model.

    Parameters
    ----------
    model : spec.TreeEnsemble, spec.Linear or spec.Network
    output : spec.Output
    check : str or None
        A `spec.Check` kind that the original demands of the model's inputs.
    missing : float
        A value that the model takes for missing besides NaN (NaN: none),
        compared after rounding to the model's `input_dtype`.
    categories : dict of int to FeatureCategories
        Features read as categories.
    feature_names : tuple of str or None
        The names that the model itself knows.
    preprocessor : object or None
        A fitted ColumnTransformer that the original runs its inputs through first.
    """

    model: spec.TreeEnsemble | spec.Linear | spec.Network
    output: spec.Output
    check: str | None = None
    missing: float = math.nan
    categories: dict[int, FeatureCategories] = dataclasses.field(default_factory=dict)
    feature_names: tuple[str, ...] | None = None
    preprocessor: Any = None
