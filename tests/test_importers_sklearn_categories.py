"""Which values are the same category, which are missing, unknown or refused."""

import math

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import mlfast
from mlfast.errors import RecordError, UnsupportedError


def ordinal(values: list, **options) -> mlfast.Predictor:
    options = {"handle_unknown": "use_encoded_value", "unknown_value": -1} | options
    column = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    return mlfast.compile(OrdinalEncoder(encoded_missing_value=-2, **options).fit(column))


def code(predictor: mlfast.Predictor, value: object) -> float:
    return float(predictor.transform_one({"c": value})[0])


@pytest.mark.parametrize(
    ("known", "none", "nan"),
    [
        (["a", "b"], -1, -1),
        (["a", "b", None], 2, 2),
        (["a", "b", math.nan], -2, -2),
        (["a", "b", None, math.nan], 2, -2),
    ],
)
def test_missing_values_stand_in_for_each_other_unless_both_are_known(known, none, nan) -> None:
    predictor = ordinal(known)
    assert code(predictor, None) == none
    for value in (math.nan, np.nan, np.float32("nan"), pd.NA, pd.NaT):
        assert code(predictor, value) == nan, value


def test_equal_numbers_are_equal_categories_and_never_text() -> None:
    predictor = ordinal([1, 2, 10**18 + 1, 0.5, -0.0])
    assert [code(predictor, v) for v in (1, 1.0, True, np.int8(1), np.float32(1))] == [2.0] * 5
    assert [code(predictor, v) for v in (0, False, -0.0)] == [0.0] * 3
    assert code(predictor, 10**18 + 1) == 4
    assert code(predictor, 10**18) == -1
    assert [code(predictor, v) for v in ("1", "1.0", 1.0000000000000002, 3)] == [-1.0] * 4


def test_text_is_compared_exactly() -> None:
    known = ["", "é", "e\u0301", "日本", "🎈", "a" * 300, "1"]
    predictor = ordinal(known)
    ranks = {text: rank for rank, text in enumerate(sorted(known))}
    assert {text: code(predictor, text) for text in known} == ranks
    for text in (" ", "e", "É", "日", "🎈🎈", "a" * 299, "a" * 299 + "b", "1 ", "\x00"):
        assert code(predictor, text) == -1, text


@pytest.mark.parametrize("handle", ["error", "ignore"])
def test_infinity_is_refused_where_numbers_are_encoded(handle: str) -> None:
    X = pd.DataFrame({"c": [1.0, 2.0, math.nan]})
    predictor = mlfast.compile(OneHotEncoder(handle_unknown=handle).fit(X))
    for value in (math.inf, -math.inf):
        with pytest.raises(RecordError, match="'c'"):
            predictor.transform_one({"c": value})
    assert predictor.transform_one({"c": math.nan}).tolist() == [0, 0, 1]


def test_an_unknown_category_is_refused_named_or_warned_about() -> None:
    X = pd.DataFrame({"c": ["a", "b"]})
    strict = mlfast.compile(OneHotEncoder().fit(X))
    with pytest.raises(RecordError, match=r"'z'.*'c'"):
        strict.transform_one({"c": "z"})
    warning = mlfast.compile(OneHotEncoder(drop="first", handle_unknown="ignore").fit(X))
    with pytest.warns(UserWarning, match="unknown"):
        assert warning.transform_one({"c": "z"}).tolist() == [0]


def test_an_imputer_of_text_fills_none_and_nan() -> None:
    X = pd.DataFrame({"c": pd.Series(["a", "b", "b", math.nan], dtype=object)})
    steps = make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder())
    predictor = mlfast.compile(steps.fit(X))
    assert [code(predictor, v) for v in ("a", "b", None, math.nan)] == [0, 1, 1, 1]


def test_an_imputer_leaves_none_alone_where_an_encoder_knows_it() -> None:
    X = pd.DataFrame({"c": pd.Series(["a", "b", "b", None, math.nan], dtype=object)})
    steps = make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()).fit(X)
    predictor = mlfast.compile(steps)
    assert [code(predictor, v) for v in X["c"]] == steps.transform(X)[:, 0].tolist()


def test_a_placeholder_is_filled_and_nan_then_refused() -> None:
    X = pd.DataFrame({"c": pd.Series(["a", "?", "b", "b"], dtype=object)})
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent", add_indicator=True)
    encode = ColumnTransformer([("c", OrdinalEncoder(), [0]), ("i", "passthrough", [1])])
    predictor = mlfast.compile(make_pipeline(imputer, encode).fit(X))
    assert predictor.transform_one({"c": "?"}).tolist() == [1, 1]
    assert predictor.transform_one({"c": "a"}).tolist() == [0, 0]
    with pytest.raises(RecordError):
        predictor.transform_one({"c": math.nan})


def test_text_that_is_passed_through_is_read_as_a_number() -> None:
    X = pd.DataFrame({"c": ["a", "b"], "n": ["1", "2.5"]})
    columns = ColumnTransformer([("c", OneHotEncoder(), ["c"])], remainder="passthrough")
    predictor = mlfast.compile(columns.fit(X))
    assert predictor.transform_one({"c": "a", "n": " 2.5e0"}).tolist() == [1, 0, 2.5]
    with pytest.raises(RecordError, match=r"expected a number.*'n'"):
        predictor.transform_one({"c": "a", "n": "two"})


@pytest.mark.parametrize(
    "values",
    [
        np.array([[b"a"], [b"b"]], dtype=object),
        np.array([["2020-01-01"], ["2020-01-02"]], dtype="datetime64[D]"),
        np.array([[2**70], [1]], dtype=object),
        np.array([[(1, 2)], [(3, 4)]], dtype="O,O").astype(object),
    ],
)
def test_other_kinds_of_categories_are_not_supported(values: np.ndarray) -> None:
    encoder = OrdinalEncoder()
    encoder.categories_ = [np.unique(values)]
    encoder.n_features_in_, encoder._missing_indices = 1, {}
    encoder._infrequent_enabled = False
    with pytest.raises(UnsupportedError, match="ordinalencoder: the category"):
        mlfast.compile(encoder)
