"""The header of an exported model (abi="mlfast")."""

from __future__ import annotations

from mlfast import spec
from mlfast.export import tables
from mlfast.export.names import Member

_TEXT = """\
/* {title}
 *
 * Every function may be called by any number of threads. Those that return int give 0, or a code
 * for mlfast_error() when the original model refuses the record; `out` is then undefined.
 *
 * features: double[MLFAST_N_FEATURES], one number a field, in this order; NaN is missing.
{features} *
 * out: double[MLFAST_N_OUTPUTS], {outputs}.
{classes} */
#ifndef MLFAST_MODEL_H
#define MLFAST_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#if defined(_WIN32)
#define MLFAST_API __declspec(dllexport)
#elif defined(__GNUC__)
#define MLFAST_API __attribute__((visibility("default")))
#else
#define MLFAST_API
#endif

#define MLFAST_N_FEATURES {n_features}
#define MLFAST_N_ENCODED {n_encoded}    /* length of the encoded vector */
#define MLFAST_N_OUTPUTS {n_outputs}
#define MLFAST_HAS_LABEL {has_label}

{values}/* A record: the fields that are read, by name. Texts are UTF-8, NUL-terminated. A missing
 * number is NAN; a missing text is NULL where Python has NaN, mlfast_none where it has None. */
typedef struct mlfast_record {{
{members}
}} mlfast_record;

MLFAST_API extern const char mlfast_none[1];

/* One row of numbers; a field of texts is then an unknown text. */
MLFAST_API int mlfast_predict_one(const double *features, double *out);

/* n_rows rows, one after another in `features` and `out`. Stops at a row that is refused and
 * stores its number in *refused_row, unless that is NULL. */
MLFAST_API int mlfast_predict(const double *features, size_t n_rows, double *out,
                              size_t *refused_row);

/* One record with its names. */
MLFAST_API int mlfast_predict_record(const mlfast_record *record, double *out);

/* What the model's head reads after all steps: double[MLFAST_N_ENCODED]. */
MLFAST_API int mlfast_encode_one(const double *features, double *encoded);
MLFAST_API int mlfast_encode_record(const mlfast_record *record, double *encoded);
{answer}
/* What a code means; never NULL. */
MLFAST_API const char *mlfast_error(int code);

#ifdef __cplusplus
}}
#endif

#endif
"""

_VALUE = """\
/* A field of numbers and texts: the text unless it is NULL, else the number. */
typedef struct mlfast_value { const char *text; double number; } mlfast_value;

"""

_ANSWER = """
/* All that is to be said about a record. */
typedef struct mlfast_answer {{
    double decisions[{n_decisions}];    /* raw margins */
    double values[MLFAST_N_OUTPUTS];    /* as `out` */
{label}}} mlfast_answer;

MLFAST_API int mlfast_answer_one(const double *features, mlfast_answer *answer);
MLFAST_API int mlfast_answer_record(const mlfast_record *record, mlfast_answer *answer);
"""

_C_TYPES = {"number": "double ", "text": "const char *", "value": "mlfast_value "}


def source(model: spec.Model, members: list[Member], n_decisions: int, n_outputs: int) -> str:
    """The header's text."""
    output = model.output
    shown = [
        f"    {_C_TYPES[member.kind]}{member.identifier};"
        + (f"    /* {tables.comment(member.title)} */" if member.title != member.identifier else "")
        for member in members
    ]
    features = "".join(
        f" *   {i}: {tables.comment(field.name)}\n" for i, field in enumerate(model.fields)
    )
    has_label = output is not None and (bool(output.classes) or output.rule == "outlier")
    answer, classes = "", ""
    if output is not None:
        label = ""
        if has_label:
            meaning = "-1 or 1" if output.rule == "outlier" else "number of the class"
            label = f"    int32_t label;    /* {meaning} */\n"
        answer = _ANSWER.format(n_decisions=n_decisions, label=label)
        if output.classes:
            listed = "".join(
                f" *   {i}: {tables.comment(str(c))}\n" for i, c in enumerate(output.classes)
            )
            classes = f" *\n * Classes:\n{listed}"
    return _TEXT.format(
        title=title(model),
        features=features,
        outputs=_meaning(output),
        classes=classes,
        n_features=len(model.fields),
        n_encoded=len(model.outputs),
        n_outputs=n_outputs,
        has_label=int(has_label),
        values=_VALUE if any(member.kind == "value" for member in members) else "",
        members="\n".join(shown) or "    char unused;",
        answer=answer,
    )


def title(model: spec.Model) -> str:
    """A line about the model."""
    head = "an encoder" if model.head is None else type(model.head).__name__
    if isinstance(model.head, spec.TreeEnsemble):
        head = f"{model.head.n_trees} trees, {model.head.n_nodes} nodes"
    return f"A trained model, exported by mlfast: {len(model.fields)} fields, {head}."


def _meaning(output: spec.Output | None) -> str:
    if output is None:
        return "the encoded vector"
    if "predict_proba" in output.methods:
        return "the probability of each class"
    return "the decision values" if output.classes else "the prediction"
