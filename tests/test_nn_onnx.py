"""The ONNX package's own backend tests: every supported operator gives the stored outputs."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import mlfast
from mlfast import errors, nn

onnx = pytest.importorskip("onnx")
from onnx import numpy_helper
from onnx.backend.test import loader

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
OPERATORS = {
    "Conv", "Gemm", "MatMul", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "MaxPool", "AveragePool",
    "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization", "Flatten", "Reshape", "Softmax",
    "LogSoftmax", "Add", "Mul", "Sum", "Clip", "Identity", "Dropout", "Constant",
    "ConstantOfShape",
}  # fmt: skip


def tensor(path):
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(proto)


def cases():
    """(name, model, inputs, output) of every backend test; None for what is no tensor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = loader.load_model_tests(kind="node")
    for case in nodes:
        (inputs, outputs), *_ = case.data_sets
        yield case.name, case.model, inputs, outputs[0]
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for folder in sorted(path.parent for path in (DATA / kind).glob("*/test_data_set_0")):
            files = folder / "test_data_set_0"
            n = len(list(files.glob("input_*")))
            try:
                inputs = [tensor(files / f"input_{i}.pb") for i in range(n)]
                output = tensor(files / "output_0.pb")
            except Exception:  # a sequence, or strings
                inputs, output = [None], None
            yield folder.name, onnx.load(folder / "model.onnx"), inputs, output


def weights_made_constant(model, inputs):
    """A copy whose inputs but the first are initialisers; it and the first input's value."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    known = {t.name for t in fixed.graph.initializer}
    names = [i.name for i in fixed.graph.input if i.name not in known]
    for name, value in list(zip(names, inputs, strict=False))[1:]:
        if isinstance(value, (np.ndarray, np.generic)):
            fixed.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return fixed, inputs[0] if inputs else None


def supported(model, x, output):
    """Float32, the listed operators, the first input and output alone computed with."""
    kinds = {node.op_type for node in model.graph.node}
    return (
        kinds <= OPERATORS
        and all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in (x, output))
        and model.graph.node[0].domain == ""
    )


#: Forms of supported operators that are refused.
REFUSED = {
    "test_training_dropout": "the result is random",
    "test_training_dropout_default": "the result is random",
    "test_training_dropout_mask": "the result is random",
    "test_training_dropout_default_mask": "the result is random",
    "test_batchnorm_example_training_mode": "training",
    "test_batchnorm_epsilon_training_mode": "training",
    "test_reshape_allowzero_reordered": "empty arrays",
}

CASES = {name: case for name, *case in cases()}
LISTED = [n for n, (model, xs, y) in CASES.items() if supported(model, xs[0] if xs else None, y)]


def check(name):
    """Whether the model is read; its output must then be the stored one."""
    model, inputs, want = CASES[name]
    model, x = weights_made_constant(model, inputs)
    net = nn.from_onnx(model, output=model.graph.output[0].name)
    got = net.forward(x)
    assert got.size == want.size
    scale = np.abs(want[np.isfinite(want)]).max(initial=1e-30)
    bound = 2e-3 if "ceil_last_window" in name else 1e-5  # stored with four digits
    np.testing.assert_allclose(got.reshape(want.shape), want, rtol=bound, atol=bound * scale)


@pytest.mark.parametrize("name", [n for n in LISTED if n not in REFUSED])
def test_listed_operators(name):
    check(name)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(errors.UnsupportedError, match=r"random|training|empty"):
        check(name)


def test_everything_else_is_refused_or_right():
    refused = 0
    for name in CASES:
        try:
            check(name)
        except (errors.UnsupportedError, errors.ModelFileError):
            refused += 1
    assert 0 < refused < len(CASES) - len(LISTED) // 2


@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 3, 4), (2, 4, 5)), ((3, 4), (6, 4, 5)), ((2, 1, 3, 4), (2, 6, 4, 5)), ((4,), (6, 4, 5)),
     ((3, 4), (4,)), ((4,), (4, 5)), ((2, 3, 4), (1, 4, 5)), ((3, 4), (1, 1, 4, 5))],
)  # fmt: skip
@pytest.mark.parametrize("constant", ["left", "right"])
def test_products_with_a_constant(left, right, constant):
    rng = np.random.default_rng(0)
    a = rng.standard_normal(left).astype(np.float32)
    b = rng.standard_normal(right).astype(np.float32)
    fixed, x = (a, b) if constant == "left" else (b, a)
    infos = [onnx.helper.make_tensor_value_info(*info) for info in (
        ("x", onnx.TensorProto.FLOAT, x.shape), ("y", onnx.TensorProto.FLOAT, None))]  # fmt: skip
    names = ["c", "x"] if constant == "left" else ["x", "c"]
    node = onnx.helper.make_node("MatMul", names, ["y"])
    graph = onnx.helper.make_graph(
        [node], "g", infos[:1], infos[1:], [numpy_helper.from_array(fixed, "c")]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    if constant == "left" and (a.ndim == 1 or b.ndim == 1):
        with pytest.raises(errors.UnsupportedError):
            nn.from_onnx(model)
        return
    got = nn.from_onnx(model).forward(x)
    np.testing.assert_allclose(got, np.matmul(a, b), rtol=1e-5, atol=1e-5)


def test_volumes_are_saved_and_not_exported(tmp_path):
    model, inputs, want = CASES["test_Conv3d"]
    net = nn.from_onnx(weights_made_constant(model, inputs)[0])
    net.save(tmp_path / "volume.mlfast")
    again = nn.load(tmp_path / "volume.mlfast")
    np.testing.assert_allclose(again.forward(inputs[0]), want, rtol=1e-5, atol=1e-5)
    with pytest.raises(errors.UnsupportedError, match="volumes"):
        mlfast.compile(net).export_source(tmp_path / "volume.c")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["light_resnet50", "light_vgg19"])
def test_whole_models(name):
    """Architectures with weights left constant, so that the output is what is stored."""
    net = nn.from_onnx(DATA / "light" / f"{name}.onnx")
    want = tensor(DATA / "light" / f"{name}_output_0.pb")
    got = net(np.ones((1, *net.input_shape), np.float32))
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_files_that_are_no_model(tmp_path):
    relu = CASES["test_relu"][0].SerializeToString()
    for number, content in enumerate((b"", b"no model", relu[:-20], relu + b"x", b"{}" * 99)):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(content)
        for read in (nn.from_onnx, mlfast.compile):
            with pytest.raises((errors.ModelFileError, errors.UnsupportedError)):
                read(path)
    with pytest.raises(errors.ModelFileError, match="cannot be read"):
        nn.from_onnx(tmp_path / "none.onnx")


def test_compiles_from_a_file(tmp_path):
    path = tmp_path / "softmax.onnx"
    path.write_bytes(CASES["test_Softmax"][0].SerializeToString())
    net, predictor = nn.from_onnx(path), mlfast.compile(path)
    x = np.random.default_rng(0).standard_normal((5, net.network().n_features)).astype(np.float32)
    np.testing.assert_array_equal(predictor.predict(x), net.predict(x))


def test_one_of_several_outputs():
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Sin", ["positive"], ["wave"]),
        helper.make_node("Add", ["x", "positive"], ["sum"]),
    ]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3])
               for name in ("x", "wave", "sum", "positive")]  # fmt: skip
    model = helper.make_model(helper.make_graph(nodes, "heads", tensors[:1], tensors[1:]))
    x = np.float32([[-1, 2, 3], [4, -5, 6]])
    positive = np.maximum(x, 0)
    np.testing.assert_array_equal(nn.from_onnx(model, output="positive")(x), positive)
    np.testing.assert_array_equal(nn.from_onnx(model, "sum")(x), x + positive)
    with pytest.raises(errors.UnsupportedError, match=r"node 1 \(Sin ''\): no counterpart"):
        nn.from_onnx(model, output="wave")
    with pytest.raises(errors.UnsupportedError, match=r"from_onnx\(model, output=\.\.\.\)"):
        nn.from_onnx(model)
    with pytest.raises(ValueError, match="expected one of wave, sum, positive, got 'x'"):
        nn.from_onnx(model, output="x")
