"""Stretches of memory: whether any two of them overlap."""

from libc.stdint cimport uintptr_t
from libc.stdlib cimport qsort

cdef struct Interval:  # bytes low..high - 1
    uintptr_t low
    uintptr_t high


cdef inline int by_address(const void* a, const void* b) noexcept nogil:
    cdef uintptr_t first = (<const Interval*>a).low, second = (<const Interval*>b).low
    return (first > second) - (first < second)


cdef inline bint sorted_apart(Interval* found, Py_ssize_t n) noexcept:
    """Sort by address; False if two overlap."""
    cdef Py_ssize_t k
    qsort(found, n, sizeof(Interval), by_address)
    for k in range(1, n):
        if found[k].low < found[k - 1].high:
            return False
    return True


cdef inline Py_ssize_t merged(Interval* found, Py_ssize_t n) noexcept:
    """Make one of sorted intervals that overlap; returns how many are left."""
    cdef Py_ssize_t k, last = 0
    for k in range(1, n):
        if found[k].low < found[last].high:
            found[last].high = max(found[last].high, found[k].high)
        else:
            last += 1
            found[last] = found[k]
    return min(n, last + 1)


cdef inline bint apart(
    const Interval* found, Py_ssize_t n, uintptr_t low, uintptr_t high
) noexcept:
    """Whether bytes low..high - 1 overlap none of the sorted intervals."""
    cdef Py_ssize_t left = 0, right = n, middle
    while left < right:  # how many of them start before `high`
        middle = (left + right) // 2
        if found[middle].low < high:
            left = middle + 1
        else:
            right = middle
    return left == 0 or low == high or found[left - 1].high <= low
