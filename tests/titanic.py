"""A small pipeline of the kind that mlfast is for, fitted once and shared by tests."""

import functools

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    StandardScaler,
)


@functools.cache
def passengers(n: int = 300, seed: int = 0) -> pd.DataFrame:
    """Synthetic passengers."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "Pclass": rng.integers(1, 4, n),
            "Sex": rng.choice(["male", "female"], n),
            "Age": np.where(rng.random(n) < 0.2, np.nan, rng.uniform(0.5, 80, n)),
            "SibSp": rng.integers(0, 6, n),
            "Parch": rng.integers(0, 5, n),
            "Fare": rng.exponential(30, n),
            "Cabin": rng.choice([f"C{i}" for i in range(40)] + ["Größe", "舱", "🚢 deck"], n),
            "Embarked": rng.choice(["S", "C", "Q"], n),
        }
    )
    return frame.astype({"Sex": object, "Cabin": object, "Embarked": object})


@functools.cache
def pipeline() -> Pipeline:
    """Encoders of every common kind and a small XGBoost model."""
    from xgboost import XGBClassifier

    frame = passengers()
    encoder = ColumnTransformer(
        [
            ("as_is", "passthrough", ["Pclass", "Parch"]),
            ("one_hot", OneHotEncoder(handle_unknown="ignore"), ["Sex", "Embarked"]),
            ("min_max", MinMaxScaler(), ["Age"]),
            ("quantile", QuantileTransformer(n_quantiles=100), ["SibSp"]),
            ("standard", StandardScaler(), ["Fare"]),
            (
                "ordinal",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9999),
                ["Cabin"],
            ),
        ]
    )
    survived = (frame["Sex"] == "female") ^ (frame["Fare"] > 60) ^ (frame["Age"] < 12)
    model = XGBClassifier(n_estimators=10, max_depth=6, n_jobs=1)
    return Pipeline([("encode", encoder), ("model", model)]).fit(frame, survived.astype(int))
