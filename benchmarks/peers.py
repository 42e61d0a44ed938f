"""Other engines for the same ensembles; those that are not installed are left out.

Every engine is a function from float64 rows (n, n_features) to the model's values or
probabilities, in one thread, made ready beforehand.
"""

import os
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import ensembles

Engine = Callable[[np.ndarray], np.ndarray]

#: Nodes up to which if/else code is compiled unasked: larger models take compilers minutes.
COMPILED_NODES = 15_000
TOLERANCE = 1e-5


def engines(ensemble: ensembles.Ensemble) -> dict[str, Engine]:
    """Return the engines for batches and single rows through Python, the model's own first."""
    found = {_own(ensemble.model): ensemble.original}
    for name, module, make in (
        ("ONNX Runtime", "onnxruntime", onnx_runtime),
        ("tl2cgen", "tl2cgen", tl2cgen),
        ("treelite gtil", "treelite", gtil),
    ):
        if find_spec(module) is None:
            continue
        try:
            engine = make(ensemble)
        except (ImportError, RuntimeError, ValueError, TypeError, KeyError) as error:
            print(
                f"{ensemble.name}: without {name}: {str(error).splitlines()[0]:.100}",
                file=sys.stderr,
            )
            continue
        if engine is not None:
            found[name] = engine
    return found


def _own(model) -> str:
    names = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "sklearn": "scikit-learn"}
    return names[type(model).__module__.partition(".")[0]]


def differing(answers: np.ndarray, original: np.ndarray) -> float:
    """Return the share of rows whose answers are further away than float32 arithmetic explains."""
    far = np.abs(answers.reshape(original.shape) - original) > TOLERANCE
    return float(far.reshape(len(far), -1).any(axis=1).mean())


# ---------------------------------------------------------------- ONNX Runtime


def onnx_runtime(ensemble: ensembles.Ensemble) -> Engine:
    """The model converted by the public converters; they take float32 rows."""
    import onnxruntime

    path = ensembles.folder() / f"{ensemble.name}.onnx"
    if not path.exists():
        path.write_bytes(_converted(ensemble).SerializeToString())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    answer = session.get_outputs()[-1].name
    positive = ensemble.original(ensemble.rows(2)).ndim == 1

    def predict(X: np.ndarray) -> np.ndarray:
        (values,) = session.run([answer], {entry: X.astype(np.float32)})
        return values[:, 1] if positive else values

    return predict


def _converted(ensemble: ensembles.Ensemble):
    model, X = ensemble.model, ensemble.rows(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if _own(model) == "scikit-learn":
            from skl2onnx import to_onnx

            return to_onnx(model, X.astype(np.float32), options={id(model): {"zipmap": False}})
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        rows = [("x", FloatTensorType([None, X.shape[1]]))]
        if _own(model) == "XGBoost":
            return onnxmltools.convert_xgboost(model, initial_types=rows)
        return onnxmltools.convert_lightgbm(model, initial_types=rows, zipmap=False)


# ---------------------------------------------------------------- treelite and its compiler


def treelite_model(ensemble: ensembles.Ensemble):
    """The model as treelite reads it."""
    import treelite

    kind = _own(ensemble.model)
    if kind == "scikit-learn":
        return treelite.sklearn.import_model(ensemble.model)
    return getattr(treelite.frontend, f"from_{kind.lower()}")(ensemble.model)


def gtil(ensemble: ensembles.Ensemble) -> Engine:
    """treelite's reference implementation."""
    import treelite

    model = treelite_model(ensemble)
    dtype = model.input_type
    return lambda X: _shaped(
        ensemble, treelite.gtil.predict(model, X.astype(dtype, copy=False), nthread=1)
    )


def tl2cgen(ensemble: ensembles.Ensemble) -> Engine | None:
    """If/else code compiled by tl2cgen, through its own Python class."""
    path = compiled(ensemble)
    if path is None:
        return None
    import tl2cgen

    predictor = tl2cgen.Predictor(path, nthread=1)
    dtype = treelite_model(ensemble).input_type
    return lambda X: _shaped(
        ensemble, predictor.predict(tl2cgen.DMatrix(X.astype(dtype, copy=False), dtype=dtype))
    )


def compiled(ensemble: ensembles.Ensemble, build: bool | None = None) -> Path | None:
    """The library that tl2cgen makes of a model, kept in the temporary folder.

    Parameters
    ----------
    ensemble : Ensemble
    build : bool, optional
        Compile it if it is not there. By default only models of moderate size, and where the
        environment variable MLFAST_BENCH_COMPILE_LARGE is set.

    Returns
    -------
    Path or None
        Beside it a file ``.seconds`` says how long that took processors.
    """
    path = ensembles.folder() / f"{ensemble.name}-tl2cgen.so"
    if path.exists() or find_spec("tl2cgen") is None:
        return path if path.exists() else None
    import tl2cgen

    if build is None:
        n_nodes = len(ensemble.compiled().model.head.feature)
        build = n_nodes <= COMPILED_NODES or "MLFAST_BENCH_COMPILE_LARGE" in os.environ
    if not build:
        return None
    start = _processor_seconds()
    partial = path.with_suffix(".partial.so")
    tl2cgen.export_lib(
        treelite_model(ensemble), toolchain="gcc", libpath=partial,
        params={"parallel_comp": 16}, nthread=1,
    )  # fmt: skip
    path.with_suffix(".seconds").write_text(f"{_processor_seconds() - start:.1f}")
    partial.replace(path)
    return path


def _processor_seconds() -> float:
    """What this process and those that it waited for have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _shaped(ensemble: ensembles.Ensemble, values: np.ndarray) -> np.ndarray:
    """treelite's (rows, targets, classes) as the original shapes its answers."""
    values = values.reshape(len(values), -1)
    if values.shape[1] > 1:
        return values
    if _own(ensemble.model) == "scikit-learn":
        return np.concatenate([1 - values, values], axis=1)
    return values[:, 0]
