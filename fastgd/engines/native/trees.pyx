"""The leaves of nested lists, tuples and dicts that are built as they were before, in nanoseconds.

Nothing here runs Python code: what could (another kind of mapping, keys that compare themselves) is left to the
caller, like every error message.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct Mapping "PyMappingMethods":
        void* mp_subscript
    ctypedef struct Type "PyTypeObject":
        Mapping* tp_as_mapping
    Type PyTuple_Type
    Type PyDict_Type
    Type* Py_TYPE(PyObject*)
    void Py_INCREF(PyObject*)
    void Py_XDECREF(PyObject*)
    int Py_EQ
    int PyObject_RichCompareBool(PyObject*, PyObject*, int)
    bint PyList_CheckExact(PyObject*)
    bint PyTuple_Check(PyObject*)
    bint PyDict_Check(PyObject*)
    bint PyUnicode_CheckExact(PyObject*)
    bint PyLong_CheckExact(PyObject*)
    Py_ssize_t PyList_GET_SIZE(PyObject*)
    Py_ssize_t PyTuple_GET_SIZE(PyObject*)
    Py_ssize_t PyDict_Size(PyObject*)
    PyObject* PyList_GET_ITEM(PyObject*, Py_ssize_t)
    PyObject* PyTuple_GET_ITEM(PyObject*, Py_ssize_t)
    void PyList_SET_ITEM(PyObject*, Py_ssize_t, PyObject*)
    list PyList_New(Py_ssize_t)
    bint PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**)
    PyObject* PyDict_GetItem(PyObject*, PyObject*)

cdef enum Kind:
    LEAF, SEQUENCE, DICT

cdef struct Node:
    Kind kind
    Py_ssize_t count  # of children, whose nodes follow
    PyObject* keys  # of a dict, in a tuple
    PyObject** equal  # for each key an equal one that another dict had, such as that of the gradients; or NULL

cdef Py_ssize_t OTHER = -1  # not a place: something is built in another way


cdef inline bint _is_plain_key(PyObject* key) noexcept:
    """Whether comparing this key runs no Python code."""
    return PyUnicode_CheckExact(key) or PyLong_CheckExact(key)


cdef inline bint _is_plain_tuple(PyObject* value) noexcept:
    """A tuple or a subclass, such as a named tuple, that has the items of a tuple."""
    return PyTuple_Check(value) and Py_TYPE(value).tp_as_mapping.mp_subscript == PyTuple_Type.tp_as_mapping.mp_subscript


cdef inline bint _is_plain_dict(PyObject* value) noexcept:
    """A dict or a subclass, such as an ordered one, that has the items of a dict."""
    return PyDict_Check(value) and Py_TYPE(value).tp_as_mapping.mp_subscript == PyDict_Type.tp_as_mapping.mp_subscript


cdef class Collector:
    """Lists the leaves of trees of one structure.

    Parameters
    ----------
    nodes : sequence of (str, sequence)
        Each node, before those of its children: its kind, "array", "list" or "dict", and its keys.
    """

    cdef Node* nodes
    cdef Py_ssize_t leaves
    cdef list kept  # the keys
    cdef PyObject** equal
    cdef Py_ssize_t keys  # of all nodes

    def __cinit__(self, nodes):
        cdef Py_ssize_t k, first = 0
        self.kept = [tuple(keys) for _, keys in nodes]
        self.nodes = <Node*>PyMem_Calloc(len(self.kept) + 1, sizeof(Node))
        self.keys = sum(map(len, self.kept))
        self.equal = <PyObject**>PyMem_Calloc(self.keys + 1, sizeof(PyObject*))
        if self.nodes is NULL or self.equal is NULL:
            raise MemoryError
        for k, (kind, keys) in enumerate(nodes):
            self.nodes[k].kind = {"array": LEAF, "list": SEQUENCE, "dict": DICT}[kind]
            self.nodes[k].count = len(keys)
            self.nodes[k].keys, self.nodes[k].equal = <PyObject*>self.kept[k], self.equal + first
            first += len(keys)
            self.leaves += kind == "array"

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self.keys if self.equal is not NULL else 0):
            Py_XDECREF(self.equal[k])
        PyMem_Free(self.equal)
        PyMem_Free(self.nodes)

    def collect(self, value):
        """The leaves of a tree, in order; None if it is built in another way or cannot be judged here."""
        cdef list found = PyList_New(self.leaves)
        cdef Py_ssize_t filled = 0
        return None if self._add(<PyObject*>value, 0, <PyObject*>found, &filled) == OTHER else found

    cdef inline Py_ssize_t _add(self, PyObject* value, Py_ssize_t at, PyObject* found, Py_ssize_t* filled) noexcept:
        """Add the leaves of the node `at`; returns the node after them."""
        if self.nodes[at].kind == LEAF:
            Py_INCREF(value)
            PyList_SET_ITEM(found, filled[0], value)
            filled[0] += 1
            return at + 1
        if self.nodes[at].kind == DICT:
            return self._add_dict(value, at, found, filled)
        return self._add_sequence(value, at, found, filled)

    cdef Py_ssize_t _add_sequence(
        self, PyObject* value, Py_ssize_t at, PyObject* found, Py_ssize_t* filled
    ) noexcept:
        cdef Py_ssize_t k, count = self.nodes[at].count
        cdef bint is_list = PyList_CheckExact(value)
        at += 1
        if not (is_list or _is_plain_tuple(value)):
            return OTHER
        if (PyList_GET_SIZE(value) if is_list else PyTuple_GET_SIZE(value)) != count:
            return OTHER
        for k in range(count):
            at = self._add(PyList_GET_ITEM(value, k) if is_list else PyTuple_GET_ITEM(value, k), at, found, filled)
            if at == OTHER:
                return OTHER
        return at

    cdef Py_ssize_t _add_dict(
        self, PyObject* value, Py_ssize_t at, PyObject* found, Py_ssize_t* filled
    ) noexcept:
        """In the order of the keys of the node, which is mostly that of the dict too."""
        cdef Node* node = &self.nodes[at]
        cdef Py_ssize_t k, place = 0
        cdef PyObject* key = NULL
        cdef PyObject* item = NULL
        cdef bint in_order = True
        at += 1
        if not _is_plain_dict(value) or PyDict_Size(value) != node.count:
            return OTHER
        for k in range(node.count):
            if in_order:
                PyDict_Next(value, &place, &key, &item)
                in_order = (
                    key == PyTuple_GET_ITEM(node.keys, k) or key == node.equal[k] or _is_equal_key(node, k, key)
                )
                if not in_order and not _has_plain_keys(value, node.keys):
                    return OTHER
            if not in_order:
                item = PyDict_GetItem(value, PyTuple_GET_ITEM(node.keys, k))
                if item is NULL:
                    return OTHER
            at = self._add(item, at, found, filled)
            if at == OTHER:
                return OTHER
        return at


cdef bint _is_equal_key(Node* node, Py_ssize_t k, PyObject* key) noexcept:
    """Whether this is key number k of a node; if so, it is known from now on."""
    cdef PyObject* wanted = PyTuple_GET_ITEM(node.keys, k)
    cdef PyObject* before = node.equal[k]
    if not (_is_plain_key(key) and _is_plain_key(wanted) and PyObject_RichCompareBool(key, wanted, Py_EQ) == 1):
        return False
    Py_INCREF(key)
    node.equal[k] = key
    Py_XDECREF(before)
    return True


cdef bint _has_plain_keys(PyObject* value, PyObject* wanted) noexcept:
    cdef Py_ssize_t k, place = 0
    cdef PyObject* key = NULL
    for k in range(PyTuple_GET_SIZE(wanted)):
        if not _is_plain_key(PyTuple_GET_ITEM(wanted, k)):
            return False
    while PyDict_Next(value, &place, &key, NULL):
        if not _is_plain_key(key):
            return False
    return True
