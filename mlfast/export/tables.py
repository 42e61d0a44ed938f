"""Arrays as C99.

Short arrays are written as numbers. Long ones are written as the bytes of a string, in a union
with the array: compilers read a string twenty times faster than a list of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

#: Items up to which an array is written as numbers.
READABLE = 4096
LINE = 96

_C_TYPES = {
    "int32": "int32_t",
    "uint32": "uint32_t",
    "uint16": "uint16_t",
    "uint8": "uint8_t",
    "float32": "float",
    "float64": "double",
}

#: What makes a file with `bytes_array` refuse a machine that would read it wrongly.
BYTE_ORDER_GUARD = """\
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "the tables of this file are little-endian"
#endif
"""


def number(value: float, single: bool = False) -> str:
    """A C constant that is exactly this double (or float)."""
    value = float(value)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    if single:
        text = str(np.float32(value))
        return (text if any(c in text for c in ".e") else text + ".0") + "f"
    return repr(value)


def text(value: str | bytes) -> str:
    """A C string constant of these bytes (UTF-8)."""
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    plain = (chr(c) if 32 <= c < 127 and c not in b'"\\?' else f"\\{c:03o}" for c in data)
    return '"' + "".join(plain) + '"'


def comment(value: str) -> str:
    """Text that may stand inside a comment."""
    shown = "".join(c if c.isprintable() else "?" for c in value)
    return shown.replace("*/", "* /").replace("/*", "/ *")


def rows(items: Iterable[str]) -> str:
    """Items separated by commas, in lines."""
    lines, line = [], ""
    for item in items:
        if line and len(line) + len(item) + 2 > LINE:
            lines.append(line)
            line = ""
        line += f" {item},"
    return "\n".join(f"   {line}" for line in [*lines, line] if line)


def array(name: str, values: np.ndarray) -> str:
    """``static const T name[]`` of a 1-d array; one zero stands for an empty one."""
    values = np.ascontiguousarray(values if len(values) else np.zeros(1, values.dtype))
    c_type = _C_TYPES[values.dtype.name]
    if len(values) > READABLE:
        return bytes_array(name, c_type, len(values), values)
    if values.dtype.kind == "f":
        single = values.dtype == np.float32
        items: Iterable[str] = (number(value, single) for value in values)
    else:
        items = (integer(int(value)) for value in values)
    return f"static const {c_type} {name}[{len(values)}] = {{\n{rows(items)}\n}};\n"


def integer(value: int) -> str:
    """A C constant; -2**31 has none of its own."""
    return "INT32_MIN" if value == -(2**31) else f"{value}u" if value >= 2**31 else str(value)


def structs(name: str, c_type: str, values: np.ndarray) -> str:
    """``static const c_type name[]`` of a structured array whose fields are integers."""
    if len(values) > READABLE:
        return bytes_array(name, c_type, len(values), values)
    items = (f"{{ {', '.join(integer(int(v)) for v in row)} }}" for row in values.tolist())
    return f"static const {c_type} {name}[{len(values)}] = {{\n{rows(items)}\n}};\n"


def bytes_array(name: str, c_type: str, length: int, values: np.ndarray) -> str:
    """The same array as a string of octal escapes, read through a union."""
    little = values.astype(values.dtype.newbyteorder("<"))
    data = np.frombuffer(little.tobytes(), np.uint8)
    escapes = np.array([f"\\{byte:03o}".encode() for byte in range(256)], dtype="S4")
    whole = len(data) // 24 * 24
    lines = escapes[data[:whole]].reshape(-1, 24).view("S96")[:, 0]
    body = b'    "' + b'"\n    "'.join(lines.tolist()) + b'"'
    if whole < len(data):
        body += b'\n    "' + b"".join(escapes[data[whole:]].tolist()) + b'"'
    return (
        f"static const union {{ unsigned char bytes[{len(data)}]; {c_type} items[{length}]; }}\n"
        f"{name}_data = {{\n{body.decode()}\n}};\n#define {name} {name}_data.items\n"
    )
