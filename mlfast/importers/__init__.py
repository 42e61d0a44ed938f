"""Fitted estimators and model files to `spec.Model`, one module a family."""

from __future__ import annotations

import importlib
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import UnsupportedError
from mlfast.importers import model_files, sklearn_pipeline
from mlfast.importers._builder import Builder
from mlfast.importers._columns import Column, Frame, Number, Value
from mlfast.importers._head import FeatureCategories, Head
from mlfast.importers._keys import NAN, NONE, Mapping, Token, token
from mlfast.nn import Net, from_torch
from mlfast.nn.torch_reader import is_torch

#: Modules with `handles(estimator)` and `import_head(estimator, path)`, asked in this order.
HEADS = ("sklearn_linear", "sklearn_mlp", "sklearn_trees", "xgboost", "lightgbm", "treelite")


def import_model(estimator: Any) -> spec.Model:
    """Turn a fitted estimator, or the path of a model file, into a `spec.Model`.

    Parameters
    ----------
    estimator : object, str or os.PathLike
        A fitted scikit-learn pipeline, transformer or model, an XGBoost,
        LightGBM or treelite model, or a file of one of the last three; a
        network of `mlfast.nn`, or an ONNX file.

    Raises
    ------
    UnsupportedError
        Naming the step that has no native counterpart, by its path.
    NotFittedError
    ModelFileError
    """
    if isinstance(estimator, (str, os.PathLike)):
        estimator = model_files.load(Path(estimator))
    if is_torch(estimator):
        estimator = from_torch(estimator)
    if isinstance(estimator, Net):
        return estimator.to_spec()
    if isinstance(estimator, type):
        raise UnsupportedError(
            f"expected a fitted estimator, got the class {estimator.__qualname__} itself"
        )
    path = "pipeline" if _is_pipeline(estimator) else type(estimator).__name__.lower()
    transformers, model, model_path = _split(estimator, path)
    head = None if model is None else _import_head(model, model_path)
    names, named = _field_names(estimator, transformers, head)
    b = Builder(names, named)
    frame = Frame(b.fields(), list(names))
    for step, step_path in transformers:
        frame = sklearn_pipeline.transform(b, step, frame, step_path)
    frame = Frame(frame.columns, _output_names(estimator, model, frame, names), frame.sparse)
    if head is None:
        return b.finish(frame.columns, frame.names)
    encoded = frame
    if transformers and not _reads_text(head, frame):
        # What stands before the model has its own `transform`; the rest belongs to the head.
        b.as_numbers(frame.columns)
        b.begin_head()
    if head.preprocessor is not None:
        frame = sklearn_pipeline.transform(b, head.preprocessor, frame, model_path)
    frame = _with_categories(b, head, frame, model_path)
    if not b.in_head:
        encoded = frame
        b.as_numbers(frame.columns)
        b.begin_head()
    features = b.as_numbers(frame.columns)
    inputs = _head_inputs(b, head, features, frame.sparse, _is_xgboost(model), model_path)
    return b.finish(encoded.columns, encoded.names, head.model, head.output, inputs)


def _reads_text(head: Head, frame: Frame) -> bool:
    """Whether the model itself numbers the categories of a field."""
    columns = set(head.categories)
    if head.preprocessor is not None:
        _, _, key = head.preprocessor.transformers_[0]
        columns |= set(sklearn_pipeline.column_indices(key, None, len(frame.columns)))
    return any(isinstance(frame.columns[i], Value) for i in columns)


def _split(estimator: Any, path: str) -> tuple[list[tuple[Any, str]], Any, str]:
    """The transformers, and the model at the end (None: there is none), with their paths."""
    if _is_pipeline(estimator):
        steps: list[tuple[Any, str]] = []
        for name, step in estimator.steps[:-1]:
            steps.append((step, f"{path}.{name}"))
        name, last = estimator.steps[-1]
        inner, model, model_path = _split(last, f"{path}.{name}")
        return steps + inner, model, model_path
    transforms = estimator is None or isinstance(estimator, str) or hasattr(estimator, "transform")
    if transforms and _head_module(estimator) is None:
        return [(estimator, path)], None, path
    return [], estimator, path


def _is_pipeline(estimator: Any) -> bool:
    cls = type(estimator)
    return cls.__name__ == "Pipeline" and cls.__module__.startswith("sklearn.")


def _head_module(estimator: Any) -> ModuleType | None:
    for name in HEADS:
        module = importlib.import_module(f"mlfast.importers.{name}")
        if module.handles(estimator):
            return module
    return None


def _import_head(model: Any, path: str) -> Head:
    module = _head_module(model)
    if module is None:
        raise sklearn_pipeline.unsupported(model, path)
    if type(model).__module__.startswith("sklearn."):
        sklearn_pipeline.check_fitted(model, path)
    head: Head = module.import_head(model, path)
    return head


def _field_names(
    estimator: Any, transformers: list[tuple[Any, str]], head: Head | None
) -> tuple[tuple[str, ...], bool]:
    """The fields' names, and whether the original knows them."""
    n_fields = None
    for part in [estimator, *(step for step, _ in transformers)]:
        names = _attribute(part, "feature_names_in_")
        if names is not None and not _invented(names):
            return tuple(str(name) for name in names), True
        if n_fields is None:
            n_fields = _attribute(part, "n_features_in_")
    if n_fields is None and head is not None and not transformers:
        n_fields = head.model.n_features
    if head is not None and not transformers and head.feature_names is not None:
        return head.feature_names, True
    if n_fields is None:
        for step, path in transformers:
            if not isinstance(step, str) and step is not None:
                sklearn_pipeline.check_fitted(step, path)
        raise UnsupportedError("the estimator does not know how many features it was fitted on")
    return tuple(f"x{i}" for i in range(int(n_fields))), False


def _invented(names: Any) -> bool:
    """Whether these are the names that LightGBM gives to the columns of an array."""
    return all(name == f"Column_{i}" for i, name in enumerate(names))


def _attribute(estimator: Any, name: str) -> Any:
    """An attribute that some estimators compute, and fail to."""
    try:
        return getattr(estimator, name, None)
    except Exception:
        return None


def _output_names(estimator: Any, model: Any, frame: Frame, names: tuple[str, ...]) -> list[str]:
    """Names of the encoded vector: the original's where it can give them."""
    before = estimator
    if model is not None:
        if not _is_pipeline(estimator) or estimator.steps[-1][1] is not model:
            return frame.names
        before = estimator[:-1]
    try:
        given = before.get_feature_names_out(np.asarray(names, dtype=object))
    except Exception:
        return frame.names
    given = [str(name) for name in given]
    return given if len(given) == len(frame.columns) else frame.names


def _with_categories(b: Builder, head: Head, frame: Frame, path: str) -> Frame:
    """The features, those that the model reads as categories numbered as it numbers them."""
    if head.model.n_features != len(frame.columns):
        raise UnsupportedError(
            f"{path}: the model expects {head.model.n_features} features and the steps before "
            f"it give {len(frame.columns)}"
        )
    columns = list(frame.columns)
    for i, feature in head.categories.items():
        columns[i] = _category(b, columns[i], feature, path)
    return frame.with_columns(columns)


def _head_inputs(
    b: Builder, head: Head, features: list[Number], sparse: bool, is_xgboost: bool, path: str
) -> list[Number]:
    """What the head does with the encoded vector before it looks at it.

    Absent entries of a sparse matrix are missing to XGBoost; scikit-learn's
    trees, the ones that check for float32, accept NaN in dense rows alone.
    """
    check = head.check
    if sparse and check == "float32":
        check = "float32_no_nan"
    if check is not None:
        features = b.check(features, check, path)
    missing = [0.0] if sparse and is_xgboost else []
    if not math.isnan(head.missing):
        missing.append(head.missing)
    single = isinstance(head.model, spec.TreeEnsemble) and head.model.input_dtype == "float32"
    if missing and single:
        features = b.step(spec.Round, features)
        missing = [float(np.float32(value)) for value in missing]
    for value in missing:
        features = b.step(spec.Missing, features, value=np.full(len(features), value))
    return features


def _category(b: Builder, column: Column, feature: FeatureCategories, path: str) -> Number:
    known: dict[Token, tuple[float, int]] = {
        token(key, path): (value, 0)
        for key, value in zip(feature.keys, feature.values, strict=True)
    }
    code = b.as_code(column, known)
    known |= {NONE: (feature.missing, 0), NAN: (feature.missing, 0)}
    unknown = (math.nan, 1) if feature.unknown is None else (feature.unknown, 0)
    return b.table(code, Mapping(known, unknown), path)


def _is_xgboost(model: Any) -> bool:
    return any(cls.__module__.startswith("xgboost.") for cls in type(model).__mro__)
