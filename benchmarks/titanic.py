"""SYNTHETIC passengers in the shape of the Titanic data set, and the model of the main job.

No real person is in here: every value is drawn from a seeded generator, with
roughly the real set's shares of gaps, classes and cabins. The same seed gives
the same passengers everywhere.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

COLUMNS = [
    "PassengerId", "Pclass", "Name", "Sex", "Age", "SibSp", "Parch", "Ticket", "Fare", "Cabin",
    "Embarked",
]  # fmt: skip
N_CABINS = 150
N_RECORDS = 1000


@dataclasses.dataclass
class Passenger:
    PassengerId: int
    Pclass: int
    Name: str
    Sex: str
    Age: float | None
    SibSp: int
    Parch: int
    Ticket: str
    Fare: float
    Cabin: str | None
    Embarked: str | None


SlottedPassenger = dataclasses.make_dataclass(
    "SlottedPassenger", list(Passenger.__annotations__.items()), slots=True
)
TuplePassenger = NamedTuple("TuplePassenger", list(Passenger.__annotations__.items()))


def passengers(n: int, seed: int) -> list[dict]:
    """Return `n` synthetic passengers as dicts of plain values, None where one is missing."""
    rng = np.random.default_rng(seed)
    decks = rng.permuted([f"{deck}{room}" for deck in "ABCDEF" for room in range(1, 26)])
    people = []
    for number in range(1, n + 1):
        pclass = int(rng.choice([1, 2, 3], p=[0.24, 0.21, 0.55]))
        sex = "male" if rng.random() < 0.65 else "female"
        has_cabin = rng.random() < (0.8, 0.15, 0.05)[pclass - 1]
        cabin = str(decks[int(rng.integers(N_CABINS))]) if has_cabin else None
        age = round(float(np.clip(rng.normal(38 - 4 * pclass, 14), 0.4, 80)), 1)
        people.append(
            {
                "PassengerId": number,
                "Pclass": pclass,
                "Name": f"Person {number}, {'Mr.' if sex == 'male' else 'Mrs.'} Synthetic",
                "Sex": sex,
                "Age": age if rng.random() > 0.2 else None,
                "SibSp": int(min(rng.poisson(0.5), 8)),
                "Parch": int(min(rng.poisson(0.4), 6)),
                "Ticket": f"T {int(rng.integers(10**6))}",
                "Fare": round(float(rng.lognormal(5.2 - pclass, 0.7)), 4),
                "Cabin": cabin,
                "Embarked": str(rng.choice(["S", "C", "Q"], p=[0.72, 0.19, 0.09]))
                if rng.random() > 0.01
                else None,
            }
        )
    return people


def survived(people: list[dict], seed: int) -> np.ndarray:
    """Return synthetic outcomes that depend on sex, class and age, with noise."""
    rng = np.random.default_rng(seed)
    score = [
        2.4 * (p["Sex"] == "female")
        - 0.9 * (p["Pclass"] - 2)
        - 0.02 * ((p["Age"] or 30) - 30)
        - 0.9
        for p in people
    ]
    return (rng.random(len(people)) < 1 / (1 + np.exp(-np.array(score)))).astype(np.int64)


def frame(people: list[dict]):
    """Return the passengers as a data frame, as pandas would read them from a file."""
    import pandas as pd

    table = pd.DataFrame(people, columns=COLUMNS)
    for name in ("Sex", "Cabin", "Embarked"):
        table[name] = table[name].astype(object).where(table[name].notna(), np.nan)
    return table


def train(n_train: int = 2000):
    """Fit the pipeline: the encoders of the comparison, XGBoost of 10 trees of depth 6."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        MinMaxScaler,
        OneHotEncoder,
        OrdinalEncoder,
        QuantileTransformer,
        StandardScaler,
    )
    from xgboost import XGBClassifier

    people = passengers(n_train, seed=1)
    encoder = ColumnTransformer(
        [
            ("as they are", "passthrough", ["Pclass", "Parch"]),
            ("one-hot", OneHotEncoder(handle_unknown="ignore"), ["Sex", "Embarked"]),
            ("min-max", MinMaxScaler(), ["Age"]),
            ("quantile", QuantileTransformer(n_quantiles=100, random_state=0), ["SibSp"]),
            ("standard", StandardScaler(), ["Fare"]),
            (
                "ordinal",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9999),
                ["Cabin"],
            ),
        ],
        sparse_threshold=0.0,
    )
    model = XGBClassifier(n_estimators=10, max_depth=6, n_jobs=1, random_state=0)
    return make_pipeline(encoder, model).fit(frame(people), survived(people, seed=2))


def records(n: int = N_RECORDS) -> list[dict]:
    """Return `n` distinct passengers that the model never saw, in random order."""
    people = passengers(n, seed=3)
    return [people[i] for i in np.random.default_rng(4).permutation(n)]
