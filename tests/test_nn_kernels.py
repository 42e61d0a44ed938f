"""Every kernel in every instruction set against the float64 reference."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nn_reference import error, run

from mlfast import nn, spec, threads
from mlfast.nn import _convolution, _nn, _winograd

BOUND = 1e-5
SETS = _nn.instruction_sets()
EXAMPLES = settings(max_examples=40, deadline=None)


def numbers(seed, *shape, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def check(net, x, bound=BOUND, floor=0.0):
    """All instruction sets, all strategies, single and batch agree with the reference."""
    network = net.network(x.shape)
    want = run(network, x)
    for isa in SETS:
        object.__setattr__(net, "_isa", isa)
        net._use(None)
        first = net.forward(x)
        assert first.shape == want.shape
        assert first.dtype == np.float32
        assert error(first, want, floor) <= bound, isa
        for strategy in ("sequential", "spawn", "pool", "static"):
            again = net.forward(x, strategy=strategy)
            assert again.tobytes() == first.tobytes(), (isa, strategy)
        batch = np.stack([x, -x, x]) if np.isfinite(x).all() else np.stack([x, x, x])
        for result in net.forward(batch)[::2]:
            assert error(result, want, floor) <= bound, isa


@pytest.fixture(autouse=True)
def _threads():
    before = threads.get_num_threads()
    threads.set_num_threads(3)
    yield
    threads.set_num_threads(before)


sizes = st.integers(1, 3)


@EXAMPLES
@given(
    seed=st.integers(0, 99), groups=st.integers(1, 3), n_in=st.integers(1, 5),
    n_out=st.sampled_from([1, 2, 5, 6, 7, 16, 17, 33]), kernel=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes), padding=st.tuples(sizes, sizes) | st.just((0, 0)),
    dilation=st.tuples(sizes, sizes), size=st.tuples(st.integers(7, 19), st.integers(7, 30)),
    pool=st.booleans(), relu=st.booleans(),
)  # fmt: skip
def test_convolution(
    seed, groups, n_in, n_out, kernel, stride, padding, dilation, size, pool, relu
):
    weight, bias = numbers(seed, n_out * groups, n_in, *kernel), numbers(seed, n_out * groups)
    layers = [nn.Conv2d(weight, bias, stride, padding, dilation, groups)]
    x = numbers(seed + 1, n_in * groups, *size)
    _, height, width = layers[0].infer(x.shape)
    if pool and height > 1 and width > 1:
        layers.append(nn.MaxPool2d(2))
    if relu:
        layers.append(nn.ReLU())
    check(nn.Sequential(*layers, input_shape=x.shape), x)


@EXAMPLES
@given(
    seed=st.integers(0, 99), groups=st.integers(1, 3), n_in=st.integers(1, 3),
    n_out=st.integers(1, 4), kernel=st.tuples(sizes, sizes, sizes),
    stride=st.tuples(sizes, sizes, sizes),
    padding=st.tuples(*[st.integers(0, 2)] * 6), dilation=st.tuples(sizes, sizes, sizes),
    size=st.tuples(*[st.integers(7, 11)] * 3),
)  # fmt: skip
def test_convolution_of_volumes(
    seed, groups, n_in, n_out, kernel, stride, padding, dilation, size
):  # fmt: skip
    weight = numbers(seed, groups * n_out, n_in, *kernel)
    made = spec.Convolution3d(
        (0,), weight, numbers(seed, len(weight)), stride, padding, dilation, groups
    )
    shape = (groups * n_in, *size)
    check(nn.Net(spec.Network(shape, (made,))), numbers(seed, *shape))


def use_kernel(monkeypatch, kernel):
    """Every convolution that a kernel can do is done by it."""
    lower = _winograd.lower
    if kernel == "winograd":
        monkeypatch.setattr(_winograd, "lower", lambda *given: lower(*given) | {"cycles": 0.0})
        return
    monkeypatch.setattr(_winograd, "takes", lambda *_: False)
    other = "_planes" if kernel == "_channels" else "_channels"
    monkeypatch.setattr(_convolution, other, getattr(_convolution, kernel))


@pytest.mark.parametrize("kernel", ["_channels", "_planes", "winograd"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 40), (24, 12, 12), (2, 5, 150)])
@pytest.mark.parametrize("pool", [False, True])
def test_all_convolution_kernels(kernel, shape, pool, monkeypatch):
    use_kernel(monkeypatch, kernel)
    layers = [nn.Conv2d(numbers(0, 24, shape[0], 3, 3), numbers(1, 24), padding=(0, 1))]
    layers += [nn.MaxPool2d(2)] * pool + [nn.ReLU()]
    check(nn.Sequential(*layers, input_shape=shape), numbers(2, *shape))


@settings(EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 99), n_in=st.sampled_from([1, 2, 3, 24, 64, 65, 130]),
    n_out=st.sampled_from([1, 4, 5, 16, 17, 32, 33, 70]), padding=st.integers(0, 2),
    size=st.tuples(st.integers(3, 17), st.integers(3, 33)), pool=st.booleans(), relu=st.booleans(),
    odd=st.sampled_from([0.0, np.inf, -np.inf, np.nan, 3e38, 1e-40]),
)  # fmt: skip
def test_winograd(seed, n_in, n_out, padding, size, pool, relu, odd, monkeypatch):
    use_kernel(monkeypatch, "winograd")
    layers = [nn.Conv2d(numbers(seed, n_out, n_in, 3, 3), numbers(seed, n_out), padding=padding)]
    x = numbers(seed + 1, n_in, *size)
    _, height, width = layers[0].infer(x.shape)
    layers += [nn.MaxPool2d(2)] * (pool and height > 1 and width > 1) + [nn.ReLU()] * relu
    x.reshape(-1)[seed * 7 % x.size] = odd
    net = nn.Sequential(*layers, input_shape=x.shape)
    assert "conv_winograd" in net.plan()
    check(net, x)


def test_winograd_without_overflow_of_its_own(monkeypatch):
    """Sums of a tile's input that are beyond the range of floats; those of the result are not."""
    use_kernel(monkeypatch, "winograd")
    weight = np.zeros((20, 4, 3, 3), np.float32)
    weight[:, 1, 1, 1] = np.linspace(-1, 1, 20)
    check(nn.Sequential(nn.Conv2d(weight), input_shape=(4, 9, 9)), np.full((4, 9, 9), 3e38, "f4"))


@EXAMPLES
@given(
    seed=st.integers(0, 99), n_in=st.sampled_from([1, 3, 15, 16, 17, 64, 100, 300]),
    n_out=st.sampled_from([1, 2, 9, 10, 16, 17, 31, 32, 33, 100]), relu=st.booleans(),
)  # fmt: skip
def test_linear(seed, n_in, n_out, relu):
    first = [nn.Linear(numbers(seed, n_in, 7), numbers(seed, n_in)), nn.ReLU()] if relu else []
    layers = [*first, nn.Linear(numbers(seed + 1, n_out, n_in), numbers(seed, n_out))]
    net = nn.Sequential(*layers, *[nn.ReLU()] * relu)
    check(net, numbers(seed + 2, *net.input_shape), floor=np.sqrt(n_in))


@EXAMPLES
@given(
    seed=st.integers(0, 99), kind=st.sampled_from(["max", "average", "average without"]),
    kernel=st.tuples(sizes, sizes), stride=st.tuples(sizes, sizes) | st.none(),
    pad=st.booleans(), ceil=st.booleans(), size=st.tuples(st.integers(5, 20), st.integers(5, 70)),
)  # fmt: skip
def test_pools(seed, kind, kernel, stride, pad, ceil, size):
    padding = tuple(k // 2 for k in kernel) if pad else 0
    if kind == "max":
        layer = nn.MaxPool2d(kernel, stride, padding, 1, ceil)
    else:
        layer = nn.AvgPool2d(kernel, stride, padding, ceil, kind == "average")
    check(layer, numbers(seed, 3, *size))


@pytest.mark.parametrize("width", [2, 3, 24, 31, 32, 33, 64, 66, 100])
def test_max_pool_2(width):
    check(nn.MaxPool2d(2), numbers(width, 5, 7, width))


@pytest.mark.parametrize("size", [1, 3, (2, 5), (None, 1)])
def test_adaptive_average(size):
    check(nn.AdaptiveAvgPool2d(size), numbers(0, 4, 7, 11))


EXACT_GELU = nn.GELU()
ACTIVATIONS = [
    nn.ReLU(), nn.LeakyReLU(), nn.LeakyReLU(-0.5), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), EXACT_GELU,
    nn.GELU("tanh"),
]  # fmt: skip


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.1, 1.0, 10.0, 1000.0])
def test_activations(layer, scale):
    check(layer, numbers(0, 1500, scale=scale), 1e-6)


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_activations_of_odd_values(layer):
    torch = pytest.importorskip("torch")
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3.4e38, -3.4e38, 88.7, 89.5, -88.0,
           -103.0, -104.5, 9.02, -9.02]  # fmt: skip
    x = np.array(odd * 3, np.float32)
    if layer is EXACT_GELU:  # PyTorch's depends on where in the array the infinity stands
        x = x[~(np.abs(x) > 1e38)]
    twin = getattr(torch.nn, type(layer).__name__)
    arguments = [getattr(layer, name) for name in ("negative_slope",) if hasattr(layer, name)]
    keywords = {n: getattr(layer, n) for n in ("approximate",) if hasattr(layer, n)}
    want = twin(*arguments, **keywords)(torch.from_numpy(x)).numpy()
    for isa in SETS:
        object.__setattr__(layer, "_isa", isa)
        layer._use(None)
        np.testing.assert_allclose(layer(x), want, rtol=1e-5, atol=1e-42)


@pytest.mark.parametrize("layer", [nn.Softmax, nn.LogSoftmax])
@pytest.mark.parametrize(("shape", "dim"), [((10,), -1), ((1,), 1), ((40,), 1), ((3, 4, 50), 1),
                                            ((3, 4, 50), 2), ((3, 4, 50), -1)])  # fmt: skip
def test_softmax(layer, shape, dim):
    net = nn.Sequential(layer(dim), input_shape=shape)
    for scale in (0.1, 10.0, 1000.0):
        check(net, numbers(0, *shape, scale=scale), 1e-6)


def test_softmax_of_odd_values():
    net = nn.Softmax()
    for x in ([np.nan, 1, 2], [np.inf, 1, 2], [-np.inf, 1, 2], [-np.inf] * 3):
        x = np.array(x * 11, np.float32)
        check(net, x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_odd_values_pass_through(bad):
    torch = pytest.importorskip("torch")
    weights = numbers(0, 7, 2, 3, 3), numbers(1, 7), numbers(2, 11, 7 * 25), numbers(3, 11)
    net = nn.Sequential(
        nn.Conv2d(*weights[:2]), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(*weights[2:]),
        input_shape=(2, 12, 12),
    )  # fmt: skip
    for place in range(0, 288, 7):
        x = numbers(4, 2, 12, 12)
        x.reshape(-1)[place] = bad
        t = torch.conv2d(torch.from_numpy(x)[None], *map(torch.from_numpy, weights[:2]))
        t = torch.relu(torch.max_pool2d(t, 2)).flatten(1)
        want = torch.nn.functional.linear(t, *map(torch.from_numpy, weights[2:])).numpy()[0]
        for isa in SETS:
            net._isa = isa
            net._use(None)
            np.testing.assert_allclose(net(x), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_odd_weights_meet_zero_inputs(bad):
    second = numbers(1, 20, 100)
    second[3, 5] = bad
    first = numbers(0, 100, 6)
    first[5] = -np.abs(first[5])
    net = nn.Sequential(nn.Linear(first), nn.ReLU(), nn.Linear(second))
    x = np.ones(6, np.float32)
    for isa in SETS:
        net._isa = isa
        net._use(None)
        assert np.isnan(net(x)[3])


def test_batches_of_every_size_and_threads():
    net = nn.Sequential(
        nn.Conv2d(numbers(0, 6, 1, 3, 3)), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
        nn.Linear(numbers(1, 40, 6 * 9)), nn.Tanh(), nn.Linear(numbers(2, 5, 40)), nn.Softmax(),
        input_shape=(1, 8, 8),
    )  # fmt: skip
    for isa in SETS:
        net._isa = isa
        net._use(None)
        x = numbers(3, 40, 1, 8, 8)
        want = np.stack([net(image) for image in x])
        for n in (0, 1, 2, 10, 11, 12, 23, 40):
            got = net(x[:n])
            assert got.shape == (n, 5)
            np.testing.assert_allclose(got, want[:n], rtol=1e-4, atol=1e-6)
            for n_threads in (1, 2, 3, 50):
                labels = net.predict(x[:n], n_threads=n_threads)
                np.testing.assert_array_equal(labels, want[:n].argmax(axis=1))


@pytest.mark.parametrize("n", [1, 2, 4, 5, 40])
def test_large_linear_layer_in_batches(n):
    layer = nn.Linear(numbers(0, 64, 20_000), numbers(1, 64))
    x = numbers(2, n, 20_000)
    want = x.astype(np.float64) @ layer.weight.T.astype(np.float64) + layer.bias
    assert error(layer(x), want) <= BOUND
    np.testing.assert_array_equal(layer.predict(x), want.argmax(axis=1))
