"""A model as C99: tables, the engine that walks them, and one of three C ABIs."""

from __future__ import annotations

import dataclasses
import functools
import re
from importlib.resources import files

from mlfast import compiler, spec
from mlfast.errors import UnsupportedError
from mlfast.export import encoder, header, names, network, tables, trees

ABIS = ("mlfast", "treelite-runtime", "tl2cgen")

_NO_CONTRACTION = """\
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif    /* elsewhere: -std=c99 or -ffp-contract=off */
"""

_QUIET = """\
#if defined(__GNUC__)
/* The engine below is the same for all models: not every one needs all of it. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
"""

_ONE_VARIANT = """\
/* The kernels below are compiled for one instruction set: the compiler's. */
#define MLF_FN(name) name
#define MLF_FOR_EACH_ISA(X)
typedef int mlf_isa;
"""

#: Names of links as compiled treelite models call them.
_TRANSFORMS = {"sigmoid_float32": "sigmoid", "softmax_float32": "softmax", "exp": "exponential"}
_TRANSFORMS |= {
    "softmax_numpy": "softmax",
    "exp_numpy": "exponential",
    "softmax_numpy_float32": "softmax",
}
_TRANSFORMS |= {"exp_float32": "exponential", "ovr": "multiclass_ova", "argmax": "max_index"}


@dataclasses.dataclass(frozen=True)
class Source:
    """The text of the C file, and of its header (empty where the ABI has none)."""

    code: str
    header: str


def write(model: spec.Model, abi: str, header_name: str) -> Source:
    """Write a model as C99.

    Parameters
    ----------
    model : spec.Model
    abi : {"mlfast", "treelite-runtime", "tl2cgen"}
    header_name : str
        What the code includes.

    Raises
    ------
    UnsupportedError
        The model has no C form in this ABI.
    """
    if abi not in ABIS:
        raise ValueError(f"abi: expected one of {ABIS}, got {abi!r}")
    model = model.for_prediction()
    if abi != "mlfast":
        _check_for_treelite(model, abi)
    plan = compiler.lower(model)
    output = model.output
    n_raw = n_values = 0
    if model.head is not None and output is not None:
        n_raw = model.head.n_outputs
        n_values = 2 if output.binary else 1 if output.link == "argmax" else n_raw
    members = names.members(model)
    macros = {
        "MODEL_STEPS": len(plan.steps),
        "MODEL_SLOTS": max(plan.n_slots, 1),
        "MODEL_RAW": n_raw,
        "MODEL_DECISIONS": n_raw,
        "MODEL_VALUES": n_values,
    }
    vocabularies = bool(model.vocabularies)
    sections = [
        f"/* {header.title(model)} C ABI: {abi}. C99; needs IEEE 754 arithmetic. */",
        "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>",
        f'#include "{header_name}"' if abi == "mlfast" else "",
        _NO_CONTRACTION,
        _QUIET,
        tables.BYTE_ORDER_GUARD,
        _ONE_VARIANT,
        _native("plan.h"),
        *_head(model.head),
        _template("vocabulary.c") if plan.steps or vocabularies else "",
        *([_native(f"encoders{end}") for end in (".h", ".c", "_kernel.c")] if plan.steps else []),
        encoder.source(plan),
        *(
            [_native("links.h"), _native("links.c"), _output(output, n_raw, n_values)]
            if output
            else []
        ),
        "".join(f"#define {name} {value}\n" for name, value in macros.items()),
        _template("model.c"),
        _template("text.c") if abi == "mlfast" and vocabularies else "",
        _read_features(plan),
    ]
    text = ""
    if abi == "mlfast":
        if not vocabularies:
            sections.append('const char mlfast_none[1] = "";')
        sections += [_read_record(plan, members), _template("abi_mlfast.c")]
        text = header.source(model, members, n_raw, n_values or len(model.outputs))
    else:
        sections += [_treelite_macros(model, abi, n_values), _template("abi_treelite.c")]
    return Source("\n".join(section for section in sections if section), text)


@functools.cache
def _template(name: str) -> str:
    return files("mlfast.export").joinpath("templates", name).read_text()


@functools.cache
def _native(name: str) -> str:
    """A file of the engine, its functions made static and its includes taken out."""
    text = files("mlfast").joinpath("native", name).read_text()
    text = re.sub(r"^#\s*include .*\n", "", text, flags=re.M)
    function = r"^(?!static|typedef|return|else)((?:const )?\w+ \*?(?:mlf_\w+|MLF_FN\(mlf_\w+\))\()"
    return re.sub(function, r"static \1", text, flags=re.M)


def _head(head: object) -> list[str]:
    if isinstance(head, spec.TreeEnsemble):
        call = "#define MODEL_HEAD(x, raw) trees_one(x, raw)\n"
        text, sliced = trees.source(head)
        return [text, _template("trees.c"), _template("slices.c") if sliced else "", call]
    if isinstance(head, spec.Linear):
        return [
            _native("linear.h"),
            _native("linear_kernel.c"),
            tables.array("linear_coef", head.coef.ravel()),
            tables.array("linear_intercept", head.intercept),
            "static const mlf_linear linear = { .n_features = "
            f"{head.n_features}, .n_outputs = {head.n_outputs}, "
            ".coef = linear_coef, .intercept = linear_intercept };\n"
            "#define MODEL_HEAD(x, raw) mlf_linear_one(&linear, x, raw, NULL)\n",
        ]
    if isinstance(head, spec.Network):
        call = "#define MODEL_HEAD(x, raw) network_run(x, raw)\n"
        return [_template("network.c"), network.source(head), call]
    if head is None:
        return []
    raise UnsupportedError(
        "export: expected trees, a linear model, a network or an encoder, got a "
        f"{type(head).__name__}"
    )


def _output(output: spec.Output, n_raw: int, n_values: int) -> str:
    links, rules = tuple(spec.LINKS), tuple(spec.RULES)
    fields = {
        "decision_link": links.index(output.decision_link),
        "link": links.index(output.link),
        "rule": rules.index(output.rule),
        "binary": int(output.binary),
        "float32": int(output.dtype == "float32"),
        "n_decisions": n_raw,
        "n_values": n_values,
        "decision_a": tables.number(output.decision_params[0]),
        "decision_b": tables.number(output.decision_params[1]),
        "a": tables.number(output.link_params[0]),
        "b": tables.number(output.link_params[1]),
    }
    shown = ", ".join(f".{name} = {value}" for name, value in fields.items())
    return f"/* {output.link}, {output.rule} */\nstatic const mlf_output output = {{ {shown} }};\n"


def _read_features(plan: compiler.Plan) -> str:
    """The function from one number a field to slots."""
    lines = []
    for slot, read in zip(plan.input_slots, plan.model.inputs, strict=True):
        value = f"features[{read.field}]"
        if read.vocabulary >= 0:
            value = f"mlf_find_number(&vocabulary_{read.vocabulary}, {value})"
        lines.append(f"    slots[{slot}] = {value};\n")
    if all(line == f"    slots[{i}] = features[{i}];\n" for i, line in enumerate(lines)):
        lines = [f"    memcpy(slots, features, {len(lines)} * sizeof *slots);\n"]
    return (
        "static void read_features(const double *features, double *slots)\n{\n"
        + "".join(lines)
        + "}\n"
    )


def _read_record(plan: compiler.Plan, members: list[names.Member]) -> str:
    """The function from a record to slots."""
    by_field = {member.field: member for member in members}
    lines = []
    for slot, read in zip(plan.input_slots, plan.model.inputs, strict=True):
        member = by_field[read.field]
        value = f"record->{member.identifier}"
        known = f"&vocabulary_{read.vocabulary}"
        if member.kind == "value":
            number, text = f"{value}.number", f"{value}.text"
            found = f"{text} ? find_text({known}, {text}) : mlf_find_number({known}, {number})"
            value = number if read.vocabulary < 0 else found
        elif read.vocabulary >= 0:
            find = "find_text" if member.kind == "text" else "mlf_find_number"
            value = f"{find}({known}, {value})"
        lines.append(f"    slots[{slot}] = {value};\n")
    return (
        "static void read_record(const mlfast_record *record, double *slots)\n{\n"
        + ("".join(lines) or "    (void)record, (void)slots;\n")
        + "}\n"
    )


def _check_for_treelite(model: spec.Model, abi: str) -> None:
    if model.output is None:
        raise UnsupportedError(f'abi="{abi}": expected a model, got an encoder alone')
    for member in names.members(model):
        if member.kind != "number":
            raise UnsupportedError(
                f'abi="{abi}": its rows hold numbers, field {member.title!r} has texts; '
                'use abi="mlfast"'
            )


def _treelite_macros(model: spec.Model, abi: str, n_values: int) -> str:
    output, head = model.output, model.head
    assert output is not None
    assert head is not None
    single = isinstance(head, spec.TreeEnsemble) and {
        head.input_dtype,
        head.sum_dtype,
        output.dtype,
    } == {"float32"}
    n_values = 1 if output.binary else n_values
    several = n_values > 1 and not output.classes
    macros = {
        "ABI_TL2CGEN": int(abi == "tl2cgen"),
        "ABI_FLOAT": "float" if single else "double",
        "ABI_FLOAT_NAME": '"float32"' if single else '"float64"',
        "ABI_FEATURES": len(model.fields),
        "ABI_VALUES": n_values,
        "ABI_TARGETS": n_values if several else 1,
        "ABI_CLASSES": 1 if several else head.n_outputs,
        "ABI_TRANSFORM": tables.text(_TRANSFORMS.get(output.link, output.link)),
        "ABI_SIGMOID_ALPHA": tables.number(output.link_params[0]),
    }
    export = (
        "#if defined(_WIN32)\n#define ABI_EXPORT __declspec(dllexport)\n"
        '#elif defined(__GNUC__)\n#define ABI_EXPORT __attribute__((visibility("default")))\n'
        "#else\n#define ABI_EXPORT\n#endif\n"
    )
    return "".join(f"#define {name} {value}\n" for name, value in macros.items()) + export
