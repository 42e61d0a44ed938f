"""Fields, selections and the names of what comes out."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

import mlfast
from mlfast.importers import import_model

X = pd.DataFrame(
    {
        "a": [1.0, 2.0, 3.0, 4.0],
        "b": [0.5, 0.0, -1.0, 0.5],
        "unused": ["p", "q", "r", "s"],
        "c": ["x", "y", "x", "z"],
    }
)


def test_a_data_frames_columns_are_the_fields_and_unused_ones_are_not_read() -> None:
    columns = ColumnTransformer([("c", OneHotEncoder(), ["c"]), ("a", "passthrough", ["a"])])
    model = import_model(columns.fit(X))
    assert [field.name for field in model.fields] == list(X.columns)
    assert sorted(read.field for read in model.inputs) == [0, 3]
    predictor = mlfast.compile(columns)
    assert predictor.feature_names_in_.tolist() == list(X.columns)
    assert predictor.get_feature_names_out().tolist() == ["c__c_x", "c__c_y", "c__c_z", "a__a"]


def test_fields_without_names_are_positions() -> None:
    model = import_model(StandardScaler().fit(X[["a", "b"]].to_numpy()))
    assert not model.named
    assert [field.name for field in model.fields] == ["x0", "x1"]


def test_a_data_frame_between_two_steps_is_selected_from_by_name() -> None:
    first = ColumnTransformer(
        [("s", StandardScaler(), ["b", "a"]), ("c", OneHotEncoder(sparse_output=False), ["c"])],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    second = ColumnTransformer(
        [
            ("hot", MinMaxScaler(), make_column_selector(pattern="^c_")),
            ("a", RobustScaler(), ["a"]),
            ("gone", "drop", ["b"]),
        ],
        remainder="drop",
    )
    pipeline = make_pipeline(first, second).fit(X)
    predictor = mlfast.compile(pipeline)
    np.testing.assert_array_equal(predictor.transform(X), pipeline.transform(X))
    assert predictor.get_feature_names_out().tolist() == pipeline.get_feature_names_out().tolist()


def test_a_union_side_by_side() -> None:
    union = FeatureUnion(
        [
            ("s", StandardScaler()),
            ("gone", "drop"),
            ("same", "passthrough"),
            ("log", FunctionTransformer(np.log1p, feature_names_out="one-to-one")),
        ],
        transformer_weights={"s": 0.1, "log": 3},
    )
    numbers = X[["a", "b"]]
    union.fit(numbers)
    predictor = mlfast.compile(union)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(predictor.transform(numbers), union.transform(numbers))
    assert predictor.get_feature_names_out().tolist() == union.get_feature_names_out().tolist()


def test_names_are_made_up_where_the_original_has_none() -> None:
    logs = ColumnTransformer(
        [("log", FunctionTransformer(np.log), ["a"]), ("c", OneHotEncoder(), ["c"])]
    )
    pipeline = Pipeline([("logs", logs), ("model", LogisticRegression())]).fit(X, [0, 1, 0, 1])
    with pytest.raises(AttributeError):
        logs.get_feature_names_out()
    names = mlfast.compile(pipeline).get_feature_names_out().tolist()
    assert names == ["log__a", "c__c_x", "c__c_y", "c__c_z"]


@pytest.mark.parametrize(
    "key", [["b", "a"], [1, 0], [-3, -4], slice(0, 2), slice("a", "b"), [True, True, False, False]]
)
def test_every_kind_of_selection(key: object) -> None:
    columns = ColumnTransformer([("s", StandardScaler(), key)], remainder="drop").fit(X)
    got = mlfast.compile(columns).transform(X)
    np.testing.assert_array_equal(got, columns.transform(X))


def test_models_inside_pipelines_inside_pipelines() -> None:
    inner = make_pipeline(MinMaxScaler(), LogisticRegression())
    outer = make_pipeline(StandardScaler(), make_pipeline("passthrough", inner))
    numbers = X[["a", "b"]]
    outer.fit(numbers, [0, 1, 0, 1])
    predictor = mlfast.compile(outer)
    np.testing.assert_array_equal(predictor.predict(numbers), outer.predict(numbers))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float32, np.float64])
@pytest.mark.parametrize("weight", [2, 1.5, 0.1])
def test_weights_of_encoded_columns(dtype: type, weight: float) -> None:
    columns = ColumnTransformer(
        [("c", OneHotEncoder(dtype=dtype), ["c"])], transformer_weights={"c": weight}
    ).fit(X)
    want = columns.transform(X)
    want = want.toarray() if hasattr(want, "toarray") else want
    np.testing.assert_array_equal(mlfast.compile(columns).transform(X), want)
