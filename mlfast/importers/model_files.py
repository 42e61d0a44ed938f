"""Model files: XGBoost JSON and UBJSON, LightGBM text, treelite checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlfast.errors import ModelFileError


def load(path: Path) -> Any:
    """The model of a file, as an object of the library that wrote it."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    kind, loader = _loader(start)
    try:
        return loader(path)
    except ImportError:
        raise
    except Exception as error:
        raise ModelFileError(f"{path}: looks like {kind} and cannot be read: {error}") from error


def _loader(start: bytes) -> tuple[str, Any]:
    text = start.lstrip()
    if text[:1] == b"{":
        return "an XGBoost model", _xgboost
    if text.startswith(b"tree"):
        return "a LightGBM model", _lightgbm
    return "a treelite checkpoint", _treelite


def _xgboost(path: Path) -> Any:
    import xgboost

    # XGBoost tells JSON from UBJSON by its first bytes when it reads from memory.
    return xgboost.Booster(model_file=bytearray(path.read_bytes()))


def _lightgbm(path: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(path))


def _treelite(path: Path) -> Any:
    import treelite

    return treelite.Model.deserialize(str(path))
