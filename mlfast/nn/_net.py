"""What layers, sequences of layers and graphs share: running, predicting, saving."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from mlfast import _pool, spec, threads
from mlfast.errors import RecordError, SpecError, UnsupportedError
from mlfast.nn import _nn, _strategy
from mlfast.nn._lower import lower
from mlfast.spec.network import Shape

#: Plans kept for different input shapes and strategies.
MAX_PLANS = 16

#: A single linear layer of more bytes than this goes to BLAS, for one example and for more
#: than NATIVE_ROWS at once: it is bound by reading the weights.
BEYOND_CACHES = 1 << 22
NATIVE_ROWS = 4


class Net(_nn.Runner):
    """A network that runs: `forward`, `predict_one`, `predict`, `plan`, `save`.

    Parameters
    ----------
    network : spec.Network
    """

    def __init__(self, network: spec.Network) -> None:
        self._network = network
        self._plans: dict[tuple[Shape, int | None, int, str | None], tuple[_nn.Plan, str]] = {}
        self._isa: str | None = None

    @property
    def input_shape(self) -> Shape | None:
        """Shape of one example; None where the layers take several."""
        return self._network.input_shape

    def network(self, input_shape: Shape | None = None) -> spec.Network:
        """The operations for examples of a shape."""
        if input_shape not in (None, self._network.input_shape):
            raise SpecError(
                f"the network takes examples of shape {self._network.input_shape}, "
                f"got {input_shape}"
            )
        return self._network

    # ------------------------------------------------------------ running

    def _plan_for(self, shape: Shape, strategy: int | None = None) -> tuple[_nn.Plan, str]:
        key = (shape, strategy, threads.get_num_threads(), self._isa)
        found = self._plans.get(key)
        if found is None:
            lowered = lower(self.network(shape), _nn.kernels(self._isa))
            splits, reason = _strategy.choose(lowered, strategy, self._strategies(shape))
            found = _nn.Plan(lowered, self._isa, splits), reason
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[key] = found
        return found

    def _forward(self, x: Any, out: Any, strategy: str | None) -> np.ndarray:
        x = _as_float32(x)
        number = None if strategy is None else _strategy.number(strategy)
        shape, batched = self._example_shape(x.shape)
        plan, _ = self._plan_for(shape, number)
        result_shape = (*x.shape[:1], *plan.output_shape) if batched else plan.output_shape
        result = np.empty(result_shape, np.float32) if out is None else _checked(out, result_shape)
        target = result
        if np.may_share_memory(x, result) or not result.flags.c_contiguous:
            target = np.empty(result_shape, np.float32)
        if not batched:
            plan.forward(x, target)
            self._use(plan, strategy)
        elif len(x):
            n_threads = 1 if number in (None, 0) else min(threads.get_num_threads(), len(x))
            self._run_batch(plan, x, target, number or 0, n_threads)
        if target is not result:
            result[...] = target
        return result

    def _strategies(self, shape: Shape) -> dict[int, str]:
        """Strategies that layers ask for, by number of the operation."""
        return {}

    def _example_shape(self, shape: Shape) -> tuple[Shape, bool]:
        """Shape of one example, and whether x is a batch of them."""
        want = self.input_shape
        if want is None:
            axes = self._axes()
            if len(shape) in (axes, axes + 1):
                batched = len(shape) > axes
                return (shape[1:] if batched else shape), batched
            expected = f"{axes} axes, or {axes + 1} for a batch"
        elif shape == want or shape[1:] == want:
            return want, shape != want
        else:
            expected = f"shape {want}, or (n, {', '.join(map(str, want))}) for a batch"
        raise RecordError(f"x: expected {expected}, got shape {shape}")

    def _axes(self) -> int:
        """Axes of an example, where `input_shape` is not known."""
        raise NotImplementedError

    def plan(self, input_shape: Shape | None = None) -> str:
        """Say what runs for one example: kernels, instruction set, and how work is split."""
        shape = input_shape or self.input_shape
        if shape is None:
            raise SpecError("plan: expected input_shape, the layers take images of any size")
        plan, reason = self._plan_for(tuple(shape))
        lowered = lower(self.network(plan.input_shape), _nn.kernels(self._isa))
        splits, _ = _strategy.choose(lowered, None, self._strategies(plan.input_shape))
        lines = [f"{plan.isa}; {reason}"]
        for f, (number, n_parts) in zip(lowered.operations, splits, strict=True):
            lines.append(
                f"{f['kind'].lower()} -> {f['shape_out']}"
                + (", relu" if f.get("activation") else "")
                + (", max pool 2" if f.get("pool") == 2 else "")
                + (f", {_strategy.STRATEGIES[number]}, {n_parts} parts" if number else "")
            )
        return "\n".join(lines)

    # ------------------------------------------------------------ predicting

    def predict_proba_one(self, image: Any) -> dict[int, float]:
        """Probability of each class for one example: {index: probability}."""
        values = self.forward(image)
        if values.ndim != 1:
            raise RecordError(f"predict_proba_one: expected one example, got {np.shape(image)}")
        return dict(enumerate(self._probabilities(values).tolist()))

    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        last = self._last_operation()
        if isinstance(last, spec.Softmax):
            return np.exp(values) if last.log else values
        shifted = np.exp(values - values.max(axis=-1, keepdims=True))
        probabilities: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
        return probabilities

    def _last_operation(self) -> spec.Operation:
        return self._network.operations[-1]

    def predict(self, images: Any, n_threads: int = 1) -> np.ndarray:
        """Index of the largest output for each example of a batch, split by example.

        Returns
        -------
        int64 array (n,)
        """
        x = _as_float32(images)
        shape, batched = self._example_shape(x.shape)
        if not batched:
            raise RecordError(f"predict: expected a batch (n, {shape}), got {x.shape}")
        plan, _ = self._plan_for(shape)
        out = np.empty((len(x), math.prod(plan.output_shape)), np.float32)
        if len(x):
            parts = max(1, min(thread_count(n_threads), len(x)))
            self._run_batch(plan, x, out, _strategy.STATIC if parts > 1 else 0, parts)
        return out.argmax(axis=1)

    def _run_batch(
        self, plan: _nn.Plan, x: np.ndarray, out: np.ndarray, strategy: int, parts: int
    ) -> None:
        """Examples along axis 0; BLAS takes over where it reads large weights fewer times.

        BLAS may use threads of its own, as NumPy does elsewhere in the process.
        """
        only = self._only_dense(plan.input_shape)
        if only is None or 2 <= len(x) <= NATIVE_ROWS:
            plan.batch(x, out, strategy, parts)
        else:
            np.matmul(x, only.weight.T, out=out)
            np.add(out, only.bias, out=out)

    def _only_dense(self, shape: Shape) -> spec.Dense | None:
        """The network's only operation, if that is a linear layer beyond the caches."""
        operations = self.network(shape).operations if len(shape) == 1 else ()
        if len(operations) == 1 and isinstance(operations[0], spec.Dense):
            dense = operations[0]
            return dense if dense.weight.nbytes > BEYOND_CACHES else None
        return None

    # ------------------------------------------------------------ files

    def to_spec(self) -> spec.Model:
        """The network as a model: flat examples in, what `predict` answers out."""
        from mlfast.nn._model import model

        return model(self.network())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file that `mlfast.load` and `nn.load` read."""
        from mlfast.serialize import save_model

        save_model(self.to_spec(), path)

    def __reduce__(self) -> Any:
        return Net, (self.network(),)


def load(path: str | os.PathLike[str]) -> Net:
    """Read a network that `save` wrote."""
    from mlfast.serialize import load_model

    head = load_model(path).head
    if not isinstance(head, spec.Network):
        raise UnsupportedError(f"{os.fspath(path)}: expected a network, got {type(head).__name__}")
    return Net(head)


def thread_count(n_threads: Any) -> int:
    if isinstance(n_threads, bool) or not isinstance(n_threads, (int, np.integer)) or n_threads < 1:
        raise ValueError(f"n_threads: expected an int >= 1, got {n_threads!r}")
    return min(int(n_threads), _pool.MAX_THREADS)


def _as_float32(x: Any) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise RecordError(f"x: expected numbers, got dtype {array.dtype}")
    return np.require(array, np.float32, ["C", "A"])


def _checked(out: Any, shape: Shape) -> np.ndarray:
    if not isinstance(out, np.ndarray) or out.dtype != np.float32 or out.shape != shape:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise RecordError(f"out: expected a float32 array of shape {shape}, got {got}")
    if not out.flags.writeable:
        raise RecordError("out: expected a writeable array, got a read-only one")
    return out
