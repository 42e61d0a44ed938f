/* Reading CPython objects with as little as each kind of access needs.
 *
 * Functions that return a PyObject pointer give NULL for an absent value, with an exception set or not.
 * mlf_tuple_item and mlf_slot give borrowed references, mlf_dict_item a borrowed one unless
 * MLF_OWNS_ITEMS, the others a reference of the caller's own.
 */
#ifndef MLF_ACCESS_H
#define MLF_ACCESS_H

#include <Python.h>
#include <stdint.h>
#include <structmember.h>

/* Without the GIL another thread may replace a slot's or a dict's value while it is read:
 * then only access that takes a reference is safe. */
#ifdef Py_GIL_DISABLED
#define MLF_READS_SLOTS 0
#define MLF_OWNS_ITEMS 1
#else
#define MLF_READS_SLOTS 1
#define MLF_OWNS_ITEMS 0
#endif

static inline PyObject *mlf_dict_item(PyObject *record, PyObject *key)
{
#if MLF_OWNS_ITEMS
    PyObject *value;
    return PyDict_GetItemRef(record, key, &value) > 0 ? value : NULL;
#else
    return PyDict_GetItemWithError(record, key);
#endif
}

static inline PyObject *mlf_list_item(PyObject *record, Py_ssize_t position)
{
#if MLF_OWNS_ITEMS
    return PyList_GetItemRef(record, position);
#else
    if (position >= PyList_GET_SIZE(record))
        return NULL;
    PyObject *value = PyList_GET_ITEM(record, position);
    Py_INCREF(value);
    return value;
#endif
}

static inline PyObject *mlf_tuple_item(PyObject *record, Py_ssize_t position)
{
    return PyTuple_GET_ITEM(record, position);
}

static inline PyObject *mlf_attribute(PyObject *record, PyObject *name)
{
    return PyObject_GetAttr(record, name);
}

static inline PyObject *mlf_mapping_item(PyObject *record, PyObject *key)
{
    return PyObject_GetItem(record, key);
}

static inline PyObject *mlf_slot(PyObject *record, Py_ssize_t offset)
{
    return *(PyObject **)((char *)record + offset);
}

/* Offset of the object slot that a member descriptor reads; -1 for anything else. */
static inline Py_ssize_t mlf_slot_offset(PyObject *descriptor)
{
    if (Py_TYPE(descriptor) != &PyMemberDescr_Type)
        return -1;
    const PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
    return member->type == T_OBJECT_EX ? member->offset : -1;
}

static inline Py_ssize_t mlf_list_size(PyObject *record) { return PyList_GET_SIZE(record); }
static inline Py_ssize_t mlf_tuple_size(PyObject *record) { return PyTuple_GET_SIZE(record); }

static inline int mlf_is_float(PyObject *o) { return PyFloat_CheckExact(o); }
static inline int mlf_is_text(PyObject *o) { return PyUnicode_Check(o); }
static inline int mlf_is_none(PyObject *o) { return o == Py_None; }
static inline double mlf_float_value(PyObject *o) { return PyFloat_AS_DOUBLE(o); }

/* An int or bool of up to 64 bits: 1 and its value, else 0. */
static inline int mlf_small_int(PyObject *o, int64_t *value)
{
    if (!PyLong_CheckExact(o) && !PyBool_Check(o))
        return 0;
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(o, &overflow);
    return overflow == 0;
}

/* For Cython: raises the exception that is set already. */
static inline int mlf_raise_pending(void) { return -1; }

/* The storage of a str, which is the same for equal texts. */
static inline uint8_t mlf_text_kind(PyObject *o) { return (uint8_t)PyUnicode_KIND(o); }
static inline const void *mlf_text_data(PyObject *o) { return PyUnicode_DATA(o); }
static inline Py_ssize_t mlf_text_size(PyObject *o) { return PyUnicode_GET_LENGTH(o); }

#endif
