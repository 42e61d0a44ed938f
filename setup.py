"""Builds the native core: flags and instruction-set variants, in one place.

Switches (environment): MLFAST_SANITIZE=1 (ASan and UBSan), MLFAST_COVERAGE=1,
MLFAST_DEBUG=1 (assertions, no optimisation).
"""

import itertools
import os
import platform
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

NATIVE = Path("mlfast/native")

# Which module holds which files of native/. The pool is in one module alone: it is the
# process's only one. *_kernel.c is compiled once for every instruction set.
POOL = ["gate.c", "pool.c", "strategies.c"]
WIDE = ["isa.c", *(path.name for path in NATIVE.glob("nn_wide*.c"))]
NETWORKS = ["isa.c", *sorted({path.name for path in NATIVE.glob("nn*.c")} - set(WIDE))]
FOREIGN = ["foreign.c"]
CORE = {path.name for path in NATIVE.glob("*.c")} - {*POOL, *NETWORKS, *WIDE, *FOREIGN} | {"isa.c"}

# No flag here can change a result: no fast-math, no contraction, no -march=native.
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
# Python's own flags ask for -g, which takes a fourth of the build's time and most of a wheel.
FLAGS += ["-g0"]
LINK = ["-pthread", "-lm"]
ISA_FLAGS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    avx2 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mpopcnt", "-mlzcnt"]
    subsets = ("f", "bw", "cd", "dq", "vl", "vbmi", "vbmi2", "vnni", "bitalg")
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
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g1"]
    FLAGS += [*sanitize, "-O1", "-fno-omit-frame-pointer"]
    LINK += sanitize
if os.environ.get("MLFAST_COVERAGE"):
    FLAGS += ["--coverage", "-O0"]
    LINK += ["--coverage"]


# GCC forgets that a local function which uses no vector registers leaves its caller's as they
# are, so that no vzeroupper follows, and all scalar code after the kernel is ten times slower.
TOLD_APART = ["-fno-ipa-ra"]


class BuildVariants(build_ext):
    """Compiles the kernels once per instruction set and links them all in."""

    def build_extensions(self):
        if self.accepts(TOLD_APART):
            for isa in ISA_FLAGS.keys() - {"baseline"}:
                ISA_FLAGS[isa] += TOLD_APART
        super().build_extensions()

    def accepts(self, flags):
        """Whether the compiler knows these flags: clang has other ones, and another allocator."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "empty.c")
            source.write_text("int empty;\n")
            try:
                self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
            except CompileError:
                return False
        return True

    def build_extension(self, ext):
        kernels = [source for source in ext.sources if source.endswith("_kernel.c")]
        ext.sources = [source for source in ext.sources if source not in kernels]
        ext.depends = [*ext.depends, *kernels]
        jobs = itertools.product(ISA_FLAGS, kernels)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the work is in the compiler's processes
            ext.extra_objects += pool.map(lambda job: self.compile_kernel(ext, *job), jobs)
        super().build_extension(ext)

    def compile_kernel(self, ext, isa, kernel):
        """The object file of a kernel for an instruction set."""
        folder = Path(self.build_temp, isa)
        (folder / kernel).parent.mkdir(parents=True, exist_ok=True)
        (compiled,) = self.compiler.compile(
            [kernel],
            output_dir=str(folder),
            macros=[("MLF_ISA", isa)],
            include_dirs=[str(NATIVE)],
            extra_postargs=[*FLAGS, *ISA_FLAGS[isa]],
            depends=ext.depends,
        )
        return compiled


def extension(module, sources, include_dirs=()):
    """A Cython module and the files of native/ that it holds."""
    pyx = module.replace(".", "/") + ".pyx"
    return Extension(
        module,
        [pyx, *sorted(str(NATIVE / source) for source in sources)],
        include_dirs=["mlfast", str(NATIVE), *include_dirs],
        depends=sorted(str(path) for path in NATIVE.glob("*.h")),
        extra_compile_args=[*FLAGS, "-Wno-unused-function"],
        extra_link_args=LINK,
    )


MODULES = [
    extension("mlfast._core", [], [numpy.get_include()]),
    extension("mlfast._plan", CORE, [numpy.get_include()]),
    extension("mlfast._batch", [], [numpy.get_include()]),
    extension("mlfast._record", [], [numpy.get_include()]),
    extension("mlfast._function", []),
    extension("mlfast._foreign", FOREIGN),
    extension("mlfast._pool", POOL),
    extension("mlfast.nn._nn", NETWORKS, [numpy.get_include()]),
    extension("mlfast.nn._wide", WIDE, [numpy.get_include()]),
]

setup(
    ext_modules=cythonize(MODULES, compiler_directives={"language_level": 3}),
    cmdclass={"build_ext": BuildVariants},
)
