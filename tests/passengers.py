"""A small pipeline of numbers and categories, with its records, for the tests of the face."""

import dataclasses
import functools

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

import mlfast

FIELDS = ["Pclass", "Age", "Fare", "Sex", "Cabin"]


@dataclasses.dataclass(slots=True)
class Passenger:
    Pclass: object
    Age: object
    Fare: object
    Sex: object
    Cabin: object


def frame(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Pclass": rng.integers(1, 4, n),
            "Age": np.where(rng.random(n) < 0.9, rng.normal(30, 12, n), 30.0),
            "Fare": rng.lognormal(3, 1, n),
            "Sex": rng.choice(["male", "female"], n).astype(object),
            "Cabin": rng.choice([f"C{i}" for i in range(20)] + ["Ärger"], n).astype(object),
        }
    )


def records(n=200, seed=0):
    return [
        {key: getattr(value, "item", lambda value=value: value)() for key, value in row.items()}
        for row in frame(n, seed).to_dict("records")
    ]


@functools.cache
def pipeline():
    """The one-hot encoder refuses unknown categories, the ordinal one numbers them."""
    table = frame()
    labels = np.where(table["Fare"] > 20, "survived", "died")
    encoder = ColumnTransformer(
        [
            ("class", "passthrough", ["Pclass"]),
            ("age", MinMaxScaler(), ["Age"]),
            ("fare", StandardScaler(), ["Fare"]),
            ("sex", OneHotEncoder(handle_unknown="error"), ["Sex"]),
            (
                "cabin",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                ["Cabin"],
            ),
        ]
    )
    model = GradientBoostingClassifier(n_estimators=10, random_state=0)
    return make_pipeline(encoder, model).fit(table, labels)


@functools.cache
def predictor():
    return mlfast.compile(pipeline())
