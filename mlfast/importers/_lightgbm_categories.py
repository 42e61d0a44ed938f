"""Categories that LightGBM keeps of a data frame's category columns."""

from __future__ import annotations

import numpy as np

from mlfast.errors import UnsupportedError
from mlfast.importers._head import FeatureCategories
from mlfast.importers._lightgbm_text import LightGBMText


def categories(text: LightGBMText, path: str) -> dict[int, FeatureCategories]:
    """Features that the model reads as categories, by number.

    A category becomes its number among the training frame's, anything else
    NaN. The text lists the categories of the frame's category columns in the
    order of the columns, but not which columns these are; unless told
    otherwise, LightGBM trains on exactly these as its categorical features.
    """
    found = text.pandas_categorical or []
    if not found:
        return {}
    features = _categorical_features(text)
    if len(features) != len(found) or not all(
        _fits(text, feature, len(keys)) for feature, keys in zip(features, found, strict=True)
    ):
        raise UnsupportedError(
            f"{path}: LightGBM's model lists the categories of {len(found)} columns and has the "
            f"categorical features {features}, so that it is unknown which columns they are "
            "(ordered categories, or an explicit categorical_feature); supported: all category "
            "columns unordered and categorical_feature='auto'"
        )
    result = {}
    for feature, keys in zip(features, found, strict=True):
        numbers = tuple(float(i) for i in range(len(keys)))
        result[feature] = FeatureCategories(keys=tuple(keys), values=numbers)
    return result


def _categorical_features(text: LightGBMText) -> list[int]:
    """The parameter categorical_feature: numbers, or names after ``name:``."""
    value = text.parameters.get("categorical_feature", "")
    if value.startswith("name:"):
        names = text.header["feature_names"].split()
        return sorted(names.index(name) for name in value.removeprefix("name:").split(","))
    return sorted(int(number) for number in value.split(",") if number)


def _fits(text: LightGBMText, feature: int, n_categories: int) -> bool:
    """Whether the values that training saw in a feature can be numbers of its categories."""
    seen = text.header["feature_infos"].split()[feature]
    if seen == "none":
        return True
    if seen.startswith("["):
        return False
    values = np.array(seen.split(":"), dtype=np.float64)
    return bool(values.max(initial=0) < n_categories)
