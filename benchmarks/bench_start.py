"""asv: what a process pays before its first prediction."""

import mlfast
from benchmarks import start, titanic


class Start:
    timeout = 300

    def setup_cache(self):
        mlfast.compile(titanic.train()).save("titanic.mlfast")

    def track_import(self):
        return start.import_milliseconds()

    def track_load(self):
        return start.load_milliseconds("titanic.mlfast")

    track_import.unit = track_load.unit = "ms"

    def peakmem_load(self):
        mlfast.load("titanic.mlfast")

    def timeraw_whole_process(self):
        return "import mlfast; mlfast.load('titanic.mlfast')"
