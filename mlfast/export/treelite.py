"""Tree ensembles as `treelite.Model`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.spec import TreeEnsemble
from mlfast.spec.trees import LESS, LESS_EQUAL

_POSTPROCESSORS = {
    "identity": "identity",
    "sigmoid": "sigmoid",
    "sigmoid_float32": "sigmoid",
    "softmax": "softmax",
    "softmax_float32": "softmax",
    "argmax": "softmax",  # treelite has no other for XGBoost's multi:softmax
    "softmax_numpy": "softmax",
    "softmax_numpy_float32": "softmax",
    "exp": "exponential",
    "exp_numpy": "exponential",
    "exp_float32": "exponential",
    "log1p_exp": "logarithm_one_plus_exp",
    "signed_square": "signed_square",
    "hinge": "hinge",
}


def to_treelite(model: spec.Model) -> Any:
    """Build the model; see `Predictor.to_treelite`."""
    from treelite import model_builder

    model = model.for_prediction()
    e, output = model.head, model.output
    if not isinstance(e, TreeEnsemble) or output is None:
        raise _unsupported(f"expected a tree ensemble, got a {type(e).__name__}")
    fields = _fields(model)
    averages = e.n_trees > 0 and e.divisor == e.n_trees
    if e.divisor != 1.0 and not averages:
        raise _unsupported("its sums are not divided by the number of trees")
    if e.zero_as_missing.any():
        raise _unsupported("zeros are missing")
    if output.link not in _POSTPROCESSORS or output.decision_link != "identity":
        raise _unsupported(f"the link {output.link!r}")
    single = e.input_dtype == e.sum_dtype == "float32"
    dtype = "float32" if single else "float64"
    classes = bool(output.classes) or output.link in ("argmax", "softmax", "softmax_float32")
    n, vectors = e.n_outputs, e.width > 1
    of_tree = [-1] * e.n_trees if vectors else [int(k) for k in e.tree_output]
    zeros = [0] * e.n_trees
    one_sum = n == 1
    kind = "kRegressor" if not classes else "kBinaryClf" if one_sum else "kMultiClf"
    builder = model_builder.ModelBuilder(
        threshold_type=dtype,
        leaf_output_type=dtype,
        metadata=model_builder.Metadata(
            num_feature=len(model.fields),
            task_type=kind,
            average_tree_output=averages and e.divisor != 1.0,
            num_target=1 if classes else n,
            num_class=[n] if classes else [1] * n,
            leaf_vector_shape=((1, n) if classes else (n, 1)) if vectors else (1, 1),
        ),
        tree_annotation=model_builder.TreeAnnotation(
            num_tree=e.n_trees,
            target_id=zeros if classes else of_tree,
            class_id=of_tree if classes else zeros,
        ),
        postprocessor=model_builder.PostProcessorFunc(
            name=_POSTPROCESSORS[output.link],
            sigmoid_alpha=output.link_params[0] if output.link == "sigmoid" else 1.0,
        ),
        base_scores=[float(base) for base in e.base],
    )
    _add_trees(builder, e, fields, single)
    return builder.commit()


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(f"to_treelite: treelite has no counterpart: {what}")


def _fields(model: spec.Model) -> list[int]:
    """The field that each feature is; checks are left out, they change no value."""
    field = [read.field if read.vocabulary < 0 else -1 for read in model.inputs]
    for step in model.steps:
        passes = isinstance(step, spec.Check)
        field += [field[c] for c in step.inputs] if passes else [-1] * step.n_outputs
    features = [field[column] for column in model.outputs]
    if min(features, default=0) < 0:
        raise _unsupported("an encoder stands before the trees")
    return features


def _thresholds(e: TreeEnsemble, single: bool) -> np.ndarray:
    """With float thresholds: those that cut the floats in the same place."""
    if not single:
        return e.threshold
    with np.errstate(over="ignore"):
        t = e.threshold.astype(np.float32)
        up, down = np.nextafter(t, np.float32(np.inf)), np.nextafter(t, np.float32(-np.inf))
    raised = np.where((e.comparison == LESS) & (t < e.threshold), up, t)
    return np.where((e.comparison == LESS_EQUAL) & (t > e.threshold), down, raised)


def _add_trees(builder: Any, e: TreeEnsemble, fields: list[int], single: bool) -> None:
    threshold = _thresholds(e, single).tolist()
    leaf = (np.cumsum(e.feature < 0) - 1).tolist()
    left, right, feature = e.left.tolist(), e.right.tolist(), e.feature.tolist()
    names = {LESS: "<", LESS_EQUAL: "<="}
    for start, end in zip(e.tree_offsets[:-1], e.tree_offsets[1:], strict=True):
        builder.start_tree()
        for node in range(start, end):
            builder.start_node(node - int(start))
            if feature[node] < 0:
                values = e.leaf_values[leaf[node]].tolist()
                builder.leaf(values if e.width > 1 else values[0])
                builder.end_node()
                continue
            shared = {
                "feature_id": fields[feature[node]],
                "default_left": bool(e.default_left[node]),
                "left_child_key": left[node],
                "right_child_key": right[node],
            }
            name = names.get(int(e.comparison[node]))
            if name is not None:
                builder.numerical_test(threshold=threshold[node], opname=name, **shared)
            else:
                begin, stop = e.category_offsets[node : node + 2]
                builder.categorical_test(
                    category_list=e.categories[begin:stop].tolist(),
                    category_list_right_child=False,
                    **shared,
                )
            builder.end_node()
        builder.end_tree()
