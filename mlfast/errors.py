"""Every error that mlfast raises on purpose.

All of them say what was expected, what was found and where, and what to do
next where that is not obvious.
"""


class MlfastError(Exception):
    """Base class of every error below."""


class UnsupportedError(MlfastError, TypeError):
    """A step of the estimator has no native counterpart (raised by `compile`)."""


class NotFittedError(MlfastError, ValueError, AttributeError):
    """The estimator has to be fitted before it can be compiled."""


class RecordError(MlfastError, ValueError):
    """A record or a table does not fit the model: names field, value and expectation."""


class ModelFileError(MlfastError, ValueError):
    """A file is not a model, is damaged, or was written by a newer mlfast."""


class SpecError(MlfastError, ValueError):
    """A `spec` object is inconsistent: shapes, dtypes, ranges or references."""


class ParityError(MlfastError, AssertionError):
    """`Predictor.verify` found a row on which the original answers differently."""


class CompilerError(MlfastError, RuntimeError):
    """No C compiler was found, or it failed (raised by `Predictor.export_library`)."""
