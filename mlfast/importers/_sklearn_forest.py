"""scikit-learn's forests and single trees, and IsolationForest."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers._ensemble import ensemble
from mlfast.importers._head import Head
from mlfast.importers._labels import labels
from mlfast.importers._sklearn_nodes import tree_nodes


def forest(estimator: Any, path: str) -> Head:
    """RandomForest* and ExtraTrees*: the mean of the trees' values, summed in order."""
    return _averaged(estimator, estimator.estimators_, path)


def single_tree(estimator: Any, path: str) -> Head:
    """DecisionTree* and ExtraTree*."""
    return _averaged(estimator, [estimator], path)


def _averaged(estimator: Any, members: list[Any], path: str) -> Head:
    found = [member.tree_ for member in members]
    classifier = hasattr(estimator, "classes_")
    targets = int(estimator.n_outputs_)
    if classifier and targets > 1:
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} with {targets} outputs has no native "
            "counterpart; supported: classifiers of one output, regressors of any number"
        )
    # value is (nodes, targets, classes), one of the last two being 1
    values = [tree.value.reshape(tree.node_count, -1) for tree in found]
    outputs = values[0].shape[1]
    alone = members[0] is estimator
    model = ensemble(
        tree_nodes(found, values),
        n_features=int(estimator.n_features_in_),
        n_outputs=outputs,
        tree_output=np.full(len(found), 0 if outputs == 1 else -1),
        # a single tree answers its leaf itself: x + -0.0 is x, also where x is -0.0
        base=np.full(outputs, -0.0 if alone else 0.0),
        divisor=float(len(found)),
        input_dtype="float32",
    )
    missing = members[0].__sklearn_tags__().input_tags.allow_nan
    if missing and not alone and estimator.monotonic_cst is not None:
        missing = bool(members[0]._support_missing_values(np.zeros((1, 1))))
    return Head(
        model=model,
        output=_output(estimator, path) if classifier else _VALUES,
        check="float32" if missing else "float32_no_nan",
    )


_VALUES = spec.Output(link="identity", rule="value", methods=("predict",))


def _output(estimator: Any, path: str) -> spec.Output:
    plain, dtype = labels(estimator.classes_, path)
    return spec.Output(
        link="identity",
        rule="argmax",
        classes=plain,
        class_dtype=dtype,
        methods=("predict", "predict_proba"),
    )


def isolation_forest(estimator: Any, path: str) -> Head:
    """IsolationForest: mean depth of the leaves, against that of a random tree."""
    from sklearn.ensemble._iforest import _average_path_length

    members = estimator.estimators_
    found = [member.tree_ for member in members]
    depths = [
        path_length + average - 1.0
        for path_length, average in zip(
            estimator._decision_path_lengths, estimator._average_path_length_per_tree, strict=True
        )
    ]
    nodes = tree_nodes(found, depths)
    n_features = int(estimator.n_features_in_)
    if estimator._max_features != n_features:  # each tree numbers the features drawn for it
        columns = [
            np.asarray(drawn)[np.maximum(tree.feature, 0)]
            for tree, drawn in zip(found, estimator.estimators_features_, strict=True)
        ]
        nodes.feature = np.concatenate(columns)
    whole = float(len(found) * _average_path_length([estimator._max_samples])[0])
    base = 0.0
    if whole == 0.0:  # trained on one record: the exponent is -1 for every record
        whole, base = 1.0, 1.0
        nodes.values = np.zeros_like(nodes.values)
    model = ensemble(
        nodes,
        n_features=n_features,
        n_outputs=1,
        tree_output=np.zeros(len(found), dtype=np.int64),
        base=[base],
        input_dtype="float32",
    )
    output = spec.Output(
        link="identity",
        decision_link="isolation",
        decision_params=(whole, float(estimator.offset_)),
        rule="outlier",
        class_dtype="int64",
        methods=("predict", "decision_function"),
    )
    return Head(model=model, output=output)
