"""Exported networks: every operation against the float64 reference, and a program in C alone."""

import shutil
import subprocess

import numpy as np
import pytest
from exported import Library
from nn_reference import error, run

import mlfast
from mlfast import nn, spec
from mlfast.export import build

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)


def numbers(seed, *shape):
    return (np.random.default_rng(seed).standard_normal(shape) * 0.3).astype(np.float32)


def check(predictor, folder, n=5, name="model"):
    """An exported library answers like the float64 reference."""
    network = predictor.model.head
    library = Library(predictor.export_library(folder / f"{name}.so"), predictor.model)
    X = numbers(99, n, network.n_features)
    want = np.stack([run(network, x).ravel() for x in X])
    if predictor.model.output.link == "exp":
        want = np.exp(want)
    assert error(library.predict(X), want) <= 1e-5
    return library, X


def image(*layers, shape=(4, 9, 11)):
    return nn.Sequential(*layers, input_shape=shape)


NETWORKS = {
    "linear": nn.Sequential(nn.Linear(numbers(0, 9, 40), numbers(1, 9))),
    "rows": nn.Sequential(nn.Linear(numbers(0, 9, 11), numbers(1, 9)), input_shape=(4, 3, 11)),
    "conv": image(nn.Conv2d(numbers(0, 6, 4, 3, 2), numbers(1, 6))),
    "strided": image(nn.Conv2d(numbers(0, 6, 4, 3, 3), numbers(1, 6), (2, 3), (2, 1), (2, 1))),
    "grouped": image(nn.Conv2d(numbers(0, 6, 2, 5, 5), numbers(1, 6), 1, 2, 1, 2)),
    "padded": image(nn.Conv2d(numbers(0, 3, 4, 1, 1), numbers(1, 3), (4, 4), (3, 3))),
    "max": image(nn.MaxPool2d((3, 2), 2, 1)),
    "mean": image(nn.AvgPool2d((3, 2), 2, 1, True, False)),
    "adaptive": image(nn.AdaptiveAvgPool2d((2, 5))),
    "norm": image(nn.BatchNorm2d(*(np.abs(numbers(i, 4)) + 0.1 for i in range(4)))),
    "softmax": image(nn.Softmax(1), shape=(3, 7, 2)),
    "classes": nn.Sequential(nn.Linear(numbers(0, 5, 12)), nn.LogSoftmax()),
    "deep": image(
        nn.Conv2d(numbers(0, 8, 4, 3, 3)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(numbers(1, 30, 96)), nn.Tanh(), nn.Linear(numbers(2, 7, 30)), nn.Softmax(),
    ),
} | {
    type(layer).__name__ + str(i): image(layer)
    for i, layer in enumerate((
        nn.ReLU(), nn.LeakyReLU(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(), nn.GELU("tanh"),
    ))
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_layers(name, tmp_path):
    check(mlfast.compile(NETWORKS[name]), tmp_path)


def network(shape, *operations):
    return mlfast.Predictor(nn._model.model(spec.Network(shape, operations)))


def test_operations_of_graphs(tmp_path):
    """Values read twice, constants, broadcasts, other orders of axes."""
    predictor = network(
        (3, 4, 5),
        spec.Activation((0,), "tanh"),
        spec.Tensor((), numbers(0, 3, 1, 5)),
        spec.Combine((1, 2), "multiply"),
        spec.Permute((3,), (2, 0, 1)),
        spec.Reshape((4,), (15, 4)),
        spec.Activation((5,), "clip", -0.25, 0.5),
        spec.Dense((6,), numbers(1, 6, 4), numbers(2, 6)),
        spec.Reshape((1,), (15, 4)),
        spec.Dense((8,), numbers(3, 6, 4), numbers(4, 6)),
        spec.Combine((7, 9), "add"),
        spec.Tensor((), numbers(5, 6)),
        spec.Combine((11, 10), "multiply"),
        spec.Affine((12,), numbers(6, 15), numbers(7, 15)),
        spec.Activation((13,), "identity"),
    )
    check(predictor, tmp_path)


def test_a_constant_and_the_input_itself(tmp_path):
    check(network((4,), spec.Reshape((0,), (2, 2))), tmp_path)
    constant = spec.Tensor((), numbers(0, 4))
    check(network((4,), constant, spec.Reshape((1,), (2, 2))), tmp_path, name="constant")


def test_values_not_alive_share_memory(tmp_path):
    layers = [nn.Linear(numbers(i, 100, 100)) for i in range(9)]
    predictor = mlfast.compile(nn.Sequential(*layers))
    assert "float v[200];" in predictor.export_source(tmp_path / "model.c").read_text()
    check(predictor, tmp_path)


def test_a_network_too_large_for_the_stack(tmp_path):
    layer = nn.Conv2d(numbers(0, 64, 1, 3, 3))
    predictor = mlfast.compile(nn.Sequential(layer, input_shape=(1, 90, 90)))
    with pytest.raises(mlfast.UnsupportedError, match="floats for one example, expected"):
        predictor.export_source(tmp_path / "model.c")


PROGRAM = r"""
#include <stdio.h>
#include "model.h"

int main(void)
{
    double features[MLFAST_N_FEATURES];
    mlfast_answer answer;
    for (int i = 0; i < MLFAST_N_FEATURES; i++)
        features[i] = 0.01 * i - 1.0;
    if (mlfast_answer_one(features, &answer))
        return 1;
    for (int i = 0; i < MLFAST_N_OUTPUTS; i++)
        printf("%a ", answer.values[i]);
    printf("%d\n", (int)answer.label);
    return 0;
}
"""


def test_a_program_in_c_needs_no_python(tmp_path):
    predictor = mlfast.compile(NETWORKS["deep"])
    predictor.export_source(tmp_path / "model.c")
    (tmp_path / "main.c").write_text(PROGRAM)
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off"]
    command = [*build.find_compiler(), *strict, "main.c", "model.c", "-lm", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(tmp_path / "program", capture_output=True, text=True, check=True)
    *values, label = done.stdout.split()
    x = 0.01 * np.arange(predictor.n_features_in_) - 1.0
    assert error([float.fromhex(v) for v in values], run(predictor.model.head, x)) <= 1e-5
    assert int(label) == predictor.predict_one(x)
