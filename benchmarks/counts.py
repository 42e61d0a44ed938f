"""Instructions a row, counted by callgrind: the same on a busy machine as on a quiet one.

    python -m benchmarks.counts [--write]

Valgrind knows no AVX-512, so the AVX2 and the baseline kernels are counted, in the same loop over
`c_function` as `benchmarks.trees` times.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import ensembles

ISAS = ("baseline", "avx2")
N_ROWS = 300

#: Runs under valgrind; needs neither the training libraries nor pandas.
PROGRAM = """
import sys
import numpy as np
import mlfast
from benchmarks import native
for name in sys.argv[1:]:
    rows = np.load(name + ".npy")
    native.predictor_loop(mlfast.load(name + ".mlfast"), rows)(0, len(rows))
"""


def available() -> bool:
    """Whether there is a valgrind to count with."""
    return shutil.which("valgrind") is not None


def instructions(models, isa: str) -> dict[str, float]:
    """Count instructions a row.

    Parameters
    ----------
    models : dict of str to (Predictor, ndarray (n_rows, n_features))
    isa : {"baseline", "avx2"}

    Returns
    -------
    dict of str to float
    """
    # Last: there may be an mlfast elsewhere that is to be counted, as there is with asv.
    path = os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    with tempfile.TemporaryDirectory() as folder:
        for name, (predictor, rows) in models.items():
            predictor.save(Path(folder, f"{name}.mlfast"))
            np.save(Path(folder, f"{name}.npy"), rows)
        tool = [
            "valgrind", "--tool=callgrind", "--toggle-collect=count_rows",
            "--dump-after=count_rows", "--callgrind-out-file=counts",
        ]  # fmt: skip
        done = subprocess.run(
            [*tool, sys.executable, "-c", PROGRAM, *models],
            cwd=folder, capture_output=True, text=True,
            env=os.environ | {"MLFAST_ISA": isa, "PYTHONPATH": path},
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"valgrind failed:\n{done.stderr[-2000:]}")
        found = {}
        for number, (name, (_, rows)) in enumerate(models.items(), start=1):
            text = Path(folder, f"counts.{number}").read_text()
            found[name] = int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1]) / len(rows)
        return found


def count(names) -> dict[str, dict[str, float]]:
    """Return {model: {instruction set: instructions a row}}."""
    loaded = [ensembles.load(name) for name in names]
    models = {e.name: (e.compiled(), e.rows(N_ROWS)) for e in loaded}
    counted = {isa: instructions(models, isa) for isa in ISAS}
    return {name: {isa: counted[isa][name] for isa in ISAS} for name in models}


def markdown(counts: dict[str, dict[str, float]]) -> str:
    """Return the table."""
    lines = [f"| instructions a row | {' | '.join(ISAS)} |", "| --- |" + " ---: |" * len(ISAS)]
    for name, row in counts.items():
        numbers = " | ".join(f"{row[isa]:,.0f}" for isa in ISAS)
        lines.append(f"| {ensembles.MODELS[name][0]} | {numbers} |")
    return "\n".join([*lines, "", "Counted by callgrind. Command: `python -m benchmarks.counts`."])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ensembles.MODELS, default=ensembles.MODELS)
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    options = parser.parse_args()
    text = markdown(count(options.only))
    print(text)
    if options.write:
        from benchmarks.report import ROOT, replace

        replace(ROOT / "docs" / "benchmarks.md", "counts", text)


if __name__ == "__main__":
    main()
