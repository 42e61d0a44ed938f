"""Networks as predictors: compiled, saved, loaded, pickled, alone and against themselves."""

import pickle

import numpy as np
import pytest

import mlfast
from mlfast import errors, nn


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 0.3


def small(*last):
    return nn.Sequential(
        nn.Conv2d(numbers(0, 6, 1, 3, 3)), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
        nn.Linear(numbers(1, 40, 54)), nn.Tanh(), nn.Linear(numbers(2, 5, 40)), *last,
        input_shape=(1, 8, 8),
    )  # fmt: skip


@pytest.mark.parametrize("last", [nn.Softmax(), nn.LogSoftmax()], ids=repr)
def test_classifier(last, tmp_path):
    net = small(last)
    predictor = mlfast.compile(net)
    images = numbers(3, 30, 1, 8, 8)
    flat = images.reshape(30, 64).astype(np.float64)
    want = np.stack([net(image) for image in images])
    probabilities = np.exp(want) if isinstance(last, nn.LogSoftmax) else want
    np.testing.assert_array_equal(predictor.classes_, range(5))
    np.testing.assert_array_equal(predictor.predict(flat), want.argmax(axis=1))
    np.testing.assert_allclose(predictor.predict_proba(flat), probabilities, rtol=1e-4, atol=1e-6)
    for image, row, p in zip(images, flat, probabilities, strict=True):
        assert predictor.predict_one(row) == net.predict_one(image) == p.argmax()
        got = predictor.predict_proba_one(row)
        np.testing.assert_allclose(list(got.values()), p, rtol=1e-6)
        mine = net.predict_proba_one(image)
        assert list(mine) == list(got) == list(range(5))
        np.testing.assert_allclose(list(mine.values()), p, rtol=1e-6)
    np.testing.assert_array_equal(predictor.predict(flat, n_threads=2), net.predict(images))
    net.save(tmp_path / "net.mlfast")
    for again in (mlfast.load(tmp_path / "net.mlfast"), pickle.loads(pickle.dumps(predictor))):
        assert again.predict_proba(flat).tobytes() == predictor.predict_proba(flat).tobytes()
    loaded = nn.load(tmp_path / "net.mlfast")
    assert loaded.input_shape == (1, 8, 8)
    assert loaded(images[0]).tobytes() == net(images[0]).tobytes()
    assert pickle.loads(pickle.dumps(net))(images[0]).tobytes() == net(images[0]).tobytes()
    assert mlfast.compile(loaded).model == predictor.model


def test_images_in_their_own_shape():
    predictor = mlfast.compile(small(nn.Softmax()))
    images = numbers(4, 20, 1, 8, 8)
    want = predictor.predict_proba(images.reshape(20, 64))
    for same in (images, images.astype(np.float64), list(images), images[::-1][::-1]):
        np.testing.assert_array_equal(predictor.predict_proba(same), want)
    for image, row in zip(images, want, strict=True):
        got = list(predictor.predict_proba_one(image).values())
        np.testing.assert_allclose(got, row, rtol=1e-6)
        assert got == list(predictor.predict_proba_one(image.ravel()).values())
    assert predictor.predict_one(np.zeros((1, 8, 8), object)) == predictor.predict_one([0] * 64)
    with pytest.raises(errors.RecordError, match=r"an array of shape \(1, 8, 8\) as a record"):
        predictor.predict_one(images[0, 0])
    with pytest.raises(
        errors.RecordError, match=r"4-d array \(n_rows, 1, 8, 8\), got .*\(20, 8, 8\)"
    ):
        predictor.predict(images[:, 0])


def test_regressor():
    net = nn.Sequential(nn.Linear(numbers(0, 20, 4)), nn.ReLU(), nn.Linear(numbers(1, 2, 20)))
    predictor = mlfast.compile(net)
    x = numbers(2, 50, 4)
    np.testing.assert_allclose(predictor.predict(x), net(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predictor.predict_one(x[0]), net(x[0]), rtol=1e-6)
    with pytest.raises(AttributeError):
        predictor.predict_proba(x)


def test_image_size_is_needed_to_save(tmp_path):
    net = nn.Sequential(nn.Conv2d(numbers(0, 6, 1, 3, 3)), nn.ReLU())
    for call in (lambda: net.save(tmp_path / "x"), lambda: mlfast.compile(net)):
        with pytest.raises(errors.SpecError, match="input_shape="):
            call()
