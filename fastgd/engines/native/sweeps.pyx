"""Blocks of runs that descend in lock step: windows, exact stops, compaction.

Long because a block is one C struct of many rows that all of its methods use; the arithmetic on rows is in `lanes.pxd`,
single runs are in `descent.pyx`.

A block holds up to `WIDTH` runs as columns. It advances by windows of `WINDOW` updates. The window kernel keeps each
run's smallest slope max|g|. If that fell below the tolerance, or a number left its bounds, the run is replayed from the
window before by the observing kernel, which finds the exact step and the signs of the last moves. Runs that ended are
removed. Windows are counted back from `max_iter`, so that only the first can be shorter:
they do not depend on the number of runs or threads, and so neither do results.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from fastgd.engines.native.lanes cimport (
    doubles, fill_row, gather, integers, keep_smaller, move, pick, pointer, put, put_rows, row, turns_of,
)

import numpy as np

include "layout.pxi"
include "stops.pxi"

cdef extern from "floating.h" nogil:
    uint64_t fgd_flush_subnormals(int flush)
    void fgd_restore_mode(uint64_t before)

cdef extern from "gather.h" nogil:
    void fgd_gather(const char* data, Py_ssize_t row, Py_ssize_t item, const int32_t* order, Py_ssize_t rows,
                    Py_ssize_t left, const char* scale, char* out)

_DRAWN = 1 << 22  # row numbers in the orders that a block asks for at once
cdef enum:
    TABLE = 8  # steps whose coefficients are tabulated at once: for Adam 100 kB, which fit into a second-level cache


cdef class Kernels:
    """The kernels of a sweep: addresses, the problem's data, and sizes."""

    def __init__(self, uintptr_t window, uintptr_t observe, uintptr_t lanes, *, uintptr_t shared=0,
                 Py_ssize_t n_shared=0, data, Py_ssize_t size, Py_ssize_t count, Py_ssize_t n_state,
                 Py_ssize_t n_coefficients, Py_ssize_t n_hyper, bint steady, Py_ssize_t n_penalties=0, batches=None,
                 Py_ssize_t features=0, Py_ssize_t outputs=1):
        """`shared` computes the first `n_shared` coefficients from the last rows of `hyper`, the rate first.

        Kernels of runs with penalties or bounds find `n_penalties` rows of them behind the state. With `batches`
        (`fastgd.batches`) each update uses some of the `size` rows of `features` inputs in `data`.
        """
        self.window, self.observe, self.lanes = <window_t>window, observe, <lanes_t>lanes
        self.shared, self.n_shared = <lanes_t>shared, n_shared
        self.data, self.dtype, self.dtype_size = data, data.dtype, data.dtype.itemsize
        self.size, self.count, self.n_state = size, count, n_state
        self.n_coefficients, self.n_hyper, self.steady = n_coefficients, n_hyper, steady
        self.n_penalties, self.batches, self.features, self.outputs = n_penalties, batches, features, outputs


cdef class Outcomes:
    """Results of all runs of a sweep, in arrays."""

    cdef readonly object x, before, iterations, status, oscillating, numbers, carry
    cdef readonly Py_ssize_t runs, count, itemsize, rows
    cdef char *_x
    cdef char *_before, *_numbers
    cdef double *_carry
    cdef int64_t *_iterations
    cdef int8_t *_status
    cdef uint8_t *_oscillating

    def __init__(self, Py_ssize_t runs, Py_ssize_t count, dtype, Py_ssize_t rows=0):
        """Room for runs of `count` parameters; of those that wait for `rows` numbers, parameters and state."""
        self.runs, self.count, self.rows, self.itemsize = runs, count, rows, np.dtype(dtype).itemsize
        self.x = np.zeros((runs, count), dtype)
        self.before = np.zeros((runs, count), dtype)  # WINDOW updates before the end, of runs that did not converge
        self.iterations = np.zeros(runs, np.int64)
        self.status = np.full(runs, RUNNING, np.int8)
        self.oscillating = np.zeros(runs, np.uint8)
        self.numbers, self.carry = np.zeros((runs, rows), dtype), np.ones(runs if rows else 0)
        self._numbers, self._carry = pointer(self.numbers), <double*>pointer(self.carry)
        self._x, self._before = pointer(self.x), pointer(self.before)
        self._iterations = <int64_t*>pointer(self.iterations)
        self._status, self._oscillating = <int8_t*>pointer(self.status), <uint8_t*>pointer(self.oscillating)


def aligned(shape, dtype):
    """Zeros that begin on a cache line, as the vector kernels need it."""
    cdef Py_ssize_t n = np.dtype(dtype).itemsize, start
    for length in shape:
        n *= length
    raw = np.zeros(n + 64, np.uint8)
    start = -<uintptr_t>pointer(raw) % 64
    return raw[start : start + n].view(dtype).reshape(shape)


def table_of(what, values, shape, dtype):
    """Numbers side by side, for a loop that reads exactly this many; ValueError if they have another shape."""
    table = np.ascontiguousarray(values, dtype)
    if table.shape != shape:
        raise ValueError(f"{what} have shape {table.shape}, wanted {shape}")
    return table


cdef class Queue:
    """Runs that have not begun: their numbers, and the blocks in which they do.

    Tables have a row for each number and a column for each run, and may be broadcast.
    """

    cdef readonly object runs
    cdef readonly Py_ssize_t left  # runs that no block has taken
    cdef const int64_t[::1] order, cuts
    cdef const uint8_t[::1] uniform
    cdef const float[:, :] x0_f
    cdef const double[:, :] x0_d, state0, hyper, penalties
    cdef const float[:, :] begun_f
    cdef const double[:, :] begun_d
    cdef const double[::1] carry
    cdef Py_ssize_t next, begun  # updates made by runs that have waited; -1: they begin at `x0`

    def __init__(self, Kernels kernels, runs, hyper, order, cuts, uniform):
        """Block k is made of the runs ``order[cuts[k] : cuts[k + 1]]``; `uniform` tells whether all but their rates are
        alike. `hyper` are the arguments of all coefficient functions.
        """
        cdef Py_ssize_t total = len(order), last = len(cuts) - 1, k
        self.runs, self.left, self.next = runs, total, 0
        self.order, self.cuts, self.uniform = order, cuts, uniform
        if kernels.dtype_size == 4:
            self.x0_f = runs.x0
        else:
            self.x0_d = runs.x0
        measure = runs.measure if kernels.n_penalties else runs.minimized
        self.state0, self.hyper, self.penalties, self.begun = runs.state0, hyper, measure, -1
        if runs.begun is not None:
            self._go_on_from(kernels, runs.begun, total)
        for table, rows in ((runs.x0, kernels.count), (runs.state0, kernels.n_state), (hyper, kernels.n_hyper),
                            (measure, max(kernels.n_penalties, 1))):
            if table.shape[0] < rows or table.shape[1] != total:
                raise ValueError(f"a table of {table.shape} numbers, wanted ({rows}, {total})")
        if last < 0 or self.uniform.shape[0] < last or self.cuts[0] != 0 or self.cuts[last] != total:
            raise ValueError("the blocks are not those of all runs")
        for k in range(last):
            if not 0 < self.cuts[k + 1] - self.cuts[k] <= WIDTH:
                raise ValueError(f"a block has {self.cuts[k + 1] - self.cuts[k]} runs, wanted 1 to {WIDTH}")
        for k in range(total):
            if not 0 <= self.order[k] < total:
                raise ValueError(f"the order has run {self.order[k]} of {total}")

    def _go_on_from(self, Kernels kernels, begun, Py_ssize_t total):
        """Read runs from a snapshot in the place of their starts."""
        numbers = begun.numbers
        if numbers.shape != ((1 + kernels.n_state) * kernels.count, total) or len(begun.carry) != total or begun.n < 0:
            raise ValueError(f"a snapshot of {numbers.shape} numbers after {begun.n} updates, for {total} runs")
        if kernels.dtype_size == 4:
            self.begun_f = numbers
        else:
            self.begun_d = numbers
        self.begun, self.carry = begun.n, np.ascontiguousarray(begun.carry, np.float64)


cdef class Block:
    """Up to WIDTH runs of one rule on one problem, all at the same step, taken from a queue."""

    cdef readonly Py_ssize_t lanes, n, part  # updates done: before this window, and of it
    cdef Kernels kernels
    cdef Outcomes outcomes
    cdef Queue queue
    cdef object schedules, _keep, _rates, _orders
    cdef Py_ssize_t max_iter, pause, n_saved, n_older, rate_start, n_rates, rows, itemsize
    cdef double tol, limit
    cdef bint uniform, steady, scheduled, flush, one_by_one
    # Rows of WIDTH runs: parameters, state and penalties now, at the start of this window, and of the one before.
    cdef row x, saved, older, scratch, scratch_work, low, high, work, coefficients, status, seen, moved, turns
    cdef doubles carry, carry_saved, carry_older, carry_scratch, hyper, hyper_scratch
    cdef integers run, rate_of, rate_of_scratch
    cdef int *picked
    cdef const char *data
    cdef const double *rates  # of the schedules, a row for each update from `rate_start` on
    # Rows in batches: how many in each, updates of an epoch, and the first epoch in `orders`.
    cdef bint batched, tested
    cdef Py_ssize_t batch_size, updates, first_epoch, batch_rows, batch_of
    cdef const int32_t *orders  # a row of `kernels.size` row numbers for each epoch
    cdef row batch, lowest
    cdef object seed

    def __init__(self, Kernels kernels, *, Py_ssize_t max_iter, double tol, double limit, bint flush,
                 Py_ssize_t pause=0, bint one_by_one=False):
        """Runs wait after `pause` updates, if it is not 0. `one_by_one`: `advance` goes on with one block at a time."""
        cdef Py_ssize_t count = kernels.count, work = 3 * count + 1, table, line = WIDTH * kernels.dtype_size
        dtype = kernels.dtype
        self.kernels, self.max_iter, self.pause, self.one_by_one = kernels, max_iter, pause, one_by_one
        self.tol, self.limit, self.flush = tol, limit, flush
        self.rows, self.itemsize = (1 + kernels.n_state) * count + kernels.n_penalties, dtype.itemsize
        # One buffer, in this order: Numba's kernels, which know the sizes, address all rows from `x`. Behind its rows
        # are numbers of 8 bytes (the carry four times, `hyper` twice, which run and which rate), and of 4 (`picked`).
        table = TABLE * kernels.n_coefficients
        lines = 4 * self.rows + 2 * work + table + 2 * count + 4
        buffer = aligned((lines * line + (7 + 2 * kernels.n_hyper) * WIDTH * 8 + WIDTH * 4,), np.uint8)
        self._keep = (buffer, kernels.data)
        self.x = pointer(buffer)
        self.work = self.x + self.rows * line
        self.low = self.work + work * line
        self.high = self.low + line
        self.coefficients = self.high + line
        self.scratch = self.coefficients + table * line
        self.scratch_work = self.scratch + self.rows * line
        self.saved = self.scratch_work + work * line
        self.older = self.saved + self.rows * line
        self.status = self.older + self.rows * line
        self.seen = self.status + line
        self.moved = self.seen + line
        self.turns = self.moved + count * line
        self.carry = <double*>(self.turns + count * line)
        self.carry_saved, self.carry_older = self.carry + WIDTH, self.carry + 2 * WIDTH
        self.carry_scratch = self.carry + 3 * WIDTH
        self.hyper = self.carry + 4 * WIDTH
        self.hyper_scratch = self.hyper + kernels.n_hyper * WIDTH
        self.run = <int64_t*>(self.hyper_scratch + kernels.n_hyper * WIDTH)
        self.rate_of, self.rate_of_scratch = self.run + WIDTH, self.run + 2 * WIDTH
        self.picked = <int*>(self.rate_of_scratch + WIDTH)
        self.data = pointer(kernels.data)
        self.batched, self.tested = kernels.batches is not None, kernels.batches is not None and tol > 0
        if self.batched:
            self.batch_size, self.updates = kernels.batches.size, kernels.batches.updates
            if not 0 < self.batch_size <= kernels.size or not (
                0 < self.updates <= (kernels.size - 1) // self.batch_size + 1
            ):
                raise ValueError(f"problem has batches of {self.batch_size} in {self.updates} updates, "
                                 f"which its {kernels.size} rows do not have")
            batch = aligned((self.batch_size * (kernels.features + 1) + 1,), dtype)
            lowest = aligned((WIDTH,), dtype)
            self.batch, self.lowest = pointer(batch), pointer(lowest)
            self._keep += (batch, lowest)

    def take(self, Queue queue, Outcomes outcomes):
        """Goes on with the runs of this queue, whose results stand at their columns in `outcomes`."""
        if outcomes.count != self.kernels.count or outcomes.runs != queue.order.shape[0] or (
            outcomes.itemsize != self.itemsize
        ) or (0 < self.pause < self.max_iter and outcomes.rows != self.rows - self.kernels.n_penalties):
            raise ValueError("the outcomes have no room for these runs")
        self.queue, self.outcomes, self.lanes = queue, outcomes, 0
        self.scheduled = queue.runs.schedules is not None
        self.steady = self.kernels.steady and not self.scheduled

    cdef void _load(self) noexcept nogil:
        """Copies in the runs of the next block."""
        cdef Py_ssize_t l, start = self.queue.cuts[self.queue.next], lanes = self.queue.cuts[self.queue.next + 1] - start
        cdef Py_ssize_t count = self.kernels.count, own = self.rows - self.kernels.n_penalties
        cdef const int64_t* column = &self.queue.order[start]
        self.lanes, self.part, self.batch_of = lanes, 0, -1  # no batch is gathered yet
        self.n = max(<Py_ssize_t>0, self.queue.begun)
        self.uniform = self.queue.uniform[self.queue.next]
        if self.itemsize == 4:
            if self.queue.begun >= 0:
                put[float](<float*>self.x, self.queue.begun_f, column, own, lanes)
            else:
                put[float](<float*>self.x, self.queue.x0_f, column, count, lanes)
                put_rows[float](<float*>self.x, count, self.queue.state0, self.kernels.n_state, count, column, lanes)
            put_rows[float](<float*>self.x, own, self.queue.penalties, self.kernels.n_penalties, 1, column, lanes)
        else:
            if self.queue.begun >= 0:
                put[double](<double*>self.x, self.queue.begun_d, column, own, lanes)
            else:
                put[double](<double*>self.x, self.queue.x0_d, column, count, lanes)
                put_rows[double](<double*>self.x, count, self.queue.state0, self.kernels.n_state, count, column, lanes)
            put_rows[double](<double*>self.x, own, self.queue.penalties, self.kernels.n_penalties, 1, column, lanes)
        put_rows[double](self.hyper, 0, self.queue.hyper, self.kernels.n_hyper, 1, column, lanes)
        for l in range(WIDTH):
            self.carry[l] = self.queue.carry[column[l]] if self.queue.begun >= 0 and l < lanes else 1.0
        memcpy(self.run, column, lanes * sizeof(int64_t))
        self.queue.next += 1
        self.queue.left -= lanes
        self._save()
        self._save()

    cdef _next(self):
        """The next block, with what its updates ask of Python: schedules, and the seed of the rows' order."""
        cdef Py_ssize_t l
        cdef const int64_t[::1] own
        runs, columns = self.queue.runs, np.asarray(self.queue.order)[self.queue.cuts[self.queue.next] :
                                                                     self.queue.cuts[self.queue.next + 1]]
        if self.scheduled:  # only those that occur in this block
            used, places = np.unique(runs.rate_of[columns], return_inverse=True)
            self.schedules = [runs.schedules[k] for k in used]
            own = np.ascontiguousarray(places, np.int64)
            for l in range(own.shape[0]):
                self.rate_of[l] = own[l]
        if self.batched:
            self.seed = runs.seeds[runs.seed_of[columns[0]]]
        self._load()

    def advance(self, Py_ssize_t windows, Py_ssize_t most=WINDOW):
        """Runs up to `windows` windows without the GIL; returns how many runs have not ended, in the queue too.

        If an update takes long it returns within a window: `most` updates of one window.
        """
        cdef Py_ssize_t _k
        cdef uint64_t mode
        cdef bint asks = self.scheduled or self.batched or self.one_by_one
        if self.lanes == 0:
            if self.queue.left == 0:
                return 0
            if asks:
                self._next()
        if self.scheduled:
            stop = min(self.max_iter, self.n + windows * WINDOW)
            rates = np.stack([s.values(self.n_older, stop) for s in self.schedules], axis=1)
            self._rates = table_of("a schedule's rates", rates, (stop - self.n_older, len(self.schedules)), np.float64)
            self.rates, self.n_rates = <const double*>pointer(self._rates), len(self.schedules)
            self.rate_start = self.n_older
        if self.batched:
            windows = self._draw(windows)
        with nogil:
            mode = fgd_flush_subnormals(self.flush)
            for _k in range(windows):
                if self.lanes == 0:
                    if asks or self.queue.left == 0:
                        break
                    self._load()
                self._advance(most)
            fgd_restore_mode(mode)
        return self.lanes + self.queue.left

    def stop(self, int8_t status):
        """Ends the runs of this block where they are; those in the queue are not begun."""
        self._stop(status)

    def points(self):
        """The runs of this block, as columns of the queue, and the points (n_parameters, runs) where they are."""
        cdef Py_ssize_t i, count = self.kernels.count, line = self.lanes * self.itemsize
        runs, x = np.empty(self.lanes, np.int64), np.empty((count, self.lanes), self.kernels.dtype)
        memcpy(pointer(runs), self.run, self.lanes * sizeof(int64_t))
        for i in range(count):
            memcpy(pointer(x) + i * line, self.x + i * WIDTH * self.itemsize, line)
        return runs, x

    cdef Py_ssize_t _draw(self, Py_ssize_t windows):
        """Gets the orders of the rows for this many windows, or for fewer if they are large; returns for how many."""
        cdef Py_ssize_t rows = self.kernels.size, last
        while True:
            last = (min(self.max_iter, self.n + windows * WINDOW) - 1) // self.updates + 1
            if windows == 1 or (last - self.n_older // self.updates) * rows <= _DRAWN:
                break
            windows //= 2
        self.first_epoch = self.n_older // self.updates
        orders = self.kernels.batches.orders(self.seed, self.first_epoch, max(last, self.first_epoch + 1))
        epochs = max(last, self.first_epoch + 1) - self.first_epoch
        self._orders = table_of("the orders of the rows", orders, (epochs, rows), np.int32)
        if self._orders.size and self._orders.view(np.uint32).max() >= rows:
            raise ValueError(f"the orders of the rows name a row beyond the {rows} of the problem")
        self.orders = <const int32_t*>pointer(self._orders)
        return windows

    cdef void _gather_batch(self, Py_ssize_t n) noexcept nogil:
        """Copies the rows of the update after the n-th into `batch`."""
        cdef Py_ssize_t k = n % self.updates, rows = self.kernels.size, start = k * self.batch_size
        cdef Py_ssize_t row_bytes = (self.kernels.features + 1) * self.itemsize
        cdef const char* scales = self.data + rows * row_bytes  # for all rows, for a batch, for a short batch
        if n == self.batch_of:
            return
        self.batch_of = n
        self.batch_rows = min(self.batch_size, rows - start)
        fgd_gather(self.data, row_bytes, self.itemsize,
                   self.orders + (n // self.updates - self.first_epoch) * rows + start,
                   self.batch_rows, rows - start,
                   scales + (1 if self.batch_rows == self.batch_size else 2) * self.itemsize, self.batch)

    cdef void _save(self) noexcept nogil:
        """Saves the state at the start of a window; keeps that of the window before."""
        cdef char* rows = self.older
        cdef double* carried = self.carry_older
        self.older, self.n_older, self.carry_older = self.saved, self.n_saved, self.carry_saved
        self.saved, self.n_saved, self.carry_saved = rows, self.n, carried
        memcpy(self.saved, self.x, self.rows * WIDTH * self.itemsize)
        memcpy(self.carry_saved, self.carry, WIDTH * sizeof(double))

    cdef void _advance(self, Py_ssize_t most) noexcept nogil:
        """Advances to the end of a window, or by `most` updates of it; runs are tested when it is complete.

        The first window may be shorter, and that of a pause; after the last all runs end.
        """
        cdef Py_ssize_t steps = (self.max_iter - self.n) % WINDOW
        if steps == 0:
            steps = min(<Py_ssize_t>WINDOW, self.max_iter - self.n)
        if self.n < self.pause < self.n + steps:
            steps = self.pause - self.n
        if self.part == 0:
            self._save()
            fill_row(self.low, self.itemsize, INFINITY)
            memset(self.high, 0, WIDTH * self.itemsize)
        most = min(steps, self.part + most)
        self._run_window(self.part, most)
        self.part = most if most < steps else 0
        if self.part:
            return
        self.n += steps
        if self.n == self.max_iter:
            self._test_last()
        if self.itemsize == 4:
            self._replay(pick[float](<float*>self.x, <float*>self.low, <float*>self.high, self.kernels.count,
                                      self.lanes, <float>self.tol, <float>self.limit, self.picked))
        else:
            self._replay(pick[double](<double*>self.x, <double*>self.low, <double*>self.high, self.kernels.count,
                                       self.lanes, self.tol, self.limit, self.picked))
        if self.n == self.max_iter:
            self._stop(MAX_ITER)
        elif self.n == self.pause:
            self._wait()

    cdef void _wait(self) noexcept nogil:
        """Ends the runs at a pause, with what they need to go on; see `fastgd.engines.protocol.sweeps.snapshot_at`."""
        cdef Py_ssize_t l, i, run, rows = self.rows - self.kernels.n_penalties
        for l in range(self.lanes):
            run = self.run[l]
            self.outcomes._carry[run] = self.carry_older[l]
            for i in range(rows):
                memcpy(self.outcomes._numbers + (run * rows + i) * self.itemsize,
                       self.older + (i * WIDTH + l) * self.itemsize, self.itemsize)
        self._stop(STOPPED)

    cdef void _test_last(self) noexcept nogil:
        """Tests the last iterate: the window kernel tests those before each update."""
        cdef Py_ssize_t l, lanes = self.lanes
        for l in range(lanes):
            self.picked[l] = <int>l
        self._observe(lanes, self.x, self.carry, self.n, 0)
        for l in range(lanes):
            if self.itemsize == 4 and (<float*>self.status)[l] == CONVERGED:
                (<float*>self.low)[l] = -1
            elif self.itemsize == 8 and (<double*>self.status)[l] == CONVERGED:
                (<double*>self.low)[l] = -1

    cdef void _stop(self, int8_t status) noexcept nogil:
        cdef Py_ssize_t l
        for l in range(self.lanes):
            self._leave(l, self.x, l, status, self.n + self.part)
        self.lanes = self.part = 0

    cdef void _run_window(self, Py_ssize_t done, Py_ssize_t stop) noexcept nogil:
        """Makes the updates of a window after the first `done`, up to `stop`."""
        cdef Py_ssize_t many
        if self.batched:
            self._run_batches(done, stop)
            return
        while done < stop:
            many = self._tabulate(self.n + done, stop - done, self.carry, self.hyper, self.rate_of, self.lanes)
            self.kernels.window(self.x, WIDTH, self.lanes, self.kernels.size, many, self.coefficients, self._stride(),
                                self.data, self.low, self.high, self.work, self.kernels.features, self.kernels.outputs)
            done += many

    cdef void _run_batches(self, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
        """The same for updates on batches; convergence is tested with all rows, after each epoch."""
        cdef Py_ssize_t done, room = self.rows * WIDTH * self.itemsize
        if first == 0:
            fill_row(self.lowest, self.itemsize, INFINITY)
        for done in range(first, stop):
            if done == first or not self.steady:
                self._tabulate(self.n + done, 1, self.carry, self.hyper, self.rate_of, self.lanes)
            if self.tested and (self.n + done) % self.updates == 0:
                memcpy(self.scratch, self.x, room)  # an update with all rows, for its slopes only; it is undone
                fill_row(self.low, self.itemsize, INFINITY)
                self.kernels.window(self.x, WIDTH, self.lanes, self.kernels.size, 1, self.coefficients, 0, self.data,
                                    self.low, self.high, self.work, self.kernels.features, self.kernels.outputs)
                memcpy(self.x, self.scratch, room)
                if self.itemsize == 4:
                    keep_smaller[float](<float*>self.lowest, <const float*>self.low)
                else:
                    keep_smaller[double](<double*>self.lowest, <const double*>self.low)
            self._gather_batch(self.n + done)
            self.kernels.window(self.x, WIDTH, self.lanes, self.batch_rows, 1, self.coefficients, 0, self.batch,
                                self.low, self.high, self.work, self.kernels.features, self.kernels.outputs)
        memcpy(self.low, self.lowest, WIDTH * self.itemsize)

    cdef void _observe(self, Py_ssize_t picked, const char* rows, const double* carried, Py_ssize_t n,
                       Py_ssize_t steps) noexcept nogil:
        """Replays the picked runs from their state after `n` updates; writes how they end into `status` and `seen`."""
        cdef Py_ssize_t done = 0, many
        cdef bint last
        gather(rows, self.scratch, self.rows, self.itemsize, self.picked, picked)
        gather(<const char*>carried, <char*>self.carry_scratch, 1, sizeof(double), self.picked, picked)
        gather(<const char*>self.hyper, <char*>self.hyper_scratch, self.kernels.n_hyper, sizeof(double), self.picked,
               picked)
        gather(<const char*>self.rate_of, <char*>self.rate_of_scratch, 1, sizeof(int64_t), self.picked, picked)
        memset(self.seen, 0, WIDTH * self.itemsize)
        memset(self.moved, 0, self.kernels.count * WIDTH * self.itemsize)
        memset(self.turns, 0, self.kernels.count * WIDTH * self.itemsize)
        fill_row(self.status, self.itemsize, RUNNING)
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
        """The same for updates on batches; convergence is tested with all rows, after each epoch."""
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
        cdef Py_ssize_t features = self.kernels.features, outputs = self.kernels.outputs
        if self.itemsize == 4:
            (<observe_f>self.kernels.observe)(
                <float*>self.scratch, WIDTH, picked, size, steps, last, <float*>self.coefficients, self._stride(),
                <const float*>data, <float>tol, <float>self.limit, <float*>self.status, <float*>self.seen,
                <float*>self.moved, <float*>self.turns, <float*>self.scratch_work, features, outputs)
        else:
            (<observe_d>self.kernels.observe)(
                <double*>self.scratch, WIDTH, picked, size, steps, last, <double*>self.coefficients, self._stride(),
                <const double*>data, tol, self.limit, <double*>self.status, <double*>self.seen,
                <double*>self.moved, <double*>self.turns, <double*>self.scratch_work, features, outputs)

    cdef Py_ssize_t _tabulate(self, Py_ssize_t n, Py_ssize_t steps, double* carry, double* hyper,
                              const int64_t* rate_of, Py_ssize_t lanes) noexcept nogil:
        """Computes the coefficients of the updates after the n-th; returns for how many updates."""
        cdef Py_ssize_t j, l, many = 1 if self.steady else min(<Py_ssize_t>TABLE, steps)
        cdef row out = self.coefficients
        cdef double* own = hyper + (self.kernels.n_hyper - self.kernels.n_shared - 1) * WIDTH
        cdef double nothing[WIDTH]
        for j in range(many):
            if self.scheduled:
                for l in range(lanes):
                    hyper[l] = self.rates[(n + j - self.rate_start) * self.n_rates + rate_of[l]]
            if self.kernels.n_shared:
                if self.scheduled:
                    memcpy(own, hyper, lanes * sizeof(double))
                self.kernels.shared(<double>(n + j + 1), nothing, own, WIDTH, lanes, self.uniform, out)
                out += self.kernels.n_shared * WIDTH * self.itemsize
            self.kernels.lanes(<double>(n + j + 1), carry, hyper, WIDTH, lanes, self.uniform, out)
            out += (self.kernels.n_coefficients - self.kernels.n_shared) * WIDTH * self.itemsize
        return steps if self.steady else many

    cdef Py_ssize_t _stride(self) noexcept nogil:
        return 0 if self.steady else self.kernels.n_coefficients * WIDTH

    cdef void _replay(self, Py_ssize_t picked) noexcept nogil:
        """Replays the picked runs from the window before; those that ended are removed."""
        cdef Py_ssize_t k, steps, i, n = self.n_older
        cdef int status
        cdef bint swings
        if not picked:
            return
        self._observe(picked, self.older, self.carry_older, n, self.n - n)
        for k in range(picked - 1, -1, -1):
            if self.itemsize == 4:
                status, steps = <int>(<float*>self.status)[k], <Py_ssize_t>(<float*>self.seen)[k]
            else:
                status, steps = <int>(<double*>self.status)[k], <Py_ssize_t>(<double*>self.seen)[k]
            if status == RUNNING:
                continue
            if status == CONVERGED:
                swings = False
                for i in range(self.kernels.count):
                    if oscillating(turns_of(self.turns, self.itemsize, i * WIDTH + k), n + steps, MEMORY):
                        swings = True
                self.outcomes._oscillating[self.run[self.picked[k]]] = swings
            self._leave(self.picked[k], self.scratch, k, <int8_t>status, n + steps)
            self._remove(self.picked[k])

    cdef void _leave(self, Py_ssize_t lane, const char* rows, Py_ssize_t column, int8_t status,
                     int64_t iterations) noexcept nogil:
        cdef int64_t run = self.run[lane]
        cdef Py_ssize_t i, count = self.kernels.count
        for i in range(count):
            memcpy(self.outcomes._x + (run * count + i) * self.itemsize,
                   rows + (i * WIDTH + column) * self.itemsize, self.itemsize)
            memcpy(self.outcomes._before + (run * count + i) * self.itemsize,
                   self.saved + (i * WIDTH + lane) * self.itemsize, self.itemsize)
        self.outcomes._status[run] = status
        self.outcomes._iterations[run] = iterations

    cdef void _remove(self, Py_ssize_t lane) noexcept nogil:
        """Moves the last run into the place of one that ended."""
        self.lanes -= 1
        cdef Py_ssize_t other = self.lanes
        if other == lane:
            return
        move(self.x, self.rows, self.itemsize, other, lane)
        move(self.saved, self.rows, self.itemsize, other, lane)
        move(self.older, self.rows, self.itemsize, other, lane)
        move(<char*>self.carry, 1, sizeof(double), other, lane)
        move(<char*>self.carry_saved, 1, sizeof(double), other, lane)
        move(<char*>self.carry_older, 1, sizeof(double), other, lane)
        move(<char*>self.hyper, self.kernels.n_hyper, sizeof(double), other, lane)
        move(<char*>self.run, 1, sizeof(int64_t), other, lane)
        move(<char*>self.rate_of, 1, sizeof(int64_t), other, lane)
