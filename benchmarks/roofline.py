"""What one core gives, measured with a C compiler's help: operations and bytes a second."""

import ctypes
import functools
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from mlfast.nn import _nn

SOURCE = Path(__file__).with_suffix(".c")
#: Of the best instruction set that mlfast finds.
FLAGS = {"baseline": [], "avx2": ["-march=x86-64-v3"], "avx512": ["-march=x86-64-v4"]}


@functools.cache
def library():
    folder = Path(tempfile.mkdtemp())
    flags = ["-O2", *FLAGS[_nn.instruction_sets()[-1]], "-ffp-contract=fast", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", folder / "roofline.so", SOURCE], check=True)
    built = ctypes.CDLL(str(folder / "roofline.so"))
    built.multiply_add.restype = ctypes.c_double
    built.multiply_add.argtypes = [ctypes.c_long, ctypes.POINTER(ctypes.c_float)]
    built.read_all.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    return built


def multiply_add(rounds):
    """Do so many rounds; return the float32 operations done."""
    return library().multiply_add(rounds, ctypes.byref(ctypes.c_float()))


def flops(rounds=4_000_000):
    """Float32 operations a second (half as many in float64); about 10 ms, as `bandwidth` takes."""
    start = time.perf_counter()
    done = multiply_add(rounds)
    return done / (time.perf_counter() - start)


def bandwidth(array):
    """Bytes a second when an array is read from memory."""
    sink = ctypes.c_ulonglong()
    size = array.nbytes // 4096 * 4096
    start = time.perf_counter()
    library().read_all(array.ctypes.data, size, ctypes.byref(sink))
    return size / (time.perf_counter() - start)


@functools.cache
def memory():
    """An array far beyond the caches."""
    return np.ones(1 << 28, np.uint8)
