"""asv: what it takes to have an ensemble ready, in Python and as an exported library."""

import shutil
import tempfile
from pathlib import Path

import mlfast
from benchmarks import ensembles, native
from benchmarks.trained import ROWS, Trained
from mlfast.errors import CompilerError
from mlfast.export import build

MODELS = list(ensembles.MODELS)
ABIS = ["mlfast", "treelite-runtime", "tl2cgen"]


class Ready:
    """Compile, save, load: time, bytes, and memory of a process that loads and predicts."""

    params = MODELS
    param_names = ["model"]
    timeout = 900

    def setup_cache(self):
        for name in MODELS:
            ensembles.load(name).compiled().save(f"{name}.mlfast")

    def setup(self, name):
        self.path = Path(f"{name}.mlfast").resolve()

    def time_load(self, name):
        mlfast.load(self.path)

    def track_saved_bytes(self, name):
        return self.path.stat().st_size

    def peakmem_load(self, name):
        mlfast.load(self.path)

    def peakmem_predict_10_000_rows(self, name):
        predictor = mlfast.load(self.path)
        predictor.decision_function(ensembles.numbers(10_000, 3, predictor.n_features_in_))

    track_saved_bytes.unit = "bytes"


class Compile(Trained):
    """From the trained model to a predictor, layouts included."""

    params = MODELS
    param_names = ["model"]

    def setup(self, name):
        self.take(name)

    def time_compile(self, name):
        mlfast.compile(self.ensemble.model)


class Export(Trained):
    """C99 source and libraries in three C ABIs."""

    params = [MODELS, ABIS]
    param_names = ["model", "abi"]

    def setup(self, name, abi):
        try:
            build.find_compiler()
        except CompilerError as error:
            raise NotImplementedError(str(error)) from None
        self.take(name)
        self.folder = Path(tempfile.mkdtemp())

    def teardown(self, name, abi):
        shutil.rmtree(self.folder, ignore_errors=True)

    def time_source(self, name, abi):
        self.predictor.export_source(self.folder / "model.c", abi)

    def time_library(self, name, abi):
        self.predictor.export_library(self.folder / "model.so", abi)

    time_library.number = 1

    def track_source_bytes(self, name, abi):
        return self.predictor.export_source(self.folder / "model.c", abi).stat().st_size

    def track_library_bytes(self, name, abi):
        return self.predictor.export_library(self.folder / "model.so", abi).stat().st_size

    track_source_bytes.unit = track_library_bytes.unit = "bytes"


class Exported(Trained):
    """A thousand rows through an exported library, in C: one by one and in one call."""

    params = MODELS
    param_names = ["model"]

    def setup(self, name):
        self.take(name)
        self.folder = Path(tempfile.mkdtemp())
        try:
            library = self.predictor.export_library(self.folder / "model.so")
        except CompilerError as error:
            raise NotImplementedError(str(error)) from None
        outputs = self.predictor.c_function().n_outputs
        self.one = native.exported_loop(library, self.rows, outputs)
        self.batch = native.exported_loop(library, self.rows, outputs, batch=True)

    def teardown(self, name):
        shutil.rmtree(self.folder, ignore_errors=True)

    def time_predict_one(self, name):
        self.one(0, ROWS)

    def time_predict(self, name):
        self.batch(0, ROWS)
