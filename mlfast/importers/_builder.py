"""Builds a `spec.Model` step by step; numbers columns and sizes tables at the end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.importers import _facts
from mlfast.importers._columns import FLOAT64, Code, Column, Number, Value
from mlfast.importers._facts import DEMANDS, Facts
from mlfast.importers._keys import NAN, NONE, Mapping, Missing, Token

Make = Callable[[np.ndarray], spec.Step]


@dataclasses.dataclass(eq=False)
class Growing:
    """A vocabulary to which every reader adds the keys that it knows."""

    keys: dict[str | int | float, int] = dataclasses.field(default_factory=dict)
    knows_none: bool = False  # some encoder tells None from the other values
    finished: spec.Vocabulary | None = None

    def add(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            if not isinstance(token, Missing):
                self.keys.setdefault(token, len(self.keys))


@dataclasses.dataclass(eq=False)
class _Read:
    """A field as a number (`vocabulary` is None) or as a code."""

    field: int
    vocabulary: Growing | None


@dataclasses.dataclass(eq=False)
class _Node:
    """A step to be made when the columns have numbers and the vocabularies are known."""

    make: Make
    inputs: list[Slot]
    n_outputs: int
    refuses: bool


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place that the finished model numbers: an input, or an output of a step."""

    origin: _Read | _Node
    output: int = 0


class Builder:
    """Collects inputs, steps and vocabularies.

    Parameters
    ----------
    names : sequence of str
        Of the fields, in the original's order.
    named : bool
        See `spec.Model`.
    """

    def __init__(self, names: Sequence[str], named: bool) -> None:
        self.names = tuple(names)
        self.named = named
        self._reads: dict[tuple[int, bool], _Read] = {}
        self._nodes: list[_Node] = []
        self._vocabularies: list[Growing] = []
        self._codes: dict[Value | Slot, Code] = {}
        self._numbers: dict[Value, Number] = {}
        self._facts: dict[Slot, Facts] = {}
        self._head_begins: int | None = None  # number of nodes that came before the head's own
        self._checked: dict[Slot, Slot] = {}  # where a column stands after its last check

    def fields(self) -> list[Column]:
        return [Value(field) for field in range(len(self.names))]

    # ------------------------------------------------------------ reading columns

    def as_number(self, column: Column) -> Number:
        """`column` as numbers; the same reading is made once."""
        if isinstance(column, Number):
            return column
        if column not in self._numbers:
            self._numbers[column] = self._read_number(column)
        return self._numbers[column]

    def as_numbers(self, columns: Iterable[Column]) -> list[Number]:
        return [self.as_number(column) for column in columns]

    def as_code(self, column: Column, tokens: Iterable[Token]) -> Code:
        """`column` as codes of a vocabulary that holds at least `tokens`."""
        key = column.slot if isinstance(column, Number) else column
        if key not in self._codes:
            self._codes[key] = self._read_code(column)
        code = self._codes[key]
        tokens = list(tokens)
        code.vocabulary.add(tokens)
        code.vocabulary.knows_none |= NONE in tokens
        return code

    def _read_number(self, column: Value) -> Number:
        if column.source is None:
            read = self._reads.setdefault((column.field, False), _Read(column.field, None))
            return Number(Slot(read))
        source = self.as_number(column.source)
        missing, fill = _number(column.missing), _number(column.fill)
        if missing is None or fill is None:
            # Missing text is no number and NaN refused, or the fill is text and no number.
            return self.check([source], "finite", column.path)[0]
        return self.step(spec.Impute, [source], missing=np.array([missing]), fill=np.array([fill]))[
            0
        ]

    def _read_code(self, column: Column) -> Code:
        if isinstance(column, Number):
            vocabulary = self._vocabulary()

            def lookup(inputs: np.ndarray) -> spec.Step:
                return spec.Lookup(inputs, self._vocabularies.index(vocabulary))

            return Code(Slot(self._node(lookup, [column.slot], 1)), vocabulary)
        if column.source is None:
            vocabulary = self._vocabulary()
            read = self._reads.setdefault((column.field, True), _Read(column.field, vocabulary))
            return Code(Slot(read), vocabulary)
        code = self.as_code(column.source, [column.missing, column.fill])
        return self._recode(code, column)

    def _recode(self, code: Code, column: Value) -> Code:
        """An imputer on categories."""
        missing, fill, vocabulary = column.missing, column.fill, code.vocabulary

        def recode(inputs: np.ndarray) -> spec.Step:
            final = _finished(vocabulary)
            codes = np.arange(final.n_codes)
            raises = np.zeros(final.n_codes, np.uint8)
            fill_code = _code(final, fill)
            if missing is NAN:
                codes[final.nan] = fill_code
                if not vocabulary.knows_none:
                    codes[final.none] = fill_code
            else:  # the original then refuses NaN
                raises[final.nan] = 1
                codes[_code(final, missing)] = fill_code
            return spec.Recode(inputs, raises, column.path, codes)

        refuses = missing is not NAN
        return Code(Slot(self._node(recode, [code.slot], 1, refuses)), vocabulary)

    def _vocabulary(self) -> Growing:
        self._vocabularies.append(Growing())
        return self._vocabularies[-1]

    # ------------------------------------------------------------ adding steps

    def step(
        self,
        cls: type[spec.Step],
        columns: Sequence[Number],
        /,
        *,
        dtype: np.dtype | None = None,
        facts: Sequence[Facts] | None = None,
        refuses: bool = False,
        **params: Any,
    ) -> list[Number]:
        """Add a step of class `cls` over `columns`: one column out for each."""
        if not columns:
            return []
        slots = [column.slot for column in columns]
        node = self._node(lambda inputs: cls(inputs=inputs, **params), slots, len(slots), refuses)
        result = [Number(Slot(node, i), dtype or c.dtype) for i, c in enumerate(columns)]
        for number, known in zip(result, facts or [], strict=bool(facts)):
            self._facts[number.slot] = known
        return result

    def facts(self, column: Number) -> Facts:
        """What is known of the column's numbers."""
        return self._facts.get(column.slot, _facts.NOTHING)

    def check(self, columns: Sequence[Number], kind: str, path: str) -> list[Number]:
        """Refuse what `kind` says, in the columns of which that is not known already."""
        result = [Number(self._checked.get(c.slot, c.slot), c.dtype) for c in columns]
        open_ = [i for i, column in enumerate(result) if not DEMANDS[kind] <= self.facts(column)]
        before = [result[i] for i in open_]
        facts = [self.facts(column) | DEMANDS[kind] for column in before]
        after = self.step(spec.Check, before, facts=facts, refuses=True, kind=kind, step=path)
        for i, column in zip(open_, after, strict=True):
            self._checked |= {columns[i].slot: column.slot, result[i].slot: column.slot}
            result[i] = column
        return result

    def table(
        self,
        code: Code,
        values: Mapping[tuple[float, int]],
        path: str,
        dtype: np.dtype = FLOAT64,
    ) -> Number:
        """Add a `spec.Table`; `values` holds the value and the `raises` of each category."""

        def make(inputs: np.ndarray) -> spec.Step:
            pairs = values.expand(_finished(code.vocabulary))
            return spec.Table(
                inputs,
                np.array([raises for _, raises in pairs], np.uint8),
                path,
                np.array([value for value, _ in pairs], np.float64),
            )

        pairs = [*values.known.values(), values.unknown]
        slot = Slot(self._node(make, [code.slot], 1, any(raises for _, raises in pairs)))
        self._facts[slot] = _facts.of_values(value for value, raises in pairs if raises != 1)
        return Number(slot, dtype)

    def one_hot(
        self,
        code: Code,
        positions: Mapping[tuple[int, int]],
        width: int,
        path: str,
        dtype: np.dtype = FLOAT64,
    ) -> list[Number]:
        """Add a `spec.OneHot`; `positions` holds the position and the `raises` of each category."""

        def make(inputs: np.ndarray) -> spec.Step:
            pairs = positions.expand(_finished(code.vocabulary))
            return spec.OneHot(
                inputs,
                np.array([raises for _, raises in pairs], np.uint8),
                path,
                np.array([position for position, _ in pairs], np.int32),
                width,
            )

        pairs = [*positions.known.values(), positions.unknown]
        node = self._node(make, [code.slot], width, any(raises for _, raises in pairs))
        slots = [Slot(node, i) for i in range(width)]
        self._facts |= dict.fromkeys(slots, _facts.ALL)
        return [Number(slot, dtype) for slot in slots]

    def _node(self, make: Make, inputs: list[Slot], n: int, refuses: bool = False) -> _Node:
        node = _Node(make, inputs, n, refuses)
        self._nodes.append(node)
        return node

    def begin_head(self) -> None:
        """Steps that are added from now on are the head's own (see `spec.Model.head_steps`)."""
        self._head_begins = len(self._nodes)

    @property
    def in_head(self) -> bool:
        """Whether `begin_head` has been called."""
        return self._head_begins is not None

    # ------------------------------------------------------------ the finished model

    def finish(
        self,
        outputs: Sequence[Column],
        names: Sequence[str],
        head: spec.TreeEnsemble | spec.Linear | spec.Network | None = None,
        output: spec.Output | None = None,
        head_inputs: Sequence[Number] = (),
    ) -> spec.Model:
        """The model whose encoded vector is `outputs`; steps that nobody needs are left out.

        `head_inputs` are what the head reads, where it has steps of its own.
        """
        wanted = self.as_numbers(outputs)
        results = [column.slot for column in [*wanted, *head_inputs]]
        nodes = self._needed(results)
        sources = {slot.origin for node in nodes for slot in node.inputs}
        sources |= {slot.origin for slot in results}
        reads = sorted(
            (read for read in self._reads.values() if read in sources),
            key=lambda read: (read.field, read.vocabulary is not None),
        )
        kept = {code.vocabulary for code in self._codes.values() if code.slot.origin in sources}
        self._vocabularies = [v for v in self._vocabularies if v in kept]
        for vocabulary in self._vocabularies:
            vocabulary.finished = spec.Vocabulary(tuple(vocabulary.keys))

        first: dict[_Read | _Node, int] = {read: i for i, read in enumerate(reads)}
        n_columns = len(reads)
        for node in nodes:
            first[node] = n_columns
            n_columns += node.n_outputs

        def numbers(slots: Iterable[Slot]) -> np.ndarray:
            return np.array([first[slot.origin] + slot.output for slot in slots], np.int32)

        own = set() if self._head_begins is None else set(self._nodes[self._head_begins :])
        own_inputs = None
        if head is not None and [c.slot for c in head_inputs] != [c.slot for c in wanted]:
            own_inputs = numbers(column.slot for column in head_inputs)
        return spec.Model(
            fields=tuple(spec.Field(name) for name in self.names),
            named=self.named,
            inputs=tuple(
                spec.Input(
                    read.field,
                    -1 if read.vocabulary is None else self._vocabularies.index(read.vocabulary),
                )
                for read in reads
            ),
            vocabularies=tuple(_finished(v) for v in self._vocabularies),
            steps=tuple(node.make(numbers(node.inputs)) for node in nodes if node not in own),
            outputs=numbers(column.slot for column in wanted),
            output_names=tuple(names),
            head=head,
            output=output,
            head_steps=tuple(node.make(numbers(node.inputs)) for node in nodes if node in own),
            head_inputs=own_inputs,
        )

    def _needed(self, slots: Iterable[Slot]) -> list[_Node]:
        """Steps that the outputs depend on or that can refuse a record, in order."""
        needed = {slot.origin for slot in slots}
        kept = []
        for node in reversed(self._nodes):
            if node.refuses or node in needed:
                needed |= {slot.origin for slot in node.inputs}
                kept.append(node)
        return kept[::-1]


def _finished(vocabulary: Growing) -> spec.Vocabulary:
    if vocabulary.finished is None:
        raise RuntimeError("a vocabulary is read before it is complete")
    return vocabulary.finished


def _code(vocabulary: spec.Vocabulary, token: Token) -> int:
    if isinstance(token, Missing):
        return vocabulary.nan if token is NAN else vocabulary.none
    return vocabulary.keys.index(token)


def _number(token: Token) -> float | None:
    """What a category is as a number, None where it is none."""
    if isinstance(token, Missing):
        return math.nan
    try:
        return float(token)
    except ValueError:
        return None
