"""What asv's classes over ensembles have in common."""

from benchmarks import ensembles

ROWS = 1000


class Trained:
    """Models are trained once for all classes; `take` gives one of them."""

    timeout = 900

    def setup_cache(self):
        for name in ensembles.MODELS:
            ensembles.load(name)

    def take(self, name):
        self.ensemble = ensembles.load(name)
        self.predictor = self.ensemble.compiled()
        self.rows = self.ensemble.rows(ROWS)
