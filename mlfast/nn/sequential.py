"""Layers one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from mlfast import spec
from mlfast.errors import ModelFileError, SpecError
from mlfast.nn._layer import Known, Layer
from mlfast.nn._net import Net
from mlfast.nn.state_dict import Source, Weights
from mlfast.spec.network import Shape


class Sequential(Net):
    """A network of layers; the shapes are checked when it is made.

    Parameters
    ----------
    *layers : Layer or Sequential
    input_shape : tuple of int, optional
        Of one example. Needed to save or compile a network that starts with a
        convolution or a pool: their weights do not say how large the image is.
    """

    def __init__(self, *layers: Any, input_shape: Shape | None = None) -> None:
        flat: list[Layer] = []
        for number, layer in enumerate(layers):
            if isinstance(layer, Sequential):
                flat += layer.layers
            elif isinstance(layer, Layer):
                flat.append(layer)
            else:
                raise TypeError(f"expected a layer, got {type(layer).__name__} at layers[{number}]")
        if not flat:
            raise SpecError("Sequential expects at least one layer")
        self.layers: tuple[Layer, ...] = tuple(flat)
        self._plans = {}
        self._isa = None
        shape: Known = None
        if input_shape is not None:
            shape = tuple(int(n) for n in input_shape)
            if not all(n >= 1 for n in shape):  # type: ignore[operator]
                raise SpecError(f"input_shape: expected sizes >= 1, got {input_shape}")
        self._shapes = self._infer(shape)
        first = self._shapes[0]
        if first is None or None in first:
            self._first_shape: Shape | None = None
        else:
            self._first_shape = first  # type: ignore[assignment]

    def _infer(self, shape: Known) -> list[Known]:
        """Shapes before, between and after the layers, as far as known."""
        if shape is None:
            axes = next((layer.axes for layer in self.layers if layer.axes), None)
            leading = self.layers[0]
            if axes and leading.axes:
                n = getattr(leading, "weight", None)
                channels = None
                if n is not None:
                    channels = n.shape[1] * getattr(leading, "groups", 1) if n.ndim > 1 else len(n)
                shape = (channels, *[None] * (axes - 1))
        shapes = [shape]
        for number, layer in enumerate(self.layers):
            try:
                shapes.append(layer.infer(shapes[-1]))
            except SpecError as error:
                raise SpecError(f"{error} - at layers[{number}]") from None
        return shapes

    @property
    def input_shape(self) -> Shape | None:
        return self._first_shape

    def network(self, input_shape: Shape | None = None) -> spec.Network:
        shape = input_shape or self._first_shape
        if shape is None:
            raise SpecError(
                "the layers take images of several sizes: expected Sequential(..., "
                "input_shape=(channels, height, width))"
            )
        shapes = self._infer(tuple(shape))
        operations: list[spec.Operation] = []
        for layer, before in zip(self.layers, shapes[:-1], strict=True):
            operation = layer.operation(before, len(operations))  # type: ignore[arg-type]
            if operation is not None:
                operations.append(operation)
        return spec.Network(tuple(shape), tuple(operations) or (spec.Reshape((0,), tuple(shape)),))

    def _strategies(self, shape: Shape) -> dict[int, str]:
        wanted: dict[int, str] = {}
        number = 0
        for layer, before in zip(self.layers, self._infer(tuple(shape))[:-1], strict=True):
            if layer.operation(before, 0) is not None:  # type: ignore[arg-type]
                if layer.strategy is not None:
                    wanted[number] = layer.strategy
                number += 1
        return wanted

    def _axes(self) -> int:
        return next((layer.axes for layer in self.layers if layer.axes), None) or 1

    def _last_operation(self) -> spec.Operation:
        for layer in reversed(self.layers):
            operation = layer.operation((1,) * layer._axes(), 0)
            if operation is not None:
                return operation
        return spec.Reshape((0,), (1,))

    def load_state_dict(
        self, weights: Source, *, names: tuple[str, ...] | None = None
    ) -> Sequential:
        """Return this network with other weights of the same shapes.

        Parameters
        ----------
        weights : path or mapping
            A safetensors or JSON file, or arrays by name; PyTorch's names
            (``"0.weight"``, ``"0.bias"``, ``"3.weight"``, ...).
        names : tuple of str, optional
            Prefixes, such as "conv1", of the layers that have weights, in order.

        Raises
        ------
        ModelFileError
            A weight is missing, left over, or of another shape.
        """
        state = Weights(weights)
        weighted = [i for i, layer in enumerate(self.layers) if layer.weight_names()]
        if names is not None and len(names) != len(weighted):
            raise ValueError(f"names: expected {len(weighted)}, got {len(names)}")
        prefixes = dict(zip(weighted, names or map(str, weighted), strict=True))
        layers = []
        for number, layer in enumerate(self.layers):
            new: dict[str, Any] = {}
            for name in layer.weight_names():
                key, old = f"{prefixes[number]}.{name}", getattr(layer, name)
                new[name] = state.take(key, f"layers[{number}]")
                if new[name].shape != old.shape:
                    raise ModelFileError(
                        f"layers[{number}]: expected {key!r} of shape {old.shape}, "
                        f"got {new[name].shape}"
                    )
            layers.append(dataclasses.replace(layer, **new) if new else layer)
        state.check_all_used()
        return Sequential(*layers, input_shape=self._first_shape)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, number: int) -> Layer:
        return self.layers[number]

    def __repr__(self) -> str:
        inner = ",\n  ".join(map(repr, self.layers))
        end = f",\n  input_shape={self._first_shape}" if self._first_shape else ""
        return f"Sequential(\n  {inner}{end}\n)"

    def __reduce__(self) -> Any:
        return _rebuild, (self.layers, self._first_shape)


def _rebuild(layers: tuple[Layer, ...], input_shape: Shape | None) -> Sequential:
    return Sequential(*layers, input_shape=input_shape)
