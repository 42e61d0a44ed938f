"""Categories that XGBoost 3.1 and later keep of a data frame's category columns."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from mlfast.errors import UnsupportedError
from mlfast.importers._head import FeatureCategories


def categories(learner: dict[str, Any], missing: float, path: str) -> dict[int, FeatureCategories]:
    """Features that the model reads as categories, by number.

    A category becomes its number among the training frame's. XGBoost refuses
    categories that it has not seen; None and NaN are missing. Models without
    stored categories (NumPy data with `feature_types`, XGBoost 3.0 and older)
    take the numbers themselves and are not concerned.
    """
    booster = learner["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    found = {}
    for feature, entry in enumerate(model.get("cats", {}).get("enc", ())):
        values = np.asarray(entry["values"])
        if len(values) == 0:  # a numeric feature
            continue
        keys = _names(entry, feature, path) if "offsets" in entry else tuple(values.tolist())
        numbers = tuple(float(i) for i in range(len(keys)))
        found[feature] = FeatureCategories(keys=keys, values=numbers, unknown=None)
    if found and not math.isnan(missing) and missing >= 0:
        raise UnsupportedError(
            f"{path}: missing={missing:g} with category columns has no native counterpart: which "
            "category XGBoost then drops depends on the order of each frame's own categories; "
            "supported: missing=nan, or a negative number"
        )
    return found


def _names(entry: dict[str, Any], feature: int, path: str) -> tuple[str, ...]:
    """Text categories: bytes of all of them, and where each begins."""
    data = np.asarray(entry["values"], dtype=np.int8).tobytes()
    offsets = [int(offset) for offset in entry["offsets"]]
    if not data.isascii():
        raise UnsupportedError(
            f"{path}: feature {feature} has category names outside ASCII, which XGBoost cuts off "
            "when it stores them; recode the column in ASCII or as integers and train again"
        )
    return tuple(data[begin:end].decode("ascii") for begin, end in itertools.pairwise(offsets))
