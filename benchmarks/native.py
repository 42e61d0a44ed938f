"""Loops in C over rows: what a prediction costs where there is no Python around it."""

import ctypes
import functools
import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import ensembles
from mlfast.export import build

SOURCE = """
#include <string.h>

typedef int function(const void *user_data, const void *row, void *out);
typedef int exported(const void *row, void *out);
typedef int batch(const void *rows, size_t n_rows, void *out, size_t *refused_row);
typedef void treelite(void *row, int margin, void *out);

/* One call of a function of its own: callgrind counts what happens in it, and does not see the
 * beginning of a function that ctypes calls. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
long count_rows(function *f, const void *user_data, const char *rows, long n, long row_bytes,
                char *out, long out_bytes)
{
    long refused = 0;
    for (long i = 0; i < n; i++)
        refused += f(user_data, rows + i * row_bytes, out + i * out_bytes) != 0;
    return refused;
}

/* A function of mlfast's `c_function`. Returns how many rows were refused. */
long loop_function(function *f, const void *user_data, const char *rows, long n, long row_bytes,
                   char *out, long out_bytes)
{
    return n == 0 ? 0 : count_rows(f, user_data, rows, n, row_bytes, out, out_bytes);
}

/* `predict` of a library that tl2cgen compiled. */
long loop_treelite(treelite *f, void *unused, char *rows, long n, long row_bytes, char *out,
                   long out_bytes)
{
    (void)unused;
    memset(out, 0, n * out_bytes);
    for (long i = 0; i < n; i++)
        f(rows + i * row_bytes, 0, out + i * out_bytes);
    return 0;
}

/* `mlfast_predict_one` of an exported library. */
long loop_exported(exported *f, void *unused, const char *rows, long n, long row_bytes, char *out,
                   long out_bytes)
{
    long refused = 0;
    (void)unused;
    for (long i = 0; i < n; i++)
        refused += f(rows + i * row_bytes, out + i * out_bytes) != 0;
    return refused;
}

/* `mlfast_predict` of an exported library: all rows in one call. */
long call_exported(batch *f, void *unused, const char *rows, long n, long row_bytes, char *out,
                   long out_bytes)
{
    size_t refused;
    (void)unused, (void)row_bytes, (void)out_bytes;
    return f(rows, (size_t)n, out, &refused) != 0;
}
"""

LOOPS = ("loop_function", "loop_treelite", "loop_exported", "call_exported")


@functools.cache
def library() -> ctypes.CDLL:
    """The loops, compiled with the compiler found and kept beside the trained models."""
    key = hashlib.sha256(SOURCE.encode()).hexdigest()[:12]
    path = ensembles.folder() / f"loops-{key}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            source, made = Path(folder, "loops.c"), Path(folder, "loops.so")
            source.write_text(SOURCE)
            build.shared_library(source, made, build.find_compiler(), ["-fvisibility=default"])
            made.replace(path)
    loaded = ctypes.CDLL(str(path))
    for name in LOOPS:
        function = getattr(loaded, name)
        pointer, number = ctypes.c_void_p, ctypes.c_long
        function.argtypes = [pointer, pointer, pointer, number, number, pointer, number]
        function.restype = number
    return loaded


class Loop:
    """Calls of one native function, row after row.

    Parameters
    ----------
    name : one of LOOPS
    address, user_data : int
        Of the function.
    rows : ndarray (n, width)
    n_outputs : int
    out_dtype : dtype
    keep : object
        What the function needs to be alive.
    """

    def __init__(self, name, address, user_data, rows, n_outputs, out_dtype, keep):
        self._loop = getattr(library(), name)
        self._rows = np.ascontiguousarray(rows)
        self.out = np.zeros((len(rows), n_outputs), out_dtype)
        self._function = address, user_data
        self._keep = keep

    def __call__(self, begin: int, end: int) -> None:
        rows, out = self._rows, self.out
        refused = self._loop(
            *self._function,
            rows.ctypes.data + begin * rows.strides[0], end - begin, rows.strides[0],
            out.ctypes.data + begin * out.strides[0], out.strides[0],
        )  # fmt: skip
        if refused:
            raise AssertionError(f"{refused} rows were refused")


def predictor_loop(predictor, X: np.ndarray) -> Loop:
    """The plan of a predictor: `c_function`, from a float64 row to values."""
    function = predictor.c_function()
    return Loop(
        "loop_function", function.address, function.user_data, X, function.n_outputs,
        np.float64, function,
    )  # fmt: skip


def treelite_loop(path: Path, X: np.ndarray, n_outputs: int) -> Loop:
    """`predict` of a library that tl2cgen compiled; NaN becomes its missing value."""
    loaded = ctypes.CDLL(str(path))
    loaded.get_threshold_type.restype = ctypes.c_char_p
    dtype = np.dtype(loaded.get_threshold_type().decode())
    rows = np.ascontiguousarray(X, dtype)
    words = rows.view(np.int32).reshape(*rows.shape, dtype.itemsize // 4)
    words[np.isnan(rows), 0 if sys.byteorder == "little" else -1] = -1
    address = ctypes.cast(loaded.predict, ctypes.c_void_p).value
    return Loop("loop_treelite", address, None, rows, n_outputs, dtype, loaded)


def exported_loop(path: Path, X: np.ndarray, n_outputs: int, batch: bool = False) -> Loop:
    """An exported library (abi="mlfast"), row by row or many rows a call."""
    loaded = ctypes.CDLL(str(path))
    name, function = ("call_exported", loaded.mlfast_predict)
    if not batch:
        name, function = ("loop_exported", loaded.mlfast_predict_one)
    address = ctypes.cast(function, ctypes.c_void_p).value
    return Loop(name, address, None, X, n_outputs, np.float64, loaded)
