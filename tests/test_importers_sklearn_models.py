"""Random compositions with a model behind them: margins, labels and refusals of the whole."""

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from strategies import Case, cases

import mlfast
from mlfast.errors import RecordError, UnsupportedError


def models() -> dict[str, Any]:
    """Small models by name, of every library that is there."""
    made: dict[str, Any] = {
        "forest": RandomForestClassifier(4, max_depth=4, random_state=0),
        "histogram": HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2),
    }
    try:
        from xgboost import XGBClassifier

        made["xgboost"] = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1)
        made["xgboost, 0 missing"] = XGBClassifier(n_estimators=4, missing=0.0, n_jobs=1)
    except ImportError:
        pass
    try:
        from lightgbm import LGBMClassifier

        made["lightgbm"] = LGBMClassifier(n_estimators=4, min_child_samples=2, n_jobs=1, verbose=-1)
    except ImportError:
        pass
    return made


def probabilities(pipeline: Any, row: Any) -> np.ndarray | None:
    with np.errstate(all="ignore"):
        try:
            return pipeline.predict_proba(row)
        except ValueError:
            return None


def refused(function: Any, argument: Any) -> bool:
    try:
        function(argument)
    except RecordError:
        return True
    return False


@given(case=cases(), name=st.sampled_from(sorted(models())), seed=st.integers(0, 99))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
)
def test_random_pipelines_answer_as_the_original_does(case: Case, name: str, seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 2, len(case.fitted_on))
    y[:2] = 0, 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline = Pipeline([("before", case.estimator), ("model", models()[name])])
            pipeline.fit(case.fitted_on, np.array(["no", "yes"])[y] if "x" not in name else y)
        except (ValueError, TypeError):  # the model refuses what the steps give
            reject()
        try:
            predictor = mlfast.compile(pipeline)
        except UnsupportedError:
            reject()
        for i, values in enumerate(case.rows.itertuples(index=False, name=None)):
            row = case.rows.iloc[[i]]
            record = dict(zip(case.rows.columns, values, strict=True))
            want = probabilities(pipeline, row)
            where = f"{pipeline}\n{record}\nwant {want}"
            if want is None:
                assert refused(predictor.predict_one, record), where
                assert refused(predictor.predict, row), where
                continue
            label = pipeline.predict(row)[0]
            assert predictor.predict_one(record) == label, where
            assert predictor.predict(row)[0] == label, where
            got = predictor.predict_proba(row)
            assert got.dtype == want.dtype, where
            np.testing.assert_array_max_ulp(got, want, 2)
            given_one = list(predictor.predict_proba_one(record).values())
            np.testing.assert_array_equal(np.array(given_one, want.dtype), got[0])


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_absent_entries_of_a_sparse_matrix_are_missing_to_xgboost(threshold: float) -> None:
    xgboost = pytest.importorskip("xgboost")
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"a": rng.integers(-1, 2, 200).astype(float), "c": rng.choice(list("xyz"), 200)}
    )
    X.loc[::7, "a"] = -0.0
    y = (X["a"] == 0) ^ (X["c"] == "x")
    columns = ColumnTransformer(
        [("c", OneHotEncoder(), ["c"])], remainder="passthrough", sparse_threshold=threshold
    )
    pipeline = make_pipeline(columns, xgboost.XGBClassifier(n_estimators=5)).fit(X, y)
    assert columns.sparse_output_ == (threshold == 1.0)
    predictor = mlfast.compile(pipeline)
    np.testing.assert_array_equal(predictor.predict_proba(X), pipeline.predict_proba(X))
    want = columns.transform(X)
    want = want.toarray() if threshold else want
    got = predictor.transform(X)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_histogram_boosting_encodes_its_own_categories() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=200),
            "c": pd.Categorical(rng.choice([*"xyz", None], 200)),
            "b": rng.normal(size=200),
        }
    )
    y = (X["a"] > 0) ^ (X["c"] == "x")
    model = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2).fit(X, y)
    predictor = mlfast.compile(model)
    np.testing.assert_array_equal(predictor.decision_function(X), model.decision_function(X))
    record = {"a": 0.5, "c": None, "b": float("nan")}
    row = pd.DataFrame([record]).astype({"c": X["c"].dtype})
    assert predictor.decision_function_one(record) == model.decision_function(row)[0]


@pytest.mark.parametrize("passed_on", [False, True])
def test_histogram_boosting_behind_an_encoder_leaves_transform_alone(passed_on: bool) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200), "c": rng.choice(list("xyz"), 200)})
    y = (X["a"] > 0) ^ (X["c"] == "x")
    columns = ColumnTransformer(
        [("c", OrdinalEncoder(), ["c"])], remainder="passthrough" if passed_on else "drop"
    )
    model = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2, categorical_features=[0])
    pipeline = make_pipeline(columns, model).fit(X, y)
    predictor = mlfast.compile(pipeline)
    assert predictor.get_feature_names_out().tolist() == columns.get_feature_names_out().tolist()
    np.testing.assert_array_equal(predictor.transform(X), columns.transform(X))
    np.testing.assert_array_equal(predictor.decision_function(X), pipeline.decision_function(X))
    predictor.verify(pipeline, X)
