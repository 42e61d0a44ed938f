"""Small networks at the speed of the hardware: layers made from arrays, compiled when used."""

from mlfast.nn._net import Net, load
from mlfast.nn.activations import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from mlfast.nn.json_reader import from_json
from mlfast.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
)
from mlfast.nn.linear_classifier import LinearClassifier
from mlfast.nn.onnx_reader import from_onnx
from mlfast.nn.sequential import Sequential
from mlfast.nn.torch_reader import from_torch

__all__ = [
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "LeakyReLU",
    "Linear",
    "LinearClassifier",
    "LogSoftmax",
    "MaxPool2d",
    "Net",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "from_json",
    "from_onnx",
    "from_torch",
    "load",
]
