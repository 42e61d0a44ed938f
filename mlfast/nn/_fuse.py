"""From a network's operations to fewer nodes: what one kernel does in one pass is one node."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from mlfast import spec
from mlfast.spec.network import Shape


@dataclasses.dataclass(eq=False)
class Node:
    """One kernel's work: an operation, and the ReLU and 2 x 2 max pool done in its store.

    `inputs` are nodes, None is the network's input. `shape` is the result's.
    """

    operation: spec.Operation
    inputs: list[Node | None]
    shapes: list[Shape]  # of the inputs
    shape: Shape
    relu: bool = False
    pool: int = 1
    numbers: tuple[int, ...] = ()  # of the network's operations that it does


def fuse(network: spec.Network) -> tuple[list[Node], Node | None]:
    """Return the nodes in order, and the one whose result is the network's (None: the input)."""
    shapes = network.shapes
    uses = _uses(network)
    nodes: list[Node] = []
    value: list[Node | None] = [None]  # the node that holds each of the network's values
    shared: list[bool] = [True]
    for number, operation in enumerate(network.operations):
        inputs = [value[v] for v in operation.inputs]
        in_shapes = [shapes[v] for v in operation.inputs]
        before = inputs[0] if len(inputs) == 1 and not shared[operation.inputs[0]] else None
        node = _without_work(operation, inputs)
        if node is _NEW:
            node = before if _absorb(before, operation, in_shapes) else None
            if node is None:
                made = _make(operation, inputs, in_shapes, shapes[number + 1])
                nodes += made
                node = made[-1]
            node.numbers += (number,)
        value.append(node)
        inherited = any(shared[v] for v in operation.inputs) and node in inputs
        shared.append(inherited or uses[number + 1] > 1)
    return nodes, value[-1]


_NEW: Node = Node(spec.Tensor((), np.zeros(0, np.float32)), [], [], ())


def _uses(network: spec.Network) -> Counter[int]:
    return Counter(v for operation in network.operations for v in operation.inputs)


def _without_work(operation: spec.Operation, inputs: list[Node | None]) -> Node | None:
    """The input's node, when the operation leaves its numbers as they are, else _NEW."""
    same = isinstance(operation, spec.Reshape) or (
        isinstance(operation, spec.Activation) and operation.name == "identity"
    )
    return inputs[0] if same else _NEW


def _absorb(before: Node | None, operation: spec.Operation, shapes: list[Shape]) -> bool:
    """Whether `before`, which nobody else reads, now does this operation too."""
    if before is None:
        return False
    weighted = isinstance(before.operation, (spec.Dense, spec.Convolution))
    if isinstance(operation, spec.Activation) and operation.name == "relu":
        if weighted or isinstance(before.operation, spec.Pooling):
            before.relu = True
            return True
    elif isinstance(operation, spec.Affine):
        if weighted and not before.relu and before.pool == 1 and shapes[0] == before.shape:
            before.operation = _scaled(before.operation, operation)
            return True
    elif (
        isinstance(operation, spec.Pooling)
        and isinstance(before.operation, spec.Convolution)
        and before.pool == 1
        and is_max_pool_2(operation)
        and shapes[0] == before.shape
    ):
        before.pool = 2
        before.shape = operation.result_shape(*shapes)
        return True
    return False


def is_max_pool_2(pooling: spec.Pooling) -> bool:
    """Whether the windows are 2 x 2, side by side, from the first pixel on."""
    return (
        pooling.kind == "max"
        and all(
            np.array_equal(w[:, 0], 2 * np.arange(len(w))) and np.all(w[:, 1] == w[:, 0] + 2)
            for w in (pooling.rows, pooling.columns)
        )
        and pooling.dilation == (1, 1)
    )


def _scaled(operation: spec.Operation, affine: spec.Affine) -> spec.Operation:
    """The weights that do `affine` after `operation`, rounded once."""
    assert isinstance(operation, (spec.Dense, spec.Convolution))
    scale = affine.scale.astype(np.float64)
    weight = operation.weight * scale.reshape(-1, *[1] * (operation.weight.ndim - 1))
    fields = dict(vars(operation))
    fields["weight"] = weight.astype(np.float32)
    fields["bias"] = (operation.bias * scale + affine.shift).astype(np.float32)
    return type(operation)(**fields)


def _make(
    operation: spec.Operation, inputs: list[Node | None], shapes: list[Shape], shape: Shape
) -> list[Node]:
    constants = [n.operation.value for n in inputs if n and isinstance(n.operation, spec.Tensor)]
    if isinstance(operation, spec.Combine) and len(constants) == 2:
        numbers = np.add if operation.name == "add" else np.multiply
        return [Node(spec.Tensor((), numbers(*constants)), [], [], shape)]
    if not isinstance(operation, spec.Affine):
        return [Node(operation, inputs, shapes, shape)]
    made: list[Node] = []
    each = (len(operation.scale), *[1] * (len(shape) - 1))
    source = inputs[0]
    for name, factor in (("multiply", operation.scale), ("add", operation.shift)):
        constant = Node(spec.Tensor((), factor.reshape(each)), [], [], each)
        combine = spec.Combine((0, 0), name)
        made += [constant, Node(combine, [source, constant], [shape, each], shape)]
        source = made[-1]
    return made
