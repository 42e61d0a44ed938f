"""Instructions of a row, counted by callgrind: a guard that no busy machine can disturb."""

import sys
from pathlib import Path

import numpy as np
import pytest
from exported import ensemble, model

import mlfast

sys.path.append(str(Path(__file__).parent.parent))
from benchmarks import counts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not counts.available(), reason="no valgrind"),
]


@pytest.mark.parametrize("isa", counts.ISAS)
def test_a_row_costs_a_few_instructions_a_tree_and_level(isa):
    rng = np.random.default_rng(0)
    models, levels = {}, {}
    for n_trees, n_leaves in ((10, 8), (100, 31), (500, 60)):
        head = ensemble(
            rng, n_trees, n_leaves, 12, members=False, n_outputs=1, base=np.zeros(1),
            leaf_values=rng.normal(size=(n_trees * n_leaves, 1)),
            tree_output=np.zeros(n_trees, np.int32),
        )  # fmt: skip
        name = f"{n_trees}x{n_leaves}"
        models[name] = mlfast.Predictor(model(head)), rng.normal(size=(50, 12))
        levels[name] = n_trees * n_leaves.bit_length()
    counted = counts.instructions(models, isa)
    assert counted == counts.instructions(models, isa)
    for name, number in counted.items():
        assert 0 < number < 1000 + 60 * levels[name]
