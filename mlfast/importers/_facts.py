"""What may be known of a column's numbers, so that nothing is checked twice."""

from __future__ import annotations

import math
from collections.abc import Iterable

Facts = frozenset[str]

NO_NAN, NO_INFINITY, IN_FLOAT32 = "no NaN", "no infinity", "within float32"
NO_NEGATIVE_ZERO = "no -0.0"

#: What each kind of `spec.Check` demands, and so establishes.
DEMANDS: dict[str, Facts] = {
    "finite": frozenset({NO_NAN, NO_INFINITY}),
    "no_infinity": frozenset({NO_INFINITY}),
    "float32": frozenset({NO_INFINITY, IN_FLOAT32}),
    "float32_no_nan": frozenset({NO_NAN, NO_INFINITY, IN_FLOAT32}),
}
NOTHING: Facts = frozenset()
BOUNDED = DEMANDS["float32"]
ALL = DEMANDS["float32_no_nan"] | {NO_NEGATIVE_ZERO}

_FLOAT32_MAX = 3.4028234663852886e38


def of_values(values: Iterable[float]) -> Facts:
    """What is known of a column that holds one of `values`."""
    facts = set(ALL)
    for value in values:
        if math.isnan(value):
            facts.discard(NO_NAN)
        elif abs(value) > _FLOAT32_MAX:
            facts.discard(IN_FLOAT32)
            if math.isinf(value):
                facts.discard(NO_INFINITY)
        elif value == 0 and math.copysign(1.0, value) < 0:
            facts.discard(NO_NEGATIVE_ZERO)
    return frozenset(facts)


def of_imputed(before: Facts, missing: float, fill: float) -> Facts:
    """What is known after `fill` has taken the place of `missing`."""
    if math.isnan(missing):
        before |= {NO_NAN}
    return before & of_values([fill])
