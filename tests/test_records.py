"""Every kind of record gives the same answer, and a bad one a clear error."""

import collections
import dataclasses
import decimal
import json
import types

import attrs
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from titanic import passengers, pipeline

import mlfast

FIELDS = {
    "Pclass": int,
    "Sex": str,
    "Age": float,
    "SibSp": int,
    "Parch": int,
    "Fare": float,
    "Cabin": str,
    "Embarked": str,
}
ROWS = passengers().head(50).to_dict("records")


def _mapping(row):
    return types.MappingProxyType(row)


def _structured(row):
    kinds = {int: "i8", float: "f8", str: "U16"}
    dtype = [(name, kinds[kind]) for name, kind in FIELDS.items()]
    return np.array([tuple(row.values())], dtype=dtype)[0]


def _by_properties(row):
    body = {name: property(lambda self, name=name: row[name]) for name in FIELDS}
    return type("Lazy", (), body)()


class _Hooked:
    """Slots, but attribute access of its own: the slots must not be read behind its back."""

    __slots__ = (*FIELDS, "extra")

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        return "S" if name == "Embarked" else value


PLAIN = dataclasses.make_dataclass("Plain", FIELDS.items())
SLOTS = dataclasses.make_dataclass("Slots", FIELDS.items(), slots=True)
FROZEN = dataclasses.make_dataclass("Frozen", FIELDS.items(), slots=True, frozen=True)
CHILD = dataclasses.make_dataclass("Child", [("more", int, 1)], bases=(SLOTS,), slots=True)
NAMED = collections.namedtuple("Named", FIELDS)
SHUFFLED = collections.namedtuple("Shuffled", reversed(FIELDS))
LONGER = collections.namedtuple("Longer", ["PassengerId", *FIELDS])
STRUCT = msgspec.defstruct("Struct", FIELDS.items())
ATTRS = attrs.make_class("Attrs", list(FIELDS), slots=False)
ATTRS_SLOTS = attrs.make_class("AttrsSlots", list(FIELDS), slots=True)
PYDANTIC = pydantic.create_model("Model", **{k: (t, ...) for k, t in FIELDS.items()})

KINDS = {
    "dict": dict,
    "dict with more keys": lambda row: {"PassengerId": 3, **row},
    "dict with keys of its own": lambda row: json.loads(json.dumps(row)),
    "ordered dict": collections.OrderedDict,
    "default dict": lambda row: collections.defaultdict(float, row),
    "mapping": _mapping,
    "tuple": lambda row: tuple(row.values()),
    "list": lambda row: list(row.values()),
    "deque": lambda row: collections.UserList(row.values()),
    "named tuple": lambda row: NAMED(**row),
    "named tuple in another order": lambda row: SHUFFLED(**row),
    "named tuple with more fields": lambda row: LONGER(PassengerId=1, **row),
    "dataclass": lambda row: PLAIN(**row),
    "slotted dataclass": lambda row: SLOTS(**row),
    "frozen slotted dataclass": lambda row: FROZEN(**row),
    "child of a slotted dataclass": lambda row: CHILD(**row),
    "msgspec struct": lambda row: STRUCT(**row),
    "attrs": lambda row: ATTRS(**row),
    "attrs with slots": lambda row: ATTRS_SLOTS(**row),
    "pydantic": lambda row: PYDANTIC(**row),
    "namespace": lambda row: types.SimpleNamespace(**row),
    "properties": _by_properties,
    "series": pd.Series,
    "structured scalar": _structured,
    "object array": lambda row: np.array(list(row.values()), dtype=object),
    "arrow struct": lambda row: pa.scalar(row),
}


@pytest.fixture(scope="module")
def predictor():
    return mlfast.compile(pipeline())


@pytest.fixture(scope="module")
def expected():
    return pipeline().predict_proba(passengers().head(50))[:, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_record(predictor, expected, kind):
    for row, want in zip(ROWS, expected, strict=True):
        assert predictor.positive_proba_one(KINDS[kind](row)) == want


def test_batches_of_records(predictor, expected):
    for kind in ("dict", "slotted dataclass", "tuple", "msgspec struct", "series"):
        records = [KINDS[kind](row) for row in ROWS]
        assert np.array_equal(predictor.predict_proba(records)[:, 1], expected)


def test_kinds_may_change_from_call_to_call(predictor, expected):
    records = [list(KINDS.values())[i % len(KINDS)](row) for i, row in enumerate(ROWS)]
    assert [predictor.positive_proba_one(record) for record in records] == list(expected)


def test_more_types_than_are_remembered(predictor, expected):
    for i in range(600):
        record = dataclasses.make_dataclass(f"R{i}", FIELDS.items(), slots=True)(**ROWS[0])
        assert predictor.positive_proba_one(record) == expected[0]


def test_slots_with_their_own_access(predictor):
    record, plain = _Hooked(), dict(ROWS[0], Embarked="S")
    for name, value in dict(ROWS[0], Embarked="Q").items():
        setattr(record, name, value)
    assert predictor.positive_proba_one(record) == predictor.positive_proba_one(plain)


@pytest.mark.parametrize(
    "value",
    [
        3,
        3.0,
        True,
        np.int8(3),
        np.float32(3),
        np.float64(3),
        np.bool_(True),
        "3",
        decimal.Decimal(3),
    ],
)
def test_numbers_of_any_type(predictor, value):
    plain = dict(ROWS[0], Parch=float(value))
    record = dict(ROWS[0], Parch=value)
    assert predictor.positive_proba_one(record) == predictor.positive_proba_one(plain)


@pytest.mark.parametrize(
    "missing", [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), np.float32("nan")]
)
@pytest.mark.parametrize("field", ["Age", "Sex"])
def test_missing_values_of_any_type(predictor, missing, field):
    plain = dict(ROWS[0], **{field: np.nan})
    record = dict(ROWS[0], **{field: missing})
    assert predictor.positive_proba_one(record) == predictor.positive_proba_one(plain)


@given(st.text(max_size=30))
def test_any_text(predictor, text):
    frame = passengers().head(1).assign(Cabin=pd.Series([text], dtype=object))
    want = pipeline().predict_proba(frame)[0, 1]
    assert predictor.positive_proba_one(dict(ROWS[0], Cabin=text)) == want
    assert predictor.positive_proba_one(dict(ROWS[0], Cabin=np.str_(text))) == want


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Age": "abc"}, r"expected a number, got 'abc' for field 'Age'"),
        ({"Age": b"1"}, r"expected a number, got b'1' for field 'Age'"),
        ({"Age": [1]}, r"expected a number, got \[1\] for field 'Age'"),
        ({"Age": 1j}, r"expected a number, got 1j for field 'Age'"),
        ({"Age": "x" * 500}, r"expected a number, got 'x{70,80}\.\.\. for field 'Age'"),
        ({"Fare": 10**400}, r"expected a number, got 1000.* for field 'Fare'"),
        ({"Fare": float("inf")}, r"number that is finite, got inf for field 'Fare'"),
    ],
)
def test_wrong_values(predictor, change, message):
    for kind in ("dict", "slotted dataclass", "tuple", "dataclass", "list"):
        with pytest.raises(mlfast.RecordError, match=message):
            predictor.predict_one(KINDS[kind](ROWS[0] | change))


def test_missing_fields(predictor):
    short = {name: value for name, value in ROWS[0].items() if name != "Age"}
    lenient = mlfast.compile(pipeline(), missing_fields="nan")
    want = predictor.positive_proba_one(dict(ROWS[0], Age=np.nan))
    slotted = SLOTS(**ROWS[0])
    del slotted.Age
    for record in (short, types.SimpleNamespace(**short), _mapping(short), slotted):
        with pytest.raises(mlfast.RecordError, match="missing field 'Age'"):
            predictor.predict_one(record)
        assert lenient.positive_proba_one(record) == want
    with pytest.raises(ValueError, match="missing_fields"):
        mlfast.compile(pipeline(), missing_fields="zero")


@pytest.mark.parametrize("record", [(1, 2), [1] * 9, (), np.zeros(3)])
def test_wrong_lengths(predictor, record):
    with pytest.raises(mlfast.RecordError, match=r"expected 8 values .* got"):
        predictor.predict_one(record)


@pytest.mark.parametrize(
    "record", [None, 3, 2.5, "text", b"bytes", object(), np.zeros((2, 2)), {1}]
)
def test_not_a_record(predictor, record):
    with pytest.raises(mlfast.RecordError, match="expected"):
        predictor.predict_one(record)


def test_errors_of_the_record_itself_pass(predictor):
    class Broken:
        @property
        def Pclass(self):
            raise RuntimeError("mine")

    for name in FIELDS:
        if name != "Pclass":
            setattr(Broken, name, 1)
    with pytest.raises(RuntimeError, match="mine"):
        predictor.predict_one(Broken())


def test_arrays_of_every_memory():
    """As doubles in place, or as any other array; categories of numbers, too."""
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OrdinalEncoder

    X = np.array([[0.5, 3.0, np.nan], [-0.0, 4.0, np.inf], [5e-324, -0.0, 2.0]])
    known = np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    predictor = mlfast.compile(
        make_column_transformer((encoder, [1]), remainder="passthrough").fit(known)
    )
    frozen = X.copy()
    frozen.flags.writeable = False
    memories = (
        X, frozen, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2],
        X[:, ::-1].copy()[:, ::-1], X.astype(">f8"), X.astype(object),
    )  # fmt: skip
    for row in range(3):
        want = predictor.transform_one(tuple(X[row].tolist()))
        for memory in memories:
            np.testing.assert_array_equal(predictor.transform_one(memory[row]), want)


def test_arrays_of_numbers():
    from sklearn.preprocessing import StandardScaler

    X = np.random.default_rng(0).normal(size=(20, 3))
    scaler = StandardScaler().fit(X)
    predictor = mlfast.compile(scaler)
    for row, want in zip(X, scaler.transform(X), strict=True):
        for record in (
            row,
            row.tolist(),
            tuple(row),
            row[::1].copy(),
            {"x0": row[0], "x1": row[1], "x2": row[2]},
        ):
            assert np.array_equal(predictor.transform_one(record), want)
    out = np.empty(3)
    assert predictor.transform_one(X[0], out=out) is out
    assert np.array_equal(out, scaler.transform(X[:1])[0])
    for bad in (
        np.empty(4),
        np.empty(3, np.float32),
        np.empty((1, 3)),
        [0, 0, 0],
        np.empty(6)[::2],
    ):
        with pytest.raises(ValueError, match="out: expected"):
            predictor.transform_one(X[0], out=bad)
