"""The README's main job."""

import importlib.util
import json
import subprocess
import sys

import pytest

import mlfast
from mlfast import _measure, demo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("palmerpenguins") is None, reason="needs the palmerpenguins package"
)
pytest.importorskip("xgboost")


def test_the_demo_ends_well(capsys):
    assert demo.main(seconds=0.5) == 0
    printed = capsys.readouterr().out
    assert "344 records" in printed
    assert "bit for bit" in printed
    for way in ("DataFrame", "inplace_predict", "(dict)", "(dataclass)", "(slotted dataclass)"):
        assert way in printed


def test_it_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "mlfast", "demo", "--seconds", "0.2"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "rows/s" in done.stdout


@pytest.mark.parametrize("broken", ["label", "probabilities", "import", "process"])
def test_any_difference_fails(broken, monkeypatch, capsys):
    elsewhere = demo.predict_elsewhere

    def tampered(path, records):
        report = elsewhere(path, records)
        if broken == "label":
            report["labels"][7] += 1
        elif broken == "probabilities":
            report["probabilities"][7][0] *= 1 + 2**-50
        elif broken == "import":
            report["imported"] = ["pandas"]
        else:
            raise demo.Differs("the new process failed")
        return report

    monkeypatch.setattr(demo, "predict_elsewhere", tampered)
    assert demo.main(seconds=0.1) == 1
    assert "DIFFERENT" in capsys.readouterr().err


def test_a_failing_process_is_reported(tmp_path):
    with pytest.raises(demo.Differs, match="FileNotFoundError"):
        demo.predict_elsewhere(tmp_path / "none.mlfast", [])


def test_the_new_process_says_what_it_imported(tmp_path):
    predictor = mlfast.compile(demo.train(demo.load_penguins()[demo.FIELDS], [0, 1, 2, 0] * 86))
    predictor.save(tmp_path / "model.mlfast")
    done = subprocess.run(
        [sys.executable, "-c", "import pandas, sys; sys.argv[1:] = [sys.argv[1]];"
         "from mlfast import demo; demo.new_process(sys.argv[1])", str(tmp_path / "model.mlfast")],
        input="[]",
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["imported"] == ["pandas"]


def test_times():
    times = _measure.interleaved({"a": (abs, [1, 2]), "b": (str, [1])}, seconds=0.01)
    assert times["a"].calls % 2 == 0
    assert 0 <= times["a"].p50 <= times["a"].p99
    assert _measure.quantile([3, 1, 2], 0.5) == 2
    assert _measure.quantile([1], 0.99) == 1


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (153.4, "153 ns"), (9310, "9.31 us"), (149_999, "150 us"), (21.4e6, "21.4 ms"),
     (3.2e9, "3.2 s")],
)  # fmt: skip
def test_readable_times(nanoseconds, text):
    assert _measure.readable(nanoseconds) == text
