"""What every spec class promises: checked when made, frozen, compared by value and bit."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest

from mlfast import spec
from mlfast.errors import SpecError


def scaler(**changes):
    values = {"inputs": np.array([0, 1]), "shift": np.zeros(2), "scale": np.ones(2)} | changes
    return spec.ShiftDivide(**values)


def test_fields_come_by_position_name_and_default():
    assert spec.Input(3) == spec.Input(field=3, vocabulary=-1)
    assert dataclasses.replace(spec.Input(3), vocabulary=2) == spec.Input(3, 2)
    assert repr(spec.Input(3)) == "Input(field=3, vocabulary=-1)"


@pytest.mark.parametrize(("args", "values"), [((), {}), ((1, 2, 3), {}), ((1,), {"feld": 1})])
def test_wrong_fields_are_refused(args, values):
    with pytest.raises(TypeError, match="Input takes"):
        spec.Input(*args, **values)


def test_objects_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        scaler().shift = np.zeros(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del scaler().shift
    with pytest.raises(ValueError, match="read-only"):
        scaler().shift[0] = 1.0


def test_equality_is_bit_for_bit():
    assert scaler(shift=[math.nan, 1]) == scaler(shift=[math.nan, 1])
    assert scaler(shift=[0.0, 1]) != scaler(shift=[-0.0, 1])
    assert spec.Vocabulary((0.5,)) != spec.Vocabulary(("0.5",))
    assert scaler() != spec.Input(0)


def test_copies_are_equal():
    step = scaler()
    assert copy.copy(step) == step
    assert copy.deepcopy(step) == step
    assert pickle.loads(pickle.dumps(step)) == step


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shift": np.zeros(3)}, r"ShiftDivide\.shift: expected shape \(2,\), got \(3,\)"),
        ({"shift": np.array(["a", "b"])}, "expected float64, got"),
        ({"inputs": np.array([0.5, 1])}, "expected int32, got"),
        ({"inputs": np.array([0, 2**40])}, "expected int32, got values out of range"),
        ({"inputs": np.array([0, -1])}, "expected column numbers >= 0"),
    ],
)
def test_inconsistent_objects_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        scaler(**changes)
