"""Linear scores of many features: against float64 in every instruction set, batches, threads."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlfast import errors, nn, threads
from mlfast.nn import _nn, _wide


def made(seed, n_classes, n_features, dtype, n=1):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((n_classes, n_features)).astype(dtype)
    bias = rng.standard_normal(n_classes).astype(dtype)
    return weight, bias, rng.standard_normal((n, n_features)).astype(dtype)


def placed(x, first, gap):
    """The same rows elsewhere: so many elements after a cache line, and so many between rows."""
    n, width = x.shape[0], -(-x.shape[1] // 64) * 64 + gap
    room = np.full(n * width * x.itemsize + 64 + first * x.itemsize, 255, np.uint8)
    start = -room.ctypes.data % 64 + first * x.itemsize
    rows = room[start : start + n * width * x.itemsize].view(x.dtype).reshape(n, width)
    rows[:, : x.shape[1]] = x
    return rows[:, : x.shape[1]]


@pytest.mark.parametrize("isa", _nn.instruction_sets())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 9),
    st.integers(1, 70),
    st.integers(1, 1700),
    st.integers(0, 30),
    st.integers(0, 15),
    st.sampled_from([0, 1, 64]),
)
def test_scores(isa, dtype, seed, n_classes, n_features, n, first, gap):
    weight, bias, x = made(seed, n_classes, n_features, dtype, n)
    x = placed(x, first, gap)
    wide = _wide.Wide(weight, bias, isa)
    assert wide.isa == isa
    got = wide.scores(x, 0, 1)
    want = x.astype(np.longdouble) @ weight.T.astype(np.longdouble) + bias
    bound = np.finfo(dtype).eps * (n_features + 2)
    sizes = np.abs(x).astype(float) @ np.abs(weight.T) + np.abs(bias)
    assert np.all(np.abs(got[:, :n_classes] - want) <= bound * sizes)
    assert np.all(got[:, n_classes:] == 0)
    np.testing.assert_array_equal(wide.weight(n_classes), weight)


def test_labels_of_very_many_classes():
    weight, bias, x = made(5, 30_000, 3, np.float64, 5)
    for same in (weight, np.repeat(weight[:1], len(weight), 0)):
        for isa in _nn.instruction_sets():
            wide = _wide.Wide(same, bias, isa)
            np.testing.assert_array_equal(wide.labels(x, 0, 1), wide.scores(x, 0, 1).argmax(1))


NEAR = {
    "far apart": lambda weight, x: (weight, x),
    "equal": lambda weight, x: (np.repeat(weight[:1], len(weight), 0), x),
    "near": lambda weight, x: (weight[:1] + 1e-9 * weight, x),
    "nearer than rounding": lambda weight, x: (weight[:1] + 1e-17 * weight, x),
    "too large for single precision": lambda weight, x: (weight * 1e150, x * 1e100),
    "examples too large": lambda weight, x: (weight, x * 1e60),
    "squares too large": lambda weight, x: (weight * 1e-30, x * 1e30),
    "too small": lambda weight, x: (weight * 1e-200, x * 1e-50),
    "small": lambda weight, x: (weight * 1e-25, x * 1e-25),
    "NaN": lambda weight, x: (weight, np.where(x > 2, np.nan, x)),
    "infinite": lambda weight, x: (weight, np.where(x > 2, np.inf, x)),
    "a weight is NaN": lambda weight, x: (np.where(weight > 2.5, np.nan, weight), x),
    "zero": lambda weight, x: (weight, x * 0),
}


@pytest.mark.parametrize("isa", _nn.instruction_sets())
@pytest.mark.parametrize("what", NEAR)
@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 9),
    st.integers(1, 70),
    st.integers(1, 2500),
    st.integers(1, 140),
    st.integers(0, 7),
)
def test_labels_are_those_of_the_scores(isa, what, seed, n_classes, n_features, n, first):
    """Of double precision, also where single precision, which is tried first, cannot tell."""
    weight, bias, x = made(seed, n_classes, n_features, np.float64, n)
    with np.errstate(all="ignore"):
        weight, x = NEAR[what](weight, x)
    wide = _wide.Wide(weight, bias * (seed % 2) * np.abs(weight[0, 0]), isa)
    assert wide.screened == (np.abs(weight).max() < 1e38)
    if wide.screened:
        x = placed(x, first, 1)
        want = wide.scores(x, 0, 1)[:, :n_classes].argmax(axis=1)
        np.testing.assert_array_equal(wide.labels(x, 0, 1), want)
        np.testing.assert_array_equal(wide.labels(x, 0, 3), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predicts_what_numpy_does(dtype):
    weight, bias, x = made(1, 64, 5000, dtype, 250)
    model = nn.LinearClassifier(weight, bias)
    want = (x.astype(float) @ weight.T.astype(float) + bias).argmax(axis=1)
    np.testing.assert_array_equal(model.predict(x), want)
    assert [model.predict_one(row) for row in x[:5]] == want[:5].tolist()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.decision_function(x), model.decision_function(x))
    assert model.decision_function(x).dtype == dtype


def test_the_same_alone_and_in_a_batch_and_on_threads():
    weight, bias, x = made(2, 33, 1000, np.float64, 500)
    model = nn.LinearClassifier(weight, bias)
    whole = model.decision_function(x)
    np.testing.assert_array_equal(np.concatenate([model.decision_function(r) for r in x[:, None]]),
                                  whole)  # fmt: skip
    threads.set_num_threads(2)
    np.testing.assert_array_equal(model.decision_function(x, n_threads=2), whole)


def test_memory_layouts():
    weight, bias, x = made(3, 5, 300, np.float64, 20)
    model = nn.LinearClassifier(weight, bias)
    want = model.decision_function(x)
    read_only = x.copy()
    read_only.flags.writeable = False
    wider = np.zeros((20, 400))
    wider[:, 50:350] = x
    packed = np.zeros(20 * 300 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(20, 300)
    packed[:] = x
    for same in (read_only, wider[:, 50:350], np.asfortranarray(x), packed, x.tolist(),
                 x[::-1][::-1], np.repeat(x, 2, axis=1)[:, ::2]):  # fmt: skip
        np.testing.assert_array_equal(model.decision_function(same), want)
    np.testing.assert_array_equal(model.decision_function(x[::-2]), want[::-2])
    assert model.predict(x[:0]).shape == (0,)


def test_special_values():
    model = nn.LinearClassifier([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    inf, nan = np.inf, np.nan
    assert model.predict([[1.0, 2.0], [nan, 0.0], [2.0, 0.0], [-1.0, -1.0]]).tolist() == [
        2,
        0,
        0,
        0,
    ]
    np.testing.assert_array_equal(model.decision_function([[inf, -inf]]), [[nan, nan, nan]])


def test_refusals():
    model = nn.LinearClassifier(np.eye(3, dtype=np.float32))
    assert model.dtype == np.float32
    for bad in (np.zeros(3), np.zeros((2, 4)), np.zeros((1, 2, 3)), [["a", "b", "c"]], None):
        with pytest.raises(errors.RecordError, match="predict: expected"):
            model.predict(bad)
    with pytest.raises(errors.RecordError, match="one example"):
        model.predict_one(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="n_threads"):
        model.predict(np.zeros((1, 3)), n_threads=0)
    for weight, bias in ((np.zeros(3), None), (np.zeros((0, 3)), None), ([["a"]], None),
                         (np.eye(3), np.zeros(2)), (np.eye(3), ["a"] * 3)):  # fmt: skip
        with pytest.raises(errors.SpecError, match="LinearClassifier expects"):
            nn.LinearClassifier(weight, bias)


def test_the_environment_chooses_the_instruction_set(monkeypatch):
    for isa in _nn.instruction_sets():
        monkeypatch.setenv("MLFAST_ISA", isa)
        assert _wide.Wide(np.ones((2, 3)), np.zeros(2)).isa == isa
    monkeypatch.setenv("MLFAST_ISA", "none")
    with pytest.raises(ValueError, match="MLFAST_ISA: expected one of"):
        _wide.Wide(np.ones((2, 3)), np.zeros(2))
