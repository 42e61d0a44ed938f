"""The whole model: fields, encoder steps, head and output."""

from __future__ import annotations

import numpy as np

from mlfast.errors import SpecError
from mlfast.spec._base import Spec
from mlfast.spec.linear import Linear
from mlfast.spec.output import Output
from mlfast.spec.steps import Lookup, OneHot, Recode, Step, Table
from mlfast.spec.trees import TreeEnsemble
from mlfast.spec.vocabulary import Vocabulary


class Field(Spec):
    """A field of the record, in the original's column order.

    `name` is a str; where the original was fitted without names, `x0`, `x1`, ...
    """

    name: str


class Input(Spec):
    """One way of reading field number `field`: as a number, or as a code.

    `vocabulary` is an index into `Model.vocabularies`, -1 for a number. A field
    may be read in both ways, or not at all.
    """

    field: int
    vocabulary: int = -1


class Model(Spec):
    """What importers make, files hold and the compiler reads.

    Columns are numbered as `spec.steps` says: the inputs first, then the
    outputs of each step. The encoded vector is ``columns[outputs]``; all of
    its columns are numbers.

    Parameters
    ----------
    fields : tuple of Field
    named : bool
        Whether the original knows the fields' names (else they stand for positions).
    inputs : tuple of Input
    vocabularies : tuple of Vocabulary
    steps : tuple of Step
    outputs : int32 (n_features_out,)
    output_names : tuple of str
        As ``get_feature_names_out`` gives them.
    head : TreeEnsemble, Linear, a network, or None
        None: a transformer, which has `transform` alone.
    output : Output or None
        None exactly when `head` is.
    """

    fields: tuple[Field, ...]
    named: bool
    inputs: tuple[Input, ...]
    vocabularies: tuple[Vocabulary, ...]
    steps: tuple[Step, ...]
    outputs: np.ndarray
    output_names: tuple[str, ...]
    head: TreeEnsemble | Linear | None = None
    output: Output | None = None

    def _check(self) -> None:
        names = [field.name for field in self.fields]
        self._require(all(type(name) is str for name in names), "fields", "names of type str")
        self._require(len(set(names)) == len(names), "fields", "distinct names")
        self._require(isinstance(self.named, bool), "named", "a bool")
        kinds: list[tuple[str, int]] = []  # of each column: kind, vocabulary or number of codes
        for read in self.inputs:
            ok = 0 <= read.field < len(names) and -1 <= read.vocabulary < len(self.vocabularies)
            self._require(ok, "inputs", "fields and vocabularies in range")
            kinds.append(("number", -1) if read.vocabulary < 0 else ("code", read.vocabulary))
        for number, step in enumerate(self.steps):
            self._check_step(number, step, kinds)
        outputs = self._array("outputs", np.int32, (None,))
        for column in outputs:
            ok = 0 <= column < len(kinds) and kinds[column][0] == "number"
            self._require(ok, "outputs", "columns that hold numbers")
        self._require(len(self.output_names) == len(outputs), "output_names", "a name an output")
        self._require((self.head is None) == (self.output is None), "output", "one with every head")
        if self.head is not None and self.head.n_features != len(outputs):
            raise SpecError(
                f"Model.head: expected {len(outputs)} features, got {self.head.n_features}"
            )

    def _check_step(self, number: int, step: Step, kinds: list[tuple[str, int]]) -> None:
        where = f"steps[{number}] ({type(step).__name__})"
        for column in step.inputs:
            if not (0 <= column < len(kinds) and kinds[column][0] == step.reads):
                raise SpecError(f"Model.{where}: column {column} does not hold a {step.reads}")
        vocabulary = -1
        if isinstance(step, Lookup):
            vocabulary = step.vocabulary
            if not 0 <= vocabulary < len(self.vocabularies):
                raise SpecError(f"Model.{where}: no vocabulary {vocabulary}")
        elif isinstance(step, (Recode, Table, OneHot)):
            vocabulary = kinds[step.inputs[0]][1]
            if step.n_codes != self.vocabularies[vocabulary].n_codes:
                raise SpecError(
                    f"Model.{where}: expected {self.vocabularies[vocabulary].n_codes} codes, "
                    f"got {step.n_codes}"
                )
        defined = (step.defines, vocabulary if step.defines == "code" else -1)
        kinds.extend([defined] * step.n_outputs)
