"""Predictors as treelite models: the same answers, to the rounding of the base score."""

import numpy as np
import pytest
import titanic
from exported import ensemble, model
from fitted_models import MODELS

import mlfast

treelite = pytest.importorskip("treelite")


def close(got, want):
    np.testing.assert_allclose(np.reshape(got, np.shape(want)), want, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("models", MODELS)
def test_models_of_the_libraries(models):
    converted = 0
    for original, X in models():
        predictor = mlfast.compile(original)
        try:
            found = predictor.to_treelite()
        except mlfast.UnsupportedError:
            continue
        converted += 1
        dtype = "float32" if predictor.model.head.input_dtype == "float32" else "float64"
        X = X.astype(dtype).astype(found.input_type)
        got = treelite.gtil.predict(found, X, nthread=1)
        output = predictor.model.output
        if output.classes:
            want = predictor.predict_proba(X)
            want = want[:, 1] if output.binary else want
        else:
            want = predictor.predict(X)
        close(got, want)
        again = mlfast.compile(found)
        close(again.predict(X), got)
    assert converted >= 2


def test_random_ensembles_round_trip():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        dtype = ("float32", "float64")[seed % 2]
        zeros = np.zeros(3, np.uint8)
        head = ensemble(
            rng,
            n_trees=7,
            n_features=3,
            zero_as_missing=zeros,
            divisor=1.0,
            input_dtype=dtype,
            sum_dtype=dtype,
            base_first=False,
            category_rule="treelite",
        )
        predictor = mlfast.Predictor(model(head, dtype=dtype, class_dtype=dtype))
        X = rng.normal(size=(50, 3)).round(1)
        X[rng.random(X.shape) < 0.2] = np.nan
        got = mlfast.compile(predictor.to_treelite()).predict(X)
        np.testing.assert_array_equal(
            np.reshape(got, (50, -1)), predictor.predict(X).reshape(50, -1)
        )


def test_what_treelite_lacks():
    with pytest.raises(mlfast.UnsupportedError, match="an encoder stands before the trees"):
        mlfast.compile(titanic.pipeline()).to_treelite()
    head = ensemble(np.random.default_rng(1), n_trees=3, divisor=7.0)
    with pytest.raises(mlfast.UnsupportedError, match="divided"):
        mlfast.Predictor(model(head)).to_treelite()
