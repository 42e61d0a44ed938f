"""treelite: models in memory and checkpoint files of treelite 4.

Both are read from the checkpoint's bytes, so a file needs no treelite. The
original that they answer like is `treelite.gtil.predict`, with one exception: its
softmax of float64 models rounds to float32 inside, ours does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import ModelFileError, SpecError, UnsupportedError
from mlfast.importers import _treelite
from mlfast.importers._ensemble import ensemble
from mlfast.importers._head import Head
from mlfast.importers._loaded import class_names, comes_from
from mlfast.importers._treelite import Checkpoint
from mlfast.importers._treelite_nodes import nodes

#: Postprocessor -> link for float32 and for float64 models.
_LINKS = {
    "identity": ("identity", "identity"),
    "identity_multiclass": ("identity", "identity"),
    "signed_square": ("signed_square", "signed_square"),
    "hinge": ("hinge", "hinge"),
    "sigmoid": ("sigmoid_float32", "sigmoid"),
    "multiclass_ova": ("sigmoid_float32", "sigmoid"),
    "exponential": ("exp_float32", "exp"),
    "softmax": ("softmax_float32", "softmax"),
    "logarithm_one_plus_exp": (None, "log1p_exp"),
}


def handles(estimator: object) -> bool:
    """Whether this is a treelite.Model or a loaded checkpoint."""
    return isinstance(estimator, Checkpoint) or comes_from(estimator, "treelite")


def load_file(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by `serialize`."""
    return _loads(Path(path).read_bytes(), str(path))


def import_head(estimator: Any, path: str) -> Head:
    """Import a treelite model; `path` names it in errors."""
    if isinstance(estimator, Checkpoint):
        model = estimator
    elif "Model" in class_names(estimator, "treelite"):
        model = _loads(estimator.serialize_bytes(), path)
    else:
        raise UnsupportedError(
            f"{path}: {type(estimator).__name__} has no native counterpart; "
            "supported: treelite.Model"
        )
    try:
        return Head(model=_trees(model, path), output=_output(model, path))
    except (IndexError, ValueError, SpecError) as error:
        raise ModelFileError(
            f"{path}: expected a treelite model, got an inconsistent one ({error})"
        ) from error


def _loads(data: bytes, path: str) -> Checkpoint:
    try:
        return _treelite.loads(data)
    except ValueError as error:
        raise ModelFileError(f"{path}: expected a treelite checkpoint: {error}") from None


def _trees(model: Checkpoint, path: str) -> spec.TreeEnsemble:
    """Leaves added one by one in the model's dtype, then averaged, then the base scores added."""
    outputs, width = _shape(model, path)
    own = np.zeros(len(model.trees), dtype=np.int64)
    if width > 1:
        own[:] = -1
    elif outputs > 1:  # one of the two is always 0 here
        own = np.maximum(model.target_id, 0) + np.maximum(model.class_id, 0)
    return ensemble(
        nodes(model.trees, width, path),
        n_features=model.n_features,
        n_outputs=outputs,
        tree_output=own,
        base=np.broadcast_to(model.base_scores, (outputs,)),
        base_first=False,
        divisor=_divisor(model, own, outputs, path) if model.average else 1.0,
        input_dtype=model.dtype,
        sum_dtype=model.dtype,
        category_rule="treelite",
    )


def _shape(model: Checkpoint, path: str) -> tuple[int, int]:
    """Number of outputs, and of values a leaf."""
    classes = int(model.n_class.max(initial=1))
    targets = len(model.n_class)
    if classes > 1 and targets > 1:
        raise UnsupportedError(
            f"{path}: a treelite model of several targets with several classes each has no native "
            "counterpart; supported: several of either"
        )
    outputs, width = classes * targets, int(np.prod(model.leaf_vector_shape))
    if width not in (1, outputs):
        raise UnsupportedError(
            f"{path}: leaves of {width} values for {outputs} outputs have no native counterpart; "
            f"supported: 1 or {outputs} values"
        )
    return outputs, width


def _divisor(model: Checkpoint, own: np.ndarray, outputs: int, path: str) -> float:
    if outputs == 1 or own[0] < 0:
        return float(len(own))
    counts = np.bincount(own, minlength=outputs)
    if counts.min() != counts.max():
        raise UnsupportedError(
            f"{path}: averaging over unequal numbers of trees an output ({counts.tolist()}) has no "
            "native counterpart; supported: equal numbers"
        )
    return float(counts[0])


def _output(model: Checkpoint, path: str) -> spec.Output:
    single, double = _LINKS.get(model.postprocessor, (None, None))
    link = single if model.dtype == "float32" else double
    slope = model.sigmoid_alpha if link == "sigmoid" else 1.0
    if link is None or (link == "sigmoid_float32" and model.sigmoid_alpha != 1.0):
        raise UnsupportedError(
            f"{path}: treelite's postprocessor {model.postprocessor!r} on {model.dtype} with "
            f"sigmoid_alpha={model.sigmoid_alpha:g} has no native counterpart; "
            f"supported: {', '.join(_LINKS)}"
        )
    return spec.Output(
        link=link,
        link_params=(slope, 0.0),
        rule="value",
        methods=("predict", "decision_function"),
        class_dtype=model.dtype,
        dtype=model.dtype,
    )
