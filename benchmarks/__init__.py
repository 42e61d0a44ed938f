"""Benchmarks, for `asv run` and ``python -m benchmarks.run``.

One thread in every library: set here, before any of them is imported.
"""

import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

# ``python -m`` and asv put the source tree first; what is installed shall be measured.
_ROOT = str(Path(__file__).resolve().parent.parent)
sys.path.sort(key=lambda entry: entry in ("", _ROOT))
