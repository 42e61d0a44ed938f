"""`Predictor.verify` finds any difference, and says where."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from passengers import frame, pipeline, predictor
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import mlfast
from mlfast.verify import ulp_distance

any_float = st.floats(allow_nan=False).filter(bool)  # -0.0 and 0.0 are two floats


def test_the_report_says_what_was_compared():
    report = predictor().verify(pipeline(), frame())
    assert report.n_rows == 200
    assert set(report.max_ulp) == {"predict", "predict_proba", "decision_function", "transform"}
    assert report.max_ulp["transform"] == report.max_ulp["decision_function"] == 0
    assert "200 rows" in str(report)


def test_a_transformer():
    encoder = pipeline()[:-1]
    assert mlfast.compile(encoder).verify(encoder, frame()).max_ulp == {"transform": 0}


class Changed:
    """The pipeline, but for one row of one method."""

    steps = None

    def __init__(self, method, change):
        self.method, self.change = method, change

    def __getattr__(self, name):
        original = getattr(pipeline(), name)
        if name != self.method:
            return original

        def changed(X):
            answer = np.array(original(X), copy=True)
            answer[3] = self.change(answer[3])
            return answer

        return changed


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("predict", lambda label: "died" if label == "survived" else "survived"),
        ("decision_function", lambda margin: np.nextafter(margin, np.inf)),
        ("predict_proba", lambda pair: pair * (1 + 1e-14)),
        ("predict_proba", lambda pair: np.full(2, np.nan)),
    ],
)
def test_any_difference_is_found(method, change):
    with pytest.raises(mlfast.ParityError, match=rf"{method}, row 3: expected"):
        predictor().verify(Changed(method, change), frame())


@given(any_float)
def test_neighbours_are_one_apart(x):
    up = math.nextafter(x, math.inf)
    assert ulp_distance(np.array([x]), np.array([up]))[0] == (up != x)


def test_zeros_and_nans():
    ulps = ulp_distance(np.array([0.0, math.nan, math.nan, 1.0]), np.array([-0.0, math.nan, 1, 1]))
    assert ulps[0] == 1
    assert ulps[1] == 0
    assert ulps[2] > 1e6
    assert ulps[3] == 0


def test_linear_models_may_differ_by_the_rounding_of_their_sums():
    table = frame()[["Age", "Fare", "Pclass"]]
    model = LogisticRegression(max_iter=500).fit(table, frame()["Sex"])
    compiled = mlfast.compile(model)
    compiled.verify(model, table)
    model.coef_ = model.coef_ * (1 + 1e-12)
    with pytest.raises(mlfast.ParityError, match=r"decision_function|predict_proba"):
        compiled.verify(model, table)


@pytest.mark.parametrize("kind", ["array", "pandas", "polars", "pyarrow", "columns", "records"])
def test_every_kind_of_table(kind):
    table = frame(50)[["Age", "Fare", "Pclass"]].astype(float)
    model = GradientBoostingClassifier(n_estimators=3).fit(table.to_numpy(), frame(50)["Sex"])
    compiled = mlfast.compile(model)
    if kind == "array":
        assert compiled.verify(model, table.to_numpy()).n_rows == 50
        return
    model.feature_names_in_ = np.array(table.columns, dtype=object)
    compiled = mlfast.compile(model)

    class Original:
        def __getattr__(self, name):
            return lambda X: getattr(model, name)(table)

    if kind == "polars":
        X = pytest.importorskip("polars").DataFrame(table.to_dict("list"))
    elif kind == "pyarrow":
        X = pytest.importorskip("pyarrow").table(table.to_dict("list"))
    else:
        X = {"pandas": table, "columns": table.to_dict("list"), "records": table.to_dict("records")}
        X = X[kind]
    assert compiled.verify(Original(), X).n_rows == 50
