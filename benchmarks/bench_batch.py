"""asv: rows a second of Titanic-shaped batches (synthetic)."""

import numpy as np

import mlfast
from benchmarks import titanic


class Batch:
    params = [["DataFrame", "records", "pipeline"], [10, 1000, 100_000]]
    param_names = ["input", "rows"]
    timeout = 300

    def setup_cache(self):
        return titanic.train()

    def setup(self, pipeline, kind, rows):
        base = titanic.records()
        records = [base[i % len(base)] for i in range(rows)]
        self.data = records if kind == "records" else titanic.frame(records)
        self.predict = (pipeline if kind == "pipeline" else mlfast.compile(pipeline)).predict_proba
        if not np.array_equal(
            self.predict(self.data[:10]), pipeline.predict_proba(titanic.frame(records[:10]))
        ):
            raise AssertionError("predictions differ")

    def time_predict_proba(self, pipeline, kind, rows):
        self.predict(self.data)
