"""Networks as two JSON files: a list of modules, and a state dict of nested lists.

    [{"type": "Conv2d", "props": {"weight": "conv1.weight", "bias": "conv1.bias"}},
     {"type": "MaxPool2d", "props": {"kernel_size": 2}}, ...]

A module's `props` are the arguments of the layer of that name; arguments that hold arrays are
names of weights.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from mlfast.errors import ModelFileError, SpecError, UnsupportedError
from mlfast.nn import activations, layers
from mlfast.nn._layer import WEIGHT_NAMES, Layer
from mlfast.nn.sequential import Sequential
from mlfast.nn.state_dict import Source, Weights
from mlfast.spec.network import Shape

LAYERS: dict[str, type[Layer]] = {
    name: cls
    for module in (activations, layers)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and issubclass(cls, Layer) and not name.startswith("_")
    and cls is not Layer
}  # fmt: skip

#: Other spellings of arguments, and arguments that say nothing that the weights do not.
ALIASES = {"weights": "weight", "biases": "bias", "kernel": "kernel_size"}
REDUNDANT = (
    "in_channels",
    "out_channels",
    "in_features",
    "out_features",
    "num_features",
    "inplace",
)


def from_json(
    architecture: str | os.PathLike[str], weights: Source, *, input_shape: Shape | None = None
) -> Sequential:
    """Read a network from a list of modules and their weights.

    Parameters
    ----------
    architecture : path of the JSON list of modules
    weights : path or mapping
        A JSON file of nested lists, a safetensors file, or arrays by name.
    input_shape : tuple of int, optional
        Of one example; see `Sequential`.
    """
    path = Path(architecture)
    try:
        modules = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ModelFileError(f"{path}: not JSON: {error}") from None
    if not isinstance(modules, list) or not modules:
        raise ModelFileError(f"{path}: expected a list of modules, got {type(modules).__name__}")
    state = Weights(weights)
    made = [_layer(module, state, f"{path}: [{i}]") for i, module in enumerate(modules)]
    state.check_all_used()
    return Sequential(*made, input_shape=input_shape)


def _layer(module: Any, state: Weights, where: str) -> Layer:
    if not isinstance(module, dict) or not isinstance(module.get("type"), str):
        raise ModelFileError(f'{where}: expected {{"type": ..., "props": ...}}, got {module!r}')
    cls = LAYERS.get(module["type"])
    if cls is None:
        raise UnsupportedError(
            f"{where}: no layer {module['type']!r}; there are {', '.join(sorted(LAYERS))}"
        )
    props = module.get("props") or {}
    if not isinstance(props, dict):
        raise ModelFileError(f"{where}: expected props as an object, got {props!r}")
    fields = {field.name for field in dataclasses.fields(cls)}
    arguments: dict[str, Any] = {}
    for key, given in props.items():
        name = ALIASES.get(key, key)
        value = tuple(given) if isinstance(given, list) else given
        if name not in fields:
            if name in REDUNDANT or value is None:
                continue
            raise ModelFileError(f"{where}: {module['type']} takes {sorted(fields)}, got {key!r}")
        if name in WEIGHT_NAMES and value is not None:
            value = state.take(str(value), where)
        arguments[name] = value
    try:
        return cls(**arguments)
    except (SpecError, TypeError) as error:
        raise ModelFileError(f"{where}: {error}") from None
