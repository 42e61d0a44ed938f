"""From a head's raw sums to what `predict` and `predict_proba` answer."""

from mlfast.errors import SpecError
from mlfast.spec._base import Spec

#: name -> (number of values for k raw sums, formula). `a` and `b` are `link_params`.
#: A name ending in float32 computes in float32 with the C library's expf, as XGBoost does.
LINKS: dict[str, str] = {
    "identity": "x",
    "sigmoid": "p = 1 / (1 + exp(-a x)), float64",
    "sigmoid_float32": "p = 1 / (exp(min(-x, 88.7)) + 1 + 1e-16), float32: XGBoost",
    "softmax": "exp(x - max) / sum, float64",
    "softmax_float32": "exp(x - max) float32, their sum float64: XGBoost",
    "exp": "exp(x), float64",
    "exp_float32": "exp(x), float32",
    "log1p_exp": "log1p(exp(x)), float64: LightGBM cross_entropy_lambda",
    "signed_square": "sign(x) x x: LightGBM reg_sqrt",
    "hinge": "1 if x > 0 else 0: XGBoost binary:hinge",
    "ovr": "sigmoid of each, divided by their sum (if 0: uniform): scikit-learn one-vs-rest",
    "isolation": "-2 ** (-x / a) - b in NumPy's power: IsolationForest, a trees' mean depth",
    "argmax": "index of the largest raw sum, as a number: XGBoost multi:softmax",
    "modified_huber": "(clip(x, -1, 1) + 1) / 2, several divided by their sum: SGDClassifier",
    "softmax_numpy": "softmax in NumPy's exp and sum; b is 1 where it sums in order",
    "exp_numpy": "exp(x) in NumPy's exp",
    "softmax_numpy_float32": "softmax in NumPy's float32 exp and sum: XGBClassifier multi:softmax",
}

#: How a label follows. `m` are decision values, `v` linked values.
RULES: dict[str, str] = {
    "value": "no label: predict answers v (one number, or k for several outputs)",
    "argmax": "classes[first largest v]",
    "half": "binary: classes[1] if v[1] > 0.5 else classes[0]",
    "positive": "binary: classes[1] if m > 0 else classes[0]",
    "not_negative": "binary: classes[1] if m >= 0 else classes[0]",
    "argmax_margin": "classes[first largest m]",
    "each_half": "multilabel: v > 0.5 for each output, as 0 / 1",
    "outlier": "-1 if m < 0 else 1",
    "values": "no label: predict answers a row of all v, of one as well",
}

Label = str | int | float | bool


class Output(Spec):
    """``decision = decision_link(raw)``, ``values = link(decision)``, then a label by `rule`.

    Parameters
    ----------
    link, decision_link : str
        Keys of `LINKS`.
    link_params, decision_params : tuple of two floats
        `a` and `b` of the formulas; 1.0 and 0.0 where a formula has none.
    binary : bool
        One raw sum for two classes: the values are (1 - p, p), the
        subtraction done in `dtype`.
    rule : str
        A key of `RULES`.
    classes : tuple of str, int, float or bool
        Labels in order; empty without labels.
    class_dtype : str
        NumPy dtype of a batch of labels (or of values, for rules "value", "values").
    dtype : str
        "float32" or "float64": dtype of a batch of decisions and values.
    methods : tuple of str
        Which of "predict", "predict_proba", "decision_function" the original has.
    """

    link: str
    rule: str
    methods: tuple[str, ...]
    binary: bool = False
    decision_link: str = "identity"
    link_params: tuple[float, float] = (1.0, 0.0)
    decision_params: tuple[float, float] = (1.0, 0.0)
    classes: tuple[Label, ...] = ()
    class_dtype: str = "float64"
    dtype: str = "float64"

    def _check(self) -> None:
        for name in ("link", "decision_link"):
            self._require(getattr(self, name) in LINKS, name, f"one of {tuple(LINKS)}")
        self._require(self.rule in RULES, "rule", f"one of {tuple(RULES)}")
        for name in ("link_params", "decision_params"):
            pair = getattr(self, name)
            ok = isinstance(pair, tuple) and len(pair) == 2
            self._require(ok and all(isinstance(v, float) for v in pair), name, "two floats")
        self._require(isinstance(self.binary, bool), "binary", "a bool")
        self._require(self.dtype in ("float32", "float64"), "dtype", "float32 or float64")
        self._require(
            isinstance(self.methods, tuple)
            and set(self.methods) <= {"predict", "predict_proba", "decision_function"},
            "methods",
            "names of methods",
        )
        for label in self.classes:
            if type(label) not in (str, int, float, bool):
                raise SpecError(f"Output.classes: expected plain labels, got {label!r}")
        labelled = self.rule in ("argmax", "half", "positive", "not_negative", "argmax_margin")
        self._require(bool(self.classes) == labelled, "classes", f"labels to suit rule {self.rule}")
        if self.binary or self.rule in ("half", "positive", "not_negative"):
            self._require(len(self.classes) == 2, "classes", "two labels")
