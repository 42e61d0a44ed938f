"""Networks as a list of calls, for the functions of templates/network.c."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.export import tables

#: Floats of all values that are alive at once: they stand on the stack of the caller's thread.
MOST_FLOATS = 1 << 18


def source(network: spec.Network) -> str:
    """Weights, and the function from float64 features to float64 outputs."""
    places, size = _places(network)
    if size > MOST_FLOATS:
        raise UnsupportedError(
            f"export: this network needs {size} floats for one example, expected {MOST_FLOATS} at "
            "most, since exported code has the stack alone"
        )
    shapes = network.shapes
    names = [f"v + {place}" for place in places]
    parts, lines = [], []
    for number, operation in enumerate(network.operations):
        arrays = _arrays(operation)
        for name, values in arrays.items():
            parts.append(tables.array(f"network_{name}_{number}", values.ravel()))
        if isinstance(operation, spec.Tensor):
            names[number + 1] = f"network_value_{number}"
            continue
        inputs = [names[v] for v in operation.inputs]
        shown = f"{type(operation).__name__} {shapes[number + 1]}"
        lines.append(f"    /* {number + 1}: {shown} */")
        lines += _lines(
            operation, number, inputs, names[number + 1],
            [shapes[v] for v in operation.inputs], shapes[number + 1],
        )  # fmt: skip
    body = "\n".join(lines)
    return (
        "\n".join(parts)
        + f"\nstatic void network_run(const double *x, double *raw)\n{{\n    float v[{size}];\n"
        + f"    for (int i = 0; i < {network.n_features}; i++)\n"
        + f"        (v + {places[0]})[i] = (float)x[i];\n{body}\n"
        + f"    for (int i = 0; i < {network.n_outputs}; i++)\n"
        + f"        raw[i] = ({names[-1]})[i];\n}}\n"
    )


# ---------------------------------------------------------------- memory


def _places(network: spec.Network) -> tuple[list[int], int]:
    """Where each value begins, and the length of all: those alive together overlap nowhere."""
    operations = network.operations
    holder = list(range(len(operations) + 1))  # the value whose memory this one shares
    last = [0] * len(holder)
    for i, operation in enumerate(operations):
        for value in operation.inputs:
            last[value] = i
    last[-1] = len(operations)
    for i in reversed(range(len(operations))):
        if isinstance(operations[i], spec.Reshape):
            source = operations[i].inputs[0]
            last[source] = max(last[source], last[i + 1])
    for i, operation in enumerate(operations):
        constant = any(v and isinstance(operations[v - 1], spec.Tensor) for v in operation.inputs)
        same = isinstance(operation, spec.Reshape)
        if isinstance(operation, (spec.Activation, spec.Affine)):
            same = last[holder[operation.inputs[0]]] == i
        if same and not constant:
            holder[i + 1] = holder[operation.inputs[0]]
            last[holder[i + 1]] = max(last[holder[i + 1]], last[i + 1])
    taken: list[tuple[int, int, int]] = []  # begin, end, last
    places, size = [0] * len(holder), 0
    for value, shape in enumerate(network.shapes):
        if holder[value] != value:
            places[value] = places[holder[value]]
            continue
        constant = value > 0 and isinstance(operations[value - 1], spec.Tensor)
        length, begin = 0 if constant else math.prod(shape), 0
        for used, end, until in sorted(taken):
            if until >= value - 1 and used < begin + length:
                begin = max(begin, end)
        taken.append((begin, begin + length, last[value]))
        places[value], size = begin, max(size, begin + length)
    return places, size


# ---------------------------------------------------------------- operations


def _arrays(operation: spec.Operation) -> dict[str, np.ndarray]:
    """The constants, by the names that `_lines` has for them."""
    match operation:
        case spec.Dense():
            return {"weight": operation.weight.T, "bias": operation.bias}
        case spec.Convolution():
            return {"weight": operation.weight, "bias": operation.bias}
        case spec.Pooling():
            return {"rows": operation.rows, "columns": operation.columns}
        case spec.Affine():
            return {"scale": operation.scale, "shift": operation.shift}
        case spec.Tensor():
            return {"value": np.atleast_1d(operation.value)}
    return {}


def _lines(
    operation: spec.Operation,
    number: int,
    inputs: list[str],
    out: str,
    shapes: list[spec.network.Shape],
    shape: spec.network.Shape,
) -> Iterator[str]:
    """The statements of one operation."""
    x = inputs[0]
    constants = f"network_weight_{number}, network_bias_{number}"
    match operation:
        case spec.Dense():
            n_out, n_in = operation.weight.shape
            rows = math.prod(shape[:-1])
            yield f"    network_dense({x}, {out}, {constants}, {rows}, {n_in}, {n_out});"
        case spec.Convolution():
            sizes = (
                operation.weight.shape[1], *shapes[0][1:], *shape, *operation.weight.shape[2:],
                *operation.stride, *operation.padding[:2], *operation.dilation, operation.groups,
            )  # fmt: skip
            listed = ", ".join(map(str, sizes))
            yield f"    static const network_convolution c{number} = {{ {listed} }};"
            yield f"    network_convolve({x}, {out}, {constants}, &c{number});"
        case spec.Convolution3d():
            raise UnsupportedError("export: convolutions of volumes have no counterpart in C")
        case spec.Pooling():
            listed = ", ".join(map(str, shapes[0]))
            yield (
                f"    network_pool({x}, {out}, {listed}, network_rows_{number}, {shape[1]}, "
                f"network_columns_{number}, {shape[2]}, {operation.dilation[0]}, "
                f"{operation.dilation[1]}, {int(operation.kind == 'max')});"
            )
        case spec.Softmax():
            before, after = shape[: operation.axis], shape[operation.axis + 1 :]
            sizes = math.prod(before), shape[operation.axis], math.prod(after)
            listed = ", ".join(map(str, sizes))
            yield f"    network_softmax({x}, {out}, {listed}, {int(operation.log)});"
        case spec.Activation():
            a, b = (tables.number(v, single=True) for v in (operation.a, operation.b))
            value = f"({x})[i]"
            if operation.name != "identity":
                value = f"network_{operation.name}({value}, {a}, {b})"
            yield f"    for (int i = 0; i < {math.prod(shape)}; i++)"
            yield f"        ({out})[i] = {value};"
        case spec.Affine():
            size = math.prod(shape[1:])
            yield f"    for (int i = 0; i < {math.prod(shape)}; i++)"
            yield (
                f"        ({out})[i] = ({x})[i] * network_scale_{number}[i / {size}] + "
                f"network_shift_{number}[i / {size}];"
            )
        case spec.Combine():
            sign = "+" if operation.name == "add" else "*"
            a, b = (
                f"({name})[{_index(_strides(s, len(shape)))}]"
                for name, s in zip(inputs, shapes, strict=True)
            )
            yield from _loops(shape)
            yield f"        ({out})[{_index(_strides(shape))}] = {a} {sign} {b};"
        case spec.Permute():
            strides = _strides(shapes[0])
            place = _index([strides[axis] for axis in operation.axes])
            yield from _loops(shape)
            yield f"        ({out})[{_index(_strides(shape))}] = ({x})[{place}];"
        case _ if x != out:
            yield f"    memcpy({out}, {x}, {math.prod(shape)} * sizeof(float));"


def _strides(shape: spec.network.Shape, n_axes: int = 0) -> list[int]:
    """Steps along the axes, as many as `n_axes` at least; 0 along those that are repeated."""
    full = (1,) * (n_axes - len(shape)) + tuple(shape)
    steps = [math.prod(full[i + 1 :]) for i in range(len(full))]
    return [0 if n == 1 else step for n, step in zip(full, steps, strict=True)]


def _loops(shape: spec.network.Shape) -> Iterator[str]:
    for axis, size in enumerate(shape):
        yield f"    for (int i{axis} = 0; i{axis} < {size}; i{axis}++)"


def _index(strides: list[int]) -> str:
    return " + ".join(f"i{axis} * {step}" for axis, step in enumerate(strides) if step) or "0"
