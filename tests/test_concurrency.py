"""One predictor, many threads, processes and copies: the same bits."""

import concurrent.futures
import copy
import gc
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from passengers import FIELDS, Passenger, frame, pipeline, predictor, records

import mlfast


def answers(model, rows):
    return [list(model.predict_proba_one(row).values()) for row in rows]


@pytest.fixture(scope="module")
def expected():
    return predictor().predict_proba(frame()).tolist()


def shapes():
    rows = records()
    return [
        rows,
        [Passenger(**row) for row in rows],
        [tuple(row.values()) for row in rows],
        [list(row.values()) for row in rows],
    ]


def test_eight_threads_at_once(expected):
    """All shapes of record in turn, so that the cache of record types is fought for."""
    model, barrier = mlfast.compile(pipeline()), threading.Barrier(8)

    def work(number):
        barrier.wait()
        kinds = shapes()
        for turn in range(20):
            assert answers(model, kinds[(number + turn) % len(kinds)]) == expected
            assert model.predict_proba(frame(), n_threads=2).tolist() == expected
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 511, 512, 513, 2000])
def test_any_number_of_threads_and_rows(n_threads, n):
    table = frame(n, seed=n)
    expected = predictor().predict_proba(table)
    np.testing.assert_array_equal(predictor().predict_proba(table, n_threads=n_threads), expected)
    np.testing.assert_array_equal(expected, answers(predictor(), records(n, seed=n)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_fork(expected):
    assert predictor().predict_proba(frame(), n_threads=2).tolist() == expected  # starts the pool
    child = os.fork()
    if child == 0:
        code = 1
        try:
            same = answers(predictor(), records()) == expected
            threaded = predictor().predict_proba(frame(), n_threads=2).tolist() == expected
            code = 0 if same and threaded else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert predictor().predict_proba(frame(), n_threads=2).tolist() == expected


def _in_child(model):
    return answers(model, records())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_in_another_process(method, expected):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(method)
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(_in_child, predictor()).result(timeout=60) == expected


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol, expected):
    model = mlfast.compile(pipeline(), missing_fields="nan")
    again = pickle.loads(pickle.dumps(model, protocol))
    assert answers(again, records()) == expected
    assert again.predict_one(
        {name: value for name, value in records(1)[0].items() if name != "Cabin"}
    )
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.feature_names_in_.tolist() == FIELDS


def test_copies(expected):
    for again in (copy.copy(predictor()), copy.deepcopy(predictor())):
        assert answers(again, records()) == expected


def test_a_damaged_pickle_is_refused():
    data = bytearray(pickle.dumps(predictor()))
    data[len(data) // 2] ^= 1
    with pytest.raises(
        (mlfast.ModelFileError, pickle.UnpicklingError, UnicodeDecodeError, EOFError)
    ):
        pickle.loads(bytes(data))


def test_saved_and_loaded_elsewhere(tmp_path, expected):
    path = tmp_path / "model.mlfast"
    predictor().save(path)
    assert answers(mlfast.load(path), records()) == expected
    code = """
import json, sys, mlfast
model = mlfast.load(sys.argv[1])
answers = [list(model.predict_proba_one(row).values()) for row in json.load(sys.stdin)]
print(json.dumps([answers, sorted({"sklearn", "pandas", "scipy", "treelite"} & set(sys.modules))]))
"""

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        input=json.dumps(records()),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [expected, []]


def test_nothing_leaks():
    """Calls and refused calls leave no object behind."""
    rows = [Passenger(**row) for row in records(50)]
    bad = Passenger(1, "abc", 2.0, "male", "C1")

    def work():
        for row in rows:
            predictor().predict_proba_one(row)
            predictor().predict_one(row)
            try:
                predictor().predict_one(bad)
            except mlfast.RecordError:
                continue
            pytest.fail("not refused")

    work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(20):
        work()
    gc.collect()
    assert sys.getallocatedblocks() - before < 500


def test_threads_are_there_with_the_package():
    code = "import mlfast; t = mlfast.threads; t.set_num_threads(1); print(t.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
