"""Random networks of torch's: NaN and infinities where it has them, its argmax where it is sure."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlfast import errors, nn, threads
from mlfast.nn import _nn

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    threads.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@st.composite
def images(draw, channels):
    """A layer that takes images, and the channels after it."""
    kernel = draw(st.integers(1, 3))
    stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, kernel // 2))
    kind = draw(st.sampled_from(["conv", "conv", "conv", "max", "average", "norm", "function"]))
    if kind == "conv":
        groups = draw(st.sampled_from([1, 1, channels]))
        out = groups * draw(st.sampled_from([1, 2, 5, 8, 17]))
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        bias = draw(st.booleans())
        return torch.nn.Conv2d(channels, out, kernel, bias=bias, **options), out
    ceil_mode = draw(st.booleans())
    if kind == "max":
        pool = torch.nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
        return pool, channels
    if kind == "average":
        counted = draw(st.booleans())
        options = {"padding": padding, "ceil_mode": ceil_mode, "count_include_pad": counted}
        return torch.nn.AvgPool2d(kernel, stride, **options), channels
    if kind == "norm":
        norm = torch.nn.BatchNorm2d(channels)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
        return norm, channels
    # torch's exact GELU of an infinity depends on where in the array that stands.
    functions = [torch.nn.GELU("tanh")] + [
        getattr(torch.nn, name)() for name in ("ReLU", "LeakyReLU", "SiLU", "Sigmoid", "Tanh")
    ]
    return draw(st.sampled_from(functions)), channels


@st.composite
def networks(draw):
    """A torch network, and an example."""
    torch.manual_seed(draw(st.integers(0, 999)))
    first = channels = draw(st.integers(1, 3))
    size = draw(st.tuples(st.integers(5, 14), st.integers(5, 20)))
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        layer, channels = draw(images(channels))
        layers.append(layer)
    x = torch.randn(first, *size)
    layers.append(torch.nn.Flatten())
    try:
        width = torch.nn.Sequential(*layers).eval()(x[None]).shape[1]
    except RuntimeError:  # the image became too small
        width = 0
    assume(0 < width < 5000)
    layers.append(torch.nn.Linear(width, draw(st.sampled_from([1, 3, 10, 33]))))
    last = draw(st.sampled_from([None, torch.nn.Softmax(1), torch.nn.LogSoftmax(1)]))
    return torch.nn.Sequential(*layers, *([last] if last else [])).eval(), x.numpy()


def read(module, shape):
    try:
        return nn.from_torch(module, input_shape=shape)
    except errors.SpecError as error:
        assert "in the padding alone" in str(error)  # noqa: PT017
        assume(False)


def answers(module, x):
    """torch's, in float32 and float64."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single = module(torch.from_numpy(x)[None])[0].numpy()
        double = module.double()(torch.from_numpy(x.astype(np.float64))[None])[0].numpy()
        module.float()
    return single, double


@settings(max_examples=40, deadline=None)
@given(networks())
def test_numbers_and_argmax(case):
    module, x = case
    single, double = answers(module, x)
    scale = max(np.abs(double).max(), 0.1)  # of the terms, where the sum cancels them
    two = np.sort(double)[-2:]
    for isa in _nn.instruction_sets():
        net = read(module, x.shape)
        net._isa = isa
        got = net(x)
        assert np.abs(got - double).max() <= 1e-5 * scale, isa
        if len(two) == 2 and two[1] - two[0] > 2e-5 * scale:
            assert net.predict_one(x) == single.argmax()


@settings(max_examples=40, deadline=None)
@given(networks(), st.sampled_from([np.nan, np.inf, -np.inf]), st.floats(0, 0.999))
def test_nan_and_infinity(case, bad, where):
    module, x = case
    x.reshape(-1)[int(where * x.size)] = bad
    single, _ = answers(module, x)
    for isa in _nn.instruction_sets():
        net = read(module, x.shape)
        net._isa = isa
        got = net(x)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(single), isa)
        np.testing.assert_array_equal(np.isposinf(got), np.isposinf(single), isa)
        np.testing.assert_array_equal(np.isneginf(got), np.isneginf(single), isa)
        fine = np.isfinite(single)
        np.testing.assert_allclose(got[fine], single[fine], rtol=1e-3, atol=1e-4)


def test_a_window_larger_than_the_image():
    x = torch.arange(4.0).reshape(1, 2, 2)
    for pool in (torch.nn.MaxPool2d(2, 2, dilation=2, ceil_mode=True),
                 torch.nn.AvgPool2d(3, 2, ceil_mode=True)):  # fmt: skip
        got = nn.from_torch(pool, input_shape=(1, 2, 2))(x.numpy())
        np.testing.assert_array_equal(got, pool(x).numpy())
