"""SYNTHETIC tree ensembles of many shapes, trained once and kept in a temporary folder.

All data are drawn from seeded generators; the same versions of the libraries give the same
models everywhere.
"""

import dataclasses
import getpass
import hashlib
import pickle
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import mlfast
from benchmarks import titanic

N_TRAIN = 20_000
CATEGORIES = (12, 40, 120)
LIBRARIES = ("numpy", "scikit-learn", "xgboost", "lightgbm")


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """A trained model, and where its rows come from."""

    name: str
    title: str
    model: Any
    make_rows: Callable[[int, int], np.ndarray]

    def rows(self, n: int) -> np.ndarray:
        """Distinct float64 rows in random order that the training never saw."""
        return self.make_rows(n, 2)

    def compiled(self) -> mlfast.Predictor:
        """The model in mlfast."""
        return mlfast.compile(self.model)

    def original(self, X: np.ndarray) -> np.ndarray:
        """What the library itself answers: values or probabilities, one thread."""
        kind = type(self.model).__name__
        if kind == "Booster" and type(self.model).__module__.startswith("xgboost"):
            return self.model.inplace_predict(X)
        if kind == "Booster":
            return self.model.predict(X, num_threads=1)
        return self.model.predict_proba(X)

    def answers(self, predictor: Any, X: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """The same from mlfast."""
        boosters = type(self.model).__name__ == "Booster"
        return (predictor.predict if boosters else predictor.predict_proba)(X, n_threads)


# ---------------------------------------------------------------- data


def numbers(n: int, seed: int, n_features: int = 30) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=(n, n_features))


def mixed(n: int, seed: int) -> np.ndarray:
    """47 numbers, then three columns of categories; a tenth is missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 50))
    for column, levels in enumerate(CATEGORIES, start=47):
        X[:, column] = rng.integers(0, levels, n)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def passengers(n: int, seed: int) -> np.ndarray:
    """Encoded passengers, twelve columns; float32 numbers, as the model reads them."""
    people = titanic.passengers(min(n, 10_000), seed + 10)
    encoded = np.asarray(_titanic()[:-1].transform(titanic.frame(people)), np.float64)
    return np.ascontiguousarray(np.resize(encoded, (n, encoded.shape[1])))


def target(X: np.ndarray, seed: int = 7) -> np.ndarray:
    """A smooth function of all columns with products and steps, and noise; about 0 on average."""
    rng = np.random.default_rng(seed)
    z = np.nan_to_num(X[:, :30])
    weights = rng.normal(size=z.shape[1])
    score = z @ weights + 2.0 * z[:, 0] * z[:, 1] - 3.0 * (z[:, 2] > 0.5) * z[:, 3]
    for place, column in enumerate(range(47, X.shape[1])):
        category = np.nan_to_num(X[:, column]).astype(int)
        level, slope = 9.0 * rng.normal(size=(2, 200))
        score += level[category] + slope[category] * z[:, 4 + place]
    return score + rng.normal(size=len(X))


# ---------------------------------------------------------------- models


def _titanic() -> Any:
    return _cached("titanic-pipeline", titanic.train)


def _xgboost(X: np.ndarray, y: np.ndarray, rounds: int, **parameters: Any) -> Any:
    import xgboost

    parameters = {
        "objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "seed": 0, "nthread": 1
    } | parameters  # fmt: skip
    return xgboost.train(parameters, xgboost.DMatrix(X, y), rounds)


def _lightgbm(X: np.ndarray, y: np.ndarray, rounds: int, leaves: int, **data: Any) -> Any:
    import lightgbm

    parameters = {
        "objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "verbosity": -1,
        "seed": 0, "deterministic": True, "force_row_wise": True, "num_threads": 1,
        "min_data_in_leaf": 5, "max_cat_threshold": 32, "cat_smooth": 1.0,
        "min_data_per_group": 5,
    }  # fmt: skip
    return lightgbm.train(parameters, lightgbm.Dataset(X, y, **data), rounds)


def _xgboost_100() -> Any:
    X = numbers(N_TRAIN, 1)
    return _xgboost(X, target(X) > 0, 100)


def _xgboost_classes() -> Any:
    X = numbers(N_TRAIN, 1)
    y = np.digitize(target(X), np.quantile(target(X), (0.2, 0.4, 0.6, 0.8)))
    return _xgboost(X, y, 50, objective="multi:softprob", num_class=5)


def _lightgbm_100() -> Any:
    X = numbers(N_TRAIN, 1)
    return _lightgbm(X, target(X) > 0, 100, 31)


def _lightgbm_1000() -> Any:
    X = numbers(N_TRAIN, 1)
    return _lightgbm(X, target(X) > 0, 1000, 63)


def _lightgbm_categories() -> Any:
    X = mixed(N_TRAIN, 1)
    columns = list(range(47, 50))
    return _lightgbm(X, target(X) > 0, 1000, 63, categorical_feature=columns)


def _histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    X = numbers(N_TRAIN, 1)
    model = HistGradientBoostingClassifier(
        max_iter=200, max_leaf_nodes=31, early_stopping=False, random_state=0
    )
    return model.fit(X, target(X) > 0)


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    X = numbers(N_TRAIN, 1)
    return RandomForestClassifier(100, random_state=0, n_jobs=1).fit(X, target(X) > 0)


def _titanic_booster() -> Any:
    return _titanic()[-1].get_booster()


#: Short name: (title, trainer, rows).
MODELS = {
    "xgb-100": ("XGBoost 100 trees d6, 30 features", _xgboost_100, numbers),
    "lgb-100": ("LightGBM 100 x 31 leaves, 30 features", _lightgbm_100, numbers),
    "lgb-1000": ("LightGBM 1000 x 63 leaves, 30 features", _lightgbm_1000, numbers),
    "lgb-1000-categories": (
        "LightGBM 1000 x 63 leaves, 50 features, categories, missing values",
        _lightgbm_categories,
        mixed,
    ),
    "xgb-classes": ("XGBoost 5 classes x 50 trees d6, 30 features", _xgboost_classes, numbers),
    "hist-200": ("HistGradientBoosting 200 x 31 leaves, 30 features", _histogram, numbers),
    "forest": ("RandomForest 100 deep trees, 30 features", _forest, numbers),
    "titanic": ("XGBoost 10 trees d6, 12 features", _titanic_booster, passengers),
}


def load(name: str) -> Ensemble:
    """Train a model, or take it from the temporary folder."""
    title, train, rows = MODELS[name]
    return Ensemble(name, title, _cached(name, train), rows)


def folder() -> Path:
    """Where trained models and compiled peers are kept: one place a user and set of versions."""
    sources = [Path(__file__).read_bytes(), Path(titanic.__file__).read_bytes()]
    key = hashlib.sha256(b"".join([*sources, *(version(name).encode() for name in LIBRARIES)]))
    name = f"mlfast-benchmarks-{getpass.getuser()}-{key.hexdigest()[:12]}"
    path = Path(tempfile.gettempdir(), name)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _cached(name: str, train: Callable[[], Any]) -> Any:
    path = folder() / f"{name}.pickle"
    if not path.exists():
        model = train()
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            pickle.dump(model, file)
        Path(file.name).replace(path)  # several processes may train at once
    return pickle.loads(path.read_bytes())
