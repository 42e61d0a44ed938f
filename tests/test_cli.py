"""The command line: what it prints, and its exit codes."""

import io
import json
import shutil
import subprocess
import sys

import joblib
import pytest
from passengers import FIELDS, frame, pipeline, predictor, records
from sklearn.base import clone

import mlfast
from mlfast import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    predictor().save(path / "model.mlfast")
    joblib.dump(pipeline(), path / "model.joblib")
    frame().to_csv(path / "rows.csv", index=False)
    lines = "\n".join(map(json.dumps, records()))
    (path / "rows.jsonl").write_text(f"{lines}\n\n", encoding="utf-8")
    return path


def run(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_compile(folder, tmp_path, capsys):
    code, out, _ = run(capsys, "compile", folder / "model.joblib", "-o", tmp_path / "m.mlfast")
    assert code == 0
    assert "5 fields" in out
    assert mlfast.load(tmp_path / "m.mlfast").predict_one(records(1)[0]) in ("survived", "died")


def test_inspect(folder, capsys):
    code, out, _ = run(capsys, "inspect", folder / "model.mlfast")
    assert code == 0
    assert "Pclass, Age, Fare, Sex, Cabin" in out
    code, out, _ = run(capsys, "inspect", "--json", folder / "model.mlfast")
    facts = json.loads(out)
    assert facts["fields"] == FIELDS
    assert facts["classes"] == ["died", "survived"]


@pytest.mark.parametrize("data", ["rows.csv", "rows.jsonl"])
def test_predict(folder, capsys, data):
    code, out, _ = run(capsys, "predict", folder / "model.mlfast", folder / data)
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == pipeline().predict(frame()).tolist()


def test_predict_probabilities(folder, capsys):
    arguments = ("predict", folder / "model.mlfast", folder / "rows.jsonl", "--method")
    _, out, _ = run(capsys, *arguments, "predict_proba")
    first = json.loads(out.splitlines()[0])
    assert list(first.values()) == predictor().predict_proba(frame())[0].tolist()


def test_predict_from_standard_input(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(records(1)[0])))
    code, out, _ = run(capsys, "predict", folder / "model.mlfast")
    assert code == 0
    assert json.loads(out) == pipeline().predict(frame(1))[0]


def test_verify(folder, tmp_path, capsys):
    model, original = folder / "model.mlfast", folder / "model.joblib"
    code, out, _ = run(capsys, "verify", model, original, folder / "rows.csv")
    assert code == 0
    assert "200" in out
    other = clone(pipeline()).fit(frame(seed=5), ["died", "survived"] * 100)
    joblib.dump(other, tmp_path / "other.joblib")
    code, _, err = run(capsys, "verify", model, tmp_path / "other.joblib", folder / "rows.csv")
    assert code == 1
    assert err.startswith("mlfast: different: ")


def test_bench(folder, capsys):
    for data in ("rows.csv", "rows.jsonl"):
        arguments = ("bench", folder / "model.mlfast", folder / data, "--seconds", "0.1")
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        assert "predict_one(dict): median" in out
        assert "rows/s" in out


@pytest.mark.parametrize("name", ["model.c", "model.so"])
def test_export(folder, tmp_path, capsys, name):
    if name == "model.so" and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler")
    code, out, _ = run(capsys, "export", folder / "model.mlfast", tmp_path / name)
    assert code == 0
    assert out.strip() == str(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 1000


def test_errors_end_with_two(folder, tmp_path, capsys):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"Pclass": 1}\n')
    torn = tmp_path / "torn.jsonl"
    torn.write_text("{")
    damaged = tmp_path / "damaged.mlfast"
    damaged.write_bytes((folder / "model.mlfast").read_bytes()[:-1])
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    model = folder / "model.mlfast"
    for arguments, message in (
        (("predict", model, bad), "bad.jsonl, line 1: missing field 'Age'"),
        (("predict", model, torn), "torn.jsonl, line 1: not JSON"),
        (("predict", model, tmp_path / "none.jsonl"), "none.jsonl"),
        (("predict", damaged, bad), "damaged.mlfast"),
        (("inspect", tmp_path / "none.mlfast"), "none.mlfast"),
        (("bench", model, empty), "no records"),
        (("verify", model, folder / "model.joblib", bad), "expected a table"),
        (("compile", bad), "bad.jsonl"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("mlfast: error: ")
        assert message in err


@pytest.mark.parametrize("arguments", [(), ("fly",), ("predict",), ("demo", "--seconds", "x")])
def test_wrong_usage_ends_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    assert caught.value.code == 2
    assert "usage: mlfast" in capsys.readouterr().err


def test_version_and_help():
    for option, expected in (("--version", mlfast.__version__), ("--help", "compile")):
        done = subprocess.run(
            [sys.executable, "-m", "mlfast", option], capture_output=True, text=True, check=True
        )
        assert expected in done.stdout
