"""Builds the native core: flags and instruction-set variants, in one place.

Switches (environment): MLFAST_SANITIZE=1 (ASan and UBSan), MLFAST_COVERAGE=1,
MLFAST_DEBUG=1 (assertions, no optimisation).
"""

import os
import platform
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("mlfast/native")

# Compiled once for every instruction set; all other files of native/ once.
KERNELS = sorted(str(path) for path in NATIVE.glob("*_kernel.c"))
COMMON = sorted(str(path) for path in NATIVE.glob("*.c") if str(path) not in KERNELS)

# No flag here can change a result: no fast-math, no contraction, no -march=native.
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
LINK = ["-pthread"]
ISA_FLAGS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    avx2 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mpopcnt", "-mlzcnt"]
    subsets = ("f", "bw", "dq", "vl", "vbmi", "vbmi2", "vnni", "bitalg")
    avx512 = [
        *avx2,
        *(f"-mavx512{name}" for name in subsets),
        "-mgfni",
        "-mprefer-vector-width=512",
    ]
    ISA_FLAGS |= {"avx2": avx2, "avx512": avx512}

if os.environ.get("MLFAST_DEBUG"):
    FLAGS += ["-O0", "-g", "-UNDEBUG"]
if os.environ.get("MLFAST_SANITIZE"):
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"]
    FLAGS += [*sanitize, "-O1", "-fno-omit-frame-pointer"]
    LINK += sanitize
if os.environ.get("MLFAST_COVERAGE"):
    FLAGS += ["--coverage", "-O0"]
    LINK += ["--coverage"]


class BuildVariants(build_ext):
    """Compiles the kernels once per instruction set and links them all in."""

    def build_extension(self, ext):
        for isa, flags in ISA_FLAGS.items():
            ext.extra_objects += self.compiler.compile(
                KERNELS,
                output_dir=str(Path(self.build_temp, isa)),
                macros=[("MLF_ISA", isa)],
                include_dirs=[str(NATIVE)],
                extra_postargs=[*FLAGS, *flags],
                depends=[str(path) for path in NATIVE.glob("*.h")],
            )
        super().build_extension(ext)


core = Extension(
    "mlfast._core",
    ["mlfast/_core.pyx", *COMMON],
    include_dirs=[str(NATIVE)],
    depends=[str(path) for path in NATIVE.glob("*.h")],
    extra_compile_args=[*FLAGS, "-Wno-unused-function"],
    extra_link_args=LINK,
)

setup(
    ext_modules=cythonize(core, compiler_directives={"language_level": 3}),
    cmdclass={"build_ext": BuildVariants},
)
