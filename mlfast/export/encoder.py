"""The encoder's steps as tables of C99, for native/encoders_kernel.c."""

from __future__ import annotations

import dataclasses

import numpy as np

from mlfast import spec
from mlfast.compiler import NativeStep, Plan
from mlfast.export import tables


def source(plan: Plan) -> str:
    """Vocabularies, tables, the list of steps, and what a refusal of each means."""
    parts = [_vocabulary(i, v) for i, v in enumerate(plan.model.vocabularies)]
    steps = []
    for i, step in enumerate(plan.steps):
        if step.table is not None:
            parts.append(tables.array(f"step_{i}_table", step.table.ravel()))
        if step.raises is not None:
            parts.append(tables.array(f"step_{i}_raises", step.raises))
        steps.append(f"    {{ {_fields(i, step)} }},")
    if steps:
        parts.append("static const mlf_step steps[] = {\n" + "\n".join(steps) + "\n};\n")
        messages = ",\n".join(
            f"    {tables.text(message)}" for message in map(_Refusals(plan), range(len(steps)))
        )
        parts.append(f"static const char *const refusals[] = {{\n{messages}\n}};\n")
        parts.append(
            "static const mlf_encoder encoder = "
            f"{{ .steps = steps, .n_steps = {len(steps)}, .n_slots = {plan.n_slots} }};\n"
        )
    return "\n".join(parts)


def _fields(number: int, step: NativeStep) -> str:
    shown = [f".op = MLF_{step.op}", f".in = {step.inp}", f".out = {step.out}"]
    shown.append(f".n_out = {step.n_out}")
    for name in ("flags", "size"):
        if getattr(step, name):
            shown.append(f".{name} = {getattr(step, name)}")
    for name in ("a", "b", "low", "high"):
        value = getattr(step, name)
        if value != 0.0 or np.signbit(value):
            shown.append(f".{name} = {tables.number(value)}")
    if step.table is not None:
        shown.append(f".table = step_{number}_table")
    if step.raises is not None:
        shown.append(f".raises = step_{number}_raises")
    if step.vocabulary >= 0:
        shown.append(f".vocabulary = &vocabulary_{step.vocabulary}")
    return ", ".join(shown)


@dataclasses.dataclass
class _Refusals:
    """What it means that step i refuses a record."""

    plan: Plan

    def __call__(self, number: int) -> str:
        step = self.plan.steps[number]
        if step.op != "CHECK" and step.raises is None:
            return ""
        field, where = self.plan.origins[number]
        name = self.plan.model.fields[field].name if field >= 0 else "an encoded column"
        words = {1: "not NaN", 2: "finite", 4: "not too large for float32"}
        expected = "a known category"
        if step.op == "CHECK":
            expected = "a number that is " + " and ".join(
                text for flag, text in words.items() if step.flags & flag
            )
        return f"expected {expected} for field {name}" + (f" ({where} refuses it)" if where else "")


def _vocabulary(number: int, vocabulary: spec.Vocabulary) -> str:
    """Keys sorted for a binary search, but those that no C value can equal."""
    texts, numbers = [], []
    for code, key in enumerate(vocabulary.keys):
        if isinstance(key, str) and "\0" not in key:
            texts.append((key.encode("utf-8", "surrogatepass"), code))
        elif not isinstance(key, str) and float(key) == key:
            numbers.append((float(key), code))
    name = f"vocabulary_{number}"
    parts, fields = [], [f".n_keys = {len(vocabulary.keys)}"]
    if texts:
        items = (f"{{ {tables.text(text)}, {code} }}" for text, code in sorted(texts))
        parts.append(f"static const text_key {name}_texts[] = {{\n{tables.rows(items)}\n}};\n")
        fields += [f".n_texts = {len(texts)}", f".texts = {name}_texts"]
    if numbers:
        items = (f"{{ {tables.number(value)}, {code} }}" for value, code in sorted(numbers))
        parts.append(f"static const number_key {name}_numbers[] = {{\n{tables.rows(items)}\n}};\n")
        fields += [f".n_numbers = {len(numbers)}", f".numbers = {name}_numbers"]
    parts.append(f"static const mlf_vocabulary {name} = {{ {', '.join(fields)} }};\n")
    return "".join(parts)
