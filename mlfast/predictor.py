"""The public predictor: what surrounds the native hot path."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mlfast import _batch, _plan, compiler, serialize, spec
from mlfast._record import shorten
from mlfast.errors import RecordError
from mlfast.tables import Table, TableReader

if TYPE_CHECKING:
    from pathlib import Path

    from mlfast._function import Function

MISSING_FIELDS = ("error", "nan")


class Predictor(_batch.Predictor):
    """A compiled model. Made by `mlfast.compile` and `mlfast.load`.

    Immutable, picklable, and safe to share between threads.

    Parameters
    ----------
    model : spec.Model
    missing_fields : {"error", "nan"}
        What a record's missing key or attribute, or a table's missing column, is.
    layout : str or None
        Forces a layout of the tree kernels (see `plan`); None chooses.
    isa : str or None
        Forces an instruction set; None takes the best, or what the
        environment variable ``MLFAST_ISA`` names.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        Labels, for classifiers.
    feature_names_in_ : ndarray of str (n_features_in_,)
        Fields of a record, where the original knows their names.
    n_features_in_ : int
    model : spec.Model
    """

    model: spec.Model
    _plan: compiler.Plan
    _options: dict[str, Any]
    _table: TableReader
    _classes: np.ndarray | None

    def __new__(
        cls,
        model: spec.Model,
        *,
        missing_fields: str = "error",
        layout: str | None = None,
        isa: str | None = None,
    ) -> Self:
        if missing_fields not in MISSING_FIELDS:
            raise ValueError(
                f"missing_fields: expected one of {MISSING_FIELDS}, got {missing_fields!r}"
            )
        plan = compiler.lower(model.for_prediction())
        self = super().__new__(
            cls,
            plan,
            isa=isa or _plan.isa_default(),
            layout=layout,
            missing_fields_nan=missing_fields == "nan",
        )
        self.model = model
        self._plan = plan
        self._options = {"missing_fields": missing_fields, "layout": layout, "isa": isa}
        self._classes = self._predicted = None
        self._methods = () if model.output is None else model.output.methods
        if model.output is not None and model.output.classes:
            self._classes = np.array(model.output.classes, dtype=model.output.class_dtype)
            self._predicted = self._classes if "predict" in model.output.methods else None
        self._plain = _gives_values(model.output)
        if model.head_inputs is not None:
            self._encoder = Predictor(model.for_transform(), missing_fields=missing_fields, isa=isa)
            self.transform_one = self._encoder.transform_one  # type: ignore[method-assign]
        self._table = TableReader(model, self._codes, missing_fields == "nan")
        return self

    # ---------------------------------------------------------------- names

    @property
    def n_features_in_(self) -> int:
        """Number of fields of a record."""
        return len(self.model.fields)

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the fields; AttributeError where the original has none."""
        if not self.model.named:
            raise AttributeError("the original was fitted without feature names")
        return np.array([field.name for field in self.model.fields], dtype=object)

    @property
    def classes_(self) -> np.ndarray:
        """Labels in the order of probabilities; AttributeError without labels."""
        if self._classes is None:
            raise AttributeError("this model has no classes")
        return self._classes.copy()

    def get_feature_names_out(self) -> np.ndarray:
        """Names of the encoded vector's columns, as scikit-learn gives them."""
        return np.array(self.model.output_names, dtype=object)

    def plan(self) -> str:
        """How the model is run: encoder steps, instruction set, tree layouts and why."""
        head = type(self.model.head).__name__ if self.model.head is not None else "none"
        lines = [
            f"instruction set: {self._options['isa'] or _plan.isa_default()}",
            f"encoder: {len(self.model.fields)} fields -> {len(self._plan.steps)} steps "
            f"-> {self._plan.n_outputs} numbers",
            f"head: {head}" + (f" ({self.native.layout_text})" if self.native.layout_text else ""),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        head = type(self.model.head).__name__ if self.model.head is not None else "transformer"
        return f"<mlfast.Predictor: {self.n_features_in_} fields, {head}>"

    # ---------------------------------------------------------------- tables

    def _output(self, method: str) -> spec.Output:
        output = self.model.output
        if output is None:
            raise AttributeError("the compiled object is a transformer: it has transform alone")
        if method and method not in output.methods:
            raise AttributeError(f"the original has no {method}")
        return output

    def _open(self, X: Any) -> Table:
        return self._table.open(X)

    # ---------------------------------------------------------------- refusals

    def _refused(self, step: int, record: Any, row: int) -> None:
        """Raise what the original raises, naming field, value and expectation."""
        field, where = self._plan.origins[step]
        native = self._plan.steps[step]
        name = self.model.fields[field].name if field >= 0 else "an encoded column"
        if row >= 0:
            got, place = "a value", f" in row {row}"
            table = self._table.open(record)
            for number, read in enumerate(self.model.inputs):
                if read.field == field and read.vocabulary < 0:
                    got = table.number(number, row)
        else:
            place = ""
            got = shorten(self._value(record, field)) if field >= 0 else "such a value"
        if native.op == "CHECK":
            words = {1: "not NaN", 2: "finite", 4: "not too large for float32"}
            expected = "a number that is " + " and ".join(
                text for flag, text in words.items() if native.flags & flag
            )
        else:
            expected = "a known category"
        raise RecordError(
            f"expected {expected}, got {got} for field {name!r}{place}"
            + (f" ({where} refuses it)" if where else "")
        )

    def _warned(self, step: int, record: Any) -> None:
        field, where = self._plan.origins[step]
        name = self.model.fields[field].name if field >= 0 else "an encoded column"
        value = record if isinstance(record, str) else shorten(self._value(record, field))
        warnings.warn(
            f"Found unknown category {value} in field {name!r} ({where}): it is encoded as "
            "infrequent or as all zeros",
            UserWarning,
            stacklevel=3,
        )

    # ---------------------------------------------------------------- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file (docs/file_format.md); `mlfast.load` reads it."""
        serialize.save_model(self.model, path)

    def to_treelite(self) -> Any:
        """Give the tree ensemble as a `treelite.Model` (docs/export.md says how exact it is).

        Raises
        ------
        UnsupportedError
            treelite has no counterpart: an encoder, a rule or a link.
        """
        from mlfast.export import treelite

        return treelite.to_treelite(self.model)

    def c_function(self) -> Function:
        """Give the predictor as a C function, to be called without Python (docs/export.md).

        Returns
        -------
        Function
            With `address` and `user_data`, for numba and ctypes, and for ``cimport mlfast``.
            It has to be kept alive. A row is one number a field; the answer is what
            `predict_proba` gives, or `predict` where there is none, or `transform`.
        """
        from mlfast._function import Function

        return Function(self, self._plan.input_slots)

    def export_source(self, path: str | os.PathLike[str], abi: str = "mlfast") -> Path:
        """Write the model as C99, for people who build it themselves (docs/export.md).

        Parameters
        ----------
        path : path
            Ends in ``.c``; with ``abi="mlfast"`` a header is written beside it.
        abi : {"mlfast", "treelite-runtime", "tl2cgen"}
            Which functions the code has: our own, or those that `treelite_runtime.Predictor` or
            `tl2cgen.Predictor` look for.

        Returns
        -------
        Path

        Raises
        ------
        UnsupportedError
            The model has no form in this ABI.
        """
        from mlfast import export

        return export.export_source(self.model, path, abi)

    def export_library(
        self,
        path: str | os.PathLike[str],
        abi: str = "mlfast",
        compiler: str | Sequence[str] | None = None,
        flags: Sequence[str] = (),
    ) -> Path:
        """Compile the model to a shared library that needs no Python (docs/export.md).

        Parameters
        ----------
        path : path
            With ``abi="mlfast"`` a header is written beside it.
        abi
            As for `export_source`.
        compiler : str or sequence of str, optional
            Command of a C compiler. By default ``$CC``, cc, gcc or clang, or ziglang's.
        flags : sequence of str
            More flags for it, such as ``-march=native``.

        Returns
        -------
        Path

        Raises
        ------
        CompilerError
            There is no compiler, or it fails.
        UnsupportedError
            The model has no form in this ABI.
        """
        from mlfast import export

        return export.export_library(self.model, path, abi, compiler, flags)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (serialize.dumps(self.model), self._options)

    def verify(self, original: Any, X: Any) -> Any:
        """Compare with the original, row by row, in batches and single records alike.

        Parameters
        ----------
        original : fitted estimator
            What was compiled.
        X : table
            As the original takes it.

        Returns
        -------
        mlfast.verify.Report

        Raises
        ------
        ParityError
            At the first row on which an answer differs.
        """
        from mlfast.verify import verify

        return verify(self, original, X)


def _gives_values(output: spec.Output | None) -> bool:
    """Whether `predict` gives the values, without a rule or another dtype."""
    return (
        output is not None
        and output.rule == "value"
        and "predict" in output.methods
        and output.class_dtype == output.dtype
    )


def _unpickle(data: bytes, options: dict[str, Any]) -> Predictor:
    return Predictor(serialize.loads(data), **options)
