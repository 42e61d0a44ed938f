"""Real models in every layout of every instruction set: the same bits, whatever the batch."""

import numpy as np
import pytest

import mlfast
from mlfast import _plan

LAYOUTS = ("heap", "walk", "bitslice", "tables", "masks", "lanes", "gather")
SIZES = (1, 2, 10, 15, 16, 17, 48, 49, 63, 64, 65, 128, 130, 300, 512, 513, 700)


def rows(n, n_features, seed=0):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(n, n_features)), 1)  # many values equal thresholds
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.01] = np.inf
    x[rng.random(x.shape) < 0.01] = -np.inf
    x[rng.random(x.shape) < 0.02] = -0.0
    return x


def labels(x, n_classes):
    total = np.nan_to_num(x[:, :4], posinf=2.0, neginf=-2.0).sum(axis=1)
    return np.digitize(total, np.quantile(total, np.arange(1, n_classes) / n_classes))


def xgboost(n_classes, **options):
    library = pytest.importorskip("xgboost")
    x = rows(700, 9)
    x[np.isinf(x)] = 0.0
    return library.XGBClassifier(n_jobs=1, **options).fit(x, labels(x, n_classes))


def lightgbm(n_classes, categorical=(), **options):
    library = pytest.importorskip("lightgbm")
    x = rows(900, 8)
    for column in categorical:
        x[:, column] = np.random.default_rng(column).integers(0, 40, len(x))
    model = library.LGBMClassifier(n_jobs=1, verbose=-1, min_child_samples=5, **options)
    return model.fit(x, labels(x, n_classes), categorical_feature=list(categorical))


def histogram(**options):
    ensemble = pytest.importorskip("sklearn.ensemble")
    x = rows(700, 8)
    model = ensemble.HistGradientBoostingClassifier(early_stopping=False, **options)
    return model.fit(x, labels(x, 2))


def forest(**options):
    ensemble = pytest.importorskip("sklearn.ensemble")
    x = rows(700, 8)
    x[np.isinf(x)] = 0.0
    model = ensemble.RandomForestClassifier(n_jobs=1, random_state=0, **options)
    return model.fit(x, labels(x, 3))


MODELS = {
    "xgboost": lambda: xgboost(2, n_estimators=70, max_depth=6),
    "xgboost, deep": lambda: xgboost(2, n_estimators=12, max_depth=14),
    "xgboost, stumps": lambda: xgboost(2, n_estimators=130, max_depth=1),
    "xgboost, classes": lambda: xgboost(5, n_estimators=20, max_depth=4),
    "lightgbm": lambda: lightgbm(2, n_estimators=70, num_leaves=31),
    "lightgbm, classes": lambda: lightgbm(3, n_estimators=25, num_leaves=15),
    "lightgbm, categories": lambda: lightgbm(2, (0, 3), n_estimators=40, num_leaves=31),
    "lightgbm, 60 leaves": lambda: lightgbm(2, (1,), n_estimators=70, num_leaves=60),
    "lightgbm, leaves": lambda: lightgbm(2, n_estimators=10, num_leaves=200),
    "histogram": lambda: histogram(max_iter=40),
    "forest": lambda: forest(n_estimators=20),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    model = MODELS[request.param]()
    x = rows(700, model.n_features_in_, seed=1)
    x[::3] = np.round(x[::3] * 10)  # categories
    if request.param.startswith(("xgboost", "forest")):
        x[np.isinf(x)] = 3.0
    return model, x


def answers(predictor, x):
    """Raw sums where the original gives them too, else probabilities."""
    if "decision_function" in predictor.model.output.methods:
        return predictor.decision_function(x)
    return predictor.predict_proba(x)


@pytest.mark.parametrize("isa", _plan.isa_names())
def test_every_layout_gives_the_same_bits(fitted, isa):
    model, x = fitted
    chosen = mlfast.compile(model)
    want = answers(chosen, x)
    tried = 0
    for layout in LAYOUTS:
        try:
            predictor = mlfast.Predictor(chosen.model, layout=layout, isa=isa)
        except ValueError:  # this model does not fit the layout
            continue
        tried += 1
        assert layout in predictor.plan()
        assert answers(predictor, x).tobytes() == want.tobytes(), layout
    assert tried >= 1


@pytest.mark.parametrize("isa", _plan.isa_names())
def test_batches_of_any_size_and_any_threads(fitted, isa):
    model, x = fitted
    predictor = mlfast.Predictor(mlfast.compile(model).model, isa=isa)
    want = answers(predictor, x)
    for n in SIZES:
        assert answers(predictor, x[:n]).tobytes() == want[:n].tobytes(), n
    assert predictor.predict_proba(x, n_threads=3).tobytes() == predictor.predict_proba(x).tobytes()


@pytest.mark.parametrize("isa", _plan.isa_names())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_wherever_their_rows_stand(fitted, dtype, isa):
    model, x = fitted
    predictor = mlfast.Predictor(mlfast.compile(model).model, isa=isa)
    x = x.astype(dtype)
    want = answers(predictor, np.asfortranarray(x)).tobytes()  # column by column
    wide = np.full((len(x), x.shape[1] + 3), np.nan, dtype)
    wide[:, 2:-1] = x
    raw = np.empty(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(x.shape)
    raw[:] = x
    for name, array in {
        "rows": x,
        "a part of the columns": wide[:, 2:-1],
        "backwards": x[::-1].copy()[::-1],
        "not aligned": raw,
        "one row again and again": None,
    }.items():
        if array is None:
            same = np.broadcast_to(x[5], x.shape)
            assert len(set(map(bytes, answers(predictor, same)))) == 1, name
        else:
            assert answers(predictor, array).tobytes() == want, name


def test_plan_says_which_layouts_and_why(fitted):
    model, _ = fitted
    plan = mlfast.compile(model).plan()
    assert "single rows: " in plan
    assert "blocks: " in plan


@pytest.mark.parametrize("isa", _plan.isa_names())
def test_unbalanced_trees_of_few_leaves_have_no_tail(isa):
    model = mlfast.compile(lightgbm(2, n_estimators=70, num_leaves=31)).model
    plan = mlfast.Predictor(model, isa=isa).plan()
    assert f"single rows: {'masks' if isa == 'avx512' else 'tables'}" in plan


def test_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="layout"):
        mlfast.compile(forest(n_estimators=2), layout="nonsense")
