"""Blocks of a platoon: which of their lanes have a network, and how networks move together."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    RUN = 0  # rows of a block's integers: which network, when it ends, which seed it has
    END = 1
    SEED = 2
    RATES = 3  # and on: which schedule each group has


cdef struct Lanes:  # a block
    char* numbers  # rows of one number each of all networks: parameters, then state
    char* coefficients
    double* reals
    int64_t* whole
    uint64_t active
    int64_t next_end
    bint stale  # coefficients that do not change are to be computed


cdef inline int count(uint64_t lanes) noexcept nogil:
    cdef int n = 0
    while lanes:
        lanes &= lanes - 1
        n += 1
    return n


cdef inline void close_ranks(Lanes* block, Py_ssize_t blocks, Py_ssize_t lanes, Py_ssize_t total, Py_ssize_t itemsize,
                             Py_ssize_t n_reals, Py_ssize_t n_whole) noexcept nogil:
    """Moves the networks of the last block in use into empty lanes of others, as long as that empties it."""
    cdef Py_ssize_t b, last, lane, target, free
    while True:
        last, free = -1, 0
        for b in range(blocks):
            if block[b].active:
                if last >= 0:
                    free += lanes - count(block[last].active)
                last = b
        if last < 0 or free < count(block[last].active):
            return
        b = target = 0
        for lane in range(lanes):
            if not block[last].active >> lane & 1:
                continue
            while not block[b].active or block[b].active >> target & 1:
                target += 1
                if target >= lanes:
                    b, target = b + 1, 0
            move(&block[last], lane, &block[b], target, lanes, total, itemsize, n_reals, n_whole)


cdef inline void move(Lanes* source, Py_ssize_t lane, Lanes* block, Py_ssize_t target, Py_ssize_t lanes, Py_ssize_t total,
                      Py_ssize_t itemsize, Py_ssize_t n_reals, Py_ssize_t n_whole) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(total):
        memcpy(block.numbers + (i * lanes + target) * itemsize, source.numbers + (i * lanes + lane) * itemsize, itemsize)
    for i in range(n_reals):
        block.reals[i * lanes + target] = source.reals[i * lanes + lane]
    for i in range(n_whole):
        block.whole[i * lanes + target] = source.whole[i * lanes + lane]
    source.active &= ~(<uint64_t>1 << lane)
    block.active |= <uint64_t>1 << target
    block.next_end = min(block.next_end, block.whole[END * lanes + target])
    block.stale = True
