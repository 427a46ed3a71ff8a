"""A single run, tested at every iterate and recorded on the way."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from fastgd.engines.native.lanes cimport doubles, fill, pointer, row
from fastgd.engines.native.sweeps cimport Kernels, follow_d, follow_f, observe_d, observe_f

import numpy as np

from fastgd.engines.native.sweeps import aligned, table_of

include "layout.pxi"

cdef extern from "floating.h" nogil:
    uint64_t fgd_flush_subnormals(int flush)
    void fgd_restore_mode(uint64_t before)

cdef enum:
    ALONE = 16  # runs in a row of a descent that an observing kernel follows: one vector of the widest kind
    STEPS = 64  # steps whose coefficients are tabulated at once


cdef class Descent:
    """One run, tested at every iterate and recorded on the way; `status` is RUNNING until it has ended.

    It is advanced by a kernel made for one run, or by an observing kernel in the first of its lanes. Only the former
    looks for steps shorter than `step_tol`.
    """

    cdef readonly Py_ssize_t n
    cdef readonly int status
    cdef readonly object x
    cdef Kernels kernels
    cdef object _keep
    cdef Py_ssize_t max_iter, width
    cdef double tol, limit, step_tol
    cdef bint own, scheduled, steady, flush
    cdef row at, coefficients, work, state, seen, moved, turns
    cdef doubles carry, hyper
    cdef const char *data

    def __init__(self, Kernels kernels, x0, state0, hyper, *, penalties=None, bint own, bint scheduled, Py_ssize_t max_iter, double tol,
                 double step_tol, double limit, bint flush):
        """`own` says that the kernel is one for a single run. The other arguments are those of `Block`, for one run."""
        cdef Py_ssize_t count = kernels.count, k
        dtype = kernels.dtype
        self.kernels, self.own, self.scheduled, self.flush = kernels, own, scheduled, flush
        self.n, self.status, self.max_iter = 0, RUNNING, max_iter
        self.tol, self.step_tol, self.limit = tol, step_tol, limit
        self.steady = kernels.steady and not scheduled
        self.width = 1 if own else ALONE
        rows = (1 + kernels.n_state) * count + kernels.n_penalties
        # The working space follows the state: Numba's kernels, which know the sizes, expect it there.
        buffer = aligned((rows + 5 * count + 2, self.width), dtype)
        table = aligned((STEPS * kernels.n_coefficients, self.width), dtype)
        watch = aligned((2 + 2 * count, ALONE), dtype)
        reals = np.array([1.0, *hyper])
        buffer[:count, 0] = x0
        for k in range(kernels.n_state):
            buffer[(k + 1) * count : (k + 2) * count, 0] = state0[k]
        if kernels.n_penalties:
            buffer[rows - kernels.n_penalties : rows, 0] = penalties
        self.x = buffer[:count, 0]
        self._keep = (buffer, table, watch, reals)
        self.at, self.work = pointer(buffer), pointer(buffer[rows:])
        self.coefficients, self.data = pointer(table), pointer(kernels.data)
        self.state, self.seen = pointer(watch), pointer(watch[1:])
        self.moved, self.turns = pointer(watch[2:]), pointer(watch[2 + count:])
        self.carry = <double*>pointer(reals)
        self.hyper = self.carry + 1

    def advance(self, Py_ssize_t stop, Py_ssize_t every, records, rates):
        """Advances up to update number `stop`, or to the end; returns how many iterates were recorded, every `every`-th.

        `rates` are those of the updates from here to `stop`, contiguous doubles, if there is a schedule.
        """
        cdef Py_ssize_t until, kept = 0, i, count = self.kernels.count, itemsize = self.kernels.dtype_size
        cdef const double* of_schedule = NULL
        cdef Py_ssize_t start = self.n
        cdef char* out = NULL
        cdef uint64_t mode
        if self.scheduled:
            rates = table_of("a schedule's rates", rates, (stop - self.n,), np.float64)
            of_schedule = <const double*>pointer(rates)
        if every:
            out = pointer(records)
        with nogil:
            mode = fgd_flush_subnormals(self.flush)
            while self.status == RUNNING:
                until = stop if every == 0 else min(stop, self.n - self.n % every + every)
                while self.status == RUNNING and self.n < until:
                    self._some(until - self.n, of_schedule + (self.n - start) if self.scheduled else NULL)
                if self.status == RUNNING and self.n == self.max_iter:
                    if self.max_iter == 0:
                        self._some(0, NULL)
                    if self.status == RUNNING:
                        self.status = MAX_ITER
                if every and self.status == RUNNING and self.n % every == 0:
                    for i in range(count):
                        memcpy(out + (kept * count + i) * itemsize, self.at + i * self.width * itemsize, itemsize)
                    kept += 1
                if self.n == stop:
                    break
            fgd_restore_mode(mode)
        return kept

    cdef void _some(self, Py_ssize_t steps, const double* rates) noexcept nogil:
        """Makes some updates: as many as have their coefficients in the table."""
        cdef Py_ssize_t j, many = min(<Py_ssize_t>STEPS, steps), size = self.kernels.dtype_size
        cdef Py_ssize_t stride = 0 if self.steady else self.kernels.n_coefficients * self.width
        cdef Py_ssize_t own = self.kernels.n_hyper - self.kernels.n_shared - 1
        cdef row out = self.coefficients
        cdef double nothing[1]
        if self.steady:
            many = steps
        for j in range(1 if self.steady else many):
            if self.scheduled:
                self.hyper[0] = rates[j]
            if self.kernels.n_shared:
                if self.scheduled:
                    self.hyper[own] = rates[j]
                self.kernels.shared(<double>(self.n + j + 1), nothing, self.hyper + own, 1, 1, True, out)
                out += self.kernels.n_shared * self.width * size
            self._coefficients(<double>(self.n + j + 1), out)
            out += (self.kernels.n_coefficients - self.kernels.n_shared) * self.width * size
        if self.own:
            self._follow(many, stride)
        else:
            self._observe(many, stride)

    cdef void _coefficients(self, double t, row out) noexcept nogil:
        """Computes the coefficients of one update; an observing kernel reads them `width` apart."""
        cdef Py_ssize_t k, size = self.kernels.dtype_size
        cdef Py_ssize_t many = self.kernels.n_coefficients - self.kernels.n_shared
        self.kernels.lanes(t, self.carry, self.hyper, 1, 1, True, out)
        if self.width > 1:
            for k in range(many - 1, 0, -1):
                memcpy(out + k * self.width * size, out + k * size, size)

    cdef void _follow(self, Py_ssize_t steps, Py_ssize_t stride) noexcept nogil:
        cdef int64_t ended[2]
        cdef bint last = self.n + steps == self.max_iter
        if self.kernels.dtype_size == 4:
            (<follow_f>self.kernels.observe)(
                <float*>self.at, self.kernels.size, steps, last, <float*>self.coefficients, stride,
                <const float*>self.data, <float>self.tol, <float>self.limit, <float>self.step_tol, ended)
        else:
            (<follow_d>self.kernels.observe)(
                <double*>self.at, self.kernels.size, steps, last, <double*>self.coefficients, stride,
                <const double*>self.data, self.tol, self.limit, self.step_tol, ended)
        self.status = <int>ended[0]
        self.n += ended[1]

    cdef void _observe(self, Py_ssize_t steps, Py_ssize_t stride) noexcept nogil:
        """Makes updates with an observing kernel, as many as a lane can count; the other lanes count as ended."""
        cdef Py_ssize_t many = min(steps, <Py_ssize_t>1 << 20)
        cdef Py_ssize_t features = self.kernels.features, outputs = self.kernels.outputs
        cdef bint last = self.n + many == self.max_iter
        if self.kernels.dtype_size == 4:
            fill[float](<float*>self.state, MAX_ITER, ALONE)
            (<float*>self.state)[0], (<float*>self.seen)[0] = RUNNING, 0
            (<observe_f>self.kernels.observe)(
                <float*>self.at, ALONE, 1, self.kernels.size, many, last, <float*>self.coefficients, stride,
                <const float*>self.data, <float>self.tol, <float>self.limit, <float*>self.state, <float*>self.seen,
                <float*>self.moved, <float*>self.turns, <float*>self.work, features, outputs)
            self.status, self.n = <int>(<float*>self.state)[0], self.n + <Py_ssize_t>(<float*>self.seen)[0]
        else:
            fill[double](<double*>self.state, MAX_ITER, ALONE)
            (<double*>self.state)[0], (<double*>self.seen)[0] = RUNNING, 0
            (<observe_d>self.kernels.observe)(
                <double*>self.at, ALONE, 1, self.kernels.size, many, last, <double*>self.coefficients, stride,
                <const double*>self.data, self.tol, self.limit, <double*>self.state, <double*>self.seen,
                <double*>self.moved, <double*>self.turns, <double*>self.work, features, outputs)
            self.status, self.n = <int>(<double*>self.state)[0], self.n + <Py_ssize_t>(<double*>self.seen)[0]
