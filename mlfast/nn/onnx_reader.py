"""ONNX graphs as networks (needs the `onnx` package: ``pip install mlfast[onnx]``)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mlfast import spec
from mlfast.errors import ModelFileError, SpecError, UnsupportedError
from mlfast.nn._net import Net
from mlfast.nn._onnx_operators import OPERATORS
from mlfast.nn._onnx_values import Graph, Node, NotPerExampleError, Value
from mlfast.spec.network import Shape


def from_onnx(source: Any, output: str | None = None) -> Net:
    """Read an ONNX model: one float32 input, one output, operators on static shapes.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
    output : str, optional
        The name of the output to compute, where a model has several. Only the nodes that it
        needs are read.

    Returns
    -------
    Net
        Axis 0 of the graph's tensors is the batch wherever its operators allow
        that; then the network takes one example, or a batch of any size.

    Raises
    ------
    UnsupportedError
        Naming the node that has no counterpart.
    ValueError
        The model has no output of that name.
    ModelFileError
        The file is no ONNX model.
    """
    model, name = _load(source)
    reader = _Reader(model, name, output)
    try:
        return Net(reader.network(lead=1))
    except NotPerExampleError as error:
        if reader.shape[:1] == (None,):
            raise UnsupportedError(f"{error} (and the batch size is not fixed)") from None
        return Net(reader.network(lead=0))


def _load(source: Any) -> tuple[Any, str]:
    try:
        import onnx
    except ImportError:
        raise UnsupportedError(
            "reading ONNX needs the onnx package: pip install mlfast[onnx]"
        ) from None
    if isinstance(source, onnx.ModelProto):
        return source, source.graph.name or "model"
    name = "model" if isinstance(source, bytes) else os.fspath(source)
    try:
        read = onnx.load_from_string if isinstance(source, bytes) else onnx.load
        model = read(source)
        onnx.checker.check_model(model)
    except OSError as error:
        raise ModelFileError(f"{name}: cannot be read: {error.strerror}") from None
    except Exception as error:  # protobuf's and onnx's own errors share no base
        raise ModelFileError(f"{name}: expected an ONNX model: {error}") from None
    return model, name


class _Reader:
    def __init__(self, model: Any, name: str, output: str | None) -> None:
        from onnx import TensorProto

        self.graph, self.name = model.graph, name
        self.opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")),
                         default=1)  # fmt: skip
        if self.graph.sparse_initializer:
            raise UnsupportedError(f"{name}: sparse initialisers are not supported")
        self.constants = {t.name: _tensor(t, name) for t in self.graph.initializer}
        inputs = [i for i in self.graph.input if i.name not in self.constants]
        outputs = [o.name for o in self.graph.output]
        if output is not None and output not in outputs:
            raise ValueError(f"output: expected one of {', '.join(outputs)}, got {output!r}")
        if len(inputs) != 1 or (output is None and len(outputs) != 1):
            raise UnsupportedError(
                f"{name}: expected one input and one output, got {[i.name for i in inputs]} and "
                f"{outputs}; for one of several there is nn.from_onnx(model, output=...)"
            )
        self.input, self.output = inputs[0].name, output or outputs[0]
        self.nodes, self.used = _needed(self.graph, self.output)
        tensor = inputs[0].type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT or not tensor.HasField("shape"):
            raise UnsupportedError(f"{name}: expected a float32 input of known rank")
        self.shape: tuple[int | None, ...] = tuple(
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
            for d in tensor.shape.dim
        )
        if any(d.HasField("dim_value") and d.dim_value == 0 for d in tensor.shape.dim):
            raise UnsupportedError(f"{name}: expected an input that is not empty")
        if None in self.shape[1:]:
            raise UnsupportedError(
                f"{name}: expected static sizes behind the batch, got {self.shape}"
            )

    def network(self, lead: int) -> spec.Network:
        """The operations, axis 0 being the batch (lead 1) or a part of the example (0)."""
        if len(self.shape) < lead:
            raise NotPerExampleError(f"{self.name}: the input has no axes")
        input_shape: Shape = self.shape[lead:]  # type: ignore[assignment]
        graph = Graph(input_shape, lead)
        values: dict[str, Any] = {**self.constants, self.input: Value(0, input_shape)}
        for number, node in self.nodes:
            where = f"{self.name}: node {number} ({node.op_type} {node.name!r})"
            try:
                values[node.output[0]] = self._run(graph, node, values)
            except NotPerExampleError as error:
                raise NotPerExampleError(f"{where}: {error}") from None
            except (UnsupportedError, SpecError, ValueError, TypeError, IndexError) as error:
                raise UnsupportedError(f"{where}: {error}") from None
        result = values.get(self.output)
        if not isinstance(result, Value):
            raise UnsupportedError(f"{self.name}: the output does not depend on the input")
        if result.number != len(graph.operations) or result.number == 0:
            graph.add(spec.Reshape((result.number,), result.shape), result.shape)
        return spec.Network(input_shape, tuple(graph.operations))

    def _run(self, graph: Graph, node: Any, values: dict[str, Any]) -> Any:
        from onnx import helper

        if any(name in self.used for name in node.output[1:]):
            raise UnsupportedError("expected the first output alone in use")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.domain not in ("", "ai.onnx"):
            raise UnsupportedError(f"operators of {node.domain!r} are not known")
        operands = [values[name] if name else None for name in node.input]
        if node.op_type == "Constant" and "value" in attributes:
            return _tensor(attributes["value"], self.name)
        if node.op_type == "Constant" and "value_float" in attributes:
            return np.float32(attributes["value_float"])
        if node.op_type == "ConstantOfShape" and isinstance(operands[0], np.ndarray):
            value = attributes.get("value")
            filled = np.float32(0) if value is None else _tensor(value, self.name).reshape(-1)[0]
            return np.full([int(n) for n in operands[0]], filled)
        function = OPERATORS.get(node.op_type)
        if function is None:
            raise UnsupportedError(f"no counterpart; there are {', '.join(sorted(OPERATORS))}")
        return function(graph, Node(node.op_type, attributes, self.opset), *operands)


def _needed(graph: Any, output: str) -> tuple[list[tuple[int, Any]], set[str]]:
    """The nodes that an output needs, numbered as in the graph, and the names that are in use."""
    used, nodes = {output}, []
    for number, node in reversed(list(enumerate(graph.node))):
        if used.intersection(node.output):
            used.update(filter(None, node.input))
            nodes.append((number, node))
    return nodes[::-1], used


def _tensor(tensor: Any, name: str) -> np.ndarray:
    from onnx import numpy_helper

    try:
        return np.array(numpy_helper.to_array(tensor))
    except Exception as error:  # whatever is wrong with the bytes
        raise ModelFileError(f"{name}: tensor {tensor.name!r} cannot be read: {error}") from None
