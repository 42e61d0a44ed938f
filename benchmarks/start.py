"""What it takes to import mlfast and to load a model, each in fresh processes."""

import subprocess
import sys
from pathlib import Path

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
MEMORY = """
import re, sys, mlfast
def resident():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = resident()
mlfast.load(sys.argv[1])
print((resident() - before) * 1024)
"""


def import_milliseconds(repeats=5):
    """Return the shortest `import mlfast`, NumPy imported already."""
    return min(_fresh(IMPORT) for _ in range(repeats))


def load_milliseconds(path, repeats=5):
    """Return the shortest first `mlfast.load` of a process."""
    return min(_fresh(LOAD, path) for _ in range(repeats))


def load_bytes(path):
    """Return by how much a process grows at most while it loads a model (Linux), or None."""
    return int(_fresh(MEMORY, path)) if Path("/proc/self/status").exists() else None


def _fresh(code, *arguments):
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
