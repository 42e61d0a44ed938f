"""The rules of the house: who may know whom, how long a file may be, what stands where."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mlfast"
NATIVE = PACKAGE / "native"
SOURCES = {".py", ".pyi", ".pyx", ".pxd", ".c", ".h", ".toml", ".yml", ".md", ".cfg", ".in"}
FOLDERS = ("mlfast", "tests", "benchmarks", "docs", "examples", ".github", ".ci")
LONGEST = 400

#: Which rooms of the package a room may import. A room is a module or a package of mlfast.
MAY_IMPORT = {
    "_version": set(),
    "errors": set(),
    "spec": {"errors"},
    "serialize": {"errors", "spec"},
    "importers": {"errors", "spec", "nn"},
    "compiler": {"errors", "spec", "_core", "_record"},
    "tables": {"errors", "spec", "_batch", "_core", "_record"},
    "threads": {"errors", "_pool"},
    "nn": {"errors", "spec", "serialize", "threads", "_pool"},
}
#: These use what every user of mlfast has: the names of `mlfast` itself.
PUBLIC_ONLY = ("cli", "demo", "__main__")


def files(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            generated = path.suffix == ".c" and path.with_suffix(".pyx").exists()
            hidden = any(part.startswith(".") for part in path.relative_to(ROOT / folder).parts)
            if path.suffix in SOURCES and not generated and not hidden:
                yield path


def imported(path):
    """Return dotted names of what a module imports from mlfast."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import")
        else:
            continue
        yield from (name for name in names if name == "mlfast" or name.startswith("mlfast."))


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_design(path):
    own = room(path)
    for name in imported(path):
        if own in PUBLIC_ONLY:
            other = name.partition(".")[2]
            public = other.isidentifier() and not other.startswith("_")
            assert public or name == "mlfast" or other.split(".")[0] in ("_measure", *PUBLIC_ONLY)
        elif own in MAY_IMPORT and name != "mlfast":
            other = name.split(".")[1]
            assert other == own or other in MAY_IMPORT[own], f"{own} may not import {name}"


@pytest.mark.parametrize("path", sorted(NATIVE.glob("*.[ch]")), ids=lambda path: path.name)
def test_native_files_know_their_own_room_alone(path):
    included = re.findall(r'#\s*include\s*[<"]([^">]+)[">]', path.read_text())
    assert "Python.h" not in included
    own = path.stem.split("_")[0]
    shared = {"plan", "isa", "exact", "transpose"}
    uses = {"encoders": {"vocabulary"}, "nn": {"pool"}, "strategies": {"pool", "gate"}}
    uses |= {"pool": {"gate"}, "gate": {"pool"}}
    if own == "run":  # the one that knows the kernels
        return
    for name in included:
        if not (NATIVE / name).exists():
            continue
        other = Path(name).stem.split("_")[0]
        allowed = shared | uses.get(own, set()) | {own}
        assert other in allowed, f"{path.name} may not include {name}"


def test_files_are_short():
    long = {}
    for path in files(*FOLDERS):
        lines = len(path.read_text().splitlines())
        if lines > LONGEST:
            long[str(path.relative_to(ROOT))] = lines
    assert not long


def test_lines_of_c_are_short():
    """Ruff and cython-lint see to the others'."""
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files(*FOLDERS)
        if path.suffix in (".c", ".h")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > 100
    ]
    assert not long


def test_no_paths_or_hosts_of_anybodys_machine():
    words = re.compile(r"/(?:work|home|root|opt)/\w|pypi\.org|pythonhosted|npmjs|localhost:\d")
    for path in [*files(*FOLDERS), *ROOT.glob("*.*")]:
        if path == Path(__file__) or not path.is_file() or path.suffix not in SOURCES:
            continue
        found = words.search(path.read_text())
        assert not found, f"{path}: {found.group()}"


def test_spec_classes_are_plain():
    """`Spec` makes them dataclasses; a decorator's own ``__init__`` would skip the checks.

    Files are checked against the fields' types, which postponed annotations would hide.
    """
    for path in (PACKAGE / "spec").glob("*.py"):
        if path.name != "_base.py":
            assert "from __future__ import annotations" not in path.read_text(), path.name
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name != "Spec":
                assert not node.decorator_list, f"{path.name}: {node.name}"


def test_the_version_stands_in_one_place():
    version = re.search(r'version = "(.+)"', (PACKAGE / "_version.py").read_text()).group(1)
    holders = [path for path in files("mlfast") if f'"{version}"' in path.read_text()]
    assert [path.name for path in holders] == ["_version.py"]
    assert version not in (ROOT / "pyproject.toml").read_text().split("[project.optional")[0]
    assert version in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_generated_is_tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wrong = [name for name in tracked if name.endswith((".so", ".o", ".pyc", "_core.c"))]
    assert not wrong


def test_tests_import_each_other_as_pytest_finds_them():
    """Plain ``pytest`` puts tests/ on the path, not its parent."""
    for path in files("tests"):
        assert not re.search(r"^(from|import) tests\b", path.read_text(), re.M), path.name
