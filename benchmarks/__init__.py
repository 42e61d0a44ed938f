"""Benchmarks, for `asv run` and ``python -m benchmarks.run``.

One thread in every library: set here, before any of them is imported.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
