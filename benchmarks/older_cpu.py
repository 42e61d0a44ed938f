"""Processes whose libraries take the processor for an older one: a fair race of old kernels.

CPUID faults in them (Linux on x86-64, where the processor and the hypervisor allow it), and what
answers instead hides AVX-512, or all of AVX. Libraries that choose their kernels by it have to
use the others.
"""

import functools
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


@functools.cache
def library():
    built = Path(tempfile.mkdtemp()) / "older_cpu.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", built, SOURCE], check=True)
    return built


def environment(instruction_set):
    """Environment of a process that finds no more than an instruction set of mlfast."""
    if instruction_set == "avx512":
        return dict(os.environ)
    return os.environ | {"OLDER_CPU": instruction_set, "LD_PRELOAD": str(library())}
