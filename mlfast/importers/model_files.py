"""Model files, told apart by how they begin: XGBoost, LightGBM, treelite; ONNX by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlfast.errors import ModelFileError
from mlfast.importers import lightgbm, treelite, xgboost
from mlfast.importers._treelite import looks_like_checkpoint
from mlfast.nn import from_onnx


def load(path: Path) -> Any:
    """The model of a file, as an object that an importer takes."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix == ".onnx":
        return from_onnx(path)
    if start.lstrip().startswith(b"{"):
        return xgboost.load_file(str(path))
    if start.startswith(b"tree"):
        return lightgbm.load_file(str(path))
    if looks_like_checkpoint(start):
        return treelite.load_file(str(path))
    raise ModelFileError(
        f"{path}: expected an XGBoost model (JSON or UBJSON), a LightGBM model (text) or "
        f"a treelite checkpoint, got a file that begins with {start[:16]!r}"
    )
