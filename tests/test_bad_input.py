"""Whatever cannot be read is refused with words; nothing crashes and nothing is guessed."""

import math
import re
import types

import numpy as np
import pandas as pd
import pytest
from passengers import FIELDS, Passenger, frame, pipeline, predictor, records
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import mlfast


def record(**changes):
    return records(1)[0] | changes


def refuses(message, function, *arguments):
    with pytest.raises(mlfast.RecordError, match=message) as caught:
        function(*arguments)
    assert isinstance(caught.value, ValueError)


SHAPES = {
    "dict": dict,
    "slots": lambda values: Passenger(**values),
    "attributes": lambda values: types.SimpleNamespace(**values),
    "tuple": lambda values: tuple(values[name] for name in FIELDS),
    "list": lambda values: [values[name] for name in FIELDS],
    "series": lambda values: pd.Series(values, dtype=object),
    "mapping": types.MappingProxyType,
}


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


def test_a_good_record_of_every_shape(shape):
    expected = pipeline().predict(frame(1))[0]
    assert predictor().predict_one(shape(record())) == expected


@pytest.mark.parametrize("value", ["abc", b"3", [1], {}, object(), 1j, "", np.zeros(2)])
def test_a_number_that_is_none(shape, value):
    refuses(
        r"expected a number, got .+ for field 'Age'",
        predictor().predict_one,
        shape(record(Age=value)),
    )


def test_a_huge_integer(shape):
    refuses("Age", predictor().predict_one, shape(record(Age=10**400)))


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, None])
def test_what_the_model_refuses(shape, value):
    """The model takes neither NaN nor infinity; MinMaxScaler passes NaN on."""
    table = frame(1).assign(Age=value)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        pipeline().predict(table)
    refuses("'Age'", predictor().predict_one, shape(record(Age=value)))


def test_an_unknown_category_where_the_original_raises(shape):
    with pytest.raises(ValueError, match="unknown categories"):
        pipeline().predict(frame(1).assign(Sex="other"))
    message = r"expected a known category, got 'other' for field 'Sex'"
    refuses(message, predictor().predict_one, shape(record(Sex="other")))


@pytest.mark.parametrize("value", ["C" * 100_000, "Ω", "C\0", "", "\ud800", 3, 2.5, True, (1, 2)])
def test_an_unknown_category_where_the_original_goes_on(shape, value):
    if shape is not SHAPES["series"] or not isinstance(value, tuple):
        answer = predictor().transform_one(shape(record(Cabin=value)))
        assert answer[-1] == -1.0


def test_a_missing_field():
    for name in FIELDS:
        values = record()
        del values[name]
        refuses(f"missing field '{name}'", predictor().predict_one, values)
        refuses(f"missing field '{name}'", predictor().predict_one, types.SimpleNamespace(**values))
        refuses(f"missing field '{name}'", predictor().predict_one, types.MappingProxyType(values))


def test_missing_fields_as_nan():
    values = record()
    del values["Cabin"]
    lenient = mlfast.compile(pipeline(), missing_fields="nan")
    assert lenient.transform_one(values)[-1] == -1.0
    with pytest.raises(ValueError, match="missing_fields"):
        mlfast.compile(pipeline(), missing_fields="none")


@pytest.mark.parametrize("n", [0, 4, 6])
def test_too_few_or_too_many_values(n):
    values = [*record().values(), "more"][:n]
    for kind in (tuple, list):
        refuses(f"expected 5 values.*got {n}", predictor().predict_one, kind(values))


@pytest.mark.parametrize(
    "value",
    [None, 3, 2.5, "text", b"bytes", object(), np.float64(3), np.zeros((5, 5)), np.array(3)],
)
def test_what_is_no_record(value):
    refuses("expected", predictor().predict_one, value)


def test_a_record_whose_own_code_fails():
    class Failing:
        Pclass, Fare, Sex, Cabin = 1, 2.0, "male", "C1"

        @property
        def Age(self):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        predictor().predict_one(Failing())


def test_errors_do_not_spoil_what_follows(shape):
    good = shape(record())
    expected = predictor().predict_one(good)
    for _ in range(100):
        with pytest.raises(mlfast.RecordError):
            predictor().predict_one(shape(record(Age="abc")))
        assert predictor().predict_one(good) == expected


# ---------------------------------------------------------------- tables


def test_missing_columns():
    refuses(
        "missing columns 'Age', 'Cabin'|'Age'",
        predictor().predict,
        frame().drop(columns=["Age", "Cabin"]),
    )


def test_duplicate_columns():
    table = frame()
    refuses(
        "duplicate columns 'Age'", predictor().predict, pd.concat([table, table[["Age"]]], axis=1)
    )


def test_other_columns_and_another_order_do_not_matter():
    table = frame()
    expected = pipeline().predict(table)
    shuffled = table[FIELDS[::-1]].assign(extra="x")
    np.testing.assert_array_equal(predictor().predict(shuffled), expected)


def test_no_rows():
    with pytest.raises(ValueError, match="0 sample"):
        pipeline().predict(frame().iloc[:0])
    for empty in (frame().iloc[:0], [], {name: [] for name in FIELDS}):
        refuses("at least one row", predictor().predict, empty)


def test_wrong_dtypes():
    refuses("'Age'", predictor().predict, frame().assign(Age="abc"))
    refuses("'Age'", predictor().predict, frame().assign(Age=pd.Timestamp("2020-01-01")))
    refuses("'Age'", predictor().predict, frame().assign(Age=1j))


def test_a_column_of_mixed_objects():
    table = frame(4)
    mixed = table.assign(Age=np.array([1, 2.5, np.float32(3), True], dtype=object))
    np.testing.assert_array_equal(
        predictor().predict_proba(mixed),
        predictor().predict_proba(table.assign(Age=[1.0, 2.5, 3.0, 1.0])),
    )
    refuses("row 1.*'Age'", predictor().predict, table.assign(Age=[1, "abc", 2, 3]))
    refuses("expected a number.*'x'.*'Age'", predictor().predict, [record(), record(Age="x")])


def test_refused_rows_are_named():
    table = frame(5)
    table.loc[3, "Sex"] = "other"
    refuses(r"'Sex'.*row 3|row 3.*'Sex'", predictor().predict, table)


@pytest.mark.parametrize("table", [None, 3, "text", np.zeros(5), np.zeros((2, 5, 1)), object()])
def test_what_is_no_table(table):
    refuses("expected", predictor().predict, table)


def test_columns_of_different_lengths():
    table = {name: list(column) for name, column in frame(4).items()}
    table["Age"] = table["Age"][:3]
    refuses("one length|shape", predictor().predict, table)


@pytest.mark.parametrize("n", [0, -1, 1.5, None, "2"])
def test_wrong_thread_counts(n):
    with pytest.raises((ValueError, TypeError), match="n_threads"):
        predictor().predict(frame(), n_threads=n)


@pytest.mark.parametrize(
    "out",
    [np.zeros(3), np.zeros(6, np.float32), np.zeros((6, 1)), np.zeros(12)[::2], [0.0] * 6, "row"],
)
def test_wrong_output_buffers(out):
    with pytest.raises(ValueError, match="out: expected"):
        predictor().transform_one(record(), out=out)


def test_a_read_only_output_buffer():
    out = np.zeros(len(predictor().get_feature_names_out()))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out: expected a writable"):
        predictor().transform_one(record(), out=out)


# ---------------------------------------------------------------- estimators


@pytest.mark.parametrize(
    "estimator",
    [
        StandardScaler(),
        RandomForestClassifier(),
        make_pipeline(StandardScaler(), RandomForestClassifier()),
    ],
    ids=["transformer", "model", "pipeline"],
)
def test_unfitted_estimators(estimator):
    with pytest.raises(mlfast.NotFittedError, match="fit"):
        mlfast.compile(estimator)


def test_unsupported_steps_are_named_by_path_and_class():
    X, y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
    for estimator, named in (
        (make_pipeline(PolynomialFeatures(), RandomForestClassifier(2)), "polynomialfeatures"),
        (make_pipeline(StandardScaler(), BaggingClassifier(n_estimators=2)), "baggingclassifier"),
    ):
        with pytest.raises(mlfast.UnsupportedError, match=rf"pipeline\.{named}.*") as caught:
            mlfast.compile(estimator.fit(X, y))
        assert re.search("PolynomialFeatures|BaggingClassifier", str(caught.value))


@pytest.mark.parametrize("estimator", [None, 3, object(), {}, RandomForestClassifier, len])
def test_what_is_no_estimator(estimator):
    with pytest.raises((mlfast.UnsupportedError, mlfast.NotFittedError)):
        mlfast.compile(estimator)


def test_files_that_are_no_model(tmp_path):
    for name, content in (
        ("a.json", b"{}"),
        ("a.txt", b"tree"),
        ("a.bin", b"\0" * 100),
        ("a", b""),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(mlfast.ModelFileError, match=re.escape(name)):
            mlfast.compile(path)
        with pytest.raises(mlfast.ModelFileError, match=re.escape(name)):
            mlfast.load(path)
