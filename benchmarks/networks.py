"""The layers and networks that are measured, and their examples."""

import os
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from mlfast import nn  # noqa: E402

DIGITS = Path(__file__).parent.parent / "examples" / "mnist"


def numbers(seed, *shape):
    return (np.random.default_rng(seed).standard_normal(shape) * 0.1).astype(np.float32)


def digits():
    """The network of the digits example."""
    return nn.from_json(
        DIGITS / "architecture.json", DIGITS / "weights.safetensors", input_shape=(1, 28, 28)
    )


def layers():
    """Name: (layer, shape of an example)."""
    return {
        "linear 256 -> 10": (nn.Linear(numbers(0, 10, 256), numbers(1, 10)), (256,)),
        "linear 1024 -> 256": (nn.Linear(numbers(2, 256, 1024), numbers(3, 256)), (1024,)),
        "conv 1x28x28 k5 -> 24": (nn.Conv2d(numbers(4, 24, 1, 5, 5), numbers(5, 24)), (1, 28, 28)),
        "conv 24x24x24 k3 -> 32": (
            nn.Conv2d(numbers(6, 32, 24, 3, 3), numbers(7, 32)), (24, 24, 24),
        ),
        "max pool 2 of 24x24x24": (nn.MaxPool2d(2), (24, 24, 24)),
        "digits network": (digits(), (1, 28, 28)),
    }  # fmt: skip


def image(shape):
    """An example; for the digits network one that the training never saw."""
    if shape == (1, 28, 28):
        with np.load(DIGITS / "samples.npz") as samples:
            return (samples["images"][:1] / 255).astype(np.float32)
    return numbers(9, *shape)


#: Floating-point operations of an example, two for each multiply-add.
OPERATIONS = {
    "linear 256 -> 10": 2 * 256 * 10,
    "linear 1024 -> 256": 2 * 1024 * 256,
    "conv 1x28x28 k5 -> 24": 2 * 24 * 24 * 24 * 25,
    "conv 24x24x24 k3 -> 32": 2 * 32 * 22 * 22 * 24 * 9,
}

#: Microseconds published for Go, sequential and the best of its other three strategies.
GO = {
    "linear 256 -> 10": (1.80, 4.08),
    "linear 1024 -> 256": (151.4, 69.2),
    "conv 1x28x28 k5 -> 24": (629, 2239),
    "conv 24x24x24 k3 -> 32": (5980, 4406),
}


def images(n=256):
    """A batch of digits."""
    with np.load(DIGITS / "samples.npz") as samples:
        digits = np.resize(samples["images"], (n, 1, 28, 28))
    return (digits / 255).astype(np.float32)


def batch_call(n=256, n_threads=1):
    """Digits of a batch in one call."""
    net, x = digits(), images(n)
    return lambda: net.predict(x, n_threads=n_threads)
