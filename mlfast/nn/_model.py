"""A network as a `spec.Model`: what is compiled to a Predictor, and saved."""

from __future__ import annotations

from mlfast import spec
from mlfast.nn import _nn
from mlfast.nn._lower import lower


def model(network: spec.Network) -> spec.Model:
    """Flat examples as records; a network that ends in a softmax is a classifier.

    The fields are the numbers of one example in C order; arrays of the network's
    input shape are taken as well. After a softmax over a
    vector the labels are 0, 1, ... and the probabilities the network's own
    (`exp` of them after a LogSoftmax); else `predict` answers the outputs.
    """
    last = network.operations[-1]
    if isinstance(last, spec.Softmax) and len(network.shapes[-1]) == 1 and network.n_outputs > 1:
        output = spec.Output(
            link="exp" if last.log else "identity", rule="argmax",
            methods=("predict", "predict_proba"), classes=tuple(range(network.n_outputs)),
            class_dtype="int64", dtype="float32",
        )  # fmt: skip
    else:
        output = spec.Output(
            link="identity", rule="value", methods=("predict",), class_dtype="float32",
            dtype="float32",
        )  # fmt: skip
    return spec.Model.of_head(network, output)


def native_head(network: spec.Network, isa: str) -> _nn.Plan:
    """The lowered network, whose `head_capsule` a native plan runs; to be kept as long as it."""
    return _nn.Plan(lower(network, _nn.kernels(isa)), isa)
