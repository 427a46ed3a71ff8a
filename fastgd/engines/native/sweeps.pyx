"""Blocks of runs that descend in lock step: windows, exact stops, compaction.

A block holds up to `WIDTH` runs as columns. It advances by windows of `WINDOW` updates. The window kernel keeps each
run's smallest slope max|g|; where that fell below the tolerance, or where something grew beyond all bounds, the run is
replayed from the window before by the observing kernel, which finds the exact step and the signs of the last moves.
Runs that ended are compacted away. Windows are counted back from `max_iter`, so that only the first can be shorter:
they do not depend on the number of runs or threads, and so neither do results.
"""

from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

import numpy as np

cdef extern from "floating.h" nogil:
    uint64_t fgd_flush_subnormals(int flush)
    void fgd_restore_mode(uint64_t before)

cdef extern from "gather.h" nogil:
    void fgd_gather(const char* data, Py_ssize_t row, Py_ssize_t item, const int32_t* order, Py_ssize_t rows,
                    Py_ssize_t left, const char* scale, char* out)

WIDTH = 256
WINDOW = 64
_DRAWN = 1 << 22  # numbers of rows in the orders that a block asks for at once
cdef enum:
    _WIDTH = 256
    _WINDOW = 64
    _TABLE = 8  # steps whose coefficients are tabulated at once: some 100 kB for Adam, which a second-level cache holds
    _LAST = 32  # moves whose signs tell oscillating from monotone

cdef fused real:
    float
    double

ctypedef char* row
ctypedef double* doubles
ctypedef int64_t* integers
ctypedef void (*window_t)(void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void*, Py_ssize_t, const void*, void*, void*, void*) noexcept nogil
ctypedef void (*observe_f)(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, bint, const float*, Py_ssize_t, const float*, float, float, float*, float*, float*, float*, float*) noexcept nogil
ctypedef void (*observe_d)(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, bint, const double*, Py_ssize_t, const double*, double, double, double*, double*, double*, double*, double*) noexcept nogil
ctypedef void (*follow_f)(float*, Py_ssize_t, Py_ssize_t, bint, const float*, Py_ssize_t, const float*, float, float, float, int64_t*) noexcept nogil
ctypedef void (*follow_d)(double*, Py_ssize_t, Py_ssize_t, bint, const double*, Py_ssize_t, const double*, double, double, double, int64_t*) noexcept nogil
ctypedef void (*lanes_t)(double, double*, const double*, Py_ssize_t, Py_ssize_t, bint, void*) noexcept nogil


cdef class Kernels:
    """What a sweep calls: addresses of functions of the library's ABI, and the sizes of what they work on."""

    cdef readonly object dtype, data, batches
    cdef readonly Py_ssize_t size, count, n_state, n_coefficients, n_hyper, features
    cdef readonly bint steady
    cdef window_t window
    cdef uintptr_t observe
    cdef lanes_t lanes, shared
    cdef Py_ssize_t n_shared, dtype_size

    def __init__(self, uintptr_t window, uintptr_t observe, uintptr_t lanes, *, uintptr_t shared=0,
                 Py_ssize_t n_shared=0, data, Py_ssize_t size,
                 Py_ssize_t count, Py_ssize_t n_state, Py_ssize_t n_coefficients, Py_ssize_t n_hyper, bint steady,
                 batches=None, Py_ssize_t features=0):
        """`shared` tabulates the first `n_shared` coefficients from the last rows of `hyper`, its own rate first.

        With `batches` (`fastgd.batches`) each update goes over some of the `size` rows of `features` inputs in `data`.
        """
        self.window, self.observe, self.lanes = <window_t>window, observe, <lanes_t>lanes
        self.shared, self.n_shared = <lanes_t>shared, n_shared
        self.data, self.dtype, self.dtype_size = data, data.dtype, data.dtype.itemsize
        self.size, self.count, self.n_state = size, count, n_state
        self.n_coefficients, self.n_hyper, self.steady = n_coefficients, n_hyper, steady
        self.batches, self.features = batches, features


cdef class Outcomes:
    """Where runs leave their results: arrays over all runs of a sweep."""

    cdef readonly object x, before, iterations, status, oscillating
    cdef char *_x
    cdef char *_before
    cdef int64_t[::1] _iterations
    cdef int8_t[::1] _status
    cdef uint8_t[::1] _oscillating

    def __init__(self, Py_ssize_t runs, Py_ssize_t count, dtype):
        self.x = np.zeros((runs, count), dtype)
        self.before = np.zeros((runs, count), dtype)  # WINDOW updates before the end, of runs that did not converge
        self.iterations = np.zeros(runs, np.int64)
        self.status = np.full(runs, -1, np.int8)
        self.oscillating = np.zeros(runs, np.uint8)
        self._x, self._before = _pointer(self.x), _pointer(self.before)
        self._iterations, self._status, self._oscillating = self.iterations, self.status, self.oscillating


def aligned(shape, dtype):
    """Zeros whose first byte lies on a cache line, as the vector kernels want it."""
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(n + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n].view(dtype).reshape(shape)


cdef class Block:
    """Room for up to WIDTH runs of one rule on one problem, at the same step; `load` brings runs in."""

    cdef readonly Py_ssize_t lanes, n, part  # updates done: before this window, and of it
    cdef Kernels kernels
    cdef Outcomes outcomes
    cdef object schedules, _keep, _x, _reals, _whole
    cdef Py_ssize_t max_iter, n_saved, n_older, rate_start, rows, itemsize
    cdef double tol, limit
    cdef bint uniform, steady, scheduled, flush
    # Rows of WIDTH runs: parameters and state now, at the start of this window, and of the one before.
    cdef row x, saved, older, scratch, scratch_work, low, high, work, coefficients, status, seen, moved, turns
    cdef doubles carry, carry_saved, carry_older, carry_scratch, hyper, hyper_scratch
    cdef integers run, rate_of, rate_of_scratch
    cdef int *picked
    cdef const char *data
    cdef double[:, ::1] rates
    # Rows in batches: how many in each, updates of an epoch, and from which epoch on the rows' orders are at hand.
    cdef bint batched, tested
    cdef Py_ssize_t batch_size, updates, first_epoch, batch_rows, batch_of
    cdef const int32_t[:, :] orders
    cdef row batch, lowest
    cdef object seed

    def __init__(self, Kernels kernels, Outcomes outcomes, *, Py_ssize_t max_iter, double tol, double limit,
                 bint flush):
        cdef Py_ssize_t count = kernels.count
        dtype = kernels.dtype
        self.kernels, self.outcomes, self.max_iter = kernels, outcomes, max_iter
        self.tol, self.limit, self.flush = tol, limit, flush
        self.rows, self.itemsize = (1 + kernels.n_state) * count, dtype.itemsize
        # One buffer, in this order: a kernel that knows the sizes addresses all rows from `x` (see numba_sweep).
        work = 3 * count + 1
        rows = {"x": self.rows, "work": work, "low": 1, "high": 1, "coefficients": _TABLE * kernels.n_coefficients,
                "scratch": self.rows, "scratch_work": work, "saved": self.rows, "older": self.rows,
                "status": 1, "seen": 1, "moved": count, "turns": count}
        buffer = aligned((sum(rows.values()), _WIDTH), dtype)
        reals = aligned((4 + 2 * kernels.n_hyper, _WIDTH), np.float64)
        whole = aligned((3, _WIDTH), np.int64)
        picked = aligned((_WIDTH,), np.int32)
        self._keep = (buffer, reals, whole, picked, kernels.data)
        at, start = {}, 0
        for name, many in rows.items():
            at[name] = buffer[start : start + many]
            start += many
        self._x, self._reals, self._whole = at["x"], reals, whole
        self.x, self.work, self.low, self.high = _pointer(at["x"]), _pointer(at["work"]), _pointer(at["low"]), _pointer(at["high"])
        self.coefficients, self.saved, self.older = _pointer(at["coefficients"]), _pointer(at["saved"]), _pointer(at["older"])
        self.scratch, self.status, self.seen = _pointer(at["scratch"]), _pointer(at["status"]), _pointer(at["seen"])
        self.moved, self.turns = _pointer(at["moved"]), _pointer(at["turns"])
        self.scratch_work = _pointer(at["scratch_work"])
        self.carry = <double*>_pointer(reals)
        self.carry_saved, self.carry_older = self.carry + _WIDTH, self.carry + 2 * _WIDTH
        self.carry_scratch = self.carry + 3 * _WIDTH
        self.hyper = self.carry + 4 * _WIDTH
        self.hyper_scratch = self.hyper + kernels.n_hyper * _WIDTH
        self.run = <int64_t*>_pointer(whole)
        self.rate_of, self.rate_of_scratch = self.run + _WIDTH, self.run + 2 * _WIDTH
        self.picked = <int*>_pointer(picked)
        self.data = _pointer(kernels.data)
        self.batched, self.tested = kernels.batches is not None, kernels.batches is not None and tol > 0
        if self.batched:
            self.batch_size, self.updates = kernels.batches.size, kernels.batches.updates
            batch = aligned((self.batch_size * (kernels.features + 1) + 1,), dtype)
            lowest = aligned((_WIDTH,), dtype)
            self.batch, self.lowest = _pointer(batch), _pointer(lowest)
            self._keep += (batch, lowest)

    def load(self, run, x0, state0, hyper, *, schedules=None, rate_of=None, seed=0, bint uniform):
        """Runs at their start, copied: `run` numbers them; `x0`, `state0` and `hyper` have a column for each."""
        cdef Py_ssize_t count = self.kernels.count, lanes = len(run)
        self.lanes, self.n, self.part, self.uniform, self.schedules = lanes, 0, 0, uniform, schedules
        self.scheduled = schedules is not None
        self.steady = self.kernels.steady and not self.scheduled
        self.seed, self.batch_of = seed, -1  # of the rows' order; no batch is at hand
        self._x[:count, :lanes] = x0
        for k in range(self.kernels.n_state):
            self._x[(k + 1) * count : (k + 2) * count, :lanes] = state0[k]
        self._reals[0] = 1.0
        self._reals[4 : 4 + self.kernels.n_hyper, :lanes] = hyper
        self._whole[0, :lanes] = run
        if self.scheduled:
            self._whole[1, :lanes] = rate_of
        self._save()
        self._save()

    def advance(self, Py_ssize_t windows, Py_ssize_t most=_WINDOW):
        """Runs up to `windows` windows without the GIL; returns how many runs have not ended.

        Where an update takes long it comes back within a window: one window, `most` updates of it.
        """
        cdef Py_ssize_t k
        cdef uint64_t mode
        if self.scheduled:
            stop = min(self.max_iter, self.n + windows * _WINDOW)
            self.rates = np.stack([s.values(self.n_older, stop) for s in self.schedules], axis=1)
            self.rate_start = self.n_older
        if self.batched:
            windows = self._draw(windows)
        with nogil:
            mode = fgd_flush_subnormals(self.flush)
            for k in range(windows):
                if self.lanes == 0:
                    break
                self._advance(most)
            fgd_restore_mode(mode)
        return self.lanes

    def stop(self, int8_t status):
        """Ends every run that is left, where it stands."""
        self._stop(status)

    cdef Py_ssize_t _draw(self, Py_ssize_t windows):
        """The orders of the rows for so many windows, or for fewer if that is much; returns for how many."""
        cdef Py_ssize_t rows = self.kernels.size, last
        while True:
            last = (min(self.max_iter, self.n + windows * _WINDOW) - 1) // self.updates + 1
            if windows == 1 or (last - self.n_older // self.updates) * rows <= _DRAWN:
                break
            windows //= 2
        self.first_epoch = self.n_older // self.updates
        self.orders = self.kernels.batches.orders(self.seed, self.first_epoch, max(last, self.first_epoch + 1))
        return windows

    cdef void _gather_batch(self, Py_ssize_t n) noexcept nogil:
        """The rows of the update after the n-th, side by side."""
        cdef Py_ssize_t k = n % self.updates, rows = self.kernels.size, start = k * self.batch_size
        cdef Py_ssize_t row = (self.kernels.features + 1) * self.itemsize
        cdef const char* scales = self.data + rows * row  # of all rows, of a batch, of a short one
        if n == self.batch_of:
            return
        self.batch_of = n
        self.batch_rows = min(self.batch_size, rows - start)
        fgd_gather(self.data, row, self.itemsize, &self.orders[n // self.updates - self.first_epoch, start],
                   self.batch_rows, rows - start,
                   scales + (1 if self.batch_rows == self.batch_size else 2) * self.itemsize, self.batch)

    cdef void _save(self) noexcept nogil:
        """This window's start becomes the last one's."""
        cdef char* rows = self.older
        cdef double* carried = self.carry_older
        self.older, self.n_older, self.carry_older = self.saved, self.n_saved, self.carry_saved
        self.saved, self.n_saved, self.carry_saved = rows, self.n, carried
        memcpy(self.saved, self.x, self.rows * _WIDTH * self.itemsize)
        memcpy(self.carry_saved, self.carry, _WIDTH * sizeof(double))

    cdef void _advance(self, Py_ssize_t most) noexcept nogil:
        """One window, or what is left before windows of full length; after the last, every run ends.

        Or the next `most` updates of a window: it is looked at when it is complete.
        """
        cdef Py_ssize_t steps = (self.max_iter - self.n) % _WINDOW
        if steps == 0:
            steps = min(<Py_ssize_t>_WINDOW, self.max_iter - self.n)
        if self.part == 0:
            self._save()
            self._forget(self.low)
            memset(self.high, 0, _WIDTH * self.itemsize)
        most = min(steps, self.part + most)
        self._run_window(self.part, most)
        self.part = most if most < steps else 0
        if self.part:
            return
        self.n += steps
        if self.n == self.max_iter:
            self._test_last()
        if self.itemsize == 4:
            self._replay(_pick[float](<float*>self.x, <float*>self.low, <float*>self.high, self.kernels.count,
                                      self.lanes, <float>self.tol, <float>self.limit, self.picked))
        else:
            self._replay(_pick[double](<double*>self.x, <double*>self.low, <double*>self.high, self.kernels.count,
                                       self.lanes, self.tol, self.limit, self.picked))
        if self.n == self.max_iter:
            self._stop(1)

    cdef void _test_last(self) noexcept nogil:
        """The window kernel tests the iterate before each update; this one comes after the last."""
        cdef Py_ssize_t l, lanes = self.lanes
        for l in range(lanes):
            self.picked[l] = <int>l
        self._observe(lanes, self.x, self.carry, self.n, 0)
        for l in range(lanes):
            if self.itemsize == 4 and (<float*>self.status)[l] == 0:
                (<float*>self.low)[l] = -1
            elif self.itemsize == 8 and (<double*>self.status)[l] == 0:
                (<double*>self.low)[l] = -1

    cdef void _stop(self, int8_t status) noexcept nogil:
        cdef Py_ssize_t l
        for l in range(self.lanes):
            self._leave(l, self.x, l, status, self.n + self.part)
        self.lanes = self.part = 0

    cdef void _run_window(self, Py_ssize_t done, Py_ssize_t stop) noexcept nogil:
        """A window's updates after the first `done`, up to `stop`."""
        cdef Py_ssize_t many
        if self.batched:
            self._run_batches(done, stop)
            return
        while done < stop:
            many = self._tabulate(self.n + done, stop - done, self.carry, self.hyper, self.rate_of, self.lanes)
            self.kernels.window(self.x, _WIDTH, self.lanes, self.kernels.size, many, self.coefficients, self._stride(),
                                self.data, self.low, self.high, self.work)
            done += many

    cdef void _run_batches(self, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
        """The same, of updates that each have rows of their own; slopes of a batch say nothing of convergence."""
        cdef Py_ssize_t done, room = self.rows * _WIDTH * self.itemsize
        if first == 0:
            self._forget(self.lowest)
        for done in range(first, stop):
            if done == first or not self.steady:
                self._tabulate(self.n + done, 1, self.carry, self.hyper, self.rate_of, self.lanes)
            if self.tested and (self.n + done) % self.updates == 0:
                memcpy(self.scratch, self.x, room)  # a step with all rows, for its slopes only
                self._forget(self.low)
                self.kernels.window(self.x, _WIDTH, self.lanes, self.kernels.size, 1, self.coefficients, 0, self.data,
                                    self.low, self.high, self.work)
                memcpy(self.x, self.scratch, room)
                if self.itemsize == 4:
                    _keep_smaller[float](<float*>self.lowest, <const float*>self.low)
                else:
                    _keep_smaller[double](<double*>self.lowest, <const double*>self.low)
            self._gather_batch(self.n + done)
            self.kernels.window(self.x, _WIDTH, self.lanes, self.batch_rows, 1, self.coefficients, 0, self.batch,
                                self.low, self.high, self.work)
        memcpy(self.low, self.lowest, _WIDTH * self.itemsize)

    cdef void _forget(self, row low) noexcept nogil:
        if self.itemsize == 4:
            _fill[float](<float*>low, <float>INFINITY, _WIDTH)
        else:
            _fill[double](<double*>low, INFINITY, _WIDTH)

    cdef void _observe(self, Py_ssize_t picked, const char* rows, const double* carried, Py_ssize_t n,
                       Py_ssize_t steps) noexcept nogil:
        """Replays the picked runs from their state `n` updates after the start; `status` and `seen` say how they end."""
        cdef Py_ssize_t done = 0, many
        cdef bint last
        _gather(rows, self.scratch, self.rows, self.itemsize, self.picked, picked)
        _gather(<const char*>carried, <char*>self.carry_scratch, 1, sizeof(double), self.picked, picked)
        _gather(<const char*>self.hyper, <char*>self.hyper_scratch, self.kernels.n_hyper, sizeof(double), self.picked, picked)
        _gather(<const char*>self.rate_of, <char*>self.rate_of_scratch, 1, sizeof(int64_t), self.picked, picked)
        memset(self.seen, 0, _WIDTH * self.itemsize)
        memset(self.moved, 0, self.kernels.count * _WIDTH * self.itemsize)
        memset(self.turns, 0, self.kernels.count * _WIDTH * self.itemsize)
        if self.itemsize == 4:
            _fill[float](<float*>self.status, -1, _WIDTH)
        else:
            _fill[double](<double*>self.status, -1, _WIDTH)
        if self.batched:
            self._observe_batches(picked, n, steps)
            return
        while True:
            many = self._tabulate(n + done, steps - done, self.carry_scratch, self.hyper_scratch,
                                  self.rate_of_scratch, picked)
            last = done + many == steps
            self._look(picked, many, last, self.data, self.kernels.size, self.tol)
            done += many
            if last:
                break

    cdef void _observe_batches(self, Py_ssize_t picked, Py_ssize_t n, Py_ssize_t steps) noexcept nogil:
        """The same with rows of their own for each update; after an epoch, all rows decide on convergence."""
        cdef Py_ssize_t done = 0
        while True:
            if self.tested and (n + done) % self.updates == 0 and (done < steps or n + done == self.max_iter):
                self._look(picked, 0, True, self.data, self.kernels.size, self.tol)
            if done == steps:
                break
            self._tabulate(n + done, 1, self.carry_scratch, self.hyper_scratch, self.rate_of_scratch, picked)
            self._gather_batch(n + done)
            self._look(picked, 1, False, self.batch, self.batch_rows, -1)
            done += 1

    cdef void _look(self, Py_ssize_t picked, Py_ssize_t steps, bint last, const char* data, Py_ssize_t size,
                    double tol) noexcept nogil:
        if self.itemsize == 4:
            (<observe_f>self.kernels.observe)(
                <float*>self.scratch, _WIDTH, picked, size, steps, last, <float*>self.coefficients, self._stride(),
                <const float*>data, <float>tol, <float>self.limit, <float*>self.status, <float*>self.seen,
                <float*>self.moved, <float*>self.turns, <float*>self.scratch_work)
        else:
            (<observe_d>self.kernels.observe)(
                <double*>self.scratch, _WIDTH, picked, size, steps, last, <double*>self.coefficients, self._stride(),
                <const double*>data, tol, self.limit, <double*>self.status, <double*>self.seen,
                <double*>self.moved, <double*>self.turns, <double*>self.scratch_work)

    cdef Py_ssize_t _tabulate(self, Py_ssize_t n, Py_ssize_t steps, double* carry, double* hyper,
                              const int64_t* rate_of, Py_ssize_t lanes) noexcept nogil:
        """Coefficients of the updates after the n-th; returns for how many steps they hold."""
        cdef Py_ssize_t j, l, many = 1 if self.steady else min(<Py_ssize_t>_TABLE, steps)
        cdef row out = self.coefficients
        cdef double* own = hyper + (self.kernels.n_hyper - self.kernels.n_shared - 1) * _WIDTH
        cdef double nothing[_WIDTH]
        for j in range(many):
            if self.scheduled:
                for l in range(lanes):
                    hyper[l] = self.rates[n + j - self.rate_start, rate_of[l]]
            if self.kernels.n_shared:
                if self.scheduled:
                    memcpy(own, hyper, lanes * sizeof(double))
                self.kernels.shared(<double>(n + j + 1), nothing, own, _WIDTH, lanes, self.uniform, out)
                out += self.kernels.n_shared * _WIDTH * self.itemsize
            self.kernels.lanes(<double>(n + j + 1), carry, hyper, _WIDTH, lanes, self.uniform, out)
            out += (self.kernels.n_coefficients - self.kernels.n_shared) * _WIDTH * self.itemsize
        return steps if self.steady else many

    cdef Py_ssize_t _stride(self) noexcept nogil:
        return 0 if self.steady else self.kernels.n_coefficients * _WIDTH

    cdef void _replay(self, Py_ssize_t picked) noexcept nogil:
        """The picked runs again, from the window before: those that did end leave, and their gaps are closed."""
        cdef Py_ssize_t k, steps, i, n = self.n_older
        cdef int status
        cdef bint oscillating
        if not picked:
            return
        self._observe(picked, self.older, self.carry_older, n, self.n - n)
        for k in range(picked - 1, -1, -1):
            if self.itemsize == 4:
                status, steps = <int>(<float*>self.status)[k], <Py_ssize_t>(<float*>self.seen)[k]
            else:
                status, steps = <int>(<double*>self.status)[k], <Py_ssize_t>(<double*>self.seen)[k]
            if status < 0:
                continue
            if status == 0:
                oscillating = False
                for i in range(self.kernels.count):
                    if _turns(self.turns, self.itemsize, i * _WIDTH + k) * 2 > min(<Py_ssize_t>_LAST, n + steps):
                        oscillating = True
                self.outcomes._oscillating[self.run[self.picked[k]]] = oscillating
            self._leave(self.picked[k], self.scratch, k, <int8_t>status, n + steps)
            self._remove(self.picked[k])

    cdef void _leave(self, Py_ssize_t lane, const char* rows, Py_ssize_t column, int8_t status,
                     int64_t iterations) noexcept nogil:
        cdef int64_t run = self.run[lane]
        cdef Py_ssize_t i, count = self.kernels.count
        for i in range(count):
            memcpy(self.outcomes._x + (run * count + i) * self.itemsize,
                   rows + (i * _WIDTH + column) * self.itemsize, self.itemsize)
            memcpy(self.outcomes._before + (run * count + i) * self.itemsize,
                   self.saved + (i * _WIDTH + lane) * self.itemsize, self.itemsize)
        self.outcomes._status[run] = status
        self.outcomes._iterations[run] = iterations

    cdef void _remove(self, Py_ssize_t lane) noexcept nogil:
        """The last lane takes the place of the one that ended."""
        self.lanes -= 1
        cdef Py_ssize_t other = self.lanes
        if other == lane:
            return
        _move(self.x, self.rows, self.itemsize, other, lane)
        _move(self.saved, self.rows, self.itemsize, other, lane)
        _move(self.older, self.rows, self.itemsize, other, lane)
        _move(<char*>self.carry, 1, sizeof(double), other, lane)
        _move(<char*>self.carry_saved, 1, sizeof(double), other, lane)
        _move(<char*>self.carry_older, 1, sizeof(double), other, lane)
        _move(<char*>self.hyper, self.kernels.n_hyper, sizeof(double), other, lane)
        _move(<char*>self.run, 1, sizeof(int64_t), other, lane)
        _move(<char*>self.rate_of, 1, sizeof(int64_t), other, lane)


cdef enum:
    _ALONE = 16  # runs in a row of a descent that an observing kernel follows: one vector of the widest kind
    _STEPS = 64  # steps whose coefficients are tabulated at once


cdef class Descent:
    """One run, tested at every iterate, recorded on the way; `status` is -1 until it has ended.

    It is followed by a kernel made for one run, or by an observing kernel in the first of its lanes. Status 5 is a
    step shorter than `step_tol`, which only the former looks at.
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

    def __init__(self, Kernels kernels, x0, state0, hyper, *, bint own, bint scheduled, Py_ssize_t max_iter, double tol,
                 double step_tol, double limit, bint flush):
        """`own`: the kernel is one for a single run. Otherwise as `Block`, with one column of each."""
        cdef Py_ssize_t count = kernels.count, k
        dtype = kernels.dtype
        self.kernels, self.own, self.scheduled, self.flush = kernels, own, scheduled, flush
        self.n, self.status, self.max_iter = 0, -1, max_iter
        self.tol, self.step_tol, self.limit = tol, step_tol, limit
        self.steady = kernels.steady and not scheduled
        self.width = 1 if own else _ALONE
        rows = (1 + kernels.n_state) * count
        # The working space lies behind the state, where a kernel that knows the sizes looks for it.
        buffer = aligned((rows + 5 * count + 2, self.width), dtype)
        table = aligned((_STEPS * kernels.n_coefficients, self.width), dtype)
        watch = aligned((2 + 2 * count, _ALONE), dtype)
        reals = np.array([1.0, *hyper])
        buffer[:count, 0] = x0
        for k in range(kernels.n_state):
            buffer[(k + 1) * count : (k + 2) * count, 0] = state0[k]
        self.x = buffer[:count, 0]
        self._keep = (buffer, table, watch, reals)
        self.at, self.work = _pointer(buffer), _pointer(buffer[rows:])
        self.coefficients, self.data = _pointer(table), _pointer(kernels.data)
        self.state, self.seen = _pointer(watch), _pointer(watch[1:])
        self.moved, self.turns = _pointer(watch[2:]), _pointer(watch[2 + count:])
        self.carry = <double*>_pointer(reals)
        self.hyper = self.carry + 1

    def advance(self, Py_ssize_t stop, Py_ssize_t every, records, rates):
        """Up to update number `stop`, or to the end; returns how many iterates were recorded, every `every`-th.

        `rates` are those of the updates from here to `stop`, if a schedule is followed.
        """
        cdef Py_ssize_t until, kept = 0, i, count = self.kernels.count, itemsize = self.kernels.dtype_size
        cdef const double[::1] of_schedule = rates
        cdef Py_ssize_t start = self.n
        cdef char* out = NULL
        cdef uint64_t mode
        if every:
            out = _pointer(records)
        with nogil:
            mode = fgd_flush_subnormals(self.flush)
            while self.status < 0:
                until = stop if every == 0 else min(stop, self.n - self.n % every + every)
                while self.status < 0 and self.n < until:
                    self._some(until - self.n, &of_schedule[self.n - start] if self.scheduled else NULL)
                if self.status < 0 and self.n == self.max_iter:
                    if self.max_iter == 0:
                        self._some(0, NULL)
                    if self.status < 0:
                        self.status = 1
                if every and self.status < 0 and self.n % every == 0:
                    for i in range(count):
                        memcpy(out + (kept * count + i) * itemsize, self.at + i * self.width * itemsize, itemsize)
                    kept += 1
                if self.n == stop:
                    break
            fgd_restore_mode(mode)
        return kept

    cdef void _some(self, Py_ssize_t steps, const double* rates) noexcept nogil:
        """Steps whose coefficients fit into the table."""
        cdef Py_ssize_t j, many = min(<Py_ssize_t>_STEPS, steps), size = self.kernels.dtype_size
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
        """One step's; an observing kernel has them `width` apart."""
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
        """As many steps as a lane can count; the other lanes are told that they have ended."""
        cdef Py_ssize_t many = min(steps, <Py_ssize_t>1 << 20)
        cdef bint last = self.n + many == self.max_iter
        if self.kernels.dtype_size == 4:
            _fill[float](<float*>self.state, 1, _ALONE)
            (<float*>self.state)[0], (<float*>self.seen)[0] = -1, 0
            (<observe_f>self.kernels.observe)(
                <float*>self.at, _ALONE, 1, self.kernels.size, many, last, <float*>self.coefficients, stride,
                <const float*>self.data, <float>self.tol, <float>self.limit, <float*>self.state, <float*>self.seen,
                <float*>self.moved, <float*>self.turns, <float*>self.work)
            self.status, self.n = <int>(<float*>self.state)[0], self.n + <Py_ssize_t>(<float*>self.seen)[0]
        else:
            _fill[double](<double*>self.state, 1, _ALONE)
            (<double*>self.state)[0], (<double*>self.seen)[0] = -1, 0
            (<observe_d>self.kernels.observe)(
                <double*>self.at, _ALONE, 1, self.kernels.size, many, last, <double*>self.coefficients, stride,
                <const double*>self.data, self.tol, self.limit, <double*>self.state, <double*>self.seen,
                <double*>self.moved, <double*>self.turns, <double*>self.work)
            self.status, self.n = <int>(<double*>self.state)[0], self.n + <Py_ssize_t>(<double*>self.seen)[0]


ctypedef void (*linear_t)(void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void*) noexcept nogil


def linear_slopes(uintptr_t kernel, x, data, Py_ssize_t rows, Py_ssize_t outputs):
    """Gradients of a linear model at the points `x` (count, runs), as `fastgd.problems.linear` takes them."""
    cdef Py_ssize_t count = x.shape[0], runs = x.shape[1], features = count // outputs
    both = np.zeros((2 * count, runs), data.dtype)
    both[:count] = x
    cdef char *b = _pointer(both)
    cdef const char *numbers = _pointer(data)
    with nogil:
        (<linear_t>kernel)(b, 0, count * runs, runs, 0, runs, 0, count, rows, features, outputs, numbers)
    return both[count:]


cdef char* _pointer(array):
    cdef uintptr_t address = array.ctypes.data
    return <char*>address


cdef void _fill(real* row, real value, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(n):
        row[l] = value


cdef void _keep_smaller(real* kept, const real* other) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(_WIDTH):
        kept[l] = min(kept[l], other[l])


cdef void _move(char* rows, Py_ssize_t many, Py_ssize_t itemsize, Py_ssize_t source, Py_ssize_t target) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(many):
        memcpy(rows + (i * _WIDTH + target) * itemsize, rows + (i * _WIDTH + source) * itemsize, itemsize)


cdef void _gather(const char* rows, char* out, Py_ssize_t many, Py_ssize_t itemsize, const int* picked,
                  Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, k
    for i in range(many):
        for k in range(n):
            memcpy(out + (i * _WIDTH + k) * itemsize, rows + (i * _WIDTH + picked[k]) * itemsize, itemsize)


cdef Py_ssize_t _pick(const real* x, const real* low, const real* high, Py_ssize_t count, Py_ssize_t lanes, real tol,
                      real limit, int* picked) noexcept nogil:
    """Runs that may have ended in this window: a slope below the tolerance, or something beyond the limit's root.

    Whatever passes the limit within a window and is below the limit's root at its end has had a slope beyond that root
    on its way back, and a NaN stays one: so nothing is missed that a test of every iterate would find.
    """
    cdef Py_ssize_t l, i, n = 0
    cdef real root = sqrt(limit)
    cdef bint suspect
    for l in range(lanes):
        suspect = low[l] < tol or not high[l] <= root
        for i in range(count):
            suspect = suspect or not (x[i * _WIDTH + l] <= root and x[i * _WIDTH + l] >= -root)
        if suspect:
            picked[n] = <int>l
            n += 1
    return n


cdef Py_ssize_t _turns(const char* rows, Py_ssize_t itemsize, Py_ssize_t k) noexcept nogil:
    """How many of the last moves turned back: the bits that the observing kernel shifted in."""
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
