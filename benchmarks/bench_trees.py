"""asv: tree ensembles of many shapes (synthetic), with peers where they are installed."""

import os

import numpy as np

import mlfast
from benchmarks import counts, ensembles, native, peers
from benchmarks.trained import ROWS, Trained

MODELS = list(ensembles.MODELS)
NATIVE = ["mlfast", "tl2cgen"]
ONE = ["predict_one(float64 row)", "predict_one(tuple)"]
PEERS = ["own library", "ONNX Runtime", "tl2cgen", "treelite gtil"]


def engine(ensemble, name):
    """Return a peer's function of rows; asv leaves out what is not installed."""
    if name == "own library":
        return ensemble.original
    found = peers.engines(ensemble).get(name)
    if found is None:
        raise NotImplementedError(f"{name} is not installed, or cannot run {ensemble.title}")
    return found


class Native(Trained):
    """A thousand rows in a loop in C."""

    params = [MODELS, NATIVE]
    param_names = ["model", "engine"]

    def setup(self, name, who):
        self.take(name)
        self.loop = native.predictor_loop(self.predictor, self.rows)
        if who == "tl2cgen":
            path = peers.compiled(self.ensemble)
            if path is None:
                raise NotImplementedError("tl2cgen is not installed, or the model is large")
            outputs = self.predictor.model.head.n_outputs
            self.loop = native.treelite_loop(path, self.rows, outputs)

    def time_1000_rows(self, name, who):
        self.loop(0, ROWS)


class One(Trained):
    """A hundred distinct rows, one call each."""

    params = [MODELS, ONE + PEERS]
    param_names = ["model", "way"]

    def setup(self, name, way):
        self.take(name)
        one = way in ONE
        self.function = self.predictor.predict_one if one else engine(self.ensemble, way)
        rows = self.rows[:100]
        self.arguments = [tuple(row) for row in rows.tolist()] if "tuple" in way else list(rows)
        if not one:
            self.arguments = [row.reshape(1, -1) for row in rows]

    def time_100_rows(self, name, way):
        function = self.function
        for argument in self.arguments:
            function(argument)


class Batch(Trained):
    """Rows in one call, one thread."""

    params = [MODELS, ["mlfast", *PEERS], [10, 1000, 100_000]]
    param_names = ["model", "engine", "rows"]

    def setup(self, name, who, rows):
        if rows == 100_000 and name.startswith("lgb-1000") and who not in ("mlfast", "tl2cgen"):
            raise NotImplementedError("takes a minute a call")
        self.take(name)
        self.X = self.ensemble.rows(rows)
        want = self.ensemble.original(self.X[:10])
        if not np.array_equal(self.ensemble.answers(self.predictor, self.X[:10]), want):
            raise AssertionError("predictions differ")
        if who == "mlfast":
            self.call = lambda X: self.ensemble.answers(self.predictor, X)
        else:
            self.call = engine(self.ensemble, who)

    def time_rows(self, name, who, rows):
        self.call(self.X)


class Threads(Trained):
    """100,000 rows over the processors of the process; in a row, so that workers stay awake."""

    number = 8
    params = [MODELS, [1, 2]]
    param_names = ["model", "threads"]

    def setup(self, name, n_threads):
        if n_threads > (os.cpu_count() or 1):
            raise NotImplementedError("fewer processors")
        mlfast.threads.set_num_threads(n_threads)
        self.take(name)
        self.X = self.ensemble.rows(100_000)

    def time_100_000_rows(self, name, n_threads):
        self.ensemble.answers(self.predictor, self.X, n_threads)

    def teardown(self, name, n_threads):
        mlfast.threads.shutdown()


class Instructions(Trained):
    """Counted by callgrind, so that a busy machine does not matter."""

    params = [MODELS, list(counts.ISAS)]
    param_names = ["model", "isa"]

    def track_instructions_a_row(self, name, isa):
        if not counts.available():
            raise NotImplementedError("there is no valgrind")
        self.take(name)
        return counts.instructions({name: (self.predictor, self.rows[: counts.N_ROWS])}, isa)[name]

    track_instructions_a_row.unit = "instructions"
