"""Random fitted compositions, row by row, against the original's `transform`, bit for bit."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

from encoder_reference import transform
from hypothesis import HealthCheck, given, settings
from strategies import Case, cases

from mlfast.errors import RecordError, UnsupportedError
from mlfast.importers import import_model


def original(estimator, row) -> np.ndarray | None:
    """What the original makes of one row; None where it refuses it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = estimator.transform(row)
        except ValueError:
            return None
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result, np.float64)[0]


@given(cases())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_compositions_give_the_same_bits(case: Case) -> None:
    try:
        model = import_model(case.estimator)
    except UnsupportedError:
        return
    for table in (case.fitted_on.head(5), case.rows):
        for i in range(len(table)):
            row = table.iloc[[i]]
            want = original(case.estimator, row)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    got = transform(model, next(row.itertuples(index=False)))
                except RecordError:
                    got = None
            where = f"{case.estimator}\n{row.to_dict('records')}\nwant {want}\ngot  {got}"
            assert (want is None) == (got is None), where
            if want is not None:
                same = (got.view(np.int64) == want.view(np.int64)) | (
                    np.isnan(got) & np.isnan(want)
                )
                assert same.all(), where
