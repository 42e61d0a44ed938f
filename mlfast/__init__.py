"""One prediction inside a Python process, as fast as the hardware allows."""

from mlfast import threads
from mlfast._version import version as __version__
from mlfast.api import compile, load
from mlfast.errors import (
    CompilerError,
    MlfastError,
    ModelFileError,
    NotFittedError,
    ParityError,
    RecordError,
    SpecError,
    UnsupportedError,
)
from mlfast.predictor import Predictor

__all__ = [
    "CompilerError",
    "MlfastError",
    "ModelFileError",
    "NotFittedError",
    "ParityError",
    "Predictor",
    "RecordError",
    "SpecError",
    "UnsupportedError",
    "__version__",
    "compile",
    "load",
    "threads",
]
