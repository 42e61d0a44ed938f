"""asv: one Titanic-shaped record (synthetic) through the whole path."""

import mlfast
from benchmarks import cold, contenders, titanic
from mlfast._measure import interleaved, quantile

MLFAST = [
    "positive_proba_one(slotted dataclass)",
    "positive_proba_one(NamedTuple)",
    "positive_proba_one(msgspec.Struct)",
    "positive_proba_one(dict)",
    "positive_proba_one(dict from json.loads)",
    "positive_proba_one(plain dataclass)",
    "predict_one(slotted dataclass)",
    "predict_proba_one(slotted dataclass)",
    "transform_one(slotted dataclass, out=row)",
]
TODAY = ["features ready + Booster.inplace_predict", "DataFrame + pipeline.predict_proba"]
COLD = ["after 1 ms of sleep", "after building a DataFrame", "after sweeping 8 MiB"]


class _Trained:
    timeout = 300

    def setup_cache(self):
        pipeline = titanic.train()
        records = titanic.records()
        contenders.check(mlfast.compile(pipeline), pipeline, records[:200])
        return pipeline

    def _contenders(self, pipeline):
        records = titanic.records()
        return (
            contenders.mlfast_contenders(mlfast.compile(pipeline), records)
            | contenders.todays_ways(pipeline, records)
            | {"len(dict)": (len, records)}
        )


class Loop(_Trained):
    """Time of a round over the contender's distinct records (1,000; the slowest way: 50)."""

    params = ["len(dict)", *MLFAST, *TODAY]
    param_names = ["way"]

    def setup(self, pipeline, way):
        self.function, self.arguments = self._contenders(pipeline)[way]

    def time_round(self, pipeline, way):
        function = self.function
        for argument in self.arguments:
            function(argument)


class Quantiles(_Trained):
    """Nanoseconds of calls timed one by one, less what reading the clock takes."""

    params = [*MLFAST, *TODAY]
    param_names = ["way"]
    unit = "ns"

    def setup(self, pipeline, way):
        self.times = interleaved({way: self._contenders(pipeline)[way]}, seconds=0.5)[way]

    def track_p50(self, pipeline, way):
        return self.times.p50

    def track_p99(self, pipeline, way):
        return self.times.p99

    track_p50.unit = track_p99.unit = "ns"


class Cold(_Trained):
    """Median nanoseconds of the first call after other work."""

    params = [COLD, [MLFAST[0], TODAY[0]]]
    param_names = ["when", "way"]

    def track_p50(self, pipeline, when, way):
        function, arguments = self._contenders(pipeline)[way]
        return quantile(cold.cold_times(function, arguments, cold.disturbances()[when], 200), 0.5)

    track_p50.unit = "ns"
