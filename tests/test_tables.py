"""Every kind of table gives the same answer, and a bad one a clear error."""

import tracemalloc
from collections import deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from titanic import passengers, pipeline

import mlfast

FRAME = passengers()


def _unordered_with_more(frame):
    more = frame.assign(Name="x", Ticket=1)
    return more[sorted(more.columns)]


def _structured(frame):
    kinds = {"Sex": "U6", "Cabin": "U16", "Embarked": "U1"}
    return frame.to_records(index=False, column_dtypes=kinds).view(np.ndarray)


TABLES = {
    "frame": lambda frame: frame,
    "more columns, another order": _unordered_with_more,
    "text as str dtype": lambda frame: frame.astype({"Sex": "str", "Cabin": "str"}),
    "text as category": lambda frame: frame.astype({"Sex": "category", "Cabin": "category"}),
    "numbers as objects": lambda frame: frame.astype(object),
    "nullable dtypes": lambda frame: frame.convert_dtypes(),
    "rows picked": lambda frame: frame.iloc[::-1].iloc[::-1],
    "object array": lambda frame: frame.to_numpy(dtype=object),
    "dict of arrays": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "dict of lists": lambda frame: frame.to_dict("list"),
    "dict of series": lambda frame: dict(frame.items()),
    "list of dicts": lambda frame: frame.to_dict("records"),
    "list of tuples": lambda frame: list(frame.itertuples(index=False, name=None)),
    "structured array": _structured,
    "polars": lambda frame: pl.from_pandas(frame),
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(
        pl.col("Cabin").cast(pl.Categorical)
    ),
    "arrow table": pa.Table.from_pandas,
    "arrow batch": pa.RecordBatch.from_pandas,
    "arrow dictionary": lambda frame: pa.Table.from_pandas(frame.astype({"Cabin": "category"})),
}


@pytest.fixture(scope="module")
def predictor():
    return mlfast.compile(pipeline())


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table(predictor, kind):
    got = predictor.predict_proba(TABLES[kind](FRAME))
    assert got.dtype == np.float32
    assert np.array_equal(got, pipeline().predict_proba(FRAME))


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("n_rows", [1, 2, 63, 64, 65, 511, 512, 513, 1500])
def test_threads_and_sizes(predictor, n_threads, n_rows):
    frame = pd.concat([FRAME] * 5, ignore_index=True).head(n_rows)
    want = pipeline().predict_proba(frame)
    assert np.array_equal(predictor.predict_proba(frame, n_threads=n_threads), want)
    assert np.array_equal(predictor.predict(frame, n_threads=n_threads), pipeline().predict(frame))


def test_all_answers(predictor):
    report = predictor.verify(pipeline(), FRAME)
    assert set(report.max_ulp.values()) == {0}
    assert "predict_proba: bit for bit" in str(report)
    assert np.array_equal(
        predictor.apply(FRAME), pipeline()[-1].apply(pipeline()[:-1].transform(FRAME))
    )


def test_verify_finds_a_difference(predictor):
    from xgboost import XGBClassifier

    other = pipeline()[:-1].fit_transform(FRAME)
    model = XGBClassifier(n_estimators=2).fit(other, np.arange(len(FRAME)) % 2)
    original = type(pipeline())([("encode", pipeline()[0]), ("model", model)])
    with pytest.raises(mlfast.ParityError, match=r"predict.*row \d+: expected"):
        predictor.verify(original, FRAME)


@pytest.mark.parametrize(
    "dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1", ">f8"]
)
@pytest.mark.parametrize("order", ["C", "F", "sliced", "reversed"])
def test_arrays(dtype, order):
    from sklearn.preprocessing import MaxAbsScaler

    X = np.random.default_rng(0).integers(0, 2, (70, 6)).astype(dtype)
    X = {"C": X, "F": np.asfortranarray(X), "sliced": X[::2, ::2], "reversed": X[::-1, ::-1]}[order]
    scaler = MaxAbsScaler().fit(np.arange(1.0, X.shape[1] + 1)[None])
    want = scaler.transform(X.astype(np.float64))
    assert np.array_equal(mlfast.compile(scaler).transform(X), want)


def test_read_only_tables_stay_as_they_are(predictor):
    frame = FRAME.copy()
    predictor.predict(frame)
    pd.testing.assert_frame_equal(frame, FRAME)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FRAME.drop(columns=["Age", "Sex"]), "missing columns .*'Sex'"),
        (pd.concat([FRAME, FRAME[["Age"]]], axis=1), "duplicate columns 'Age'"),
        (FRAME.head(0), "at least one row"),
        ([], "at least one row"),
        (FRAME.assign(Age="abc"), r"row 0: expected a number, got 'abc' for field 'Age'"),
        (FRAME.assign(Fare=np.inf), r"finite, got inf for field 'Fare' in row 0"),
        (FRAME.assign(Age=pd.Timestamp("2020-01-01")), "column 'Age': expected numbers"),
        (FRAME.to_numpy(dtype=object)[:, :4], "expected 8 columns, got 4"),
        (np.zeros(8), r"expected a 2-d array"),
        (np.zeros((2, 8, 2)), r"expected a 2-d array"),
        (FRAME.to_dict("list") | {"Age": [1.0]}, "columns of one length"),
        (3, "expected a 2-d array, a pandas"),
        ("text", "expected a 2-d array, a pandas"),
        (None, "expected a 2-d array, a pandas"),
        ([{"Sex": "male"}], "missing field"),
    ],
)
def test_bad_tables(predictor, table, message):
    with pytest.raises(mlfast.RecordError, match=message):
        predictor.predict(table)


def test_sparse_tables_are_refused(predictor):
    import scipy.sparse

    with pytest.raises(mlfast.RecordError, match="sparse"):
        predictor.predict(scipy.sparse.csr_matrix(np.zeros((2, 8))))


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2"])
def test_bad_thread_counts(predictor, n_threads):
    with pytest.raises(ValueError, match="n_threads: expected an int >= 1"):
        predictor.predict(FRAME, n_threads=n_threads)


def test_missing_columns_as_nan():
    lenient = mlfast.compile(pipeline(), missing_fields="nan")
    want = pipeline().predict_proba(FRAME.assign(Age=np.nan))
    assert np.array_equal(lenient.predict_proba(FRAME.drop(columns="Age")), want)


def test_methods_that_the_original_lacks():
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    X = np.random.default_rng(0).normal(size=(20, 2))
    regression = mlfast.compile(LinearRegression().fit(X, X[:, 0]))
    scaler = mlfast.compile(StandardScaler().fit(X))
    for call in (regression.predict_proba, scaler.predict, scaler.decision_function, scaler.apply):
        with pytest.raises(AttributeError):
            call(X)
    for call in (
        regression.predict_proba_one,
        regression.positive_proba_one,
        scaler.predict_one,
        scaler.decision_function_one,
    ):
        with pytest.raises(AttributeError, match="_one: the"):
            call(X[0])
    with pytest.raises(AttributeError, match="no classes"):
        regression.classes_  # noqa: B018
    with pytest.raises(AttributeError, match="without feature names"):
        scaler.feature_names_in_  # noqa: B018


@pytest.mark.parametrize("kind", ["array", "fortran", "strided", "frame", "objects", "records"])
def test_memory_does_not_grow_with_the_table(kind):
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 10))
    model = ensemble.HistGradientBoostingRegressor(max_iter=3).fit(X[:500], X[:500, 0])
    predictor = mlfast.compile(model)
    tables = {
        "array": lambda: X,
        "fortran": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        "frame": lambda: pd.DataFrame(X),
        "objects": lambda: X.astype(object),
        "records": lambda: list(map(tuple, X.tolist())),
    }
    table = tables[kind]()
    want = predictor.predict(X)
    tracemalloc.start()
    got = predictor.predict(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.tobytes() == want.tobytes()
    assert peak < got.nbytes + X.nbytes / 2


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_first_refused_row_is_named(n_threads):
    linear = pytest.importorskip("sklearn.linear_model")
    X = np.random.default_rng(0).normal(size=(3000, 3))
    predictor = mlfast.compile(linear.LinearRegression().fit(X, X[:, 0]))
    X[[1700, 1701, 2900], 1] = np.nan
    for table in (X, pd.DataFrame(X), pd.DataFrame(X).astype(object), X.tolist()):
        with pytest.raises(mlfast.RecordError, match="in row 1700 "):
            predictor.predict(table, n_threads=n_threads)


@pytest.mark.parametrize("n_rows", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("kind", [list, tuple, "sequence"])
def test_a_few_records(predictor, kind, n_rows):
    frame = FRAME.sample(n_rows, random_state=n_rows)
    records = frame.to_dict("records")
    records = deque(records) if kind == "sequence" else kind(records)
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        answer = getattr(predictor, method)
        assert answer(records).tobytes() == answer(frame).tobytes()
        assert answer(records).dtype == answer(frame).dtype


def test_first_refused_of_a_few_records_is_named():
    linear = pytest.importorskip("sklearn.linear_model")
    X = np.random.default_rng(0).normal(size=(12, 3))
    predictor = mlfast.compile(linear.LinearRegression().fit(X, X[:, 0]))
    X[[7, 9], 1] = np.nan
    for records in (X.tolist(), X[7:].tolist()):
        with pytest.raises(mlfast.RecordError, match=f"in row {len(records) - 5} "):
            predictor.predict(records)


def test_a_few_records_that_cannot_be_read(predictor):
    records = FRAME.head(4).to_dict("records")
    del records[2]["Fare"]
    with pytest.raises(mlfast.RecordError, match="Fare"):
        predictor.predict(records)


class Changing(list):
    """Says one length, and gives so many records more."""

    more = 0

    def __iter__(self):
        return iter((list(super().__iter__()) * 2)[: len(self) + self.more])


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("n", [2, 16, 17, 300])
def test_records_that_change_while_they_are_read(predictor, n, more):
    records = Changing(FRAME.head(n).to_dict("records"))
    records.more = more
    with pytest.raises(ValueError, match="grew" if more > 0 else "shrank"):
        predictor.predict(records)
