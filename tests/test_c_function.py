"""Predictors as C functions: through ctypes, and from an extension in Cython."""

import ctypes
import gc
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import titanic
from exported import ensemble, model, rows

import mlfast

SCORING = Path(__file__).parent.parent / "examples" / "cython" / "scoring.pyx"
PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)


def call(function, X):
    run = PROTOTYPE(function.address)
    X = np.ascontiguousarray(X, np.float64)
    out = np.full((len(X), function.n_outputs), np.nan)
    codes = [
        run(function.user_data, x.ctypes.data, o.ctypes.data) for x, o in zip(X, out, strict=True)
    ]
    return codes, out


def test_ctypes():
    rng = np.random.default_rng(0)
    head = ensemble(rng, n_trees=9)
    predictor = mlfast.Predictor(model(head))
    X = rows(rng, head)
    function = predictor.c_function()
    assert (function.n_features, function.n_outputs) == (head.n_features, head.n_outputs)
    codes, out = call(function, X)
    assert set(codes) == {0}
    np.testing.assert_array_equal(out, np.reshape(predictor.predict(X), out.shape))


def test_numba():
    numba = pytest.importorskip("numba")
    rng = np.random.default_rng(5)
    head = ensemble(rng, n_trees=9)
    predictor = mlfast.Predictor(model(head))
    X = rows(rng, head)
    function = predictor.c_function()
    run = PROTOTYPE(function.address)

    @numba.njit
    def score(user_data, X, out):
        for i in range(len(X)):
            if run(user_data, X[i].ctypes.data, out[i].ctypes.data) != 0:
                return i
        return -1

    out = np.empty((len(X), head.n_outputs))
    assert score(function.user_data, X, out) == -1
    np.testing.assert_array_equal(out, np.reshape(predictor.predict(X), out.shape))


def test_a_workspace_larger_than_the_stack():
    rng = np.random.default_rng(1)
    head = ensemble(rng, n_trees=3, n_features=3000)
    predictor = mlfast.Predictor(model(head))
    X = rows(rng, head, 5)
    _, out = call(predictor.c_function(), X)
    np.testing.assert_array_equal(out, np.reshape(predictor.predict(X), out.shape))


def test_it_keeps_its_predictor_alive():
    head = ensemble(np.random.default_rng(2), n_trees=5)
    predictor = mlfast.Predictor(model(head))
    X = np.zeros((1, head.n_features))
    want = np.reshape(predictor.predict(X), (1, -1))
    function = predictor.c_function()
    del predictor
    gc.collect()
    np.testing.assert_array_equal(call(function, X)[1], want)


def test_pipelines_take_numbers_alone():
    predictor = mlfast.compile(titanic.pipeline())
    function = predictor.c_function()
    codes, out = call(function, np.array([[3, 0, 30.0, 1, 0, 7.5, 0, 0]]))
    record = dict(zip(predictor.feature_names_in_, (3, 0, 30.0, 1, 0, 7.5, 0, 0), strict=True))
    assert codes == [0]
    assert out[0].tolist() == list(predictor.predict_proba_one(record).values())


def test_refusals():
    linear = pytest.importorskip("sklearn.linear_model")
    X = np.random.default_rng(3).normal(size=(40, 3))
    predictor = mlfast.compile(linear.LinearRegression().fit(X, X.sum(axis=1)))
    codes, out = call(predictor.c_function(), [[0.0, np.nan, 0.0], [0.0, 1.0, 2.0]])
    assert codes[0] > 0
    assert codes[1] == 0
    assert out[1, 0] == predictor.predict_one((0.0, 1.0, 2.0))


SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
setup(ext_modules=cythonize([Extension("scoring", ["scoring.pyx"])], language_level=3))
"""


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc"))), reason="no C compiler")
def test_cython_extension(tmp_path):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    shutil.copy(SCORING, tmp_path)
    (tmp_path / "setup.py").write_text(SETUP)
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(build, cwd=tmp_path, check=True)
    (built,) = [*tmp_path.glob("scoring*.so"), *tmp_path.glob("scoring*.pyd")]
    specification = importlib.util.spec_from_file_location("scoring", built)
    scoring = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(scoring)

    rng = np.random.default_rng(4)
    head = ensemble(rng, n_trees=9)
    predictor = mlfast.Predictor(model(head))
    X = rows(rng, head)
    out = np.empty((len(X), head.n_outputs))
    assert scoring.score(predictor.c_function(), X, out) == -1
    np.testing.assert_array_equal(out, np.reshape(predictor.predict(X), out.shape))
    with pytest.raises(ValueError, match="columns in"):
        scoring.score(predictor.c_function(), X[:, :0].copy(), out)
