"""The tree kernels alone, under sanitizers: every layout and instruction set, random ensembles."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NATIVE = ROOT / "mlfast" / "native"
AVX2 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mpopcnt", "-mlzcnt"]
AVX512 = [
    f"-mavx512{name}" for name in ("f", "bw", "cd", "dq", "vl", "vbmi", "vbmi2", "vnni", "bitalg")
]
SETS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    SETS |= {"avx2": AVX2, "avx512": [*AVX2, *AVX512, "-mgfni"]}
FLAGS = ["-std=gnu11", "-O1", "-g1", "-ffp-contract=off", f"-I{NATIVE}"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("native")
    objects = []

    def build(source, name, flags):
        objects.append(str(folder / f"{name}.o"))
        command = [compiler, *FLAGS, *SANITIZE, *flags, "-c", str(source), "-o", objects[-1]]
        subprocess.run(command, check=True)

    for source in [NATIVE / "isa.c", *sorted(NATIVE.glob("trees*.c"))]:
        if source.stem.endswith("_kernel"):
            for isa, flags in SETS.items():
                build(source, f"{source.stem}-{isa}", [*flags, f"-DMLF_ISA={isa}"])
        else:
            build(source, source.stem, [])
    build(ROOT / "tests" / "native" / "test_trees.c", "test_trees", [])
    subprocess.run([compiler, *SANITIZE, *objects, "-lm", "-o", str(folder / "test")], check=True)
    return folder / "test"


def run(program, ensembles, seed):
    done = subprocess.run(
        [program, str(ensembles), str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_layout_equals_the_plain_walk(program):
    run(program, 60, 0)


@pytest.mark.slow
def test_many_more_ensembles(program):
    run(program, 5000, 1000)
