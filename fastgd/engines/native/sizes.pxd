"""The largest of many sizes."""

from libc.math cimport NAN, fabs, isnan

from fastgd.engines.native.lanes cimport real

include "layout.pxi"


cdef inline double largest(const real* numbers, Py_ssize_t n) noexcept nogil:
    """The largest size of n numbers, NaN where one is."""
    cdef double most = 0.0
    cdef real size
    cdef real part[PARTIALS]  # so many at a time do not wait for one another
    cdef bint nans = False
    cdef Py_ssize_t i, k
    for k in range(PARTIALS):
        part[k] = 0
    for i in range(n // PARTIALS):
        for k in range(PARTIALS):
            size = fabs(numbers[i * PARTIALS + k])
            part[k] = size if size > part[k] else part[k]
            nans |= size != size
    for i in range(n - n % PARTIALS, n):
        size = fabs(numbers[i])
        part[0] = size if size > part[0] else part[0]
        nans |= size != size
    for k in range(PARTIALS):
        most = max(most, <double>part[k])
    return NAN if nans else most


cdef inline double farthest(const real* a, const real* b, Py_ssize_t n) noexcept nogil:
    """The largest distance of n numbers from others, NaN where one is."""
    cdef double most = 0.0
    cdef real move
    cdef Py_ssize_t i
    for i in range(n):
        move = a[i] - b[i]
        if fabs(move) > most or isnan(move):
            most = fabs(move)
    return most
