"""Universal Binary JSON, as XGBoost writes it: objects, strings, numbers and typed arrays."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

#: Type marker -> big-endian NumPy dtype.
_NUMBERS = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
_DTYPES = {marker: np.dtype(name) for marker, name in _NUMBERS.items()}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_DEEPEST = 64


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if size < 0 or len(piece) != size:
            raise ValueError(f"the file ends within a value of {size} bytes at byte {self.at}")
        self.at += size
        return piece

    def peek(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def number(self, marker: bytes) -> Any:
        dtype = _DTYPES.get(marker)
        if dtype is None:
            raise ValueError(f"unknown marker {marker!r} at byte {self.at}")
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def size(self) -> int:
        marker = self.take(1)
        if marker == b"L":  # the common case, written by XGBoost for every length
            return int(struct.unpack(">q", self.take(8))[0])
        return int(self.number(marker))

    def string(self) -> str:
        return self.take(self.size()).decode("utf-8", "surrogateescape")

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep at byte {self.at}")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self.string()
        if marker == b"C":
            return self.take(1).decode("latin-1")
        if marker == b"{":
            return self.object(depth)
        if marker == b"[":
            return self.array(depth)
        return self.number(marker)

    def header(self) -> tuple[bytes | None, int | None]:
        """Optional type and count of a container."""
        kind = None
        if self.peek() == b"$":
            self.take(1)
            kind = self.take(1)
        if self.peek() == b"#":
            self.take(1)
            return kind, self.size()
        return kind, None

    def object(self, depth: int) -> dict[str, Any]:
        kind, count = self.header()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self.peek() == b"}":
                self.take(1)
                break
            key = self.string()
            found[key] = self.value(kind or self.take(1), depth + 1)
        return found

    def array(self, depth: int) -> Any:
        kind, count = self.header()
        if count is not None and kind in _DTYPES:
            dtype = _DTYPES[kind]
            array = np.frombuffer(self.take(count * dtype.itemsize), dtype)
            return array.astype(dtype.newbyteorder("="))
        found: list[Any] = []
        while count is None or len(found) < count:
            if count is None and self.peek() == b"]":
                self.take(1)
                break
            found.append(self.value(kind or self.take(1), depth + 1))
        return found


def loads(data: bytes) -> Any:
    """Value of a UBJSON document; numeric arrays with a type become NumPy arrays.

    Raises
    ------
    ValueError
        The document is damaged.
    """
    reader = _Reader(bytes(data))
    return reader.value(reader.take(1), 0)
