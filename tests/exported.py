"""An exported library (abi="mlfast") through ctypes, and random ensembles to export."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.export import names

NUMPY_LINKS = {"softmax_numpy", "softmax_numpy_float32", "exp_numpy", "isolation"}


def same(got, want, predictor=None):
    """Bit for bit; but a library has the C library's functions where `predictor` has NumPy's."""
    output = None if predictor is None else predictor.model.output
    if output is not None and {output.link, output.decision_link} & NUMPY_LINKS:
        rtol = 3e-7 if output.dtype == "float32" else 1e-15
        np.testing.assert_allclose(got, want, rtol=rtol, atol=5e-16)
        return
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


class Value(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char_p), ("number", ctypes.c_double)]


C_TYPES = {"number": ctypes.c_double, "text": ctypes.c_void_p, "value": Value}


class Library:
    """Answers of an exported library; a refusal is a ValueError."""

    def __init__(self, path: Path, model: spec.Model) -> None:
        self.library = ctypes.CDLL(str(path))
        self.library.mlfast_error.restype = ctypes.c_char_p
        self.model = model
        self.members = names.members(model)
        fields = [(member.identifier, C_TYPES[member.kind]) for member in self.members]
        self.record_type = type("Record", (ctypes.Structure,), {"_fields_": fields})
        n_decisions = n_values = 0
        if model.head is not None:
            n_decisions = n_values = model.head.n_outputs
            if model.output.binary:
                n_values = 2
            elif model.output.link == "argmax":
                n_values = 1
        doubles = {"decisions": n_decisions, "values": n_values}
        answer = [(name, ctypes.c_double * n) for name, n in doubles.items()]
        if model.output is not None and (model.output.classes or model.output.rule == "outlier"):
            answer.append(("label", ctypes.c_int32))
        self.answer_type = type("Answer", (ctypes.Structure,), {"_fields_": answer})
        self.n_out = n_values or len(model.outputs)
        self.none = ctypes.addressof(ctypes.c_char.in_dll(self.library, "mlfast_none"))

    def predict(self, X: np.ndarray) -> np.ndarray:
        code, out, _ = self._predict(X)
        self._check(code)
        return out

    def predict_until_refused(self, X: np.ndarray) -> tuple[np.ndarray, int]:
        """What is answered, and the number of the row that is refused."""
        code, out, row = self._predict(X)
        assert code != 0
        return out, row

    def _predict(self, X: np.ndarray) -> tuple[int, np.ndarray, int]:
        X = np.ascontiguousarray(X, dtype=np.float64)
        out = np.empty((len(X), self.n_out))
        row = ctypes.c_size_t()
        code = self.library.mlfast_predict(
            ctypes.c_void_p(X.ctypes.data),
            ctypes.c_size_t(len(X)),
            ctypes.c_void_p(out.ctypes.data),
            ctypes.byref(row),
        )
        return code, out, row.value

    def answer(self, row: np.ndarray) -> Any:
        answer = self.answer_type()
        row = np.ascontiguousarray(row, dtype=np.float64)
        code = self.library.mlfast_answer_one(
            ctypes.c_void_p(row.ctypes.data), ctypes.byref(answer)
        )
        self._check(code)
        return answer

    def record(self, values: dict[str, Any]) -> Any:
        record = self.record_type()
        record.kept = []  # texts that the record points at
        for member in self.members:
            value = values[member.title]
            if hasattr(value, "item"):
                value = value.item()
            if member.kind == "value":
                text = value.encode() if isinstance(value, str) else None
                number = float("nan") if isinstance(value, str) or value is None else float(value)
                setattr(record, member.identifier, Value(text, number))
            elif member.kind == "number":
                setattr(record, member.identifier, np.nan if value is None else float(value))
            elif isinstance(value, str):
                text = ctypes.create_string_buffer(value.encode())
                record.kept.append(text)
                setattr(record, member.identifier, ctypes.addressof(text))
            else:
                setattr(record, member.identifier, self.none if value is None else None)
        return record

    def predict_record(self, values: dict[str, Any]) -> np.ndarray:
        out = np.empty(self.n_out)
        record = self.record(values)
        self._check(
            self.library.mlfast_predict_record(
                ctypes.byref(record), ctypes.c_void_p(out.ctypes.data)
            )
        )
        return out

    def _check(self, code: int) -> None:
        if code != 0:
            raise ValueError(self.library.mlfast_error(code).decode())


# ---------------------------------------------------------------- random ensembles

SPECIAL = (0.0, -0.0, 5e-324, -5e-324, 1e-45, 1e-35, 1.0, -1.0, 2.0, 0.1, 1e300, -1e300, 3.5e38)
THRESHOLDS = (*SPECIAL, np.inf, -np.inf, 3.4028234663852886e38, 16777216.0)
INPUTS = (*THRESHOLDS, np.nan, np.nan, 3.0, 7.0, 31.0, 64.0, -0.5, 2147483648.0)


def tree(rng: np.random.Generator, n_leaves: int) -> tuple[list[int], list[int]]:
    """Children of a tree that grows at random leaves."""
    left, right, leaves = [-1], [-1], [0]
    while len(leaves) < n_leaves:
        parent = leaves.pop(int(rng.integers(len(leaves))))
        left[parent], right[parent] = len(left), len(left) + 1
        leaves += [left[parent], right[parent]]
        left += [-1, -1]
        right += [-1, -1]
    return left, right


def ensemble(
    rng: np.random.Generator,
    n_trees: int | None = None,
    n_leaves: int | None = None,
    n_features: int | None = None,
    members: bool = True,
    **forced: Any,
) -> spec.TreeEnsemble:
    """A random `TreeEnsemble`; every rule of the spec turns up."""
    n_features = n_features or int(rng.integers(1, 6))
    n_outputs = int(rng.integers(1, 4))
    n_trees = int(rng.integers(0, 20)) if n_trees is None else n_trees
    shapes = [tree(rng, n_leaves or rng.integers(1, 12)) for _ in range(min(n_trees, 20))]
    children = [shapes[t % 20] for t in range(n_trees)]
    sizes = [len(left) for left, _ in children]
    left = np.array([child for lefts, _ in children for child in lefts], np.int32)
    right = np.array([child for _, rights in children for child in rights], np.int32)
    n, inner = len(left), left >= 0
    comparison = np.where(inner, rng.integers(0, 3 if members else 2, n), 0)
    threshold = np.where(rng.random(n) < 0.3, rng.choice(THRESHOLDS, n), rng.normal(size=n))
    counts = np.where(comparison == 2, rng.integers(0, 5, n), 0)
    known = (0, 1, 2, 3, 7, 31, 64)
    categories = [np.sort(rng.choice(known, c, False)) for c in counts[counts > 0]]
    whole = n_outputs > 1 and bool(rng.random() < 0.4)
    total = int(np.count_nonzero(~inner))
    values = {
        "n_features": n_features,
        "n_outputs": n_outputs,
        "tree_offsets": np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        "feature": np.where(inner, rng.integers(0, n_features, n), -1),
        "comparison": comparison.astype(np.uint8),
        "threshold": np.where(inner & (comparison < 2), threshold, 0.0),
        "left": left,
        "right": right,
        "default_left": np.where(inner, rng.integers(0, 2, n), 0).astype(np.uint8),
        "categories": np.concatenate([np.zeros(0, int), *categories]),
        "category_offsets": np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        "leaf_values": rng.normal(size=(total, n_outputs if whole else 1)),
        "leaf_ids": np.arange(total),
        "tree_output": np.full(n_trees, -1) if whole else rng.integers(0, n_outputs, n_trees),
        "base": rng.normal(size=n_outputs),
        "base_first": bool(rng.random() < 0.5),
        "divisor": float(rng.choice((1.0, 3.0))),
        "input_dtype": str(rng.choice(("float32", "float64"))),
        "sum_dtype": str(rng.choice(("float32", "float64"))),
        "zero_as_missing": rng.integers(0, 2, n_features).astype(np.uint8),
        "category_rule": str(rng.choice(("lightgbm", "xgboost", "treelite"))),
    }
    return spec.TreeEnsemble(**(values | forced))


def model(head: spec.TreeEnsemble, **output: Any) -> spec.Model:
    """The ensemble alone, without an encoder."""
    output = {"link": "identity", "rule": "value", "methods": ("predict",)} | output
    return spec.Model.of_head(head, spec.Output(**output))


def rows(rng: np.random.Generator, head: spec.TreeEnsemble, n: int = 60) -> np.ndarray:
    """Special values, thresholds and their neighbours."""
    X = rng.normal(size=(n, head.n_features))
    near = np.concatenate([head.threshold, np.array(INPUTS)])
    with np.errstate(all="ignore"):
        pool = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])
        single = near.astype(np.float32)
        pool = np.concatenate([pool, np.nextafter(single, np.float32(np.inf)), single])
    chosen = rng.random(X.shape) < 0.7
    X[chosen] = rng.choice(pool, np.count_nonzero(chosen))
    return X
