"""scikit-learn's perceptrons, alone and at the end of a pipeline."""

import numpy as np
import pytest

import mlfast

sklearn = pytest.importorskip("sklearn")
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((120, 6))
SCORE = X[:, 0] * 2 + X[:, 1] * X[:, 2]
pytestmark = pytest.mark.filterwarnings("ignore")  # not converged: nobody minds


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("piped", [False, True])
def test_classifier(activation, n_classes, piped):
    y = np.array(["no", "yes", "perhaps"])[np.digitize(SCORE, [0.0, 1.0][: n_classes - 1])]
    model = MLPClassifier((20, 7), activation=activation, max_iter=60, random_state=0)
    model = make_pipeline(StandardScaler(), model) if piped else model
    model.fit(X, y)
    predictor = mlfast.compile(model)
    want = model.predict_proba(X)
    np.testing.assert_allclose(predictor.predict_proba(X), want, rtol=1e-4, atol=2e-6)
    clear = np.sort(want, axis=1)[:, -1] - np.sort(want, axis=1)[:, -2] > 1e-4
    np.testing.assert_array_equal(predictor.predict(X)[clear], model.predict(X)[clear])
    assert predictor.predict_one(X[0]) == model.predict(X[:1])[0]
    np.testing.assert_array_equal(predictor.classes_, model.classes_)


def test_multilabel():
    y = np.stack([SCORE > 0, X[:, 3] > 0, X[:, 4] > 1], axis=1).astype(int)
    model = MLPClassifier((9,), max_iter=60, random_state=0).fit(X, y)
    predictor = mlfast.compile(model)
    want = model.predict_proba(X)
    np.testing.assert_allclose(predictor.predict_proba(X), want, rtol=1e-4, atol=2e-6)
    clear = np.abs(want - 0.5).min(axis=1) > 1e-4
    np.testing.assert_array_equal(predictor.predict(X)[clear], model.predict(X)[clear])


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_regressor(n_outputs):
    y = SCORE if n_outputs == 1 else np.stack([SCORE, X[:, 0], X[:, 3]], axis=1)
    model = MLPRegressor(hidden_layer_sizes=(30,), max_iter=100, random_state=0).fit(X, y)
    predictor = mlfast.compile(model)
    want = model.predict(X)
    assert predictor.predict(X).shape == want.shape
    np.testing.assert_allclose(predictor.predict(X), want, rtol=1e-4, atol=1e-5)
