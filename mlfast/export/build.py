"""Finds a C compiler and builds shared libraries with it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mlfast.errors import CompilerError

#: No flag here can change a result: no fast-math, no contraction.
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-w")
SHARED = ("-shared",) if sys.platform == "win32" else ("-shared", "-fPIC")
LIBRARIES = () if sys.platform == "win32" else ("-lm",)

Command = tuple[str, ...]


def find_compiler(compiler: str | Sequence[str] | None = None) -> Command:
    """The command of a C compiler.

    Parameters
    ----------
    compiler : str, sequence of str, optional
        A command. By default the first of: the environment variable ``CC``; ``cc``, ``gcc``,
        ``clang``; ``zig cc`` of the package ziglang.

    Raises
    ------
    CompilerError
        There is none.
    """
    if compiler is None:
        compiler = os.environ.get("CC")
    if compiler is not None:
        command = tuple(shlex.split(compiler) if isinstance(compiler, str) else compiler)
        if not command or shutil.which(command[0]) is None:
            raise CompilerError(f"compiler: no such command: {' '.join(command)!r}")
        return command
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return (name,)
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    raise CompilerError(
        "no C compiler found: install one (gcc or clang), or pip install 'mlfast[export]', which "
        "brings zig; or export_source, and compile elsewhere"
    )


def shared_library(source: Path, library: Path, command: Command, flags: Sequence[str]) -> None:
    """Compile `source` to `library`.

    Raises
    ------
    CompilerError
        With what the compiler said.
    """
    call = [*command, *FLAGS, *flags, *SHARED, str(source), "-o", str(library), *LIBRARIES]
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CompilerError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-2000:]
        raise CompilerError(f"{shlex.join(call)} failed ({done.returncode}):\n{said}")
