"""The same networks in other libraries, as calls without arguments."""

import numpy as np


def torch_call(layer, x, out):
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


def onnx_call(layer, x, out):
    """The same network in ONNX Runtime, input and output bound."""
    return onnx_batch_call(layer, x[None], out[None])


def onnx_batch_call(layer, batch, out):
    """A batch in one call; `out` says the shape of the result."""
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
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *batch.shape[1:]]),
        helper.make_tensor_value_info(value, TensorProto.FLOAT, None),
    ]
    graph = helper.make_graph(nodes, "network", infos[:1], infos[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    result = np.empty(out.shape, np.float32)
    for bind, name, array in (
        (binding.bind_input, "x", batch), (binding.bind_output, value, result),
    ):  # fmt: skip
        bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def call():
        session.run_with_iobinding(binding)
        return result

    return call


def numpy_call(layer, x, out):
    """A linear layer in NumPy; None for others."""
    if type(layer).__name__ != "Linear":
        return None
    weight, bias = layer.weight, layer.bias
    return lambda: weight @ x + bias


def litert_call(layer, x, out):
    """The same network in LiteRT; copying the input and the output is not part of the call."""
    from benchmarks import litert_peer

    return litert_peer.call(layer, x)


PEERS = {
    "NumPy": numpy_call, "ONNX Runtime": onnx_call, "LiteRT": litert_call, "torch": torch_call,
}  # fmt: skip


def calls(layer, x, out, names=tuple(PEERS)):
    """Name: call, of those that are installed; all answers compared with `out`."""
    made = {}
    for name in names:
        make = PEERS[name]
        try:
            found = make(layer, x, out)
        except ImportError:
            continue
        if found is None:
            continue
        call, result = found if isinstance(found, tuple) else (found, found)
        call()
        got = np.asarray(result()).reshape(out.shape)
        np.testing.assert_allclose(got, out, rtol=1e-3, atol=1e-4, err_msg=name)
        made[name] = call
    return made
