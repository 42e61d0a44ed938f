"""Hypothesis strategies: tables of every kind of column, and fitted pipelines over them."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import reject
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

SPECIAL = (0.0, -0.0, 5e-324, -2.2e-308, 1e-45, 1.0, -1.0, 0.1, 1e300, -1e300, 3.5e38, 16777217.0)
TEXT = ("x", "y", "", "é", "日本語", "🎈", "long " * 40, "1", "nan", "Z", "z\x00z", "None")
UFUNCS = (np.log, np.log1p, np.exp, np.expm1, np.sqrt, np.abs, np.square)


@dataclass(frozen=True)
class Case:
    """A fitted transformer or pipeline, and rows that it has not seen."""

    estimator: Any
    fitted_on: pd.DataFrame
    rows: pd.DataFrame


# ---------------------------------------------------------------- tables


def numbers(rng: np.random.Generator, n: int, gaps: bool, extreme: bool) -> np.ndarray:
    """Float64 values: usual ones, repeated ones, the edges of the format."""
    values = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)
    repeated = rng.random(n) < 0.3
    values[repeated] = np.round(values[repeated])
    special = rng.random(n) < (0.3 if extreme else 0.1)
    pool = SPECIAL if extreme else SPECIAL[:8]
    values[special] = rng.choice(pool, special.sum())
    if gaps:
        values[rng.random(n) < 0.2] = np.nan
    return values


KINDS = (
    "float",
    "float with gaps",
    "int",
    "bool",
    "text",
    "text with None",
    "text with NaN",
    "codes",
)


def column(kind: str, rng: np.random.Generator, n: int, seen: bool) -> pd.Series:
    """A column of a table; unseen ones also hold values that a fit did not see."""
    if kind.startswith("float"):
        values = numbers(rng, n, kind == "float with gaps" or not seen, extreme=not seen)
        if not seen:
            values[rng.random(n) < 0.05] = rng.choice((np.inf, -np.inf))
        return pd.Series(values)
    if kind == "int":
        return pd.Series(rng.integers(-3, 4 if seen else 9, n))
    if kind == "bool":
        return pd.Series(rng.random(n) < 0.5)
    if kind == "codes":
        values = rng.choice((1.0, 2.0, -0.0, 0.5, 1e17, np.nan), n)
        if not seen:
            values[rng.random(n) < 0.2] = rng.choice((3.0, np.inf, 1.0000000000000002))
        return pd.Series(values)
    values = rng.choice(TEXT[: rng.integers(2, 8)] if seen else TEXT, n).astype(object)
    missing = {"text": [], "text with None": [None], "text with NaN": [np.nan]}[kind]
    for value in missing:
        values[rng.random(n) < 0.2] = value
        values[0] = value
    return pd.Series(values, dtype=object)


@st.composite
def tables(draw: st.DrawFn, n: int = 30) -> tuple[dict[str, str], pd.DataFrame, pd.DataFrame]:
    """Kinds of columns by name, a table to fit on, and one with other values."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = {f"{kind} {i}": kind for i, kind in enumerate(kinds)}
    seen = pd.DataFrame({name: column(kind, rng, n, True) for name, kind in names.items()})
    unseen = pd.DataFrame({name: column(kind, rng, 20, False) for name, kind in names.items()})
    return names, seen, unseen


# ---------------------------------------------------------------- transformers

dtypes = st.sampled_from((np.float64, np.float64, np.float32, np.int64, np.int8))


@st.composite
def one_hot_encoders(draw: st.DrawFn) -> OneHotEncoder:
    return OneHotEncoder(
        drop=draw(st.sampled_from((None, None, "first", "if_binary"))),
        sparse_output=draw(st.booleans()),
        dtype=draw(dtypes),
        handle_unknown=draw(st.sampled_from(("error", "ignore", "infrequent_if_exist", "warn"))),
        min_frequency=draw(st.sampled_from((None, None, 2, 4, 0.1))),
        max_categories=draw(st.sampled_from((None, None, 2, 4))),
    )


@st.composite
def ordinal_encoders(draw: st.DrawFn) -> OrdinalEncoder:
    known = draw(st.booleans())
    return OrdinalEncoder(
        dtype=draw(st.sampled_from((np.float64, np.float32))),
        handle_unknown="use_encoded_value" if known else "error",
        unknown_value=draw(st.sampled_from((-1, 100, np.nan))) if known else None,
        encoded_missing_value=draw(st.sampled_from((np.nan, -2))),
        min_frequency=draw(st.sampled_from((None, None, 3))),
        max_categories=draw(st.sampled_from((None, None, 2, 4))),
    )


@st.composite
def number_imputers(draw: st.DrawFn) -> SimpleImputer:
    return SimpleImputer(
        strategy=draw(st.sampled_from(("mean", "median", "most_frequent", "constant"))),
        add_indicator=draw(st.booleans()),
        keep_empty_features=draw(st.booleans()),
        missing_values=draw(st.sampled_from((np.nan, np.nan, np.nan, 0.0))),
    )


@st.composite
def scalers(draw: st.DrawFn) -> Any:
    make = draw(st.sampled_from(range(8)))
    if make == 0:
        return StandardScaler(with_mean=draw(st.booleans()), with_std=draw(st.booleans()))
    if make == 1:
        low = draw(st.sampled_from((0.0, -1.0, 0.1)))
        return MinMaxScaler((low, low + 1.5), clip=draw(st.booleans()))
    if make == 2:
        return MaxAbsScaler()
    if make == 3:
        center, scale = draw(st.booleans()), draw(st.booleans())
        return RobustScaler(with_centering=center, with_scaling=scale)
    if make == 4:
        normal = draw(st.sampled_from(("uniform", "normal")))
        return QuantileTransformer(n_quantiles=draw(st.integers(1, 40)), output_distribution=normal)
    if make == 5:
        return FunctionTransformer(draw(st.sampled_from((None, *UFUNCS))))
    if make == 6:
        return KBinsDiscretizer(
            draw(st.integers(2, 6)),
            encode=draw(st.sampled_from(("ordinal", "onehot", "onehot-dense"))),
            strategy=draw(st.sampled_from(("uniform", "quantile"))),
            dtype=draw(st.sampled_from((None, np.float32))),
        )
    return Normalizer(draw(st.sampled_from(("l1", "l2", "max"))))


@st.composite
def of_numbers(draw: st.DrawFn, depth: int = 1) -> Any:
    """A pipeline over columns of numbers."""
    steps: list[Any] = [draw(number_imputers())] if draw(st.integers(0, 3)) else []
    steps += draw(st.lists(scalers(), max_size=2))
    if depth and draw(st.integers(0, 2)) == 0:
        inner = of_numbers(depth=0)
        parts = [(f"u{i}", draw(inner)) for i in range(draw(st.integers(1, 2)))]
        weights = {"u0": 0.7} if draw(st.integers(0, 3)) == 0 else None
        steps.append(FeatureUnion([*parts, ("p", "passthrough")], transformer_weights=weights))
    return named(steps)


@st.composite
def of_categories(draw: st.DrawFn, text: bool) -> Any:
    """A pipeline over columns of categories."""
    steps: list[Any] = []
    if draw(st.booleans()):
        fill = draw(st.sampled_from(("x", "filled", "é"))) if text else 1
        constant = draw(st.booleans())
        steps.append(
            SimpleImputer(
                strategy="constant" if constant else "most_frequent",
                fill_value=fill if constant else None,
                add_indicator=not text and draw(st.booleans()),
            )
        )
    steps.append(draw(st.one_of(one_hot_encoders(), ordinal_encoders())))
    if draw(st.integers(0, 2)) == 0:
        steps.append(draw(st.sampled_from((MaxAbsScaler(), StandardScaler(with_mean=False)))))
    return named(steps)


def named(steps: list[Any]) -> Any:
    if not steps:
        return "passthrough"
    if len(steps) == 1:
        return steps[0]
    return Pipeline([(f"s{i}", step) for i, step in enumerate(steps)])


@st.composite
def selections(draw: st.DrawFn, chosen: list[str], names: list[str]) -> Any:
    """The same columns, said in one of the ways that a ColumnTransformer knows."""
    indices = [names.index(name) for name in chosen]
    ways = [chosen, indices, [i - len(names) for i in indices], lambda table: chosen]
    ways.append(np.isin(np.arange(len(names)), indices))
    if indices == list(range(indices[0], indices[-1] + 1)):
        ways += [slice(indices[0], indices[-1] + 1), slice(chosen[0], chosen[-1])]
    return draw(st.sampled_from(ways))


@st.composite
def column_transformers(draw: st.DrawFn, kinds: dict[str, str]) -> ColumnTransformer:
    names = list(kinds)
    groups = {
        "number": [n for n in names if kinds[n].split()[0] in ("float", "int", "codes")],
        "text": [n for n in names if kinds[n].startswith("text")],
        "code": [n for n in names if kinds[n] in ("int", "bool", "codes")],
    }
    parts = []
    for group, members in groups.items():
        if not members or draw(st.integers(0, 4)) == 0:
            continue
        chosen = sorted(draw(st.sets(st.sampled_from(members), min_size=1)), key=names.index)
        made = of_numbers() if group == "number" else of_categories(group == "text")
        if group == "code" and len({kinds[c] for c in chosen}) > 1:
            chosen = chosen[:1]
        parts.append((group, draw(made), draw(selections(chosen, names))))
    if not parts:
        reject()
    if draw(st.booleans()) and groups["number"]:
        selector = make_column_selector(dtype_include="float64")
        parts.append(("selector", StandardScaler(), selector))
    plain = not any(kind.startswith("text") for kind in kinds.values())
    return ColumnTransformer(
        parts,
        remainder="passthrough" if plain and draw(st.booleans()) else "drop",
        sparse_threshold=draw(st.sampled_from((0.0, 0.3, 1.0))),
        transformer_weights={parts[0][0]: 1.5} if draw(st.integers(0, 4)) == 0 else None,
        verbose_feature_names_out=draw(
            st.sampled_from((True, True, "{transformer_name}.{feature_name}"))
        ),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A random composition, fitted."""
    kinds, seen, unseen = draw(tables())
    estimator: Any = draw(column_transformers(kinds))
    if draw(st.integers(0, 2)) == 0:
        after = [draw(number_imputers()), draw(scalers())]
        estimator = Pipeline([("columns", estimator), ("numbers", named(after))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(seen)
            estimator.transform(seen)
        except (
            ValueError,
            TypeError,
            OverflowError,
            IndexError,
        ):  # a combination that makes no sense
            reject()
    return Case(estimator, seen, unseen)
