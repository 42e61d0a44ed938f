"""Libraries that treelite and tl2cgen compiled answer as they do through their own runtime."""

import pickle
import shutil
import subprocess

import numpy as np
import pytest
from exported import ensemble, model, rows

import mlfast
from mlfast.export import build

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)

OLD = """
#include <stddef.h>
union Entry { int missing; float fvalue; int qvalue; };
size_t get_num_output_group(void) { return 1; }
size_t get_num_feature(void) { return 2; }
float predict(union Entry *row, int pred_margin)
{
    if (row[0].missing == -1)
        return -5.0f;
    float second = row[1].missing == -1 ? 0.5f : row[1].fvalue;
    return row[0].fvalue * 2.0f + second + (pred_margin ? 100.0f : 0.0f);
}
"""


def compiled(code, folder, name="old.so"):
    source = folder / "old.c"
    source.write_text(code)
    library = folder / name
    subprocess.run(
        [*build.find_compiler(), "-shared", "-fPIC", str(source), "-o", str(library)], check=True
    )
    return library


def test_a_library_of_an_early_treelite(tmp_path):
    predictor = mlfast.load(compiled(OLD, tmp_path), features=["a", "b"])
    assert predictor.predict_one({"a": 1.5, "b": 0.25}) == 3.25
    assert predictor.predict_one({"a": 1.5, "b": None}) == 3.5
    X = np.array([[1.5, 0.25], [np.nan, 1.0]])
    assert predictor.predict(X).tolist() == [3.25, -5.0]
    assert predictor.predict(X).dtype == np.float32
    assert "compiled library old.so" in predictor.plan()


def test_more_fields_than_features(tmp_path):
    predictor = mlfast.load(compiled(OLD, tmp_path), features=4)
    assert predictor.predict_one((1.5, 0.25, 9.0, 9.0)) == 3.25
    with pytest.raises(mlfast.ModelFileError, match="reads 2 features"):
        mlfast.load(tmp_path / "old.so", features=1)


@pytest.mark.parametrize("abi", ["treelite-runtime", "tl2cgen"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("link", ["identity", "argmax"])
def test_exported_libraries_come_back(abi, dtype, link, tmp_path):
    rng = np.random.default_rng(7)
    head = ensemble(rng, n_trees=12, input_dtype=dtype, sum_dtype=dtype)
    original = mlfast.Predictor(model(head, link=link, dtype=dtype, class_dtype=dtype))
    path = original.export_library(tmp_path / "model.so", abi=abi)
    loaded = mlfast.load(path, features=head.n_features)
    with np.errstate(over="ignore"):
        X = rows(rng, head).astype(dtype).astype(np.float64)
    if dtype == "float64":  # the ABI takes a double whose low half is all ones for missing
        X[X.view(np.uint64) & np.uint64(0xFFFFFFFF) == 0xFFFFFFFF] = 1.0
    got, want = loaded.predict(X), original.predict(X)
    if abi == "tl2cgen" and link == "argmax" and head.n_outputs > 1:
        got = got[:, 0]  # room for every class, one of them used
    np.testing.assert_array_equal(got, want)
    one = [loaded.predict_one(tuple(x)) for x in X.tolist()]
    np.testing.assert_array_equal(np.reshape(one, loaded.predict(X).shape), loaded.predict(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_tl2cgen_libraries(n_classes, tmp_path):
    tl2cgen = pytest.importorskip("tl2cgen")
    treelite = pytest.importorskip("treelite")
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(8)
    X = rng.normal(size=(300, 5))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = np.digitize(np.nansum(X, axis=1), np.linspace(-1, 1, n_classes - 1))
    booster = xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(X, y).get_booster()
    path = tmp_path / "model.so"
    tl2cgen.export_lib(treelite.frontend.from_xgboost(booster), toolchain="gcc", libpath=str(path))
    want = tl2cgen.Predictor(str(path), nthread=1).predict(tl2cgen.DMatrix(X.astype(np.float32)))
    loaded = mlfast.load(path)
    np.testing.assert_array_equal(np.reshape(loaded.predict(X), (len(X), -1)), want[:, 0, :])
    function = loaded.c_function()
    assert (function.n_features, function.n_outputs) == (5, want.shape[2])


def test_what_is_not_such_a_library(tmp_path):
    with pytest.raises(FileNotFoundError):
        mlfast.load(tmp_path / "absent.so")
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(mlfast.ModelFileError, match="not a library"):
        mlfast.load(tmp_path / "text.so")
    other = compiled("int f(void) { return 1; }", tmp_path, "other.so")
    with pytest.raises(mlfast.ModelFileError, match="treelite or tl2cgen"):
        mlfast.load(other)
    no_predict = OLD.replace("float predict", "float other")
    with pytest.raises(mlfast.ModelFileError, match="no function predict"):
        mlfast.load(compiled(no_predict, tmp_path, "half.so"))
    huge = OLD.replace("return 2;", "return (size_t)-1;")
    with pytest.raises(mlfast.ModelFileError, match="get_num_feature: expected 1 to"):
        mlfast.load(compiled(huge, tmp_path, "huge.so"))
    with pytest.raises(ValueError, match="only for shared libraries"):
        mlfast.load(tmp_path / "model.mlfast", features=3)


def test_files_never_hold_one(tmp_path):
    predictor = mlfast.load(compiled(OLD, tmp_path))
    with pytest.raises(mlfast.SpecError, match="a ForeignLibrary cannot be stored"):
        predictor.save(tmp_path / "model.mlfast")
    with pytest.raises(mlfast.SpecError, match="a ForeignLibrary cannot be stored"):
        pickle.dumps(predictor)
    with pytest.raises(mlfast.UnsupportedError):
        predictor.export_source(tmp_path / "model.c")
