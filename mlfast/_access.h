/* Reading the fields of CPython objects with as little as each kind of record needs. */
#ifndef MLF_ACCESS_H
#define MLF_ACCESS_H

#include <Python.h>
#include <stdint.h>
#include <structmember.h>

#include "vocabulary.h"

/* Without the GIL another thread may replace a slot's or a dict's value while it is read:
 * then only access that takes a reference is safe. */
#ifdef Py_GIL_DISABLED
#define MLF_READS_SLOTS 0
#define MLF_OWNS_ITEMS 1
#else
#define MLF_READS_SLOTS 1
#define MLF_OWNS_ITEMS 0
#endif

/* Offset of the object slot that a member descriptor reads; -1 for anything else. */
static inline Py_ssize_t mlf_slot_offset(PyObject *descriptor)
{
    if (Py_TYPE(descriptor) != &PyMemberDescr_Type)
        return -1;
    const PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
    return member->type == T_OBJECT_EX ? member->offset : -1;
}

/* For Cython: raises the exception that is set already. */
static inline int mlf_raise_pending(void) { return -1; }

/* An int or bool of up to 64 bits: 1 and its value, else 0. */
static inline int mlf_small_int(PyObject *o, int64_t *value)
{
    if (!PyLong_CheckExact(o) && !PyBool_Check(o))
        return 0;
#if PY_VERSION_HEX >= 0x030C0000
    if (PyUnstable_Long_IsCompact((PyLongObject *)o)) {
        *value = PyUnstable_Long_CompactValue((PyLongObject *)o);
        return 1;
    }
#else
    Py_ssize_t size = Py_SIZE(o);     /* its sign, and the number of digits */
    if (size >= -1 && size <= 1) {
        *value = size * (int64_t)((PyLongObject *)o)->ob_digit[0];
        return 1;
    }
#endif
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(o, &overflow);
    return overflow == 0;
}

/* A str is looked up by its storage, which is the same for equal texts. */
static __attribute__((noinline)) int32_t mlf_find_str(const mlf_vocabulary *v, PyObject *o)
{
    uint8_t kind = (uint8_t)PyUnicode_KIND(o);
    size_t size = (size_t)PyUnicode_GET_LENGTH(o);
    if (PyUnicode_IS_COMPACT(o))      /* its header is in front of the text */
        return mlf_find_short_text(v, kind, PyUnicode_DATA(o), size);
    return mlf_find_text(v, kind, PyUnicode_DATA(o), size);
}

/* The rarer values: an int or bool, None, and a number read as a code. */
static __attribute__((noinline)) int mlf_read_other(PyObject *o, const mlf_vocabulary *v,
                                                    double *out)
{
    int64_t integer;
    if (mlf_small_int(o, &integer))
        *out = v ? (double)mlf_find_integer(v, integer) : (double)integer;
    else if (o == Py_None)
        *out = v ? (double)mlf_code_none(v) : Py_NAN;
    else if (PyFloat_CheckExact(o))
        *out = v ? (double)mlf_find_number(v, PyFloat_AS_DOUBLE(o)) : PyFloat_AS_DOUBLE(o);
    else
        return 0;
    return 1;
}

/* Reads a float, int, bool, str or None, as a number (v is NULL) or as a code.
 * Returns 0 for anything else, an absent value included: the cold way. */
static inline int mlf_read_value(PyObject *o, const mlf_vocabulary *v, double *out)
{
    if (!o)
        return 0;
    if (!v && PyFloat_CheckExact(o)) {
        *out = PyFloat_AS_DOUBLE(o);
        return 1;
    }
    if (v && PyUnicode_Check(o)) {
        *out = mlf_find_str(v, o);
        return 1;
    }
    return mlf_read_other(o, v, out);
}

/* Where one input is found in a record of a certain type, and where it goes. */
typedef struct mlf_spot {
    Py_ssize_t place;                    /* byte offset, or position */
    PyObject *key;                       /* name; a borrowed reference */
    const mlf_vocabulary *vocabulary;    /* NULL: read as a number */
    int32_t slot, field;
} mlf_spot;

/* Kinds of records: name, whether `fetch` gives a reference of our own, and `fetch` itself, from
 * record and spot s; NULL for an absent value, with an exception set or not. */
#define MLF_FOR_EACH_KIND(X)                                                                       \
    X(slots, 0, *(PyObject **)((char *)record + s->place))                                         \
    X(tuple, 0, PyTuple_GET_ITEM(record, s->place))                                                \
    X(dict, MLF_OWNS_ITEMS, mlf_dict_item(record, s->key))                                         \
    X(list, 1, mlf_list_item(record, s->place))                                                    \
    X(attributes, 1, PyObject_GetAttr(record, s->key))                                             \
    X(mapping, 1, PyObject_GetItem(record, s->key))

static inline PyObject *mlf_dict_item(PyObject *record, PyObject *key)
{
#if MLF_OWNS_ITEMS
    PyObject *value;
    return PyDict_GetItemRef(record, key, &value) > 0 ? value : NULL;
#else
    return PyDict_GetItemWithError(record, key);
#endif
}

/* The list may have become shorter since its length was checked. */
static inline PyObject *mlf_list_item(PyObject *record, Py_ssize_t position)
{
#if MLF_OWNS_ITEMS
    return PyList_GetItemRef(record, position);
#else
    return position < PyList_GET_SIZE(record) ? Py_NewRef(PyList_GET_ITEM(record, position)) : NULL;
#endif
}

/* Reads the inputs from s on, up to `end`, to x[slot * stride]. Returns the first that needs the
 * cold way, or `end`. */
#define MLF_READ_(kind, owned, fetch)                                                              \
    static inline const mlf_spot *mlf_read_##kind(PyObject *record, const mlf_spot *s,             \
                                                  const mlf_spot *end, double *x,                  \
                                                  ptrdiff_t stride)                                \
    {                                                                                              \
        for (; s < end; s++) {                                                                     \
            PyObject *value = (fetch);                                                             \
            int done = mlf_read_value(value, s->vocabulary, x + s->slot * stride);                 \
            if (owned)                                                                             \
                Py_XDECREF(value);                                                                 \
            if (!done)                                                                             \
                return s;                                                                          \
        }                                                                                          \
        return end;                                                                                \
    }
MLF_FOR_EACH_KIND(MLF_READ_)
#undef MLF_READ_

#define MLF_KIND_(kind, owned, fetch) MLF_KIND_##kind,
typedef enum mlf_kind { MLF_FOR_EACH_KIND(MLF_KIND_) MLF_KIND_values } mlf_kind;
#undef MLF_KIND_

/* One value once more, for the cold way: a reference of the caller's own, or NULL. */
static PyObject *mlf_fetch(mlf_kind kind, PyObject *record, const mlf_spot *s)
{
    PyErr_Clear();
    switch (kind) {
#define CASE_(kind, owned, fetch)                                                                  \
    case MLF_KIND_##kind: {                                                                        \
        PyObject *value = (fetch);                                                                 \
        return owned ? value : Py_XNewRef(value);                                                  \
    }
    MLF_FOR_EACH_KIND(CASE_)
#undef CASE_
    case MLF_KIND_values: break;
    }
    return NULL;
}

#endif
