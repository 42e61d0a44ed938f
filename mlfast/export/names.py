"""C identifiers of fields, and the type that a record has for each."""

from __future__ import annotations

import dataclasses
import re

from mlfast import spec

_KEYWORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef
    union unsigned void volatile while bool true false nullptr constexpr alignas alignof
    static_assert typeof class new delete this template operator private public protected
    friend virtual try catch throw using namespace explicit typename""".split()  # noqa: SIM905
)


@dataclasses.dataclass(frozen=True)
class Member:
    """A member of the record struct: a field that the model reads."""

    field: int
    title: str
    identifier: str
    kind: str  # "number", "text" or "value": either


def members(model: spec.Model) -> list[Member]:
    """The members of `model`'s record, in the order of the fields; those not read are left out."""
    kinds: dict[int, set[str]] = {}
    for read in model.inputs:
        kinds.setdefault(read.field, set()).update(_kinds(model, read))
    found: list[Member] = []
    taken: set[str] = set()
    for field in sorted(kinds):
        title = model.fields[field].name
        identifier = name = _identifier(title)
        count = 2
        while identifier in taken:
            identifier = f"{name}_{count}"
            count += 1
        taken.add(identifier)
        kind = "value" if len(kinds[field]) > 1 else min(kinds[field])
        found.append(Member(field, title, identifier, kind))
    return found


def _kinds(model: spec.Model, read: spec.Input) -> set[str]:
    """What this input can be told apart by: numbers, texts, or both."""
    if read.vocabulary < 0:
        return {"number"}
    keys = model.vocabularies[read.vocabulary].keys
    return {"text" if isinstance(key, str) else "number" for key in keys} or {"text"}


def _identifier(title: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", title) or "field"
    if name[0].isdigit():
        name = f"x{name}"
    return f"{name}_" if name in _KEYWORDS else name
