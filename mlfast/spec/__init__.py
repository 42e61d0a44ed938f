"""The neutral model in the middle: frozen descriptions made of arrays and plain values.

Importers make them, `serialize` stores them, `compiler` lowers them; nothing
else crosses between those rooms. Whatever a `spec` object is built from, it is
checked in full when it is made: an object that exists is valid.
"""

from mlfast.spec._base import Spec
from mlfast.spec.linear import Linear
from mlfast.spec.model import Field, Input, Model
from mlfast.spec.network import (
    Activation,
    Affine,
    Combine,
    Convolution,
    Convolution3d,
    Dense,
    Network,
    Operation,
    Permute,
    Pooling,
    Reshape,
    Softmax,
    Tensor,
)
from mlfast.spec.output import LINKS, RULES, Output
from mlfast.spec.steps import (
    STEPS,
    Check,
    Constant,
    Digitize,
    Impute,
    Indicator,
    Lookup,
    Missing,
    MultiplyAdd,
    Normalize,
    OneHot,
    Quantile,
    Recode,
    Round,
    ShiftDivide,
    Step,
    Table,
    Ufunc,
)
from mlfast.spec.trees import TreeEnsemble
from mlfast.spec.vocabulary import Vocabulary

__all__ = [
    "LINKS",
    "RULES",
    "STEPS",
    "Activation",
    "Affine",
    "Check",
    "Combine",
    "Constant",
    "Convolution",
    "Convolution3d",
    "Dense",
    "Digitize",
    "Field",
    "Impute",
    "Indicator",
    "Input",
    "Linear",
    "Lookup",
    "Missing",
    "Model",
    "MultiplyAdd",
    "Network",
    "Normalize",
    "OneHot",
    "Operation",
    "Output",
    "Permute",
    "Pooling",
    "Quantile",
    "Recode",
    "Reshape",
    "Round",
    "ShiftDivide",
    "Softmax",
    "Spec",
    "Step",
    "Table",
    "Tensor",
    "TreeEnsemble",
    "Ufunc",
    "Vocabulary",
]
