"""Says which digit an image shows, and how long that took.

    python predict.py digit.png

The image has 28 x 28 pixels, light on black: a PNG, or 784 raw bytes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import image
import network
import numpy as np


def main() -> int:
    """Predict the digit of the image named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    try:
        pixels = image.read(parser.parse_args().image)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    net = network.load()
    x = (pixels.astype(np.float32) / 255).reshape(1, 28, 28)
    net.predict_one(x)  # lowers the network for images of this size
    start = time.perf_counter()
    digit = net.predict_one(x)
    elapsed = time.perf_counter() - start
    probability = net.predict_proba_one(x)[digit]
    print(f"{digit} ({probability:.1%}) in {elapsed * 1e6:.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
