"""What a network takes, and what it says to everything else."""

import threading

import numpy as np
import pytest

from mlfast import errors, nn, spec, threads
from mlfast.nn import _nn


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 0.3


def small():
    return nn.Sequential(
        nn.Conv2d(numbers(0, 24, 1, 5, 5), numbers(1, 24)), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(numbers(2, 32, 24, 3, 3)), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
        nn.Linear(numbers(3, 10, 800)), nn.LogSoftmax(), input_shape=(1, 28, 28),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint8, np.int64, bool])
def test_other_dtypes_are_converted(dtype):
    net, x = small(), np.abs(numbers(4, 1, 28, 28) * 10).astype(dtype)
    assert net(x).tobytes() == net(x.astype(np.float32)).tobytes()
    assert net.predict_one(x) == net(x).argmax()


def test_layouts():
    net, x = small(), numbers(4, 1, 28, 28)
    want = net(x).tobytes()
    wide = np.zeros((1, 28, 56), np.float32)
    wide[:, :, ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    for same in (wide[:, :, ::2], np.asfortranarray(x), read_only, unaligned, x.tolist(),
                 x.astype(">f4")):  # fmt: skip
        assert net(same).tobytes() == want


def test_out():
    net, x = small(), numbers(4, 1, 28, 28)
    want = net(x)
    out = np.empty(10, np.float32)
    assert net(x, out) is out
    assert out.tobytes() == want.tobytes()
    strided = np.zeros((10, 2), np.float32)
    net(x, out=strided[:, 0])
    assert strided[:, 0].tobytes() == want.tobytes()
    assert not strided[:, 1].any()
    batch = np.empty((3, 10), np.float32)
    assert net(np.stack([x] * 3), batch) is batch
    relu, shared = nn.ReLU(), numbers(5, 64)
    expected = relu(shared)
    relu(shared, out=shared)
    assert shared.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty(9, np.float32), r"shape \(10,\), got float32 \(9,\)"),
        (np.empty(10), r"got float64"),
        ([0.0] * 10, "got list"),
        (np.frombuffer(bytes(40), np.float32), "read-only"),
    ],
)
def test_bad_out(out, message):
    with pytest.raises(errors.RecordError, match=message):
        small()(numbers(4, 1, 28, 28), out)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((28, 28), np.float32), np.zeros((1, 28, 27), np.float32),
        np.zeros((2, 2, 28, 28), np.float32), np.zeros(784, np.float32), np.float32(1), [],
        np.zeros((1, 28, 28), complex), np.full((1, 28, 28), "a"), None, "digit", [[1], [2, 3]],
    ],
    ids=range(11),
)  # fmt: skip
@pytest.mark.parametrize("method", ["forward", "predict", "predict_one", "predict_proba_one"])
def test_bad_input(x, method):
    with pytest.raises((errors.RecordError, ValueError), match=r"expected|inhomogeneous"):
        getattr(small(), method)(x)


def test_batches_where_one_is_wanted():
    x = np.zeros((2, 1, 28, 28), np.float32)
    for method in ("predict_one", "predict_proba_one"):
        with pytest.raises(errors.RecordError, match="expected one example"):
            getattr(small(), method)(x)
    with pytest.raises(errors.RecordError, match="expected a batch"):
        small().predict(x[0])
    assert small().predict(x[:0]).shape == (0,)
    assert small()(x[:0]).shape == (0, 10)


def test_bad_arguments():
    x = numbers(4, 1, 28, 28)
    with pytest.raises(ValueError, match=r"expected one of .*'static'.*got 'fast'"):
        small()(x, strategy="fast")
    for n in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="n_threads: expected an int"):
            small().predict(x[None], n_threads=n)
    with pytest.raises(ValueError, match="expected one of"):
        _nn.kernels("avx9000")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(numbers(0, 3)), "Linear expects weight of 2 axes"),
        (lambda: nn.Linear(numbers(0, 3, 4), numbers(0, 4)), r"bias of shape \(3,\), got .*\(4,\)"),
        (lambda: nn.Linear([["a"]]), "Linear expects numbers as weight"),
        (lambda: nn.Linear(np.zeros((0, 3))), "none empty"),
        (lambda: nn.Conv2d(numbers(0, 3, 1, 2, 2), groups=2), "groups that divide the 3 outputs"),
        (lambda: nn.Conv2d(numbers(0, 3, 1, 2, 2), stride=0), "stride to be an int >= 1"),
        (lambda: nn.Conv2d(numbers(0, 3, 1, 2, 2), padding=-1), "padding to be an int >= 0"),
        (lambda: nn.Conv2d(numbers(0, 3, 1, 2, 2), padding="valued"), "'valued'"),
        (lambda: nn.MaxPool2d(2, padding=2), "at most half the kernel"),
        (lambda: nn.Softmax(0), "other than 0"),
        (lambda: nn.GELU("erf"), "got 'erf'"),
        (lambda: nn.BatchNorm2d(None, None, numbers(0, 3), numbers(0, 4)), r"shape \(3,\)"),
        (lambda: nn.Sequential(), "at least one layer"),
        (lambda: nn.Sequential(nn.ReLU(), 3), r"got int at layers\[1\]"),
        (
            lambda: nn.Sequential(
                nn.Conv2d(numbers(0, 24, 1, 3, 3)), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(numbers(0, 8, 1, 3, 3)),
            ),
            r"Conv2d expects 1 input channels, got 24 - at layers\[3\]",
        ),
        (
            lambda: nn.Sequential(
                nn.Conv2d(numbers(0, 6, 1, 3, 3)), nn.Flatten(), nn.Linear(numbers(0, 2, 99)),
                input_shape=(1, 8, 8),
            ),
            r"Linear expects 99 inputs, got 216 .*- at layers\[2\]",
        ),
        (
            lambda: nn.Sequential(nn.Conv2d(numbers(0, 6, 1, 9, 9)), input_shape=(1, 8, 8)),
            r"Conv2d does not fit .*- at layers\[0\]",
        ),
    ],
)  # fmt: skip
def test_bad_layers(make, message):
    with pytest.raises((errors.SpecError, TypeError), match=message):
        make()


def test_layers_are_frozen():
    layer = nn.Linear(numbers(0, 3, 4))
    with pytest.raises(AttributeError):
        layer.bias = numbers(0, 3)
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 1
    mine = numbers(0, 3, 4)
    layer = nn.Linear(mine)
    before = layer(np.ones(4, np.float32)).copy()
    mine[:] = 0
    assert layer(np.ones(4, np.float32)).tobytes() == before.tobytes()


def test_one_network_any_image_size():
    net = nn.Sequential(nn.Conv2d(numbers(0, 6, 3, 3, 3), padding=1), nn.AdaptiveAvgPool2d(1))
    for size in ((5, 9), (20, 20), (5, 9)):
        assert net(numbers(1, 3, *size)).shape == (6, 1, 1)
        assert net(numbers(1, 4, 3, *size)).shape == (4, 6, 1, 1)
    with pytest.raises(errors.RecordError, match="3 axes, or 4"):
        net(numbers(1, 9))
    with pytest.raises(errors.SpecError, match="expects 3 input channels, got 2"):
        net(numbers(1, 2, 5, 5))


def test_several_python_threads_at_once():
    before = threads.get_num_threads()
    threads.set_num_threads(3)
    net, xs = small(), numbers(4, 40, 1, 28, 28)
    want = [net(x).tobytes() for x in xs]
    wrong = []

    def work(first):
        for i in range(first, first + 120):
            strategy = (None, "static", "pool", "spawn")[i % 4]
            if net.forward(xs[i % 40], strategy=strategy).tobytes() != want[i % 40]:
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(7 * i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
        assert not worker.is_alive()
    assert not wrong
    threads.set_num_threads(before)


def test_plan_says_what_runs():
    before = threads.get_num_threads()
    threads.set_num_threads(1)
    lines = small().plan().splitlines()
    assert lines[0].startswith(_nn.instruction_sets()[-1])
    assert "one thread" in lines[0]
    assert len(lines) == 5
    assert "relu, max pool 2" in lines[1]
    threads.set_num_threads(2)
    assert "too little to split" in nn.Linear(numbers(0, 2, 3)).plan()
    big = nn.Conv2d(numbers(0, 64, 64, 3, 3), padding=1).plan((64, 64, 64))
    assert "waking them costs" in big
    threads.set_num_threads(before)


def test_residual_and_squeeze_excite_blocks():
    from nn_reference import error, run

    weight = numbers(0, 8, 8, 3, 3)
    conv = lambda value: spec.Convolution(  # noqa: E731
        (value,), weight, numbers(1, 8), (1, 1), (1, 1, 1, 1), (1, 1), 1
    )
    whole = np.array([[0, 9, 9]], np.int32)
    network = spec.Network(
        (8, 9, 9),
        (
            conv(0), spec.Activation((1,), "relu"), conv(2), spec.Combine((3, 0), "add"),
            spec.Activation((4,), "relu"), spec.Pooling((5,), "average", whole, whole, (1, 1)),
            spec.Reshape((6,), (8,)), spec.Dense((7,), numbers(2, 3, 8), numbers(3, 3)),
            spec.Activation((8,), "relu"), spec.Dense((9,), numbers(4, 8, 3), numbers(5, 8)),
            spec.Activation((10,), "sigmoid"), spec.Reshape((11,), (8, 1, 1)),
            spec.Combine((5, 12), "multiply"), spec.Combine((13, 0), "add"),
        ),
    )  # fmt: skip
    x = numbers(6, 8, 9, 9)
    for isa in _nn.instruction_sets():
        net = nn.Net(network)
        net._isa = isa
        assert error(net(x), run(network, x)) < 1e-5
        assert error(net(np.stack([x, x]))[1], run(network, x)) < 1e-5


def test_a_window_in_the_padding_alone_is_refused_when_the_network_is_made():
    pool = nn.MaxPool2d(2, stride=1, padding=1, dilation=2)
    with pytest.raises(errors.SpecError, match=r"padding alone.* at layers\[0\]"):
        nn.Sequential(pool, input_shape=(1, 1, 1))
