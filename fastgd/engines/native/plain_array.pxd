"""NumPy arrays by borrowed references: what a step asks of every array, in nanoseconds."""

from cpython.object cimport PyObject

cimport numpy as cnp

cdef extern from "numpy/arrayobject.h":
    # Declared once more: numpy's own declarations count references.
    ctypedef struct Array "PyArrayObject":
        pass
    bint PyArray_CheckExact(PyObject*) noexcept
    int PyArray_NDIM(Array*) noexcept
    int PyArray_TYPE(Array*) noexcept
    int PyArray_FLAGS(Array*) noexcept
    bint PyArray_ISNOTSWAPPED(Array*) noexcept
    void* PyArray_DATA(Array*) noexcept
    cnp.npy_intp* PyArray_DIMS(Array*) noexcept
    cnp.npy_intp* PyArray_STRIDES(Array*) noexcept


cdef inline void* data_of(PyObject* array) noexcept:
    return PyArray_DATA(<Array*>array)


cdef inline cnp.npy_intp* steps_of(PyObject* array) noexcept:
    """The strides, in bytes."""
    return PyArray_STRIDES(<Array*>array)


cdef inline bint has_flags(PyObject* array, int wanted) noexcept:
    return (PyArray_FLAGS(<Array*>array) & wanted) == wanted


cdef inline bint is_plain(
    PyObject* candidate, int type_number, int ndim, const cnp.npy_intp* expected, int wanted
) noexcept:
    """Whether this is a plain array of the expected type and shape with (at least) the flags wanted."""
    cdef int k
    cdef cnp.npy_intp* shape
    cdef Array* array = <Array*>candidate
    if (
        not PyArray_CheckExact(candidate)
        or PyArray_TYPE(array) != type_number
        or PyArray_NDIM(array) != ndim
        or (PyArray_FLAGS(array) & wanted) != wanted
        or not PyArray_ISNOTSWAPPED(array)
    ):
        return False
    shape = PyArray_DIMS(array)
    for k in range(ndim):
        if shape[k] != expected[k]:
            return False
    return True
