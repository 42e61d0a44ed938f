"""Leaving Python: models as C99 source and as shared libraries."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlfast import spec
from mlfast.export import build
from mlfast.export import source as _source


def export_source(model: spec.Model, path: str | os.PathLike[str], abi: str = "mlfast") -> Path:
    """Write a model as C99; see `Predictor.export_source`."""
    path = Path(path)
    if path.suffix != ".c":
        raise ValueError(f"path: expected a name that ends in .c, got {path.name!r}")
    _write(model, path, path.with_suffix(".h"), abi)
    return path


def export_library(
    model: spec.Model,
    path: str | os.PathLike[str],
    abi: str = "mlfast",
    compiler: str | Sequence[str] | None = None,
    flags: Sequence[str] = (),
) -> Path:
    """Write a model as a shared library; see `Predictor.export_library`."""
    path = Path(path)
    command = build.find_compiler(compiler)
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, path.name).with_suffix(".c")
        _write(model, code, code.with_suffix(".h"), abi)
        library = Path(folder, path.name)
        build.shared_library(code, library, command, flags)
        _replace(path, library.read_bytes(), 0o755)
        if abi == "mlfast":
            _replace(path.with_suffix(".h"), code.with_suffix(".h").read_bytes(), 0o644)
    return path


def _replace(path: Path, data: bytes, mode: int) -> None:
    """A new file in one step: a process may have the old library loaded, and must keep it."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    new = Path(file.name)
    try:
        new.chmod(mode)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _write(model: spec.Model, code: Path, header: Path, abi: str) -> None:
    written = _source.write(model, abi, header.name)
    code.write_text(written.code, encoding="utf-8")
    if written.header:
        header.write_text(written.header, encoding="utf-8")
