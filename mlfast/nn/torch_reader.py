"""`torch.nn` modules of supported layers, read through their attributes: torch is not imported."""

from __future__ import annotations

from typing import Any

from mlfast.errors import UnsupportedError
from mlfast.nn._layer import WEIGHT_NAMES, Layer
from mlfast.nn.json_reader import LAYERS
from mlfast.nn.sequential import Sequential
from mlfast.nn.state_dict import as_array
from mlfast.spec.network import Shape

#: Attributes that are arguments of our layers, by layer.
ARGUMENTS = {
    "Conv2d": ("stride", "padding", "dilation", "groups"),
    "MaxPool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "AvgPool2d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "AdaptiveAvgPool2d": ("output_size",),
    "BatchNorm1d": ("eps",),
    "BatchNorm2d": ("eps",),
    "Flatten": ("start_dim", "end_dim"),
    "LeakyReLU": ("negative_slope",),
    "GELU": ("approximate",),
    "Softmax": ("dim",),
    "LogSoftmax": ("dim",),
}
WEIGHTED = ("Conv2d", "Linear", "BatchNorm1d", "BatchNorm2d")


def is_torch(module: Any) -> bool:
    """Whether this is a torch module, without importing torch."""
    return any(cls.__module__.startswith("torch.nn.") for cls in type(module).__mro__)


def from_torch(module: Any, *, input_shape: Shape | None = None) -> Sequential:
    """Read a `torch.nn.Sequential` (nested in any way), or one layer.

    Raises
    ------
    UnsupportedError
        Naming the module that has no counterpart, by its path. A module with a
        `forward` of its own cannot be read: export it to ONNX.
    """
    return Sequential(*_layers(module, type(module).__name__.lower()), input_shape=input_shape)


def _layers(module: Any, path: str) -> list[Layer]:
    name = type(module).__name__
    own = type(module).__module__.startswith("torch.nn.modules.")
    if own and name == "Sequential":
        return [
            x for key, child in module.named_children() for x in _layers(child, f"{path}.{key}")
        ]
    if not own or (name not in LAYERS and name != "Identity"):
        raise UnsupportedError(
            f"{path}: {type(module).__qualname__} has no counterpart here; there are "
            f"{', '.join(sorted(LAYERS))}, in Sequential (other modules: export to ONNX)"
        )
    if name == "Identity":
        return []
    arguments = {key: getattr(module, key) for key in ARGUMENTS.get(name, ())}
    if name in WEIGHTED:
        arrays = {key: getattr(module, key, None) for key in WEIGHT_NAMES}
        arguments |= {k: as_array(f"{path}.{k}", v) for k, v in arrays.items() if v is not None}
        if name.startswith("BatchNorm"):
            if arrays["running_mean"] is None:
                raise UnsupportedError(f"{path}: expected running statistics (track_running_stats)")
            arguments = {"weight": None, "bias": None} | arguments
    if getattr(module, "padding_mode", "zeros") != "zeros":
        raise UnsupportedError(
            f"{path}: expected padding_mode 'zeros', got {module.padding_mode!r}"
        )
    if getattr(module, "divisor_override", None) or getattr(module, "return_indices", False):
        raise UnsupportedError(f"{path}: divisor_override and return_indices are not supported")
    if arguments.get("dim", 1) is None:
        raise UnsupportedError(f"{path}: expected {name}(dim=...), got no dim")
    return [LAYERS[name](**arguments)]
