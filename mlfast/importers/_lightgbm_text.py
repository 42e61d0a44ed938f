"""LightGBM's model text: header, trees and parameters, as strings by key."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from mlfast.errors import ModelFileError


@dataclasses.dataclass(frozen=True)
class LightGBMText:
    """A model as LightGBM writes it; it predicts as `lightgbm.Booster` would.

    Parameters
    ----------
    header : dict of str to str
        Keys without a value, such as average_output, have "".
    trees : list of dict of str to str
    parameters : dict of str to str
    pandas_categorical : list of list, or None
        The categories of a data frame's category columns.
    """

    header: dict[str, str]
    trees: list[dict[str, str]]
    parameters: dict[str, str]
    pandas_categorical: list[list[Any]] | None


def parse(text: str, path: str) -> LightGBMText:
    """Split model text into its parts."""
    body, end, rest = text.partition("\nend of trees")
    head, *blocks = body.split("\nTree=")
    header = _pairs(head)
    if not head.startswith("tree\n") or not end or "max_feature_idx" not in header:
        raise ModelFileError(
            f"{path}: expected a LightGBM model text, from 'tree' to 'end of trees', "
            f"got {text[:20]!r}... of {len(text)} characters"
        )
    parameters = {}
    section = rest.partition("\nparameters:\n")[2].partition("\nend of parameters")[0]
    for line in section.splitlines():
        key, _, value = line.strip().strip("[]").partition(": ")
        parameters[key] = value
    categories = None
    for line in rest.splitlines():
        if line.startswith("pandas_categorical:"):
            categories = json.loads(line.partition(":")[2])
    return LightGBMText(header, [_pairs("Tree=" + b) for b in blocks], parameters, categories)


def _pairs(block: str) -> dict[str, str]:
    found = {}
    for line in block.splitlines():
        key, _, value = line.partition("=")
        found[key] = value
    return found
