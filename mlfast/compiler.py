"""From `spec.Model` to a plan: slots, native steps, tables.

A plan is what `_core.Predictor` copies into C structs (native/plan.h). Every
column of the model gets a slot, a place in one array of doubles. The encoded
vector is the first slots, so no copy is needed before the head; a chain of
steps on one column works in place.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mlfast import spec


@dataclasses.dataclass(eq=False, repr=False)
class NativeStep:
    """One `mlf_step`; names as in native/plan.h."""

    op: str
    origin: int
    inp: int = 0
    out: int = 0
    n_out: int = 1
    flags: int = 0
    a: float = 0.0
    b: float = 0.0
    low: float = 0.0
    high: float = 0.0
    size: int = 0
    table: np.ndarray | None = None
    raises: np.ndarray | None = None
    vocabulary: int = -1
    ufunc: str = ""


@dataclasses.dataclass(eq=False, repr=False)
class Plan:
    """All that the native side needs, with `origins` for its messages.

    `origins[i]` is, for native step i, the field that its column comes from
    (-1: none) and the path of the estimator that refuses or warns.
    """

    steps: list[NativeStep]
    origins: list[tuple[int, str]]
    n_slots: int
    n_outputs: int
    input_slots: list[int]
    model: spec.Model


def lower(model: spec.Model) -> Plan:
    """Lay out the slots of `model` and list its native steps."""
    columns = _Columns(model)
    steps: list[NativeStep] = []
    origins: list[tuple[int, str]] = []
    first = len(model.inputs)
    for number, step in enumerate(model.steps):
        outputs = range(first, first + step.n_outputs)
        for native in _LOWER[type(step)](step, columns.slots, outputs):
            native.origin = number
            steps.append(native)
            field = columns.field[step.inputs[0]] if step.n_inputs == 1 else -1
            if native.op == "CHECK":
                field = columns.field_of_slot.get(native.inp, -1)
            origins.append((field, getattr(step, "step", "")))
        first += step.n_outputs
    for slot, column in enumerate(model.outputs):
        if columns.slots[column] != slot:  # the same column twice, or out of a one-hot's order
            steps.append(NativeStep("COPY", len(model.steps), columns.slots[column], slot))
            origins.append((-1, ""))
    return Plan(
        steps=steps,
        origins=origins,
        n_slots=columns.n_slots,
        n_outputs=len(model.outputs),
        input_slots=columns.slots[: len(model.inputs)],
        model=model,
    )


class _Columns:
    """Slots of all columns."""

    def __init__(self, model: spec.Model) -> None:
        self.field = [read.field for read in model.inputs]
        self._producer: list[spec.Step | None] = [None] * len(model.inputs)
        for step in model.steps:
            for k in range(step.n_outputs):
                self._producer.append(step)
                one_to_one = step.n_outputs == step.n_inputs
                source = int(step.inputs[k if one_to_one else 0]) if step.n_inputs else -1
                self.field.append(self.field[source] if source >= 0 else -1)
        uses = Counter(int(c) for step in model.steps for c in step.inputs)
        uses.update(int(c) for c in model.outputs)
        self.slots = [-1] * len(self.field)
        self.n_slots = len(model.outputs)
        self._place_outputs(model)
        self._place_rest(model, uses)
        self.field_of_slot = {s: f for s, f in zip(self.slots, self.field, strict=True) if s >= 0}

    def _place_outputs(self, model: spec.Model) -> None:
        """Each output at its place; of a one-hot, all columns or none."""
        wanted: dict[int, int] = {}
        for slot, column in enumerate(model.outputs):
            wanted.setdefault(int(column), slot)
        first = len(model.inputs)
        for step in model.steps:
            block = range(first, first + step.n_outputs)
            first += step.n_outputs
            if isinstance(step, spec.OneHot) and step.width:
                start = wanted.get(block[0])
                if start is None or any(wanted.get(c) != start + c - block[0] for c in block):
                    for column in block:
                        wanted.pop(column, None)
        for column, slot in wanted.items():
            self.slots[column] = slot

    def _place_rest(self, model: spec.Model, uses: Counter[int]) -> None:
        """Backwards: an input used once shares the slot of what is made from it.

        A one-hot's columns stand side by side, so they share none.
        """
        in_block = [isinstance(step, spec.OneHot) for step in self._producer]
        first = len(self.field)
        for step in reversed(model.steps):
            first -= step.n_outputs
            outputs = range(first, first + step.n_outputs)
            if isinstance(step, spec.OneHot):
                if step.width and self.slots[first] < 0:
                    for k, column in enumerate(outputs):
                        self.slots[column] = self.n_slots + k
                    self.n_slots += step.width
                continue
            for column in outputs:
                if self.slots[column] < 0:
                    self.slots[column] = self._new()
            if step.n_inputs != step.n_outputs:
                continue
            for source, column in zip(step.inputs, outputs, strict=True):
                alone = uses[int(source)] == 1 and not in_block[source]
                if self.slots[source] < 0 and alone:
                    self.slots[source] = self.slots[column]
        for column, slot in enumerate(self.slots):
            if slot < 0:
                self.slots[column] = self._new()

    def _new(self) -> int:
        self.n_slots += 1
        return self.n_slots - 1


# ---------------------------------------------------------------- one function a step class

Slots = list[int]
Lowering = Callable[[Any, Slots, range], Iterator[NativeStep]]


def _each(op: str, **params: str) -> Lowering:
    """A native step for every column; `params` maps native names to the spec's arrays."""

    def lowering(step: Any, slots: Slots, outputs: range) -> Iterator[NativeStep]:
        for i, (source, column) in enumerate(zip(step.inputs, outputs, strict=True)):
            values: Any = {name: float(getattr(step, field)[i]) for name, field in params.items()}
            yield NativeStep(op, -1, slots[source], slots[column], **values)

    return lowering


def _multiply_add(step: spec.MultiplyAdd, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    for native in _each("MULTIPLY_ADD", a="factor", b="offset", low="low", high="high")(
        step, slots, outputs
    ):
        if native.low > -np.inf or native.high < np.inf:
            native.op = "MULTIPLY_ADD_CLIP"
        yield native


def _missing_or_nan(op: str, **params: str) -> Lowering:
    """Steps with a `missing` value: a variant of its own for NaN."""
    each = _each(op, a="missing", **params)

    def lowering(step: Any, slots: Slots, outputs: range) -> Iterator[NativeStep]:
        for native in each(step, slots, outputs):
            if np.isnan(native.a):
                native.op = f"{op}_NAN"
            yield native

    return lowering


def _ufunc(step: spec.Ufunc, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    exact = step.name in ("sqrt", "abs", "square")  # the same in C as in NumPy
    for native in _each(step.name.upper() if exact else "UFUNC")(step, slots, outputs):
        native.ufunc = step.name
        yield native


def _quantile(step: spec.Quantile, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    for i, native in enumerate(_each("QUANTILE")(step, slots, outputs)):
        q, references = step.quantiles[i], step.references
        first = np.flatnonzero(np.concatenate(([True], q[1:] != q[:-1])))
        last = np.concatenate((first[1:] - 1, [len(q) - 1]))
        u, left, right = q[first], references[last], references[first]
        at = 0.5 * (left + right)
        if not step.normal:  # scikit-learn sets the bounds themselves last
            at[-1], at[0] = 1.0, at[0]
            at[0] = 0.0
        with np.errstate(all="ignore"):
            slope = (right[1:] - left[:-1]) / (u[1:] - u[:-1])
        pad = [np.nan]
        native.table = np.concatenate(
            (u, at, slope, pad, left, right[1:], pad)  # five rows of len(u)
        )
        native.size = len(u)
        native.a, native.b = float(references[0]), float(references[-1])
        if np.isnan(u).any():
            native.a = native.b = np.nan
        native.flags = int(step.normal)
        native.low, native.high = _NORMAL_CLIP
        yield native


# scikit-learn clips the normal output to ppf(1e-7 - eps) and ppf(1 - (1e-7 - eps)).
_NORMAL_CLIP = (-5.199337582605575, 5.19933758270342)


def _digitize(step: spec.Digitize, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    for i, native in enumerate(_each("DIGITIZE")(step, slots, outputs)):
        native.table = step.edges[step.offsets[i] : step.offsets[i + 1]]
        native.size = len(native.table)
        yield native


def _normalize(step: spec.Normalize, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    table = [slots[c] for c in step.inputs] + [slots[c] for c in outputs]
    if step.n_inputs:
        yield NativeStep(
            "NORMALIZE",
            -1,
            size=step.n_inputs,
            flags=spec.steps.NORMS.index(step.norm) + 4 * step.sequential,
            table=np.array(table, dtype=np.int32),
        )


_CHECK_FLAGS = {"finite": 1 | 2, "no_infinity": 2, "float32": 2 | 4, "float32_no_nan": 1 | 2 | 4}


def _check(step: spec.Check, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    for source, column in zip(step.inputs, outputs, strict=True):
        yield NativeStep("CHECK", -1, slots[source], flags=_CHECK_FLAGS[step.kind])
        if slots[source] != slots[column]:
            yield NativeStep("COPY", -1, slots[source], slots[column])


def _lookup(step: spec.Lookup, slots: Slots, outputs: range) -> Iterator[NativeStep]:
    for native in _each("LOOKUP")(step, slots, outputs):
        native.vocabulary = step.vocabulary
        yield native


def _from_code(op: str, table: str, dtype: Any) -> Lowering:
    def lowering(step: Any, slots: Slots, outputs: range) -> Iterator[NativeStep]:
        raises = step.raises if np.any(step.raises) else None
        yield NativeStep(
            op,
            -1,
            slots[step.inputs[0]],
            slots[outputs[0]] if len(outputs) else 0,
            n_out=len(outputs),
            table=np.ascontiguousarray(getattr(step, table), dtype=dtype),
            size=step.n_codes,
            raises=raises,
        )

    return lowering


_LOWER: dict[type[spec.Step], Lowering] = {
    spec.ShiftDivide: _each("SHIFT_DIVIDE", a="shift", b="scale"),
    spec.MultiplyAdd: _multiply_add,
    spec.Ufunc: _ufunc,
    spec.Impute: _missing_or_nan("IMPUTE", b="fill"),
    spec.Indicator: _missing_or_nan("INDICATE"),
    spec.Missing: _each("MISSING", a="value"),
    spec.Constant: _each("CONSTANT", a="value"),
    spec.Round: _each("ROUND"),
    spec.Quantile: _quantile,
    spec.Digitize: _digitize,
    spec.Normalize: _normalize,
    spec.Check: _check,
    spec.Lookup: _lookup,
    spec.Recode: _from_code("RECODE", "codes", np.float64),
    spec.Table: _from_code("TABLE", "values", np.float64),
    spec.OneHot: _from_code("ONE_HOT", "positions", np.int32),
}
