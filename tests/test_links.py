"""Links of many rows at once, in every instruction set, against the C library's functions."""

import numpy as np
import pytest
from reference import answers

import mlfast
from mlfast import _plan, spec


def margins() -> np.ndarray:
    """float32 numbers of every size, NaN and infinities, and where the formula bends."""
    rng = np.random.default_rng(5)
    edges = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 88.7, -88.7, 80.0, 87.4, -104.0, 3.4e38]
    any_bits = rng.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return np.concatenate((edges, any_bits, rng.uniform(-20, 20, 3001))).astype(np.float32)


def sigmoid() -> spec.Model:
    """One number to its sigmoid."""
    output = spec.Output(
        link="sigmoid_float32",
        rule="value",
        methods=("predict",),
        class_dtype="float32",
        dtype="float32",
    )
    return spec.Model.of_head(spec.Linear(np.ones((1, 1)), np.zeros(1)), output)


@pytest.mark.parametrize("isa", _plan.isa_names())
def test_sigmoid_of_rows_is_that_of_expf(isa: str) -> None:
    model = sigmoid()
    predictor = mlfast.Predictor(model, isa=isa)
    x = margins()
    for n in (1, 7, 8, 9, len(x)):
        got = predictor.predict(x[:n, None])
        np.testing.assert_array_equal(got, answers(model.output, x[:n, None])[1][:, 0])
    one = [predictor.predict_one((float(value),)) for value in x]
    np.testing.assert_array_equal(predictor.predict(x[:, None]), np.float32(one))


def test_sigmoid_is_xgboosts() -> None:
    """A Booster without trees: its sigmoid of the margins that it is given, NaN among them."""
    xgboost = pytest.importorskip("xgboost")
    x = margins()
    nothing = xgboost.DMatrix(np.zeros((2, 1)), label=[0, 1])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, nothing, 0)
    data = xgboost.DMatrix(np.zeros((len(x), 1)))
    data.set_base_margin(x)
    want = booster.predict(data)
    np.testing.assert_array_equal(mlfast.Predictor(sigmoid()).predict(x[:, None]), want)
