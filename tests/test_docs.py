"""The documents speak of the code as it is."""

import importlib.util
import re
from pathlib import Path

import pytest

import mlfast
from mlfast.importers import sklearn_pipeline

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def supported():
    found = importlib.util.spec_from_file_location("supported", ROOT / "docs" / "supported.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_table_of_steps_is_current():
    made = supported()
    assert made.OPTIONS.keys() == sklearn_pipeline.TRANSFORMERS.keys()
    page = made.README.read_text()
    assert made.updated(page) == page, "run: python docs/supported.py --write"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_exist(page):
    for name in re.findall(r"mlfast\.(\w+)\(", page.read_text()):
        assert hasattr(mlfast, name), name
    for name in re.findall(r"predictor\.(\w+)\(", page.read_text()):
        assert hasattr(mlfast.Predictor, name), name


def test_errors_are_documented():
    text = (ROOT / "docs" / "errors.md").read_text()
    for name in dir(mlfast):
        cls = getattr(mlfast, name)
        if isinstance(cls, type) and issubclass(cls, mlfast.MlfastError):
            assert f"`{name}`" in text


def test_figures_come_with_their_command():
    for name in ("README.md", "docs/benchmarks.md"):
        measured = re.search(
            r"(?s)<!-- measured -->(.*?)<!-- /measured -->", (ROOT / name).read_text()
        )
        assert "python -m benchmarks.run" in measured.group(1)
