"""Weights by PyTorch's names: from safetensors files, JSON files, dicts and modules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlfast.errors import ModelFileError

Source = Mapping[str, Any] | str | os.PathLike[str]


def read(source: Source) -> dict[str, np.ndarray]:
    """Arrays by name, from a mapping, a safetensors file or a JSON file of nested lists."""
    if isinstance(source, Mapping):
        return {str(name): as_array(str(name), value) for name, value in source.items()}
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    if data.lstrip().startswith(b"{"):
        return _json(path, data)
    return _safetensors(path, data)


def as_array(name: str, value: Any) -> np.ndarray:
    """A weight as an array; takes whatever NumPy does, and torch tensors."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"weights: expected numbers for {name!r}, got {error}") from None
    return array


def _json(path: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        lists = json.loads(data)
        if not isinstance(lists, dict):
            raise ValueError(f"expected an object, got {type(lists).__name__}")
    except ValueError as error:
        raise ModelFileError(f"{path}: expected weights as JSON: {error}") from None
    return {name: as_array(name, value) for name, value in lists.items()}


def _safetensors(path: Path, data: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, deserialize

    try:
        tensors = dict(deserialize(data))
    except SafetensorError as error:
        raise ModelFileError(
            f"{path}: expected a safetensors file or JSON weights: {error}"
        ) from None
    return {name: _tensor(path, name, tensor) for name, tensor in tensors.items()}


_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
           "I8": "i1", "U8": "u1", "BOOL": "?"}  # fmt: skip


def _tensor(path: Path, name: str, tensor: dict[str, Any]) -> np.ndarray:
    dtype, data, shape = tensor["dtype"], bytes(tensor["data"]), tensor["shape"]
    if dtype == "BF16":  # the upper halves of float32
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(shape)
    if dtype not in _DTYPES:
        raise ModelFileError(f"{path}: {name!r} has dtype {dtype}: expected one of {list(_DTYPES)}")
    return np.frombuffer(data, _DTYPES[dtype]).reshape(shape)


class Weights:
    """A state dict whose entries are taken one by one, so that none is forgotten."""

    def __init__(self, source: Source) -> None:
        self.arrays = read(source)
        self.unused = {n for n in self.arrays if not n.endswith("num_batches_tracked")}

    def take(self, name: str, where: str) -> np.ndarray:
        if name not in self.arrays:
            known = ", ".join(sorted(self.arrays)) or "nothing"
            raise ModelFileError(f"{where}: no weight {name!r}; there are {known}")
        self.unused.discard(name)
        return self.arrays[name]

    def check_all_used(self) -> None:
        if self.unused:
            raise ModelFileError(f"weights that no layer takes: {', '.join(sorted(self.unused))}")
