"""`spec.Model` to a file and back: a safetensors container with the description as JSON.

The arrays are the container's tensors, named after their place in the model
(``head.threshold``, ``steps.3.shift``). Everything else is one JSON text under
the key ``mlfast`` of the container's metadata::

    {"checksum": "...", "format": 1, "metadata": {...}, "model": {...}}

The checksum is the BLAKE2b digest of the whole file with the checksum's own
digits written as zeros, so a change of any byte is noticed. A file is trusted
in nothing: after the checksum each value is checked against its field's type
and all spec objects are built, and so validated, again.

The file is read, not memory-mapped: its arrays are views of one buffer of our own,
which nobody else can change or truncate after it was checked.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import ModelFileError, SpecError

# Loading a model shall take milliseconds: hashlib (with OpenSSL) and pathlib take 5 ms each.
try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

FORMAT = 1

_KEY = "mlfast"
_DIGITS = 64
_ZEROS = "0" * _DIGITS
#: The checksum as it stands in the header: JSON inside a JSON string.
_BEFORE_CHECKSUM = b'\\"checksum\\": \\"'
_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip


def save_model(
    model: spec.Model, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write `model` to `path`; an existing file is replaced in one step, or not at all.

    Parameters
    ----------
    model : spec.Model
    path : str or os.PathLike
    metadata : mapping, optional
        Anything that JSON can hold, for people to read (`load_metadata`).
    """
    from pathlib import Path

    data = dumps(model, metadata=metadata)
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def load_model(path: str | os.PathLike[str]) -> spec.Model:
    """Read a model; `ModelFileError` unless every byte is as it was written."""
    return loads(_read(path), name=os.fspath(path))


def load_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What was given to `save_model` as `metadata`."""
    description, _ = _open(_read(path), os.fspath(path))
    metadata = description["metadata"]
    return metadata if isinstance(metadata, dict) else {}


def dumps(model: spec.Model, *, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes of a model file; equal models and metadata give equal bytes."""
    from safetensors.numpy import save  # not needed to load

    tensors: dict[str, np.ndarray] = {}
    description = {
        "checksum": _ZEROS,
        "format": FORMAT,
        "metadata": dict(metadata or {}),
        "model": _encode(model, "", tensors),
    }
    blank = save(tensors, {_KEY: json.dumps(description)})
    at = blank.index(_BEFORE_CHECKSUM) + len(_BEFORE_CHECKSUM)
    digest = blake2b(blank, digest_size=_DIGITS // 2).hexdigest()
    return b"".join((blank[:at], digest.encode(), blank[at + _DIGITS :]))


def loads(data: bytes, *, name: str = "model") -> spec.Model:
    """Return the model in the bytes of a file; `name` is what errors call it."""
    description, tensors = _open(data, name)
    unused = set(tensors)
    try:
        model = _decode(description["model"], tensors, unused)
        if not isinstance(model, spec.Model):
            raise SpecError(f"expected a Model, got {type(model).__name__}")
        if unused:
            raise SpecError(f"unused tensors {sorted(unused)}")
    except Exception as error:
        # The checksum is right, so somebody made this file: whatever is wrong is theirs.
        raise ModelFileError(f"{name}: not a valid model: {error}") from error
    return model


# ---------------------------------------------------------------- the container


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _open(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Check the container; return the description and the tensors, views of `data`."""
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        if len(data) < 8 or start > len(data):
            raise ValueError("too short")
        header = json.loads(data[8:start].decode())
        description = json.loads(header.pop("__metadata__")[_KEY])
        version = description["format"]
        if type(version) is not int or not all(k in description for k in ("metadata", "model")):
            raise ValueError("incomplete")
    except Exception as error:
        raise ModelFileError(
            f"{name}: expected a file written by Predictor.save, got no mlfast model "
            f"or a damaged one ({type(error).__name__}: {error})"
        ) from None
    if version > FORMAT:
        raise ModelFileError(
            f"{name}: written in format {version} by a newer mlfast; "
            f"this one reads formats up to {FORMAT}: upgrade mlfast"
        )
    if not _checksum_matches(data, start):
        raise ModelFileError(f"{name}: damaged: its checksum does not match its content")
    try:
        return description, {key: _tensor(data, start, entry) for key, entry in header.items()}
    except Exception as error:
        raise ModelFileError(f"{name}: not a valid model: bad tensor: {error}") from None


def _checksum_matches(data: bytes, start: int) -> bool:
    at = data.find(_BEFORE_CHECKSUM, 8, start) + len(_BEFORE_CHECKSUM)
    digest = blake2b(data[:at], digest_size=_DIGITS // 2)
    digest.update(_ZEROS.encode())
    digest.update(memoryview(data)[at + _DIGITS :])
    return data[at : at + _DIGITS] == digest.hexdigest().encode()


def _tensor(data: bytes, start: int, entry: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    count = 1
    for size in shape:
        count *= size
    if not 0 <= begin <= end <= len(data) - start or count * dtype.itemsize != end - begin:
        raise ValueError(f"{entry} does not fit the file")
    array: np.ndarray = np.ndarray(shape, dtype, data, start + begin)
    return array if array.flags.aligned else array.copy()


# ---------------------------------------------------------------- values


def _encode(value: Any, where: str, tensors: dict[str, np.ndarray]) -> Any:
    """Return `value` as JSON; put its arrays into `tensors`, named after their place."""
    if isinstance(value, np.ndarray):
        tensors[where] = np.ascontiguousarray(value)
        return {"tensor": where}
    cls: Any = type(value)
    if cls in _classes().values():
        encoded = {"class": cls.__name__}
        for name in _hints(cls):
            place = f"{where}.{name}" if where else name
            encoded[name] = _encode(getattr(value, name), place, tensors)
        return encoded
    if isinstance(value, tuple):
        return [_encode(item, f"{where}.{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, float):
        value = float(value)
        return value if value - value == 0.0 else {"float": repr(value)}
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # lone surrogates; JSON would join two of them
            return {"text": value.encode("utf-32-le", "surrogatepass").hex()}
        return str(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    raise SpecError(f"{where}: a {type(value).__name__} cannot be stored in a model file")


def _decode(value: Any, tensors: dict[str, np.ndarray], unused: set[str]) -> Any:
    if isinstance(value, list):
        if not {dict, list} & set(map(type, value)):  # plain values, possibly very many
            return tuple(value)
        return tuple(_decode(item, tensors, unused) for item in value)
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        unused.discard(value["tensor"])
        return tensors[value["tensor"]]
    if "float" in value:
        return float(value["float"])
    if "text" in value:
        return bytes.fromhex(value["text"]).decode("utf-32-le", "surrogatepass")
    cls: Any = _classes()[value["class"]]
    arguments = {
        key: _decode(item, tensors, unused) for key, item in value.items() if key != "class"
    }
    for key, hint in _hints(cls).items():
        if key in arguments and not _fits(arguments[key], hint):
            raise SpecError(f"{cls.__name__}.{key}: {arguments[key]!r} does not fit {hint}")
    return cls(**arguments)


@functools.cache
def _classes() -> dict[str, Any]:
    exported = (getattr(spec, name) for name in spec.__all__)
    return {c.__name__: c for c in exported if isinstance(c, type) and issubclass(c, spec.Spec)}


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    # spec classes do without postponed annotations, so these are types, no text to evaluate
    return {field.name: field.type for field in dataclasses.fields(cls)}


def _fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of the annotated type: a class, a union, or a tuple."""
    kind: Any = type(value)
    if typing.get_origin(hint) is not tuple:
        return _fits_type(kind, hint)
    items = typing.get_args(hint)
    if not isinstance(value, tuple):
        return False
    if items[-1] is Ellipsis:
        return all(_fits_type(one, items[0]) for one in set(map(type, value)))
    return len(value) == len(items) and all(map(_fits, value, items))


@functools.cache
def _fits_type(kind: type, hint: Any) -> bool:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_fits_type(kind, one) for one in typing.get_args(hint))
    if hint is Any:
        return True
    if hint in (int, float, str, bool):
        return kind is hint
    return issubclass(kind, typing.get_origin(hint) or hint)
