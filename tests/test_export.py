"""Exported libraries answer like the predictor and the original, to the last bit."""

import functools
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from exported import Library, ensemble, model, rows, same
from fitted_models import MODELS
from hypothesis import given, settings
from hypothesis import strategies as st

import mlfast
from mlfast.export import build

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)


def values(predictor, X):
    """What the library puts into `out`."""
    output = predictor.model.output
    X = np.ascontiguousarray(X)
    if "predict_proba" in output.methods and output.classes:
        return np.array([list(predictor.predict_proba_one(tuple(x)).values()) for x in X.tolist()])
    if output.classes or output.rule == "outlier":
        return np.reshape(
            [predictor.decision_function_one(tuple(x)) for x in X.tolist()], (len(X), -1)
        )
    return np.reshape([predictor.predict_one(tuple(x)) for x in X.tolist()], (len(X), -1))


def export(predictor, folder):
    path = predictor.export_library(folder / "model.so")
    return Library(path, predictor.model)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_ensembles(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    head = ensemble(rng)
    predictor = mlfast.Predictor(model(head))
    X = rows(rng, head)
    got = export(predictor, tmp_path_factory.mktemp("export")).predict(X)
    same(got, values(predictor, X))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 128), st.booleans())
def test_blocks_that_are_sliced(tmp_path_factory, seed, n_leaves, members):
    rng = np.random.default_rng(seed)
    n_trees = 1 + 600 // n_leaves
    head = ensemble(rng, n_trees, n_leaves, 5, members=members, input_dtype="float64")
    predictor = mlfast.Predictor(model(head))
    folder = tmp_path_factory.mktemp("export")
    with mock.patch("mlfast.export.slices.SPLITS_A_LEVEL", 1000):
        library = export(predictor, folder)
        source = predictor.export_source(folder / "model.c").read_text()
    assert "#define TREES_SLICED 1" in source
    X = rows(rng, head, 150)
    want = values(predictor, X)
    for n in (1, 15, 16, 63, 64, 65, 150):
        same(library.predict(X[:n]), want[:n])


def test_which_blocks_are_sliced(tmp_path):
    def sliced(**forced):
        rng = np.random.default_rng(0)
        head = ensemble(rng, 10, **({"n_leaves": 20, "n_features": 5} | forced))
        source = mlfast.Predictor(model(head)).export_source(tmp_path / "model.c").read_text()
        return "#define TREES_SLICED 1" in source

    double = {"input_dtype": "float64"}
    assert sliced(**double)
    assert sliced(**double, members=False)
    assert not sliced(**(double | {"input_dtype": "float32"}))
    assert not sliced(**(double | {"n_leaves": 129}))
    assert not sliced(**(double | {"n_features": 1, "n_leaves": 100}))  # more than 254 thresholds


def test_long_tables_are_written_as_bytes(tmp_path):
    rng = np.random.default_rng(1)
    head = ensemble(rng, n_trees=60, n_leaves=120)
    predictor = mlfast.Predictor(model(head))
    code = predictor.export_source(tmp_path / "model.c").read_text()
    assert "trees_nodes_data" in code
    X = rows(rng, head)
    same(export(predictor, tmp_path).predict(X), values(predictor, X))


def test_large_links_take_wide_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr("mlfast.export.trees.LINK_BITS", 4)
    rng = np.random.default_rng(2)
    head = ensemble(rng, n_trees=9, n_leaves=30)
    predictor = mlfast.Predictor(model(head))
    assert "wide" in predictor.export_source(tmp_path / "model.c").read_text()
    X = rows(rng, head)
    same(export(predictor, tmp_path).predict(X), values(predictor, X))


def test_a_loaded_library_outlives_its_replacement(tmp_path):
    rng = np.random.default_rng(9)
    first, second = (mlfast.Predictor(model(ensemble(rng, n_trees=n))) for n in (5, 900))
    library = export(first, tmp_path)
    export(second, tmp_path)
    X = rows(rng, first.model.head)
    same(library.predict(X), values(first, X))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.h", "model.so"]


def test_a_batch_stops_at_the_row_that_is_refused(tmp_path):
    boosting = pytest.importorskip("sklearn.ensemble").GradientBoostingRegressor(n_estimators=20)
    X = np.random.default_rng(8).normal(size=(150, 3))
    predictor = mlfast.compile(boosting.fit(X, X.sum(axis=1)))
    library = export(predictor, tmp_path)
    want = library.predict(X)
    same(want[:, 0], boosting.predict(X))
    for refused in (130, 64, 63, 5, 0):
        X[refused, 1] = np.nan  # scikit-learn refuses it
        out, row = library.predict_until_refused(X)
        assert row == refused
        same(out[:refused], want[:refused])


def test_rows_too_long_for_a_block_go_one_by_one(tmp_path):
    rng = np.random.default_rng(10)
    head = ensemble(rng, n_trees=300, n_leaves=12, n_features=1500)
    predictor = mlfast.Predictor(model(head))
    assert "#define TREES_ROWS 0" in predictor.export_source(tmp_path / "model.c").read_text()
    X = rows(rng, head, 20)
    same(export(predictor, tmp_path).predict(X), values(predictor, X))


def test_the_source_is_deterministic(tmp_path):
    predictor = mlfast.Predictor(model(ensemble(np.random.default_rng(3), n_trees=5)))
    first = predictor.export_source(tmp_path / "model.c").read_bytes()
    assert predictor.export_source(tmp_path / "model.c").read_bytes() == first


def test_a_large_model_is_compiled_from_byte_strings(tmp_path):
    head = ensemble(
        np.random.default_rng(4),
        n_trees=1000,
        n_leaves=255,
        n_features=30,
        members=False,
        input_dtype="float64",
        sum_dtype="float64",
    )
    predictor = mlfast.Predictor(model(head))
    source = predictor.export_source(tmp_path / "model.c").read_text()
    assert source.count(",") < 100_000  # numbers one by one would take compilers minutes
    assert predictor.export_library(tmp_path / "model.so").exists()


# ---------------------------------------------------------------- models of the libraries


@pytest.mark.parametrize("models", MODELS)
def test_models_answer_like_the_originals(models, tmp_path):
    for number, (original, X) in enumerate(models()):
        predictor = mlfast.compile(original)
        path = predictor.export_library(tmp_path / f"model{number}.so")
        library = Library(path, predictor.model)
        got = library.predict(X)
        same(got, values(predictor, X), predictor)
        output = predictor.model.output
        if "predict_proba" in output.methods and not type(original).__module__.startswith(
            "sklearn.linear"
        ):
            proba = original.predict_proba(X)
            np.testing.assert_array_max_ulp(got.astype(proba.dtype), proba, 4)  # NumPy's exp
        for x in X[:20]:
            answer = library.answer(x)
            decision = predictor.decision_function_one(tuple(x.tolist()))
            same(list(answer.decisions), np.atleast_1d(decision), predictor)
            if output.classes:
                assert output.classes[answer.label] == predictor.predict_one(tuple(x.tolist()))


# ---------------------------------------------------------------- pipelines


def pipeline():
    """Numbers, texts, and a column read in two ways; fitted."""
    pandas = pytest.importorskip("pandas")
    compose = pytest.importorskip("sklearn.compose")
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        Normalizer,
        OneHotEncoder,
        OrdinalEncoder,
        QuantileTransformer,
        StandardScaler,
    )

    rng = np.random.default_rng(40)
    n = 300
    X = pandas.DataFrame(
        {
            "unused": np.arange(n),
            "double": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "Größe */": rng.exponential(size=n),
            "town": rng.choice(np.array(["Zürich", "Бern", "東京", 'q"?\\'], object), n),
            "deck": rng.choice(np.array(["A", "B", None], object), n),
            "code": rng.integers(0, 5, n),
        }
    )
    y = (X["Größe */"] + (X["town"] == "東京") > 1.0).astype(int).to_numpy()
    columns = compose.ColumnTransformer(
        [
            (
                "scaled",
                make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
                ["double"],
            ),
            (
                "ranks",
                QuantileTransformer(n_quantiles=20, output_distribution="normal"),
                ["Größe */"],
            ),
            ("both", Normalizer(), ["Größe */", "code"]),
            ("hot", OneHotEncoder(handle_unknown="ignore"), ["town", "code"]),
            ("deck", OrdinalEncoder(encoded_missing_value=-1), ["deck"]),
        ]
    )
    model = make_pipeline(columns, GradientBoostingClassifier(n_estimators=8))
    return model.fit(X, y), X


@functools.cache
def fitted_pipeline():
    return pipeline()


def test_pipelines(tmp_path):
    original, X = fitted_pipeline()
    predictor = mlfast.compile(original)
    library = export(predictor, tmp_path)
    header = (tmp_path / "model.h").read_text()
    for line in ("double double_;", "const char *town;", "double code;", "Größe * /"):
        assert line in header
    records = X.astype(object).to_dict("records")
    got = np.array([library.predict_record(record) for record in records])
    same(got, original.predict_proba(X))
    unknown = records[0] | {"town": "nowhere", "code": 77}
    same(library.predict_record(unknown), list(predictor.predict_proba_one(unknown).values()))
    with pytest.raises(ValueError, match="expected a known category for field deck"):
        library.predict_record(records[0] | {"deck": "Z"})
    with pytest.raises(mlfast.UnsupportedError, match="'town' has texts"):
        predictor.export_source(tmp_path / "model.c", abi="tl2cgen")


def test_encoders_alone(tmp_path):
    original, X = fitted_pipeline()
    library = export(mlfast.compile(original[0]), tmp_path)
    records = X.astype(object).to_dict("records")
    same(np.array([library.predict_record(r) for r in records]), original[0].transform(X))


PROGRAM = r"""
#include <math.h>
#include <stdio.h>
#include "model.h"

int main(void)
{
    mlfast_record record = {
        .double_ = NAN, .Gr__e___ = 1.25, .town = "Z\303\274rich", .deck = "A"
    };
    mlfast_answer answer;
    double out[MLFAST_N_OUTPUTS];
    for (int code = 0; code < 7; code++) {
        record.code = code;
        if (mlfast_answer_record(&record, &answer) || mlfast_predict_record(&record, out))
            return 1;
        printf("%a %a %d\n", answer.values[0], out[1], (int)answer.label);
    }
    record.deck = "Q";
    int refused = mlfast_predict_record(&record, out);
    printf("%s\n", mlfast_error(refused));
    return 0;
}
"""


def test_a_program_in_c_needs_no_python(tmp_path):
    original, _ = fitted_pipeline()
    predictor = mlfast.compile(original)
    predictor.export_source(tmp_path / "model.c")
    (tmp_path / "main.c").write_text(PROGRAM)
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    command = [*build.find_compiler(), *strict, "-ffp-contract=off", "main.c", "model.c", "-lm"]
    subprocess.run([*command, "-o", "program"], cwd=tmp_path, check=True)
    done = subprocess.run(tmp_path / "program", capture_output=True, text=True, check=True)
    *lines, refusal = done.stdout.splitlines()
    assert refusal.startswith("expected a known category for field deck")
    record = {"unused": 0, "double": np.nan, "Größe */": 1.25, "town": "Zürich", "deck": "A"}
    for code, line in enumerate(lines):
        want = predictor.predict_proba_one(record | {"code": code})
        first, second, label = line.split()
        assert [float.fromhex(first), float.fromhex(second)] == list(want.values())
        assert int(label) == predictor.predict_one(record | {"code": code})


# ---------------------------------------------------------------- compilers


def test_compilers_that_are_missing_or_fail(tmp_path, monkeypatch):
    predictor = mlfast.Predictor(model(ensemble(np.random.default_rng(5))))
    with pytest.raises(mlfast.CompilerError, match="no such command"):
        predictor.export_library(tmp_path / "model.so", compiler="no-such-compiler")
    with pytest.raises(mlfast.CompilerError, match="failed"):
        predictor.export_library(tmp_path / "model.so", flags=["--no-such-flag"])
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(mlfast.CompilerError, match="no such command"):
        predictor.export_library(tmp_path / "model.so")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(mlfast.CompilerError, match="no C compiler found"):
        predictor.export_library(tmp_path / "model.so")


def test_zig(tmp_path):
    pytest.importorskip("ziglang")
    rng = np.random.default_rng(6)
    head = ensemble(rng, n_trees=12)
    predictor = mlfast.Predictor(model(head))
    zig = [sys.executable, "-m", "ziglang", "cc"]
    path = predictor.export_library(tmp_path / "model.so", compiler=zig)
    X = rows(rng, head)
    same(Library(path, predictor.model).predict(X), values(predictor, X))


def test_wrong_arguments(tmp_path):
    predictor = mlfast.Predictor(model(ensemble(np.random.default_rng(7))))
    with pytest.raises(ValueError, match="abi: expected one of"):
        predictor.export_source(tmp_path / "model.c", abi="cobol")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        predictor.export_library(tmp_path / "nowhere" / "model.so")
    with pytest.raises(ValueError, match=r"ends in \.c"):
        predictor.export_source(tmp_path / "model.txt")
