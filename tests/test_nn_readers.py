"""Networks from JSON files, state dicts and torch modules; and what is wrong with them."""

import json

import numpy as np
import pytest

import mlfast
from mlfast import errors, nn


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 0.3


STATE = {
    "conv1.weight": numbers(0, 6, 1, 3, 3), "conv1.bias": numbers(1, 6),
    "linear1.weight": numbers(2, 5, 54), "linear1.bias": numbers(3, 5),
}  # fmt: skip
MODULES = [
    {"type": "Conv2d", "props": {"weight": "conv1.weight", "bias": "conv1.bias"}},
    {"type": "MaxPool2d", "props": {"kernel_size": 2}},
    {"type": "ReLU", "props": {}},
    {"type": "Flatten", "props": {"start_dim": 1}},
    {"type": "Linear", "props": {"weight": "linear1.weight", "bias": "linear1.bias"}},
    {"type": "LogSoftmax", "props": {"dim": 1}},
]


def expected():
    w = list(STATE.values())
    return nn.Sequential(
        nn.Conv2d(*w[:2]), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(*w[2:]),
        nn.LogSoftmax(1), input_shape=(1, 8, 8),
    )  # fmt: skip


@pytest.fixture
def architecture(tmp_path):
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(MODULES))
    return path


def as_json(path, state):
    path.write_text(json.dumps({name: value.tolist() for name, value in state.items()}))
    return path


def test_json(architecture, tmp_path):
    weights = as_json(tmp_path / "weights.json", STATE)
    net = nn.from_json(architecture, weights, input_shape=(1, 8, 8))
    x = numbers(4, 1, 8, 8)
    assert net(x).tobytes() == expected()(x).tobytes()
    without_size = nn.from_json(architecture, STATE)
    assert without_size(x).tobytes() == net(x).tobytes()


def test_safetensors(architecture, tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "weights.safetensors"
    save_file(STATE, path)
    x = numbers(4, 1, 8, 8)
    want = expected()(x).tobytes()
    assert nn.from_json(architecture, path)(x).tobytes() == want
    zeros = expected().load_state_dict(
        {k: np.zeros_like(v) for k, v in STATE.items()}, names=("conv1", "linear1")
    )
    assert zeros(x).tobytes() != want
    assert zeros.load_state_dict(path, names=("conv1", "linear1"))(x).tobytes() == want
    by_number = {k.replace("conv1", "0").replace("linear1", "4"): v for k, v in STATE.items()}
    assert zeros.load_state_dict(by_number)(x).tobytes() == want


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.clear(), "expected a list of modules"),
        (lambda m: m.append("ReLU"), r"\[6\]: expected \{"),
        (lambda m: m[0].pop("type"), r"\[0\]: expected \{"),
        (lambda m: m[2].update(type="GRU"), r"\[2\]: no layer 'GRU'"),
        (lambda m: m[0]["props"].update(weight="conv9.weight"), "no weight 'conv9.weight'"),
        (lambda m: m[0]["props"].update(colour=1), "got 'colour'"),
        (lambda m: m[1]["props"].clear(), r"\[1\]: .*kernel_size"),
        (lambda m: m.pop(0), "no layer takes: conv1.bias, conv1.weight"),
        (lambda m: m[0]["props"].update(stride=0), r"\[0\]: Conv2d expects stride"),
    ],
)
def test_bad_architecture(change, message, tmp_path):
    modules = json.loads(json.dumps(MODULES))
    change(modules)
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(modules))
    with pytest.raises((errors.ModelFileError, errors.UnsupportedError), match=message):
        nn.from_json(path, STATE)


@pytest.mark.parametrize("content", ["", "[", "{", '{"a": [[1], [2, 3]]}', '{"a": "b"}', "[1]"])
def test_bad_weights_file(content, architecture, tmp_path):
    path = tmp_path / "weights"
    path.write_text(content)
    with pytest.raises(errors.ModelFileError):
        nn.from_json(architecture, path)
    with pytest.raises(errors.ModelFileError, match="cannot be read"):
        nn.from_json(tmp_path / "none.json", path)


def test_bad_state_dict():
    net = expected()
    for change, message in (
        ({"linear1.bias": None}, "no weight 'linear1.bias'"),
        ({"extra": numbers(0, 1)}, "no layer takes: extra"),
        ({"linear1.bias": numbers(0, 4)}, r"of shape \(5,\), got \(4,\)"),
    ):
        state = {k: v for k, v in (STATE | change).items() if v is not None}
        with pytest.raises(errors.ModelFileError, match=message):
            net.load_state_dict(state, names=("conv1", "linear1"))
    with pytest.raises(ValueError, match="names: expected 2"):
        net.load_state_dict(STATE, names=("conv1",))


def torch_models():
    torch = pytest.importorskip("torch")
    t = torch.nn
    torch.manual_seed(0)
    image = [
        t.Sequential(
            t.Conv2d(3, 8, 3, padding=1, bias=False), t.BatchNorm2d(8), t.ReLU(), t.MaxPool2d(2),
            t.Sequential(t.Conv2d(8, 16, 3, 2, 1, groups=4), t.SiLU(), t.AdaptiveAvgPool2d(1)),
            t.Flatten(), t.Dropout(), t.Linear(16, 10), t.BatchNorm1d(10), t.Softmax(1),
        ),
        t.Sequential(t.BatchNorm2d(3), t.Conv2d(3, 4, (3, 2), (2, 1), "valid"), t.Tanh(),
                     t.AvgPool2d(2, ceil_mode=True), t.GELU(), t.Flatten(2), t.Softmax(-1)),
        t.Sequential(t.Conv2d(3, 4, 3, padding="same", dilation=2), t.LeakyReLU(0.2),
                     t.MaxPool2d(3, 2, 1, 2), t.Sigmoid(), t.LogSoftmax(1)),
        t.Sequential(t.AvgPool2d(3, 1, 1, count_include_pad=False), t.Identity(),
                     t.GELU(approximate="tanh")),
    ]  # fmt: skip
    for model in image:
        model(torch.randn(64, 3, 13, 17))  # running statistics other than 0 and 1
        model.eval()
    return image


@pytest.mark.parametrize("number", range(4))
def test_torch(number):
    torch = pytest.importorskip("torch")
    model = torch_models()[number]
    net = nn.from_torch(model, input_shape=(3, 13, 17))
    x = numbers(0, 5, 3, 13, 17) * 5
    with torch.no_grad():
        want = model(torch.from_numpy(x)).numpy()
    scale = np.abs(want).max()
    for got in (net(x), np.stack([net(image) for image in x])):
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 1e-5 * scale


def test_torch_compiles():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    x = numbers(0, 6, 4)
    want = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(mlfast.compile(model).predict(x), want, rtol=1e-4, atol=1e-6)


def test_torch_refused():
    torch = pytest.importorskip("torch")

    class Own(torch.nn.Module):
        pass

    for module, message in (
        (torch.nn.Sequential(torch.nn.GRU(2, 3)), r"sequential\.0: GRU"),
        (Own(), "own: .*Own has no counterpart.*ONNX"),
        (torch.nn.Conv2d(1, 1, 3, padding_mode="reflect"), "padding_mode"),
        (torch.nn.Softmax(), "dim"),
        (torch.nn.BatchNorm2d(2, track_running_stats=False), "running statistics"),
    ):
        with pytest.raises(errors.UnsupportedError, match=message):
            mlfast.compile(module)
