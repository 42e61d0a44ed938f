"""The README's table of supported steps, made from the importers' own tables.

python docs/supported.py           prints it
python docs/supported.py --write   puts it into README.md
"""

import sys
from pathlib import Path

from mlfast import nn
from mlfast.importers import (
    _lightgbm_output,
    _xgboost_output,
    sklearn_linear,
    sklearn_pipeline,
    sklearn_trees,
)
from mlfast.nn import _onnx_operators

README = Path(__file__).parent.parent / "README.md"

#: What of each transformer is supported. A test compares the keys with the importer's.
OPTIONS = {
    "Pipeline": "nested in any way",
    "ColumnTransformer": "columns by name, index, slice, mask or selector; `remainder`, `drop`, "
    "`passthrough`, weights",
    "FeatureUnion": "nested in any way, weights",
    "FunctionTransformer": "the identity and NumPy's `log`, `log1p`, `exp`, `expm1`, `sqrt`, "
    "`abs`, `square`",
    "KBinsDiscretizer": "`ordinal`, `onehot`, `onehot-dense`",
    "MaxAbsScaler": "all options",
    "MinMaxScaler": "all options",
    "Normalizer": "`l1`, `l2`, `max`",
    "OneHotEncoder": "every `drop`, `handle_unknown`, `min_frequency`, `max_categories`; None and "
    "NaN as categories",
    "OrdinalEncoder": "`unknown_value`, `encoded_missing_value`, infrequent categories",
    "QuantileTransformer": "`uniform`, `normal`",
    "RobustScaler": "all options",
    "SimpleImputer": "every strategy, `add_indicator`, `keep_empty_features`",
    "StandardScaler": "all options",
}


def table() -> str:
    """Return the table as Markdown."""
    linear = sklearn_linear.CLASSIFIERS | sklearn_linear.REGRESSORS
    linear |= sklearn_linear.LOG_LINK_REGRESSORS
    rows = [
        ("**scikit-learn transformers**", ""),
        *((f"`{name}`", OPTIONS[name]) for name in sklearn_pipeline.TRANSFORMERS),
        ("**Models**", ""),
        ("scikit-learn, trees", _names(sklearn_trees._IMPORTERS)),
        ("scikit-learn, linear", _names(linear)),
        (
            "XGBoost: `Booster`, `XGB*`, JSON and UBJ files",
            "gbtree, dart; categories, missing values, multi-output trees; objectives "
            + _names(_xgboost_output.LINK_OF),
        ),
        (
            "LightGBM: `Booster`, `LGBM*`, text files",
            "gbdt, rf, dart; categories, missing values; every objective, with its link for "
            + _names(_lightgbm_output.LINK_OF),
        ),
        ("treelite: `Model`, checkpoints", "everything that treelite 4 can hold"),
        ("**Small networks**", ""),
        (
            "`mlfast.nn`",
            _names({n for n in nn.__all__ if n[0].isupper()} - {"Net", "LinearClassifier"}),
        ),
        ("torch: `nn.Module`", "of the same layers"),
        ("ONNX files", "float32, static shapes: " + _names(_onnx_operators.OPERATORS)),
    ]
    return "\n".join(
        ["| step | what of it |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)]
    )


def _names(names) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def updated(page: str) -> str:
    """Return the text of a page with the table between its markers."""
    start, end = "<!-- supported -->\n", "\n<!-- /supported -->"
    before, _, rest = page.partition(start)
    return before + start + table() + end + rest.partition(end)[2]


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(updated(README.read_text()))
    else:
        print(table())
