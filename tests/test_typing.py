"""The types that the package declares, seen from outside by mypy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlfast

pytest.importorskip("mypy")
HERE = Path(__file__).parent
PACKAGE = Path(mlfast.__file__).parent.parent


def test_public_names_have_the_promised_types(tmp_path):
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = true\nfollow_imports = silent\ncache_dir = {tmp_path}\n")
    in_place = "site-packages" not in str(PACKAGE)  # not installed: mypy has to be told where
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", settings, HERE / "typing" / "public.py"],
        cwd=tmp_path,
        env=os.environ | ({"MYPYPATH": str(PACKAGE)} if in_place else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
