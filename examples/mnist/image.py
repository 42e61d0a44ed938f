"""Reads a 28 x 28 grey image from 784 raw bytes or a PNG, without further libraries."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by PNG colour type


def read(path: Path) -> np.ndarray:
    """Light strokes on black, uint8 (28, 28), as MNIST has them."""
    data = path.read_bytes()
    if data.startswith(SIGNATURE):
        image = _png(data)
    elif len(data) == 784:
        image = np.frombuffer(data, np.uint8).reshape(28, 28)
    else:
        raise ValueError(f"{path}: expected a PNG or 784 bytes, got {len(data)} bytes")
    if image.shape != (28, 28):
        raise ValueError(f"{path}: expected 28 x 28 pixels, got {image.shape}")
    return image


def _png(data: bytes) -> np.ndarray:
    chunks: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        chunks[name] = chunks.get(name, b"") + data[at + 8 : at + 8 + size]
        at += size + 12
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise ValueError("expected a PNG, got a damaged one")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if depth != 8 or colour not in CHANNELS or interlaced:
        raise ValueError("expected a PNG of 8 bits a channel, without palette or interlacing")
    n = CHANNELS[colour]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    pixels = np.zeros((height, width * n), np.uint8)
    above = np.zeros(width * n, np.uint8)
    for y, (kind, line) in enumerate(zip(lines[:, 0], lines[:, 1:], strict=True)):
        above = pixels[y] = _unfiltered(int(kind), line, above, n)
    image = pixels.reshape(height, width, n)
    grey = image[..., :3].mean(axis=2) if n >= 3 else image[..., 0]
    return np.rint(grey).astype(np.uint8)


def _unfiltered(kind: int, line: np.ndarray, above: np.ndarray, n: int) -> np.ndarray:
    """A line of bytes from its differences to what is left of it and above."""
    result = np.zeros(len(line) + n, np.int64)  # n zeros before the line
    for i, value in enumerate(line.tolist()):
        left, up = int(result[i]), int(above[i])
        corner = int(above[i - n]) if i >= n else 0
        estimate = left + up - corner
        distances = [abs(estimate - p) for p in (left, up, corner)]
        paeth = (left, up, corner)[distances.index(min(distances))]
        added = (0, left, up, (left + up) // 2, paeth)[kind]
        result[i + n] = (value + added) % 256
    return result[n:].astype(np.uint8)
