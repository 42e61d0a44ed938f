"""Where pooling windows begin and end, and how many output pixels there are."""

from __future__ import annotations

import numpy as np

from mlfast.errors import SpecError


def output_size(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1,
    ceil_mode: bool = False,
) -> int:  # fmt: skip
    """Windows along an axis, as PyTorch counts them."""
    room = size + sum(padding) - dilation * (kernel - 1) - 1
    n = (-(-room // stride) if ceil_mode else room // stride) + 1
    if n < 1:
        raise SpecError(f"the kernel spans {size - room + sum(padding)}, the padded image has "
                        f"{size + sum(padding)}")  # fmt: skip
    if not ceil_mode:
        return n
    # The last window begins inside the image or the padding before it.
    return n - 1 if (n - 1) * stride >= size + padding[0] else n


def windows(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1,
    ceil_mode: bool = False, count_padding: bool = True,
) -> np.ndarray:  # fmt: skip
    """First row, end and divisor of each window: int32 (n, 3), as `spec.Pooling` wants them.

    A window counts what it has of the image, and with `count_padding` of the padding too.
    """
    n = output_size(size, kernel, stride, padding, dilation, ceil_mode)
    rows = (np.arange(n) * stride - padding[0])[:, None] + np.arange(kernel) * dilation
    inside = (rows >= 0) & (rows < size)
    if not inside.any(axis=1).all():
        raise SpecError("a window lies in the padding alone: expected padding below the kernel")
    counted = (rows < size + padding[1]) if count_padding else inside
    first = rows[np.arange(n), inside.argmax(axis=1)]
    last = np.where(inside, rows, -1).max(axis=1)
    return np.stack([first, last + 1, counted.sum(axis=1)], axis=1).astype(np.int32)


def adaptive_windows(size: int, n: int) -> np.ndarray:
    """The n windows that divide an axis, as AdaptiveAvgPool2d does."""
    first = np.arange(n) * size // n
    end = -(-(np.arange(n) + 1) * size // n)
    return np.stack([first, end, end - first], axis=1).astype(np.int32)
