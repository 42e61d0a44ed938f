"""Random fitted compositions against the original's `transform`, bit for bit.

Three evaluations meet: the original on every row, the steps' formulas in plain
Python, and the compiled predictor, which gets records and tables.
"""

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import encoder_reference
from hypothesis import HealthCheck, Phase, given, settings
from strategies import Case, cases

import mlfast
from mlfast.errors import RecordError, UnsupportedError
from mlfast.importers import import_model

QUICK = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
)
THOROUGH = settings(QUICK, max_examples=2000)


def original(estimator: Any, row: Any) -> np.ndarray | None:
    """What the original makes of one row; None where it refuses it."""
    with np.errstate(all="ignore"):
        try:
            result = estimator.transform(row)
        except ValueError:
            return None
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result, np.float64)[0]


def refused(function: Any, *args: Any) -> np.ndarray | None:
    try:
        return function(*args)
    except RecordError:
        return None


def same_bits(want: np.ndarray | None, got: np.ndarray | None) -> bool:
    if want is None or got is None:
        return want is got
    return np.array_equal(bits(want), bits(got))


def bits(values: np.ndarray) -> np.ndarray:
    """Bit patterns, one for all NaN."""
    return np.where(np.isnan(values), np.nan, values).view(np.int64)


def check(case: Case) -> None:
    try:
        model = import_model(case.estimator)
    except UnsupportedError:
        return
    predictor = mlfast.compile(case.estimator)
    for table in (case.fitted_on.head(5), case.rows):
        accepted, answers = [], []
        for i, values in enumerate(table.itertuples(index=False, name=None)):
            row = table.iloc[[i]]
            record = dict(zip(table.columns, values, strict=True))
            want = original(case.estimator, row)
            where = f"{case.estimator}\n{record}\nwant {want}\ngot "
            got = refused(encoder_reference.transform, model, values)
            assert same_bits(want, got), f"{where} {got} from the formulas"
            for given_as in (record, values):
                got = refused(predictor.transform_one, given_as)
                assert same_bits(want, got), f"{where} {got} from transform_one"
            if want is not None:
                accepted.append(i)
                answers.append(want)
            else:
                assert refused(predictor.transform, row) is None, f"{where} an answer from a table"
        if accepted:
            got = predictor.transform(table.iloc[accepted])
            wrong = [i for i in range(len(got)) if not same_bits(answers[i], got[i])]
            where = f"{case.estimator}\n{table.iloc[accepted].iloc[wrong].to_dict('records')}"
            assert not wrong, f"{where}\nwant {np.array(answers)[wrong]}\ngot  {got[wrong]}"


@given(cases())
@QUICK
def test_random_compositions_give_the_same_bits(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(case)


@pytest.mark.slow
@given(cases())
@THOROUGH
def test_many_random_compositions_give_the_same_bits(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(case)
