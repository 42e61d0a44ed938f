"""Fitted scikit-learn pipelines as `spec.Model`, against their own `transform`."""

import numpy as np
import pytest
from encoder_reference import transform

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    StandardScaler,
)

import mlfast
from mlfast.errors import NotFittedError, UnsupportedError
from mlfast.importers import import_model


def table(n: int = 80, seed: int = 0) -> "pd.DataFrame":
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "c": rng.choice(["x", "y", "é"], n),
            "d": rng.integers(0, 5, n),
            "e": pd.Series(rng.choice(["u", "v", None], n)),
            "f": rng.exponential(size=n),
        }
    )


def assert_same_bits(model, original, X) -> None:
    want = original.transform(X)
    want = np.asarray(want.toarray() if hasattr(want, "toarray") else want, dtype=np.float64)
    got = np.array([transform(model, row) for row in X.itertuples(index=False)])
    np.testing.assert_array_equal(got.view(np.int64), want.view(np.int64))


def test_a_usual_pipeline_gives_the_same_bits() -> None:
    X = table()
    number = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )
    preprocess = ColumnTransformer(
        [
            ("number", number, ["a", "b"]),
            ("hot", OneHotEncoder(handle_unknown="ignore"), ["c", "d"]),
            ("text", text, ["e"]),
            ("quantile", QuantileTransformer(n_quantiles=10, output_distribution="normal"), ["f"]),
            ("bins", KBinsDiscretizer(3), ["f"]),
        ]
    )
    pipeline = Pipeline([("preprocess", preprocess), ("model", LogisticRegression())])
    pipeline.fit(X, X["a"] > 0)
    model = import_model(pipeline)
    assert [field.name for field in model.fields] == list(X.columns)
    assert model.named
    assert model.output_names == tuple(preprocess.get_feature_names_out())
    assert_same_bits(model, preprocess, X)
    other = table(seed=1).assign(c=["x", "unseen"] * 40)
    assert_same_bits(model, preprocess, other)


def test_an_unsupported_step_is_named_by_its_path() -> None:
    from sklearn.decomposition import PCA

    inner = ColumnTransformer([("number", make_pipeline(StandardScaler(), PCA(1)), ["a", "f"])])
    pipeline = Pipeline([("preprocess", inner), ("model", LogisticRegression())])
    pipeline.fit(table(), table()["a"] > 0)
    with pytest.raises(UnsupportedError, match=r"pipeline\.preprocess\.number\.pca: .*PCA"):
        import_model(pipeline)


def test_an_unfitted_step_is_named_by_its_path() -> None:
    with pytest.raises(NotFittedError, match=r"pipeline\.logisticregression"):
        import_model(make_pipeline(StandardScaler(), LogisticRegression()))
    with pytest.raises(NotFittedError, match="standardscaler"):
        import_model(StandardScaler())


def test_the_columns_of_a_one_hot_may_go_different_ways() -> None:
    X = table()
    hot = ColumnTransformer([("hot", OneHotEncoder(), ["d"]), ("a", StandardScaler(), ["a", "f"])])
    bins = KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform")
    pipeline = make_pipeline(hot, SimpleImputer(), StandardScaler(), bins).fit(X)
    predictor = mlfast.compile(pipeline)
    want = pipeline.transform(X)
    np.testing.assert_array_equal(predictor.transform(X), want)
    for row, record in zip(want, X.to_dict("records"), strict=True):
        np.testing.assert_array_equal(predictor.transform_one(record), row)
