"""scikit-learn's compositions: Pipeline, ColumnTransformer and FeatureUnion, nested in any way."""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlfast.errors import NotFittedError, UnsupportedError
from mlfast.importers import sklearn_encoders, sklearn_impute, sklearn_scalers
from mlfast.importers._builder import Builder
from mlfast.importers._columns import Column, Frame, Number
from mlfast.importers._facts import NO_NEGATIVE_ZERO

Importer = Callable[[Builder, Any, Frame, str], Frame]


def transform(b: Builder, estimator: Any, frame: Frame, path: str) -> Frame:
    """Add the steps of a fitted transformer that reads `frame`."""
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return frame
    importer = TRANSFORMERS.get(type(estimator).__name__)
    if importer is None or type(estimator).__module__.partition(".")[0] != "sklearn":
        raise unsupported(estimator, path)
    if importer not in COMPOSITIONS:
        check_fitted(estimator, path)
        n_features = getattr(estimator, "n_features_in_", len(frame.columns))
        if n_features != len(frame.columns):
            raise UnsupportedError(
                f"{path}: {type(estimator).__name__} was fitted on {n_features} features and "
                f"is given {len(frame.columns)}"
            )
    return importer(b, estimator, frame, path)


def pipeline(b: Builder, estimator: Any, frame: Frame, path: str) -> Frame:
    """One step after the other."""
    for name, step in estimator.steps:
        frame = transform(b, step, frame, f"{path}.{name}")
    return frame


def column_transformer(b: Builder, estimator: Any, frame: Frame, path: str) -> Frame:
    """Each transformer on its own selection of columns, the results side by side."""
    check_fitted(estimator, path)
    names = getattr(estimator, "feature_names_in_", None)
    parts: list[Frame] = []
    for name, step, key in estimator.transformers_:
        indices = column_indices(key, names, len(frame.columns))
        if (isinstance(step, str) and step == "drop") or not indices:
            continue
        part = Frame(
            [frame.columns[i] for i in indices], [frame.names[i] for i in indices], frame.sparse
        )
        part = transform(b, step, part, f"{path}.{name}")
        part = _weighted(b, part, (estimator.transformer_weights or {}).get(name))
        parts.append(_renamed(part, name, estimator.verbose_feature_names_out))
    return _joined(b, estimator, parts, bool(getattr(estimator, "sparse_output_", False)))


def feature_union(b: Builder, estimator: Any, frame: Frame, path: str) -> Frame:
    """Each transformer on all columns, the results side by side."""
    parts: list[Frame] = []
    for name, step in estimator.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        part = transform(b, step, frame, f"{path}.{name}")
        part = _weighted(b, part, (estimator.transformer_weights or {}).get(name))
        parts.append(_renamed(part, name, getattr(estimator, "verbose_feature_names_out", True)))
    return _joined(b, estimator, parts, any(part.sparse for part in parts))


COMPOSITIONS: tuple[Importer, ...] = (pipeline, column_transformer, feature_union)

#: Class name to importer: everything of scikit-learn that can stand before a model.
TRANSFORMERS: dict[str, Importer] = {
    "Pipeline": pipeline,
    "ColumnTransformer": column_transformer,
    "FeatureUnion": feature_union,
    "FunctionTransformer": sklearn_scalers.function_transformer,
    "KBinsDiscretizer": sklearn_encoders.k_bins_discretizer,
    "MaxAbsScaler": sklearn_scalers.max_abs_scaler,
    "MinMaxScaler": sklearn_scalers.min_max_scaler,
    "Normalizer": sklearn_scalers.normalizer,
    "OneHotEncoder": sklearn_encoders.one_hot_encoder,
    "OrdinalEncoder": sklearn_encoders.ordinal_encoder,
    "QuantileTransformer": sklearn_scalers.quantile_transformer,
    "RobustScaler": sklearn_scalers.robust_scaler,
    "SimpleImputer": sklearn_impute.simple_imputer,
    "StandardScaler": sklearn_scalers.standard_scaler,
}


def unsupported(estimator: Any, path: str) -> UnsupportedError:
    """The error for a step that has no native counterpart."""
    cls = type(estimator)
    best = getattr(estimator, "best_estimator_", None)
    hint = "; compile its best_estimator_ instead" if best is not None else ""
    return UnsupportedError(
        f"{path}: {cls.__module__}.{cls.__qualname__} is not supported{hint}; supported "
        f"transformers are {', '.join(TRANSFORMERS)}, supported models those of scikit-learn "
        "(trees, forests, boosting, linear), XGBoost, LightGBM and treelite"
    )


def check_fitted(estimator: Any, path: str) -> None:
    """Raise `NotFittedError` unless scikit-learn takes `estimator` for fitted."""
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except SklearnNotFittedError as error:
        raise NotFittedError(f"{path}: {error}") from None


def column_indices(key: Any, names: Any, n: int) -> list[int]:
    """The columns that a ColumnTransformer's fitted selection means."""
    if isinstance(key, UserList):  # scikit-learn 1.5 and 1.6 warn when its items are read
        key = key.data
    labels = {} if names is None else {name: i for i, name in enumerate(names)}
    if isinstance(key, slice):
        if isinstance(key.start, str) or isinstance(key.stop, str):  # both ends belong to it
            start = None if key.start is None else labels[key.start]
            stop = None if key.stop is None else labels[key.stop] + 1
            key = slice(start, stop, key.step)
        return list(range(n))[key]
    if isinstance(key, (str, int, np.integer)) and not isinstance(key, (bool, np.bool_)):
        key = [key]
    key = list(key)
    if key and all(isinstance(k, (bool, np.bool_)) for k in key):
        return [i for i, chosen in enumerate(key) if chosen]
    return [labels[k] if isinstance(k, str) else int(k) % n for k in key]


def _weighted(b: Builder, frame: Frame, weight: float | None) -> Frame:
    if weight is None:
        return frame
    # An integer column times a float weight is float64, a float32 one stays float32.
    dtypes = [(np.ones(1, column.dtype) * weight).dtype for column in frame.columns]
    columns = zip(b.as_numbers(frame.columns), dtypes, strict=True)
    numbers = [Number(column.slot, dtype) for column, dtype in columns]
    factors = np.array([np.asarray(weight).astype(dtype) for dtype in dtypes], np.float64)
    return frame.with_columns(sklearn_scalers.multiply_add(b, numbers, factors))


def _renamed(frame: Frame, name: str, verbose: Any) -> Frame:
    """The columns under the names that the composition gives them."""
    if verbose is False:
        return frame

    def rename(feature: str) -> str:
        if isinstance(verbose, str):
            return verbose.format(transformer_name=name, feature_name=feature)
        return str(verbose(name, feature)) if callable(verbose) else f"{name}__{feature}"

    return Frame(frame.columns, [rename(feature) for feature in frame.names], frame.sparse)


def _joined(b: Builder, estimator: Any, parts: Sequence[Frame], sparse: bool) -> Frame:
    columns: list[Column] = []
    for part in parts:
        columns += _sparse_columns(b, part) if sparse else part.columns
    if columns and (sparse or not _gives_data_frames(estimator)):  # one array has one dtype
        dtype = np.result_type(*(column.dtype for column in columns))
        columns = [Number(c.slot, dtype) if isinstance(c, Number) else c for c in columns]
    return Frame(columns, [name for part in parts for name in part.names], sparse)


def _gives_data_frames(estimator: Any) -> bool:
    from sklearn import get_config

    configured = getattr(estimator, "_sklearn_output_config", {}).get("transform")
    return (configured or get_config().get("transform_output", "default")) != "default"


def _sparse_columns(b: Builder, part: Frame) -> list[Column]:
    """A part's columns in a sparse matrix: a dense part's -0.0 become 0.0."""
    numbers = b.as_numbers(part.columns)
    signed = [
        i
        for i, column in enumerate(numbers)
        if not part.sparse and NO_NEGATIVE_ZERO not in b.facts(column)
    ]
    plain = sklearn_scalers.multiply_add(
        b, [numbers[i] for i in signed], offset=np.zeros(len(signed))
    )
    for i, column in zip(signed, plain, strict=True):
        numbers[i] = column
    return list(numbers)
