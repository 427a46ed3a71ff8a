"""Arithmetic on the rows of a block: filled, moved, gathered, searched for runs that have ended.

A row has `WIDTH` numbers, one for each run; rows are contiguous.
"""

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

include "layout.pxi"

cdef fused real:
    float
    double

ctypedef char* row
ctypedef double* doubles
ctypedef int64_t* integers


cdef inline char* pointer(array) except? NULL:
    """The address of an array's memory, which lives as long as the array."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_STRIDED_RO)
    cdef char* address = <char*>view.buf
    PyBuffer_Release(&view)
    return address


cdef inline void fill(real* numbers, real value, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(n):
        numbers[l] = value


cdef inline void fill_row(row numbers, Py_ssize_t itemsize, double value) noexcept nogil:
    if itemsize == 4:
        fill[float](<float*>numbers, <float>value, WIDTH)
    else:
        fill[double](<double*>numbers, value, WIDTH)


cdef inline void put(
    real* rows, const real[:, :] table, const int64_t* column, Py_ssize_t many, Py_ssize_t lanes
) noexcept nogil:
    """Copies these columns of a table to the first rows."""
    cdef Py_ssize_t i, l
    for i in range(many):
        for l in range(lanes):
            rows[i * WIDTH + l] = table[i, column[l]]


cdef inline void put_rows(
    real* rows, Py_ssize_t first, const double[:, :] table, Py_ssize_t many, Py_ssize_t times, const int64_t* column,
    Py_ssize_t lanes
) noexcept nogil:
    """Copies these columns of the first rows of a table to rows from `first` on, each so many times."""
    cdef Py_ssize_t k, i, l
    for k in range(many):
        for i in range(times):
            for l in range(lanes):
                rows[(first + k * times + i) * WIDTH + l] = <real>table[k, column[l]]


cdef inline void keep_smaller(real* kept, const real* other) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(WIDTH):
        kept[l] = min(kept[l], other[l])


cdef inline void move(
    char* rows, Py_ssize_t many, Py_ssize_t itemsize, Py_ssize_t source, Py_ssize_t target
) noexcept nogil:
    """Moves the numbers of one run into the place of another."""
    cdef Py_ssize_t i
    for i in range(many):
        memcpy(rows + (i * WIDTH + target) * itemsize, rows + (i * WIDTH + source) * itemsize, itemsize)


cdef inline void gather(
    const char* rows, char* out, Py_ssize_t many, Py_ssize_t itemsize, const int* picked, Py_ssize_t n
) noexcept nogil:
    """Copies the numbers of the `n` picked runs to the first `n` places of `out`."""
    cdef Py_ssize_t i, k
    for i in range(many):
        for k in range(n):
            memcpy(out + (i * WIDTH + k) * itemsize, rows + (i * WIDTH + picked[k]) * itemsize, itemsize)


cdef inline Py_ssize_t pick(
    const real* x, const real* low, const real* high, Py_ssize_t count, Py_ssize_t lanes, real tol, real limit,
    int* picked
) noexcept nogil:
    """Picks runs that may have ended in this window: slope below the tolerance, or a number beyond the limit's root.

    A parameter that passes the limit within a window and is below its root at the end has had a slope beyond that root
    on the way back, and a NaN stays NaN: so nothing is missed that a test of every iterate would find.
    """
    cdef Py_ssize_t l, i, n = 0
    cdef real root = sqrt(limit)
    cdef bint suspect
    for l in range(lanes):
        suspect = low[l] < tol or not high[l] <= root
        for i in range(count):
            suspect = suspect or not (x[i * WIDTH + l] <= root and x[i * WIDTH + l] >= -root)
        if suspect:
            picked[n] = <int>l
            n += 1
    return n


cdef inline Py_ssize_t turns_of(const char* rows, Py_ssize_t itemsize, Py_ssize_t k) noexcept nogil:
    """How many of the last moves reversed direction: the bits that the observing kernel shifted in."""
    cdef unsigned int bits
    cdef Py_ssize_t n = 0
    if itemsize == 4:
        bits = (<unsigned int*>rows)[k]
    else:
        bits = <unsigned int>(<uint64_t*>rows)[k]
    while bits:
        bits &= bits - 1
        n += 1
    return n
