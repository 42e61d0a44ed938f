"""A classifier's labels as plain Python values."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast.errors import UnsupportedError
from mlfast.spec.output import Label


def labels(classes: Any, path: str) -> tuple[tuple[Label, ...], str]:
    """Labels in order, and the NumPy dtype of an array of them."""
    array = np.asarray(classes)
    plain = tuple(array.tolist())
    for label in plain:
        if type(label) not in (str, int, float, bool):
            raise UnsupportedError(
                f"{path}: class labels of type {type(label).__name__} have no native counterpart; "
                "supported: str, int, float and bool"
            )
    return plain, str(array.dtype)
