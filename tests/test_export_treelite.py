"""The real treelite_runtime and tl2cgen predictors load exported libraries and agree."""

import shutil

import numpy as np
import pytest
from exported import same
from fitted_models import MODELS

import mlfast

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)

QUICK = ["-O1"]  # the ABI is tested here, test_export.py tests optimised code


@pytest.mark.parametrize("models", MODELS)
def test_tl2cgen_predictor(models, tmp_path):
    tl2cgen = pytest.importorskip("tl2cgen")
    for number, (original, X) in enumerate(models()):
        predictor = mlfast.compile(original)
        path = predictor.export_library(tmp_path / f"model{number}.so", abi="tl2cgen", flags=QUICK)
        loaded = tl2cgen.Predictor(str(path), nthread=1)
        assert loaded.num_feature == X.shape[1]
        dtype = loaded.threshold_type
        for margin in (False, True):
            got = loaded.predict(tl2cgen.DMatrix(X.astype(dtype)), pred_margin=margin)
            treelite_same(predictor, X, got, margin)


@pytest.mark.filterwarnings("ignore:class treelite_runtime")
@pytest.mark.parametrize("models", MODELS)
def test_treelite_runtime_predictor(models, tmp_path):
    treelite_runtime = pytest.importorskip("treelite_runtime")
    for number, (original, X) in enumerate(models()):
        predictor = mlfast.compile(original)
        path = predictor.export_library(
            tmp_path / f"model{number}.so", abi="treelite-runtime", flags=QUICK
        )
        loaded = treelite_runtime.Predictor(str(path), nthread=1)
        assert loaded.num_feature == X.shape[1]
        rows_ = treelite_runtime.DMatrix(X.astype(loaded.threshold_type))
        for margin in (False, True):
            treelite_same(predictor, X, loaded.predict(rows_, pred_margin=margin), margin)


def treelite_same(predictor, X, got, margin):
    """Margins, or what the link makes of them; of two classes from one sum the second alone."""
    if margin or predictor.model.output.rule == "outlier":
        want = np.reshape(predictor.decision_function(X), (len(X), -1))
    elif predictor.model.output.classes:
        want = predictor.predict_proba(X)
        want = want[:, 1:] if predictor.model.output.binary else want
    else:
        want = np.reshape(predictor.predict(X), (len(X), -1))
    same(np.reshape(got, want.shape), want.astype(got.dtype), predictor)
