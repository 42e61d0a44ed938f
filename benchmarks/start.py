"""Milliseconds to import mlfast and to load a model, each in fresh processes."""

import subprocess
import sys

IMPORT = """
import time, numpy
start = time.perf_counter()
import mlfast
mlfast.load
print((time.perf_counter() - start) * 1e3)
"""
LOAD = """
import sys, time, mlfast
mlfast.load
start = time.perf_counter()
mlfast.load(sys.argv[1])
print((time.perf_counter() - start) * 1e3)
"""


def import_milliseconds(repeats=5):
    """Return the shortest `import mlfast`, NumPy imported already."""
    return min(_fresh(IMPORT) for _ in range(repeats))


def load_milliseconds(path, repeats=5):
    """Return the shortest first `mlfast.load` of a process."""
    return min(_fresh(LOAD, path) for _ in range(repeats))


def _fresh(code, *arguments):
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
