"""The steps of an encoder.

A model's values are numbered columns: the inputs first, then each step's
outputs in the order of the steps. A column holds either a *number* (float64,
NaN where missing) or a *code* (an index into a `Vocabulary`, held as float64).
A step reads the columns `inputs`, all defined before it, and defines
`n_outputs` new ones. Unless a class says otherwise output ``i`` depends on
``inputs[i]`` alone and per-column parameters have shape (n_inputs,).
"""

import itertools

import numpy as np

from mlfast.spec._base import Spec

UFUNCS = ("log", "log1p", "exp", "expm1", "sqrt", "abs", "square")
NORMS = ("l1", "l2", "max")
CHECKS = ("finite", "no_infinity", "float32", "float32_no_nan")


class Step(Spec):
    """Base class: `inputs`, int32 (n_inputs,), column numbers."""

    inputs: np.ndarray

    #: Kind of the columns read and defined, "number" or "code".
    reads = "number"
    defines = "number"

    @property
    def n_inputs(self) -> int:
        return len(self.inputs)

    @property
    def n_outputs(self) -> int:
        return self.n_inputs

    def _check(self) -> None:
        self._array("inputs", np.int32, (None,))
        self._require(bool(np.all(self.inputs >= 0)), "inputs", "column numbers >= 0")

    def _columns(self, *names: str) -> None:
        for name in names:
            self._array(name, np.float64, (self.n_inputs,))


class ShiftDivide(Step):
    """``(x - shift) / scale``: StandardScaler, RobustScaler, MaxAbsScaler."""

    shift: np.ndarray  # float64 (n_inputs,)
    scale: np.ndarray  # float64 (n_inputs,)

    def _check(self) -> None:
        super()._check()
        self._columns("shift", "scale")


class MultiplyAdd(Step):
    """``x * factor + offset``, two roundings, then clipped to [low, high]: MinMaxScaler.

    Without clipping the bounds are -inf and inf. NaN stays NaN.
    """

    factor: np.ndarray
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def _check(self) -> None:
        super()._check()
        self._columns("factor", "offset", "low", "high")


class Ufunc(Step):
    """A NumPy function of one value, by name (see `UFUNCS`)."""

    name: str

    def _check(self) -> None:
        super()._check()
        self._require(self.name in UFUNCS, "name", f"one of {UFUNCS}")


class Impute(Step):
    """A missing number becomes `fill`.

    `missing` is the value that counts as missing; NaN means NaN. With another
    value, NaN stays NaN.
    """

    missing: np.ndarray
    fill: np.ndarray

    def _check(self) -> None:
        super()._check()
        self._columns("missing", "fill")


class Indicator(Step):
    """1.0 where the number is missing (see `Impute`), else 0.0."""

    missing: np.ndarray

    def _check(self) -> None:
        super()._check()
        self._columns("missing")


class Missing(Step):
    """A number equal to `value` becomes NaN: XGBoost's ``missing=``."""

    value: np.ndarray

    def _check(self) -> None:
        super()._check()
        self._columns("value")


class Constant(Step):
    """`value`, whatever the inputs are (they only give the number of columns)."""

    value: np.ndarray

    def _check(self) -> None:
        super()._check()
        self._columns("value")


class Round(Step):
    """Rounds to float32: a transformer whose output dtype is float32."""


class Quantile(Step):
    """QuantileTransformer: mean of a forward and a backward interpolation.

    Source: scikit-learn, ``QuantileTransformer._transform_col`` and NumPy's
    ``np.interp``; the normal output is ``scipy.special.ndtri`` (Cephes).

    Parameters
    ----------
    quantiles : float64 (n_inputs, n_quantiles), not decreasing along axis 1
    references : float64 (n_quantiles,)
    normal : bool
        Output distribution: standard normal, else uniform.
    """

    quantiles: np.ndarray
    references: np.ndarray
    normal: bool

    def _check(self) -> None:
        super()._check()
        q = self._array("quantiles", np.float64, (self.n_inputs, None))
        self._require(q.shape[1] >= 1, "quantiles", "at least one quantile a column")
        self._array("references", np.float64, (q.shape[1],))
        self._require(not np.any(np.diff(q, axis=1) < 0), "quantiles", "sorted rows")
        self._require(isinstance(self.normal, bool), "normal", "a bool")


class Digitize(Step):
    """KBinsDiscretizer: how many of the column's inner `edges` are ``<= x``.

    Parameters
    ----------
    edges : float64 (offsets[-1],), sorted within each column
    offsets : int32 (n_inputs + 1,), where each column's edges begin
    """

    edges: np.ndarray
    offsets: np.ndarray

    def _check(self) -> None:
        super()._check()
        o = self._array("offsets", np.int32, (self.n_inputs + 1,))
        self._require(o[0] == 0 and not np.any(np.diff(o) < 0), "offsets", "rising offsets from 0")
        edges = self._array("edges", np.float64, (int(o[-1]),))
        for a, b in itertools.pairwise(o):
            self._require(not np.any(np.diff(edges[a:b]) < 0), "edges", "sorted edges")


class Normalize(Step):
    """Normalizer: all inputs together, divided by their norm.

    Parameters
    ----------
    norm : str
        A name of `NORMS`.
    sequential : bool
        How the original adds up a sparse row: one value after the other, and a
        norm of 0 counts as 1. Of a dense row NumPy adds several partial sums, and a
        norm below 10 epsilon counts as 1.
    """

    norm: str
    sequential: bool = False

    def _check(self) -> None:
        super()._check()
        self._require(self.norm in NORMS, "norm", f"one of {NORMS}")
        self._require(isinstance(self.sequential, bool), "sequential", "a bool")


class Check(Step):
    """Passes the numbers on, or refuses the record as the original does.

    Parameters
    ----------
    kind : str
        "finite" (no NaN, no infinity), "no_infinity" (NaN may pass), "float32"
        (no infinity, also not after rounding to float32; NaN may pass),
        "float32_no_nan" (the same without NaN).
    step : str
        Path of the estimator that refuses, for the message.
    """

    kind: str
    step: str

    def _check(self) -> None:
        super()._check()
        self._require(self.kind in CHECKS, "kind", f"one of {CHECKS}")
        self._require(isinstance(self.step, str), "step", "a str")


class Lookup(Step):
    """One number column to codes of a vocabulary of numbers."""

    vocabulary: int  # index into Model.vocabularies
    defines = "code"

    def _check(self) -> None:
        super()._check()
        self._require(self.n_inputs == 1, "inputs", "one column")
        self._require(isinstance(self.vocabulary, int), "vocabulary", "an index")


class _CodeStep(Step):
    """One code column, with a table entry for every code of its vocabulary.

    Parameters
    ----------
    raises : uint8 (n_codes,)
        0: fine; 1: the original refuses this value (RecordError);
        2: the original warns and goes on.
    step : str
        Path of the estimator that refuses or warns, for the message.
    """

    raises: np.ndarray
    step: str
    reads = "code"

    def _check(self) -> None:
        super()._check()
        self._require(self.n_inputs == 1, "inputs", "one column")
        raises = self._array("raises", np.uint8, (None,))
        self._require(bool(np.all(raises <= 2)), "raises", "0, 1 or 2")
        self._require(isinstance(self.step, str), "step", "a str")

    @property
    def n_codes(self) -> int:
        return len(self.raises)


class Recode(_CodeStep):
    """Code to code of the same vocabulary: an imputer on categories."""

    codes: np.ndarray  # int32 (n_codes,)
    defines = "code"

    def _check(self) -> None:
        super()._check()
        codes = self._array("codes", np.int32, (self.n_codes,))
        self._require(bool(np.all((codes >= 0) & (codes < self.n_codes))), "codes", "known codes")


class Table(_CodeStep):
    """Code to number: OrdinalEncoder, indicators of missing categories."""

    values: np.ndarray  # float64 (n_codes,)

    def _check(self) -> None:
        super()._check()
        self._array("values", np.float64, (self.n_codes,))


class OneHot(_CodeStep):
    """Code to `width` numbers: 1.0 at ``positions[code]``, 0.0 elsewhere; none at -1."""

    positions: np.ndarray  # int32 (n_codes,)
    width: int

    def _check(self) -> None:
        super()._check()
        p = self._array("positions", np.int32, (self.n_codes,))
        self._require(isinstance(self.width, int) and self.width >= 0, "width", "an int >= 0")
        self._require(bool(np.all((p >= -1) & (p < self.width))), "positions", "-1 or below width")

    @property
    def n_outputs(self) -> int:
        return self.width


STEPS: dict[str, type[Step]] = {
    cls.__name__: cls
    for cls in (
        ShiftDivide,
        MultiplyAdd,
        Ufunc,
        Impute,
        Indicator,
        Missing,
        Constant,
        Round,
        Quantile,
        Digitize,
        Normalize,
        Check,
        Lookup,
        Recode,
        Table,
        OneHot,
    )
}
