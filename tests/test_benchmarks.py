"""The benchmarks' own parts: loops in C, turns, tables."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import ensemble, model

import mlfast

sys.path.append(str(Path(__file__).parent.parent))
from benchmarks import ensembles, loops, native, peers, trees, trees_report

compiled = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)


@compiled
def test_loops_in_c(tmp_path, monkeypatch):
    monkeypatch.setattr(ensembles, "folder", lambda: tmp_path)
    native.library.cache_clear()
    rng = np.random.default_rng(0)
    head = ensemble(rng, 9, 8, 4, members=False)
    predictor = mlfast.Predictor(model(head))
    X = rng.normal(size=(50, 4))
    want = np.reshape(predictor.predict(X), (50, -1))
    library = predictor.export_library(tmp_path / "model.so")
    for loop in (
        native.predictor_loop(predictor, X),
        native.exported_loop(library, X, head.n_outputs),
        native.exported_loop(library, X, head.n_outputs, batch=True),
    ):
        loop(0, 20)
        loop(20, 50)
        np.testing.assert_array_equal(loop.out, want)
    native.library.cache_clear()


def test_turns_go_through_all_rows():
    seen = []
    samples = loops.rotating(
        {"a": lambda begin, end: seen.append((begin, end)), "b": lambda begin, end: None},
        n_rows=10, seconds=0.0,
    )  # fmt: skip
    assert set(map(len, samples.values())) == {3}
    assert seen[-6:] == [(0, 2), (2, 10)] * 3  # the first rows of a turn are not timed


def test_rows_that_differ():
    original = np.array([[0.1, 0.9], [0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    answers = original.astype(np.float32).astype(float)
    assert peers.differing(answers, original) == 0.0
    answers[1, 1] += 0.01
    assert peers.differing(answers, original) == 0.25


def figures():
    ways = ("native", "predict_one(float64 row)", "predict_one(tuple)", "empty function")
    single = dict.fromkeys((*ways, "XGBoost", "ONNX Runtime", "native: tl2cgen"), (90.0, 100.0))
    batch = {"mlfast": (9.0, 10.0), "XGBoost": (900.0, 1000.0)}
    return {
        "title": "XGBoost of some trees",
        "off": {"XGBoost": 0.0, "ONNX Runtime": 0.002},
        "single": single,
        "batch": {
            "100000": batch, "1000": batch, "10": batch | {"ten single calls": (50.0, 60.0)}
        },
        "threads": {"1": (9.0, 10.0), "2": (4.0, 5.0)},
        "exported": {"native": (1.0, 2.0)} | {name: (3.0, 4.0) for name, *_ in trees.EXPORTED},
        "start": {
            "compile": 1e-3, "load": 2e-3, "memory": None, "saved": 10_000, "export": 0.5,
            "library": 20_000,
        },
    }  # fmt: skip


def test_tables_and_plot(tmp_path):
    pytest.importorskip("matplotlib")
    kept = tmp_path / "kept.json"
    results = trees.merged(kept, {"xgb-100": figures()})
    text = trees_report.markdown(trees.merged(kept, {}))
    assert text == trees_report.markdown(results)
    assert "ONNX Runtime on 0.2 % of the rows of XGBoost of some trees" in text
    assert "| XGBoost of some trees | 100 million | XGBoost 1 million | 100.0 x |" in text
    assert "| XGBoost of some trees | 100 million | 200 million | 2.00 x |" in text
    trees_report.plot(results, tmp_path / "trees.svg")
    assert "<svg" in (tmp_path / "trees.svg").read_text()
