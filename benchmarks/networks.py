"""Small networks beside their peers: one core, one image, calls in turn.

    taskset -c 1 python -m benchmarks.networks
    python -m benchmarks.networks strategies      # all processors

Prints microseconds a call: the minimum and the median over interleaved rounds. Peers that are
not installed (torch, onnxruntime with onnx) are left out. All answers are compared first.
"""

import functools
import os
import statistics
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from mlfast import nn, threads  # noqa: E402

DIGITS = Path(__file__).parent.parent / "examples" / "mnist"


def numbers(seed, *shape):
    return (np.random.default_rng(seed).standard_normal(shape) * 0.1).astype(np.float32)


def digits():
    """The network of the digits example."""
    return nn.from_json(
        DIGITS / "architecture.json", DIGITS / "weights.safetensors", input_shape=(1, 28, 28)
    )


def layers():
    """Name: (layer, shape of an example)."""
    return {
        "linear 256 -> 10": (nn.Linear(numbers(0, 10, 256), numbers(1, 10)), (256,)),
        "linear 1024 -> 256": (nn.Linear(numbers(2, 256, 1024), numbers(3, 256)), (1024,)),
        "conv 1x28x28 k5 -> 24": (nn.Conv2d(numbers(4, 24, 1, 5, 5), numbers(5, 24)), (1, 28, 28)),
        "conv 24x24x24 k3 -> 32": (
            nn.Conv2d(numbers(6, 32, 24, 3, 3), numbers(7, 32)), (24, 24, 24),
        ),
        "max pool 2 of 24x24x24": (nn.MaxPool2d(2), (24, 24, 24)),
        "digits network": (digits(), (1, 28, 28)),
    }  # fmt: skip


def image(shape):
    """An example; for the digits network one that the training never saw."""
    if shape == (1, 28, 28):
        with np.load(DIGITS / "samples.npz") as samples:
            return (samples["images"][:1] / 255).astype(np.float32)
    return numbers(9, *shape)


# ---------------------------------------------------------------- peers


def torch_call(layer, x):
    """The same network in torch, eager."""
    import torch

    torch.set_num_threads(1)
    modules = []
    for one in getattr(layer, "layers", (layer,)):
        kind = type(one).__name__
        if kind in ("Linear", "Conv2d"):
            sizes = one.weight.shape
            arguments = (sizes[1], sizes[0]) if kind == "Linear" else (sizes[1], *sizes[::2])
            module = getattr(torch.nn, kind)(*arguments)
            module.weight.data = torch.tensor(one.weight)
            module.bias.data = torch.tensor(one.bias)
        elif kind == "MaxPool2d":
            module = torch.nn.MaxPool2d(one.kernel_size)
        else:
            module = getattr(torch.nn, kind)(*([1] if kind == "LogSoftmax" else []))
        modules.append(module)
    network = torch.nn.Sequential(*modules).eval()
    batch = torch.from_numpy(x)[None]

    def call():
        with torch.inference_mode():
            return network(batch)

    return call


def onnx_call(layer, x):
    """The same network in ONNX Runtime, `run` with arrays."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, value = [], [], "x"
    for number, one in enumerate(getattr(layer, "layers", (layer,))):
        kind = type(one).__name__
        result, inputs = f"v{number}", [value]
        if kind in ("Linear", "Conv2d"):
            for name in ("weight", "bias"):
                constants.append(numpy_helper.from_array(getattr(one, name), f"{name}{number}"))
                inputs.append(f"{name}{number}")
        operator, attributes = {
            "Linear": ("Gemm", {"transB": 1}), "Conv2d": ("Conv", {}), "ReLU": ("Relu", {}),
            "MaxPool2d": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            "Flatten": ("Flatten", {}), "LogSoftmax": ("LogSoftmax", {"axis": 1}),
        }[kind]  # fmt: skip
        nodes.append(helper.make_node(operator, inputs, [result], **attributes))
        value = result
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *x.shape]),
        helper.make_tensor_value_info(value, TensorProto.FLOAT, None),
    ]
    graph = helper.make_graph(nodes, "network", infos[:1], infos[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {"x": x[None]}
    return lambda: session.run(None, feed)[0]


def contenders(layer, shape):
    """Name: call without arguments."""
    x = image(shape)
    out = layer.forward(x)
    calls = {"mlfast": lambda: layer.forward(x, out)}
    if isinstance(layer, nn.Linear):
        weight, bias = layer.weight, layer.bias
        calls["NumPy"] = lambda: weight @ x + bias
    for name, make in (("torch", torch_call), ("ONNX Runtime", onnx_call)):
        try:
            calls[name] = make(layer, x)
        except ImportError:
            continue
    want = layer.forward(x)
    for name, call in calls.items():
        np.testing.assert_allclose(
            np.asarray(call()).reshape(want.shape), want, rtol=1e-3, atol=1e-4, err_msg=name
        )
    return calls


# ---------------------------------------------------------------- measuring


def measure(calls, seconds=1.5):
    """Microseconds a call: {name: (minimum, median)}, rounds of all calls in turn."""
    repeats = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(1e-3 / max(time.perf_counter() - start, 1e-7)))
    samples = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            n = repeats[name]
            call()  # its weights, which the others pushed out of the caches
            start = time.perf_counter()
            for _ in range(n):
                call()
            samples[name].append((time.perf_counter() - start) / n * 1e6)
    return {name: (min(s), statistics.median(s)) for name, s in samples.items()}


def batch_calls(n=256, n_threads=1):
    """Batches of digits: images in one call."""
    net = digits()
    x = np.repeat(image((1, 28, 28))[None], n, axis=0)
    return {f"mlfast, {n_threads} thread(s)": lambda: net.predict(x, n_threads=n_threads)}


def strategies():
    print(f"| what, {threads.get_num_threads()} threads | strategy | minimum us | median us |")
    print("|---|---|---:|---:|")
    for what, (layer, shape) in layers().items():
        x = image(shape)
        calls = {
            name: functools.partial(layer.forward, x, layer.forward(x), name)
            for name in ("sequential", "spawn", "pool", "static")
        }
        for who, (least, median) in {n: measure({n: c})[n] for n, c in calls.items()}.items():
            print(f"| {what} | {who} | {least:.2f} | {median:.2f} |")
    for n_threads in (1, threads.get_num_threads()):
        for who, (least, median) in measure(batch_calls(n_threads=n_threads)).items():
            print(f"| digits, 256 images | {who} | {least:.0f} | {median:.0f} |")


def main():
    if sys.argv[1:] == ["strategies"]:
        strategies()
        return
    threads.set_num_threads(1)
    print("| what | " + " | ".join(["who", "minimum us", "median us"]) + " |\n|---|---|---:|---:|")
    for what, (layer, shape) in layers().items():
        for who, (least, median) in measure(contenders(layer, shape)).items():
            print(f"| {what} | {who} | {least:.3f} | {median:.3f} |")
    for who, (least, median) in measure(batch_calls()).items():
        print(f"| digits, 256 images | {who} | {least:.0f} | {median:.0f} |")
        print(f"\nimages a second: {256e6 / least:,.0f} at best, {256e6 / median:,.0f} median")


if __name__ == "__main__":
    main()
