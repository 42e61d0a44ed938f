"""A slow, readable float64 twin of the network's operations: what the kernels must agree with."""

import itertools

import numpy as np
from scipy.special import erf

from mlfast import spec


def run(network, x):
    """The network's result for one example, in float64."""
    values = [np.asarray(x, np.float64).reshape(network.input_shape)]
    with np.errstate(all="ignore"):
        for operation in network.operations:
            inputs = [values[v] for v in operation.inputs]
            values.append(OPERATIONS[type(operation)](operation, *inputs))
    return values[-1]


def dense(o, x):
    return x @ o.weight.astype(np.float64).T + o.bias


def convolution(o, x):
    top, left, bottom, right = o.padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right)))
    n_out, n_in, kh, kw = o.weight.shape
    out_h = (padded.shape[1] - o.dilation[0] * (kh - 1) - 1) // o.stride[0] + 1
    out_w = (padded.shape[2] - o.dilation[1] * (kw - 1) - 1) // o.stride[1] + 1
    result = np.empty((n_out, out_h, out_w))
    per_group = n_out // o.groups
    for c, y, z in itertools.product(range(n_out), range(out_h), range(out_w)):
        first = c // per_group * n_in
        rows = y * o.stride[0] + np.arange(kh) * o.dilation[0]
        columns = z * o.stride[1] + np.arange(kw) * o.dilation[1]
        window = padded[first : first + n_in][:, rows][:, :, columns]
        result[c, y, z] = np.sum(window * o.weight[c].astype(np.float64)) + o.bias[c]
    return result


def convolution_3d(o, x):
    pads = [(0, 0), *zip(o.padding[:3], o.padding[3:], strict=True)]
    padded = np.pad(x, pads)
    per_group, n_in = len(o.weight) // o.groups, o.weight.shape[1]
    sizes = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(
            padded.shape[1:], o.weight.shape[2:], o.stride, o.dilation, strict=True
        )
    ]
    result = np.empty((len(o.weight), *sizes))
    for c, *at in itertools.product(range(len(o.weight)), *map(range, sizes)):
        window = padded[c // per_group * n_in :][:n_in]
        for axis, place in enumerate(at):
            taps = place * o.stride[axis] + np.arange(o.weight.shape[2 + axis]) * o.dilation[axis]
            window = window.take(taps, axis=1 + axis)
        result[(c, *at)] = np.sum(window * o.weight[c].astype(np.float64)) + o.bias[c]
    return result


def pooling(o, x):
    result = np.empty((len(x), len(o.rows), len(o.columns)))
    for i, (r0, r1, rows) in enumerate(o.rows):
        for j, (c0, c1, columns) in enumerate(o.columns):
            window = x[:, r0 : r1 : o.dilation[0], c0 : c1 : o.dilation[1]]
            if o.kind == "max":
                result[:, i, j] = window.max(axis=(1, 2))
            else:
                result[:, i, j] = window.sum(axis=(1, 2)) / (float(rows) * columns)
    return result


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def activation(o, x):
    return {
        "identity": lambda: x,
        "relu": lambda: np.where(x < 0, 0, x),
        "leaky_relu": lambda: np.where(x < 0, np.float32(o.a) * x, x),
        "sigmoid": lambda: sigmoid(x),
        "tanh": lambda: np.tanh(x),
        "silu": lambda: x * sigmoid(x),
        "gelu": lambda: 0.5 * x * (1 + erf(x / np.sqrt(2))),
        "gelu_tanh": lambda: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        "clip": lambda: np.minimum(np.maximum(x, np.float32(o.a)), np.float32(o.b)),
    }[o.name]()


def softmax(o, x):
    shifted = x - x.max(axis=o.axis, keepdims=True)
    total = np.exp(shifted).sum(axis=o.axis, keepdims=True)
    return shifted - np.log(total) if o.log else np.exp(shifted) / total


def affine(o, x):
    each = (-1, *[1] * (x.ndim - 1))
    return x * o.scale.astype(np.float64).reshape(each) + o.shift.reshape(each)


OPERATIONS = {
    spec.Dense: dense,
    spec.Convolution: convolution,
    spec.Convolution3d: convolution_3d,
    spec.Pooling: pooling,
    spec.Activation: activation,
    spec.Softmax: softmax,
    spec.Affine: affine,
    spec.Tensor: lambda o: o.value.astype(np.float64),
    spec.Combine: lambda o, a, b: a + b if o.name == "add" else a * b,
    spec.Permute: lambda o, x: x.transpose(o.axes),
    spec.Reshape: lambda o, x: x.reshape(o.shape),
}


def error(got, want, floor=0.0):
    """Largest difference, as a part of the output's scale; NaN and infinities must agree.

    `floor` is the scale at least: that of the sums, where a few outputs may all cancel out.
    """
    got, want = np.asarray(got, np.float64).ravel(), np.asarray(want).ravel()
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
    odd = ~np.isfinite(rounded)
    np.testing.assert_array_equal(got[odd], rounded[odd])
    if odd.all():
        return 0.0
    scale = max(np.abs(want[~odd]).max(), floor) or 1.0
    return np.abs(got[~odd] - want[~odd]).max() / scale
