"""The whole model: fields, encoder steps, head and output."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mlfast.errors import SpecError
from mlfast.spec._base import Spec
from mlfast.spec.linear import Linear
from mlfast.spec.network import Network
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
    outputs of each step. The encoded vector, which `transform` gives, is
    ``columns[outputs]``; all of its columns are numbers.

    A model may prepare its features before it looks at them: refuse infinity,
    take a value for missing, number categories. `head_steps` say how, their
    columns numbered on after those of `steps`, and the head then reads
    ``columns[head_inputs]``.

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
    head : TreeEnsemble, Linear, Network, or None
        None: a transformer, which has `transform` alone.
    output : Output or None
        None exactly when `head` is.
    head_steps : tuple of Step
    head_inputs : int32 (n_features of the head,) or None
        None: the same as `outputs`.
    """

    fields: tuple[Field, ...]
    named: bool
    inputs: tuple[Input, ...]
    vocabularies: tuple[Vocabulary, ...]
    steps: tuple[Step, ...]
    outputs: np.ndarray
    output_names: tuple[str, ...]
    head: TreeEnsemble | Linear | Network | None = None
    output: Output | None = None
    head_steps: tuple[Step, ...] = ()
    head_inputs: np.ndarray | None = None

    @classmethod
    def of_head(
        cls,
        head: TreeEnsemble | Linear | Network,
        output: Output,
        names: Sequence[str] = (),
        named: bool = False,
    ) -> "Model":
        """A head without an encoder: its features are the first fields, x0, x1, ... by default."""
        n = head.n_features
        names = tuple(names) or tuple(f"x{i}" for i in range(n))
        return cls(
            fields=tuple(map(Field, names)),
            named=named,
            inputs=tuple(map(Input, range(n))),
            vocabularies=(),
            steps=(),
            outputs=np.arange(n, dtype=np.int32),
            output_names=names[:n],
            head=head,
            output=output,
        )

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one example as an array: a network's own where it reads the fields alone."""
        alone = not self.steps and not self.head_steps
        if alone and isinstance(self.head, Network) and self.head.n_features == len(self.fields):
            return self.head.input_shape
        return (len(self.fields),)

    def for_transform(self) -> "Model":
        """The encoder alone: what `transform` runs."""
        return dataclasses.replace(self, head=None, output=None, head_steps=(), head_inputs=None)

    def for_prediction(self) -> "Model":
        """The same model with the head's own steps among `steps`: what all other calls run."""
        if self.head_inputs is None:
            return self
        inputs = self.head_inputs
        return dataclasses.replace(
            self,
            steps=self.steps + self.head_steps,
            outputs=inputs,
            output_names=tuple(f"x{i}" for i in range(len(inputs))),
            head_steps=(),
            head_inputs=None,
        )

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
            self._check_step(f"steps[{number}]", step, kinds)
        outputs = features = self._check_numbers("outputs", kinds)
        self._require(len(self.output_names) == len(outputs), "output_names", "a name an output")
        self._require((self.head is None) == (self.output is None), "output", "one with every head")
        for number, step in enumerate(self.head_steps):
            self._check_step(f"head_steps[{number}]", step, kinds)
        if self.head_inputs is not None:
            features = self._check_numbers("head_inputs", kinds)
        else:
            self._require(not self.head_steps, "head_inputs", "columns, where there are head_steps")
        if self.head is None:
            ok = not self.head_steps and self.head_inputs is None
            self._require(ok, "head_steps", "a head to prepare for")
        elif self.head.n_features != len(features):
            raise SpecError(
                f"Model.head: expected {len(features)} features, got {self.head.n_features}"
            )

    def _check_numbers(self, name: str, kinds: list[tuple[str, int]]) -> np.ndarray:
        columns = self._array(name, np.int32, (None,))
        for column in columns:
            ok = 0 <= column < len(kinds) and kinds[column][0] == "number"
            self._require(ok, name, "columns that hold numbers")
        return columns

    def _check_step(self, where: str, step: Step, kinds: list[tuple[str, int]]) -> None:
        where = f"{where} ({type(step).__name__})"
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
