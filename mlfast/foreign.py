"""Shared libraries that treelite or tl2cgen compiled, as models.

Loading one runs its code, so this happens when a caller names the library, and
never because of what a model file says: there is no `spec` class for it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlfast import spec
from mlfast._foreign import Function
from mlfast.errors import ModelFileError

RETURNS, COUNTS, FILLS = range(3)  # mlf_foreign_kind
LARGEST = 1 << 20  # features or outputs that a library is believed to have


class ForeignLibrary:
    """A head whose answers a library's function computes.

    Attributes
    ----------
    n_features, n_outputs : int
    dtype : str
        "float32" or "float64": of rows and answers.
    link : str
        What is left to do with the answers, a key of `spec.LINKS`.
    layout_text : str
    """

    def __init__(self, path: Path) -> None:
        self._library = library = _open(path)
        self.layout_text = f"compiled library {path.name}"
        if _has(library, "get_num_target"):
            kind, name, largest = FILLS, "predict", False
            self.n_outputs = _targets(library, path)
        else:
            count = "get_num_class" if _has(library, "get_num_class") else "get_num_output_group"
            self.n_outputs = n_classes = _count(library, path, count)
            kind, name = (COUNTS, "predict_multiclass") if n_classes > 1 else (RETURNS, "predict")
            largest = kind == COUNTS and _text(library, "get_pred_transform", "") == "max_index"
        self.dtype = _text(library, "get_threshold_type", "float32")
        leaf = _text(library, "get_leaf_output_type", self.dtype)
        if self.dtype not in ("float32", "float64") or leaf != self.dtype:
            raise ModelFileError(
                f"{path}: expected thresholds and leaves of one type, float32 or float64, "
                f"got {self.dtype!r} and {leaf!r}"
            )
        self.link = "argmax" if largest else "identity"  # of margins: one number for many sums
        self.n_features = _count(library, path, "get_num_feature")
        self._function = Function(
            n_features=self.n_features,
            n_outputs=self.n_outputs,
            kind=kind,
            float64=self.dtype == "float64",
            margin=largest,
            address=_address(library, path, name),
        )

    def head_capsule(self) -> Any:
        """A capsule "mlf_head", valid as long as this object."""
        return self._function.head_capsule()


def load_model(
    path: str | os.PathLike[str], features: int | Sequence[str] | None = None
) -> spec.Model:
    """Open a library; see `mlfast.load`."""
    path = Path(path)
    head = ForeignLibrary(path)
    named = not (features is None or isinstance(features, int))
    if features is None or isinstance(features, int):
        names = [f"x{i}" for i in range(features or head.n_features)]
    else:
        names = list(features)
    if len(names) < head.n_features:
        raise ModelFileError(
            f"{path}: the library reads {head.n_features} features, got features={features!r}"
        )
    output = spec.Output(
        link=head.link,
        rule="value",
        methods=("predict",),
        class_dtype=head.dtype,
        dtype=head.dtype,
    )
    return spec.Model.of_head(head, output, names, named)  # type: ignore[arg-type]


def _open(path: Path) -> ctypes.CDLL:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        return ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise ModelFileError(f"{path}: not a library that this machine can load: {error}") from None


def _has(library: ctypes.CDLL, name: str) -> bool:
    return hasattr(library, name)


def _address(library: ctypes.CDLL, path: Path, name: str) -> int:
    if not _has(library, name):
        raise ModelFileError(
            f"{path}: expected a library compiled by treelite or tl2cgen; it has no function {name}"
        )
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


def _count(library: ctypes.CDLL, path: Path, name: str) -> int:
    _address(library, path, name)
    function = library[name]
    function.restype = ctypes.c_int32 if _has(library, "get_num_target") else ctypes.c_size_t
    return _believable(function(), path, name)


def _believable(number: int, path: Path, name: str) -> int:
    if not 1 <= number <= LARGEST:
        raise ModelFileError(f"{path}: {name}: expected 1 to {LARGEST}, got {number}")
    return int(number)


def _targets(library: ctypes.CDLL, path: Path) -> int:
    """Numbers in an answer: of every target as many as the target with most classes has."""
    n_targets = _count(library, path, "get_num_target")
    _address(library, path, "get_num_class")
    classes = (ctypes.c_int32 * n_targets)()
    library.get_num_class(classes)
    return _believable(n_targets * max(classes), path, "get_num_class")


def _text(library: ctypes.CDLL, name: str, default: str) -> str:
    """What a function without parameters says; `default` where there is none."""
    if not _has(library, name):
        return default
    function = library[name]
    function.restype = ctypes.c_char_p
    return (function() or b"").decode("ascii", "replace")
