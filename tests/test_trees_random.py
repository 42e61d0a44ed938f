"""Random treelite models in every layout of every instruction set.

Two others say what is right: `treelite.gtil`, and the slow walker of tests/reference.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import hard_rows

import mlfast
from mlfast import _plan

treelite = pytest.importorskip("treelite")
builder = pytest.importorskip("treelite.model_builder")

LAYOUTS = ("heap", "walk", "bitslice", "tables", "masks", "lanes", "gather", None)
OPERATORS = ("<", "<=", ">", ">=", "==")
EXTREME = [0.0, -0.0, 1e-45, -1e-45, 1e-35, 3.4e38, -3.4e38, 1.0, -1.0, 16777216.0, 1e-310, 1e300]

shapes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n_trees": st.sampled_from([1, 2, 3, 10, 63, 64, 65, 100]),
        "n_features": st.sampled_from([1, 2, 5, 31, 33, 65]),
        "depth": st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 9, 30]),
        "stop": st.sampled_from([0.0, 0.1, 0.4]),
        "outputs": st.sampled_from([1, 1, 3]),
        "vectors": st.booleans(),
        "dtype": st.sampled_from(["float32", "float64"]),
        "operators": st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=5),
        "categories": st.sampled_from([0, 0, 3, 40, 300]),
        "thresholds": st.sampled_from([1, 4, 40, 600]),
        "average": st.booleans(),
    }
)


class Growing:
    """One tree: nodes are numbered as they come, a parent before its children."""

    def __init__(self, made: Any, shape: dict[str, Any], rng: np.random.Generator) -> None:
        self.made, self.shape, self.rng = made, shape, rng
        values = np.concatenate([rng.normal(size=shape["thresholds"]).round(2), EXTREME])
        with np.errstate(over="ignore", under="ignore"):
            values = values.astype(shape["dtype"]).astype(np.float64)
        self.values = values[np.isfinite(values)]
        self.budget = 300

    def grow(self) -> None:
        open_nodes = [(0, 0)]
        next_key = 1
        for key, level in open_nodes:  # which grows
            stop = level >= self.shape["depth"] or (
                level > 0 and (next_key > self.budget or self.rng.random() < self.shape["stop"])
            )
            self.made.start_node(key)
            if stop:
                self.leaf()
            else:
                self.test(next_key)
                # beyond some levels one side alone goes on
                sides = (next_key, next_key + 1)
                deep = level >= 7
                open_nodes += [(side, 99 if deep and side % 2 else level + 1) for side in sides]
                next_key += 2
            self.made.end_node()

    def leaf(self) -> None:
        size = self.shape["outputs"] if self.shape["vectors"] else 1
        values = (self.rng.normal(size=size) * 10.0 ** self.rng.integers(-3, 3)).tolist()
        self.made.leaf(values if size > 1 else values[0])

    def test(self, left: int) -> None:
        feature = int(self.rng.integers(self.shape["n_features"]))
        children = {"left_child_key": left, "right_child_key": left + 1}
        default_left = bool(self.rng.integers(2))
        if self.shape["categories"] and feature % 2 == 0:
            members = self.rng.integers(0, self.shape["categories"], self.rng.integers(0, 9))
            self.made.categorical_test(
                feature,
                default_left=default_left,
                category_list=sorted({int(c) for c in members}),
                category_list_right_child=bool(self.rng.integers(2)),
                **children,
            )
        else:
            self.made.numerical_test(
                feature,
                threshold=float(self.rng.choice(self.values)),
                default_left=default_left,
                opname=str(self.rng.choice(self.shape["operators"])),
                **children,
            )


def random_model(shape: dict[str, Any]) -> Any:
    rng = np.random.default_rng(shape["seed"])
    outputs, n_trees = shape["outputs"], shape["n_trees"]
    shape["vectors"] &= outputs > 1
    if outputs > 1 and not shape["vectors"]:
        n_trees = (n_trees + outputs - 1) // outputs * outputs
    own = [-1 if shape["vectors"] else t % outputs for t in range(n_trees)]
    made = builder.ModelBuilder(
        threshold_type=shape["dtype"],
        leaf_output_type=shape["dtype"],
        metadata=builder.Metadata(
            num_feature=shape["n_features"],
            task_type="kMultiClf" if outputs > 1 else "kRegressor",
            average_tree_output=shape["average"],
            num_target=1,
            num_class=[outputs],
            leaf_vector_shape=(1, outputs if shape["vectors"] else 1),
        ),
        tree_annotation=builder.TreeAnnotation(
            num_tree=n_trees, target_id=[0] * n_trees, class_id=own
        ),
        postprocessor=builder.PostProcessorFunc(
            name="identity_multiclass" if outputs > 1 else "identity"
        ),
        base_scores=rng.normal(size=outputs).tolist(),
    )
    for _ in range(n_trees):
        made.start_tree()
        Growing(made, shape, rng).grow()
        made.end_tree()
    return made.commit()


def compare(shape: dict[str, Any], n: int = 70) -> None:
    model = random_model(shape)
    compiled = mlfast.compile(model)
    head = compiled.model.head
    rng = np.random.default_rng(shape["seed"])
    with np.errstate(over="ignore"):
        X = hard_rows(head, rng, n).astype(shape["dtype"])
    if shape["categories"]:
        whole = rng.random(X.shape) < 0.4
        X[whole] = rng.integers(-2, shape["categories"] + 3, np.count_nonzero(whole))
    want = treelite.gtil.predict(model, X, pred_margin=True, nthread=1).reshape(n, -1)
    few = X[:12].astype(np.float64)
    assert reference.raw(head, reference.leaves(head, few)).tobytes() == want[:12].tobytes()
    rows = [tuple(row) for row in few.tolist()]
    for isa in _plan.isa_names():
        for layout in LAYOUTS:
            try:
                predictor = mlfast.Predictor(compiled.model, layout=layout, isa=isa)
            except ValueError:  # the model does not fit the layout
                assert layout not in (None, "walk")
                continue
            got = predictor.decision_function(X).reshape(n, -1)
            assert got.tobytes() == want.tobytes(), (isa, layout)
            one = np.array([predictor.decision_function_one(row) for row in rows])
            one = one.astype(shape["dtype"]).reshape(len(rows), -1)
            assert one.tobytes() == want[: len(rows)].tobytes(), (isa, layout)


@settings(max_examples=25, deadline=None)
@given(shapes)
def test_random_models(shape: dict[str, Any]) -> None:
    compare(shape)


def test_two_thousand_trees() -> None:
    compare(
        {
            "seed": 1,
            "n_trees": 2000,
            "n_features": 7,
            "depth": 4,
            "stop": 0.1,
            "outputs": 1,
            "vectors": False,
            "dtype": "float64",
            "operators": ["<", "<="],
            "categories": 3,
            "thresholds": 600,
            "average": False,
        },
        n=20,
    )


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(shapes)
def test_many_random_models(shape: dict[str, Any]) -> None:
    compare(shape)
