"""Strategies of single layers: the same bits, said by the plan, kept by copies."""

import pickle

import numpy as np
import pytest

from mlfast import errors, nn, threads


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network(first=None, pool=None, last=None):
    return nn.Sequential(
        nn.Conv2d(numbers(0, 24, 3, 3, 3), strategy=first), nn.ReLU(), nn.Dropout(),
        nn.MaxPool2d(2, strategy=pool), nn.AvgPool2d(3), nn.Flatten(),
        nn.Linear(numbers(1, 70, 600), numbers(2, 70), strategy=last), nn.Tanh(),
        input_shape=(3, 32, 32),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def two_threads():
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    yield
    threads.set_num_threads(before)


STRATEGIES = ("sequential", "spawn", "pool", "static")


@pytest.mark.parametrize("last", STRATEGIES)
@pytest.mark.parametrize("first", STRATEGIES)
def test_the_same_bits(first, last):
    x = numbers(3, 3, 32, 32)
    want = network().forward(x, strategy="sequential")
    net = network(first, "static", last)
    np.testing.assert_array_equal(net(x), want)
    batch = np.stack([x, x])
    np.testing.assert_array_equal(net(batch), network()(batch))
    for over in STRATEGIES:
        np.testing.assert_array_equal(net.forward(x, strategy=over), want)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net))(x), want)


def test_the_plan_says_it():
    lines = network("spawn", None, "pool").plan().splitlines()
    convolution = next(line for line in lines if line.startswith("conv"))
    assert ", spawn, " in convolution
    assert ", pool, 3 parts" in next(line for line in lines if line.startswith("linear"))
    usual = network().plan().splitlines()[1:]
    assert not any("spawn" in line or "static" in line for line in usual)


def test_a_fused_layer_keeps_a_wish_of_either_part():
    conv = numbers(0, 32, 3, 3, 3)
    net = nn.Sequential(nn.Conv2d(conv), nn.ReLU(strategy="static"), input_shape=(3, 9, 9))
    assert "static, 2 parts" in net.plan()
    assert "layers' strategies" in net.plan()


def test_a_layer_alone_and_its_copies():
    layer = nn.Linear(numbers(1, 256, 1024), strategy="static")
    assert "static, 2 parts" in layer.plan()
    assert "strategy='static'" in repr(layer)
    again = pickle.loads(pickle.dumps(nn.Sequential(layer)))
    assert again[0].strategy == "static"
    loaded = nn.Sequential(layer).load_state_dict({"0.weight": layer.weight})
    assert loaded[0].strategy == "static"


def test_unknown_strategies():
    with pytest.raises(errors.SpecError, match=r"ReLU expects strategy to be one of .* got 'fast'"):
        nn.ReLU(strategy="fast")
    with pytest.raises(TypeError):
        nn.Linear(numbers(0, 2, 2), None, "static")
