"""Small networks that train side by side: a platoon of blocks, each of as many networks as a vector has lanes.

Long because blocks, their memory and their updates share C structs; the arithmetic is in `lane_kernels.h`.

All networks of a platoon have one architecture, rule and batch size, and are at the same update. Blocks advance in turn, by
some updates at a time. A network that ends leaves its lane, whose numbers go on unheeded; when the networks that are left
fit into fewer blocks, they move together. Each network has the bits that it has alone.
"""

from libc.math cimport INFINITY, isfinite, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cimport numpy as cnp
from fastgd.engines.native.described cimport describe_rows, metric
from fastgd.engines.native.lane_network cimport FGD_ACROSS, broken_t, fgd_lane_network, pass_t
from fastgd.engines.native.lanes cimport pointer
from fastgd.engines.native.network cimport (
    FGD_LABELS, FGD_MOST_ARRAYS, FGD_MOST_LAYERS, FGD_ROWS, FGD_VALUES, loop_t,
)
from fastgd.engines.native.ranks cimport END, RATES, RUN, SEED, Lanes, close_ranks
from fastgd.engines.native.sweeps cimport lanes_t

import numpy as np

from fastgd.engines.native import kernels
from fastgd.engines.native.networks import PREDICTS, loop_address
from fastgd.engines.native.sweeps import aligned
from fastgd.engines.protocol.networks import SEEDS
from fastgd.engines.reference.metrics import spread_of

include "layout.pxi"

cnp.import_array()

cdef extern from "floating.h" nogil:
    uint64_t fgd_flush_subnormals(int flush)
    void fgd_restore_mode(uint64_t before)

cdef enum:
    MOST_LANES = 16
    TOGETHER = 64  # updates of a block before the next one has its turn
MOST_STATE = FGD_MOST_ARRAYS - 2
CACHE = 1 << 19  # bytes of activations that are in use together: a share of a second-level cache


cdef struct Group:
    lanes_t coefficients, prepare
    Py_ssize_t hypers, own  # numbers of the coefficient function: arguments and results
    Py_ssize_t hyper, shared, clip, carry  # rows of a block's reals
    Py_ssize_t at  # first row of its coefficients
    bint steady, scheduled, clips, uniform
    const double* rates
    Py_ssize_t n_rates


cdef class Platoon:
    """Memory for up to `capacity` networks; `load` fills it, `advance` trains them.

    Parameters
    ----------
    trainings : fastgd.engines.protocol.platoons.Trainings
        What the networks have in common is read from it.
    loops : sequence of fastgd.engines.protocol.platoons.Loops
        Of each parameter group; its rule has at most `MOST_STATE` state variables.
    capacity : int

    Attributes
    ----------
    iterations, status : ndarray of int64, int8, shape (capacity,)
        How each network ended.
    final : ndarray of shape (capacity, numbers)
        Its parameters and then its optimizer's state, array by array.
    carries : ndarray of float64, shape (capacity, groups)
        The running product of each group's coefficient function.
    recent : ndarray of float64, shape (capacity, window)
        Losses with penalties of the last updates: that of update u at place u % window.
    highest : ndarray of float64, shape (capacity,)
        The highest of the first half of its window.
    windows : ndarray of int64, shape (capacity,)
        Half of the window that belongs to its number of updates.
    history : ndarray of float64, shape (capacity, records)
    n : int
        Updates made.
    """

    cdef readonly object iterations, status, final, carries, recent, highest, windows, history, dtype
    cdef readonly Py_ssize_t capacity, n, lanes, n_parameters
    cdef object trainings, keep, views, orders_in_turn, judged
    cdef double spread  # of the targets of the judged rows
    cdef fgd_lane_network net
    cdef pass_t pass_, train, gradients, update
    cdef broken_t broken
    cdef Py_ssize_t arrays, total, blocks, itemsize, n_reals, n_whole, n_coefficients, per_epoch, batch, epoch_rows
    cdef Py_ssize_t first_epoch, first_rate, window, records, stride, loaded
    cdef int n_groups
    cdef bint steady, flush
    cdef Lanes* block
    cdef Group* group
    cdef Py_ssize_t length[2 * FGD_MOST_LAYERS]
    cdef Py_ssize_t at[2 * FGD_MOST_LAYERS][FGD_MOST_ARRAYS]
    cdef int many[2 * FGD_MOST_LAYERS]
    cdef int group_of[2 * FGD_MOST_LAYERS]
    cdef void* pointers[2 * FGD_MOST_LAYERS][FGD_MOST_ARRAYS]
    cdef const int32_t** orders_of_seed
    cdef const int32_t* orders[MOST_LANES]
    cdef uint64_t seeds[MOST_LANES]
    cdef uint64_t* seed_values
    cdef double losses[MOST_LANES]
    cdef double penalties[MOST_LANES]
    cdef double squares[MOST_LANES]
    cdef double right[MOST_LANES]
    cdef double residual[MOST_LANES]
    cdef double scratch[(1 + SHARED) * MOST_LANES]
    cdef int64_t* _iterations
    cdef int8_t* _status
    cdef char* _final
    cdef double* _carries
    cdef double* _recent
    cdef double* _highest
    cdef double* _history
    cdef int64_t* _windows

    def __init__(self, trainings, loops, Py_ssize_t capacity):
        found = kernels.lane_kernels()
        a = trainings.architecture
        self.trainings, self.dtype, self.itemsize = trainings, a.dtype, a.dtype.itemsize
        letter = a.dtype.char
        self.lanes, self.keep = found.lanes[letter], []
        address = found.addresses
        self.pass_ = <pass_t><uintptr_t>address[f"fgd_lanes_pass_{letter}"]
        self.train = <pass_t><uintptr_t>address[f"fgd_lanes_train_{letter}"]
        self.gradients = <pass_t><uintptr_t>address[f"fgd_lanes_gradients_{letter}"]
        self.update = <pass_t><uintptr_t>address[f"fgd_lanes_update_{letter}"]
        self.broken = <broken_t><uintptr_t>address[f"fgd_lanes_broken_{letter}"]
        self.batch, self.per_epoch = trainings.batches.size, trainings.batches.updates
        self.epoch_rows, self.flush = trainings.batches.rows, trainings.flush
        self._describe(a)
        self._take_groups(trainings, loops, letter)
        self._take_blocks(capacity)
        self._take_workspace()
        self._take_results(capacity)

    # --- what all networks have in common -------------------------------------------------------------

    cdef int _describe(self, a) except -1:
        """The architecture, and the loops of its activation and loss."""
        cdef fgd_lane_network* net = &self.net
        cdef int l, layers = a.layers
        memset(net, 0, sizeof(fgd_lane_network))
        if layers > FGD_MOST_LAYERS:
            raise ValueError(f"sizes names {layers} layers; there can be {FGD_MOST_LAYERS}")
        net.layers = layers
        for l in range(layers + 1):
            net.sizes[l] = a.sizes[l]
        constants = np.array([*a.constants, 0.0], self.dtype), np.array([*a.loss_constants, 0.0], self.dtype)
        self.keep.append(constants)
        net.activation = <loop_t><uintptr_t>loop_address("activation", a.activation, self.dtype.char)
        net.activation_constants = pointer(constants[0])
        net.loss = <loop_t><uintptr_t>(0 if a.classes else loop_address("loss", a.loss, self.dtype.char))
        net.loss_constants = pointer(constants[1])
        maps = kernels.network_kernels().addresses
        net.exponential = <loop_t><uintptr_t>maps[f"map_exp_v{self.dtype.char}"]
        net.logarithm = <loop_t><uintptr_t>maps[f"map_log_v{self.dtype.char}"]
        net.reduce = 1.0 if a.sum_outputs else 1.0 / a.sizes[layers]
        net.cap, net.dropout, net.penalty_per_row = a.loss_cap, a.dropout, a.penalty_per_row
        self.arrays = 2 * layers
        net.predicts = PREDICTS.get(a.link, FGD_VALUES)
        for l in range(layers):
            self.length[2 * l] = a.sizes[l] * a.sizes[l + 1]
            self.length[2 * l + 1] = a.sizes[l + 1] if a.bias else 0
        return 0

    cdef int _take_groups(self, trainings, loops, letter) except -1:
        """Rules, and where their numbers lie among a block's rows."""
        cdef Py_ssize_t k, j, reals = 0, coefficients = 0, number = 0, apart = 1 if trainings.architecture.bias else 2
        cdef Group* g
        columns, table = trainings.numbers, kernels.kernels().addresses
        groups = np.zeros(len(columns) * sizeof(Group) + 1, np.uint8)
        self.keep.append(groups)
        self.group, self.n_groups = <Group*>pointer(groups), len(columns)
        self.steady = True
        for k, column in enumerate(columns):
            g, m = &self.group[k], column.method
            g.coefficients = <lanes_t><uintptr_t>loops[k].coefficients
            g.prepare = <lanes_t><uintptr_t>(table[f"lanes_prepare_{letter}"] if m.prepared else 0)
            g.hypers, g.own = len(m.hyper), len(m.rule.coefficients)
            g.steady, g.scheduled = m.coefficients.steady, column.schedules is not None
            g.clips = bool(np.isfinite(m.clip_norm).any())
            self.steady = self.steady and g.steady and not g.scheduled
            self.net.separate = self.net.separate or g.clips
            g.hyper, g.shared, g.clip, g.carry = reals, reals + g.hypers, reals + g.hypers + 7, reals + g.hypers + 9
            reals += g.hypers + 10
            g.at = coefficients
            coefficients += g.own + (SHARED if m.prepared else 0)
        self.n_reals, self.n_whole, self.n_coefficients = reals + 2, RATES + len(columns), coefficients
        for k in range(self.arrays):
            self.at[k][0] = number
            number += self.length[k]
        self.n_parameters = number
        for k in range(self.arrays):
            self.group_of[k], self.many[k] = trainings.group_of[k // apart] if self.length[k] else -1, 2
            if self.group_of[k] < 0:
                continue
            m = columns[self.group_of[k]].method
            self.net.updates[k].loop = <loop_t><uintptr_t>loops[self.group_of[k]].update
            for j in range(len(m.rule.state)):
                self.at[k][2 + j] = number
                number += self.length[k]
            self.many[k] = 2 + len(m.rule.state)
        self.total = number
        return 0

    # --- memory ---------------------------------------------------------------------------------------

    cdef char* _memory(self, Py_ssize_t rows, dtype) except NULL:
        """Rows of one number for each lane, zero, on cache lines."""
        array = aligned((rows + 1, self.lanes), dtype)
        self.keep.append(array)
        return pointer(array)

    cdef int _take_blocks(self, Py_ssize_t capacity) except -1:
        cdef Py_ssize_t k
        cdef Lanes* block
        self.blocks = (capacity + self.lanes - 1) // self.lanes
        blocks = np.zeros(self.blocks * sizeof(Lanes) + 1, np.uint8)
        self.keep.append(blocks)
        self.block, self.views = <Lanes*>pointer(blocks), []
        for k in range(self.blocks):
            block = &self.block[k]
            numbers = aligned((self.total, self.lanes), self.dtype)
            reals = aligned((self.n_reals, self.lanes), np.float64)
            whole = aligned((self.n_whole, self.lanes), np.int64)
            self.views.append((numbers, reals, whole))
            block.numbers, block.reals, block.whole = pointer(numbers), <double*>pointer(reals), <int64_t*>pointer(whole)
            block.coefficients = self._memory(self.n_coefficients, self.dtype)
        return 0

    cdef int _take_workspace(self) except -1:
        """What an update needs besides a block: gradients, and activations of as many rows as stay in the cache."""
        cdef fgd_lane_network* net = &self.net
        cdef int l, k
        cdef Py_ssize_t part, outputs = net.sizes[net.layers], widest = 1
        vectors = 2 * sum([net.sizes[l] for l in range(1, net.layers + 1)])  # of a row: values, and what is passed back
        if self.trainings.batches.shuffle and len(self.trainings.seeds) > 1:
            vectors += net.sizes[0]  # networks may have other inputs than their neighbours
        part = max(8, CACHE // (vectors * self.lanes * self.itemsize) // 8 * 8)
        net.part = part = min(part, self.batch)
        for l in range(net.layers + 1):
            widest = max(widest, net.sizes[l])
            net.values[l] = self._memory(part * net.sizes[l], self.dtype)
            net.deltas[l] = self._memory(part * net.sizes[l] if l > 0 else 0, self.dtype)
        net.targets = self._memory(part * outputs, self.dtype)
        net.room = self._memory(part * (max(FGD_ACROSS, outputs) + 1), self.dtype)
        net.packed = self._memory(FGD_ACROSS * widest, self.dtype)
        net.share = <double*>self._memory(part, np.float64)
        net.row_losses = <double*>self._memory(part, np.float64)
        net.labels = <int32_t*>self._memory(part, np.int32)
        net.zeros = self._memory(widest, self.dtype)
        net.losses, net.penalties, net.squares = self.losses, self.penalties, self.squares
        net.right, net.residual = self.right, self.residual
        net.seeds, net.orders = self.seeds, self.orders
        for k in range(self.arrays):
            net.gradients[k] = self._memory(self.length[k], self.dtype)
            net.updates[k].arrays = self.pointers[k]
        return 0

    cdef int _take_results(self, Py_ssize_t capacity) except -1:
        t = self.trainings
        most = int(t.updates.max(initial=0))
        self.window = 2 * max(1, min(self.per_epoch, most // 2))
        self.stride = t.history
        self.records = (most + self.stride - 1) // self.stride if self.stride else 0
        self.iterations, self.status = np.zeros(capacity, np.int64), np.zeros(capacity, np.int8)
        self.final = np.zeros((capacity, self.total), self.dtype)
        self.recent, self.highest = np.zeros((capacity, self.window)), np.zeros(capacity)
        self.history = np.zeros((capacity, self.records))
        self.windows, self.carries = np.zeros(capacity, np.int64), np.zeros((capacity, self.n_groups))
        seeds = np.zeros(len(t.seeds), np.uint64)
        seeds[:] = [seed % SEEDS for seed in t.seeds]
        tables = np.zeros(len(t.seeds), np.uintp)
        self.keep += [seeds, tables]
        self.capacity = capacity
        self._iterations, self._status = <int64_t*>pointer(self.iterations), <int8_t*>pointer(self.status)
        self._final, self._recent = pointer(self.final), <double*>pointer(self.recent)
        self._highest, self._history = <double*>pointer(self.highest), <double*>pointer(self.history)
        self._windows, self.seed_values = <int64_t*>pointer(self.windows), <uint64_t*>pointer(seeds)
        self._carries = <double*>pointer(self.carries)
        self.orders_of_seed = <const int32_t**>pointer(tables)
        return 0

    # --- which networks -------------------------------------------------------------------------------

    def load(self, runs, starts, start_of):
        """Take networks that have not begun: their numbers among the trainings, at most `capacity` of them.

        `starts` has the different initial parameters in rows, those of all arrays side by side; `start_of` says which
        each network has.
        """
        t = self.trainings
        cdef Py_ssize_t k, b, first, count = len(runs)
        seed_of, updates = t.seed_of[runs], t.updates[runs]
        seeds_in_use = np.unique(seed_of)
        self.orders_in_turn = {k: t.batches.in_turn(t.seeds[k]) for k in seeds_in_use}
        columns = [column.of(runs) for column in t.numbers]
        self.windows[:count] = np.minimum(self.per_epoch, updates // 2)
        self.net.alike = len(seeds_in_use) == 1 or not t.batches.shuffle
        self.net.penalized = bool((t.l1[runs] != 0).any() or (t.l2[runs] != 0).any())
        for k, column in enumerate(columns):
            others = column.method.hyper[1:]
            self.group[k].uniform = others.ndim < 2 or bool((others == others[:, :1]).all())
        self.n, self.loaded = 0, count
        self.iterations[:count], self.status[:count] = 0, RUNNING
        self.recent[:count], self.highest[:count], self.history[:count] = 0, -np.inf, np.nan
        for b in range(self.blocks):
            first = b * self.lanes
            here = np.minimum(np.arange(first, first + self.lanes), count - 1)  # an empty lane has another's numbers
            numbers, reals, whole = self.views[b]
            numbers[: self.n_parameters] = starts[start_of[here]].T
            whole[RUN], whole[END], whole[SEED] = here, updates[here], seed_of[here]
            reals[self.n_reals - 2], reals[self.n_reals - 1] = t.l1[runs[here]], t.l2[runs[here]]
            for k, column in enumerate(columns):
                self._load_column(k, column.of(here), numbers, reals)
                whole[RATES + k] = column.rate_of[here]
            self._begin(&self.block[b], min(self.lanes, count - first))

    def _load_column(self, Py_ssize_t k, column, numbers, reals):
        cdef Group* g = &self.group[k]
        cdef Py_ssize_t i, j
        m = column.method
        reals[g.hyper : g.hyper + g.hypers] = m.hyper.reshape(g.hypers, -1)
        reals[g.shared] = m.hyper[0]
        reals[g.shared + 1 : g.shared + 1 + SHARED] = m.shared.reshape(SHARED, -1)
        reals[g.clip], reals[g.clip + 1], reals[g.carry] = m.clip_norm, m.norm_eps, 1.0
        for i in range(self.arrays):
            for j, name in enumerate(m.rule.state if self.group_of[i] == k else ()):
                numbers[self.at[i][2 + j] : self.at[i][2 + j] + self.length[i]] = m.initial.get(name, 0.0)

    def go_on_from(self, begun):
        """Let the networks that were loaded stand where they waited, after ``begun.n`` updates."""
        self.n, self.recent[: self.loaded], self.highest[: self.loaded] = begun.n, begun.recent, begun.highest
        for b, (numbers, reals, _) in enumerate(self.views):
            here = np.minimum(np.arange(b * self.lanes, (b + 1) * self.lanes), self.loaded - 1)
            numbers[:] = begun.numbers[here].T
            for k in range(self.n_groups):
                reals[self.group[k].carry] = begun.carries[here, k]

    cdef void _begin(self, Lanes* block, Py_ssize_t count) noexcept:
        cdef Py_ssize_t l
        block.active, block.next_end, block.stale = 0, 1 << 62, True
        for l in range(count):
            block.active |= <uint64_t>1 << l
        for l in range(count):
            if block.whole[END * self.lanes + l] == 0:
                self._leave(block, l, MAX_ITER, 0)
            else:
                block.next_end = min(block.next_end, block.whole[END * self.lanes + l])

    @property
    def live(self):
        """How many networks have not ended."""
        cdef Py_ssize_t b
        return sum([bin(self.block[b].active).count("1") for b in range(self.blocks)])

    # --- training -------------------------------------------------------------------------------------

    def advance(self, Py_ssize_t stop):
        """Make the updates before number `stop`, without the GIL; returns how many networks have not ended."""
        cdef Py_ssize_t b, until
        cdef uint64_t mode, active = 1
        describe_rows(&self.net, self.trainings.rows, self.trainings.architecture, self.epoch_rows)
        held = self._draw_orders(stop), self._draw_rates(stop)
        self.net.training = True
        with nogil:
            mode = fgd_flush_subnormals(self.flush)
            while self.n < stop and active:
                until = min(stop, self.n + TOGETHER)
                active = 0
                for b in range(self.blocks):
                    if self.block[b].active:
                        self._advance(&self.block[b], until)
                        active |= self.block[b].active
                self.n = until
                close_ranks(self.block, self.blocks, self.lanes, self.total, self.itemsize, self.n_reals, self.n_whole)
            fgd_restore_mode(mode)
        del held
        return self.live

    def _draw_orders(self, Py_ssize_t stop):
        """The orders of the rows in the epochs of the next updates."""
        cdef Py_ssize_t k
        self.net.orders = NULL
        if not self.trainings.batches.shuffle:
            return None
        self.net.orders = self.orders
        self.first_epoch = self.n // self.per_epoch
        last = (stop - 1) // self.per_epoch + 1
        drawn = []
        for k, in_turn in self.orders_in_turn.items():
            orders = np.ascontiguousarray(in_turn.orders(self.first_epoch, last), np.int32)
            if orders.shape != (last - self.first_epoch, self.epoch_rows) or (
                orders.size and orders.view(np.uint32).max() >= self.net.n
            ):
                raise ValueError(f"the orders of the rows name others than the {self.net.n} that there are")
            drawn.append(orders)
            self.orders_of_seed[k] = <const int32_t*>pointer(orders)
        return drawn

    def _draw_rates(self, Py_ssize_t stop):
        """The rates of the next updates, where they change."""
        cdef Py_ssize_t k
        tables, self.first_rate = [], self.n
        for k, column in enumerate(self.trainings.numbers):
            if column.schedules is None:
                continue
            rates = np.ascontiguousarray(
                np.stack([s.values(self.n, stop) for s in column.schedules], axis=1), np.float64
            )
            if rates.shape != (stop - self.n, len(column.schedules)):
                raise ValueError(f"a schedule gave rates of shape {rates.shape} for {stop - self.n} updates")
            tables.append(rates)
            self.group[k].rates, self.group[k].n_rates = <const double*>pointer(rates), len(column.schedules)
        return tables

    cdef void _point(self, Lanes* block) noexcept nogil:
        """Let the description of an update point to a block's numbers."""
        cdef Py_ssize_t k, j, row = self.lanes * self.itemsize
        cdef fgd_lane_network* net = &self.net
        for k in range(self.arrays):
            net.parameters[k] = block.numbers + self.at[k][0] * row if self.length[k] else NULL
            self.pointers[k][0], self.pointers[k][1] = net.parameters[k], net.gradients[k]
            for j in range(2, self.many[k]):
                self.pointers[k][j] = block.numbers + self.at[k][j] * row
            if self.group_of[k] >= 0:
                net.updates[k].coefficients = block.coefficients + self.group[self.group_of[k]].at * row
        net.l1 = block.reals + (self.n_reals - 2) * self.lanes
        net.l2 = net.l1 + self.lanes
        for j in range(self.lanes):
            self.seeds[j] = self.seed_values[block.whole[SEED * self.lanes + j]]

    cdef void _advance(self, Lanes* block, Py_ssize_t stop) noexcept nogil:
        cdef Py_ssize_t u, k, l
        cdef fgd_lane_network* net = &self.net
        self._point(block)
        for u in range(self.n, stop):
            k = u % self.per_epoch
            net.start, net.t = k * self.batch, <uint64_t>u + 1
            net.stop = min(net.start + self.batch, self.epoch_rows)
            if net.orders is not NULL:
                for l in range(1 if net.alike else self.lanes):
                    self.orders[l] = self.orders_of_seed[block.whole[SEED * self.lanes + l]] + (
                        u // self.per_epoch - self.first_epoch) * self.epoch_rows
            self.pass_(net)
            self._test_losses(block, u)
            if not block.active:
                return
            self._set_coefficients(block, u)
            if net.separate or net.stop - net.start > FGD_ROWS:  # penalties are sums of blocks then, as alone
                self.gradients(net)
                self._finish_coefficients(block, u)
                self.update(net)
            else:
                self.train(net)
            self._record(block, u)
            if k == self.per_epoch - 1 or u + 1 == block.next_end:
                self._end(block, u + 1, k == self.per_epoch - 1)
                if not block.active:
                    return

    cdef void _set_coefficients(self, Lanes* block, Py_ssize_t u) noexcept nogil:
        """Coefficients of an update, complete unless they depend on the gradients' norm."""
        cdef Py_ssize_t l, L = self.lanes, row = L * self.itemsize
        cdef int k
        cdef Group* g
        cdef double* hyper
        cdef char* out
        if self.steady and not block.stale:
            return
        block.stale = False
        for k in range(self.n_groups):
            g = &self.group[k]
            hyper, out = block.reals + g.hyper * L, block.coefficients + g.at * row
            if g.scheduled:
                for l in range(L):
                    hyper[l] = g.rates[(u - self.first_rate) * g.n_rates + block.whole[(RATES + k) * L + l]]
            if g.prepare is not NULL:
                memcpy(block.reals + g.shared * L, hyper, L * sizeof(double))
                g.prepare(<double>(u + 1), self.scratch, block.reals + g.shared * L, L, L, False, out)
                out += SHARED * row
            g.coefficients(<double>(u + 1), block.reals + g.carry * L, hyper, L, L, g.uniform, out)

    cdef void _finish_coefficients(self, Lanes* block, Py_ssize_t u) noexcept nogil:
        """Scale the gradients by their norm, where it is limited."""
        cdef Py_ssize_t l, L = self.lanes
        cdef double divisor, scale
        cdef double nothing[MOST_LANES]
        cdef double* clip
        cdef Group* g
        cdef int k
        for k in range(self.n_groups):
            g = &self.group[k]
            if not g.clips:
                continue
            clip = block.reals + g.clip * L
            memcpy(self.scratch, block.reals + g.shared * L, (1 + SHARED) * L * sizeof(double))
            for l in range(L):
                scale = 1.0
                if clip[l] < INFINITY:
                    divisor = sqrt(self.squares[l]) + clip[L + l]
                    scale = clip[l] / divisor if divisor != 0.0 else 1.0
                    scale = 1.0 if scale > 1.0 else scale
                self.scratch[2 * L + l] *= scale
            g.prepare(<double>(u + 1), nothing, self.scratch, L, L, False,
                      block.coefficients + g.at * L * self.itemsize)

    cdef void _record(self, Lanes* block, Py_ssize_t u) noexcept nogil:
        cdef Py_ssize_t l, place = u % self.window
        cdef int64_t run
        cdef double loss
        for l in range(self.lanes):
            if not block.active >> l & 1:
                continue
            run, loss = block.whole[RUN * self.lanes + l], self.losses[l] + self.penalties[l]
            self._recent[run * self.window + place] = loss
            if u < self._windows[run]:
                self._highest[run] = max(self._highest[run], loss)
            if self.stride and u % self.stride == 0:
                self._history[run * self.records + u // self.stride] = loss

    # --- what the networks are worth ------------------------------------------------------------------

    def assess(self, rows):
        """Loss and metric of each network that was loaded, at its end, as `Engine.assess` computes them."""
        cdef Py_ssize_t b, l
        cdef Lanes* block = &self.block[0]  # its networks have ended, as all others
        cdef fgd_lane_network* net = &self.net
        cdef uint64_t mode
        describe_rows(net, rows, self.trainings.architecture, 0)
        if rows is not self.judged:
            self.judged, self.spread = rows, 0.0 if net.predicts <= FGD_LABELS else spread_of(rows.y)
        net.orders, net.alike, net.training = NULL, True, False
        net.start, net.stop = 0, net.n
        results = np.empty((self.loaded, 2))
        numbers, ended = self.views[0][0], np.arange(self.loaded)
        for b in range((self.loaded + self.lanes - 1) // self.lanes):
            here = ended[b * self.lanes : (b + 1) * self.lanes]
            numbers[: self.n_parameters, : len(here)] = self.final[here, : self.n_parameters].T
            with nogil:
                mode = fgd_flush_subnormals(True)
                self._point(block)
                self.pass_(net)
                fgd_restore_mode(mode)
            for l in range(len(here)):
                results[b * self.lanes + l] = self.losses[l], metric(
                    net.predicts, net.n, net.sizes[net.layers], self.right[l], self.residual[l], self.spread)
        return results

    # --- how networks end -----------------------------------------------------------------------------

    cdef void _test_losses(self, Lanes* block, Py_ssize_t u) noexcept nogil:
        cdef Py_ssize_t l
        for l in range(self.lanes):
            if block.active >> l & 1 and not isfinite(self.losses[l]):
                self._leave(block, l, DIVERGED, u)

    cdef void _end(self, Lanes* block, int64_t done, bint epoch) noexcept nogil:
        """End networks that have made all their updates, or at the end of an epoch have a number that is not finite."""
        cdef Py_ssize_t l
        cdef uint64_t broken = self.broken(&self.net)
        cdef int64_t end, next_end = <int64_t>1 << 62
        for l in range(self.lanes):
            if not block.active >> l & 1:
                continue
            end = block.whole[END * self.lanes + l]
            if broken >> l & 1 and (epoch or end == done):
                self._leave(block, l, DIVERGED, done)
            elif end == done:
                self._leave(block, l, MAX_ITER, done)
            else:
                next_end = min(next_end, end)
        block.next_end = next_end

    def stop(self, int8_t status, runs=None):
        """End all networks where they are, or those at some places of what was loaded."""
        chosen = set(range(self.capacity) if runs is None else np.asarray(runs).tolist())
        for b in range(self.blocks):
            for l in range(self.lanes):
                if self.block[b].active >> l & 1 and self.block[b].whole[RUN * self.lanes + l] in chosen:
                    self._leave(&self.block[b], l, status, self.n)

    cdef void _leave(self, Lanes* block, Py_ssize_t lane, int8_t status, int64_t done) noexcept nogil:
        cdef int64_t run = block.whole[RUN * self.lanes + lane]
        cdef Py_ssize_t i, item = self.itemsize
        for i in range(self.total):
            memcpy(self._final + (run * self.total + i) * item,
                   block.numbers + (i * self.lanes + lane) * item, item)
        for i in range(self.n_groups):
            self._carries[run * self.n_groups + i] = block.reals[self.group[i].carry * self.lanes + lane]
        self._iterations[run], self._status[run] = done, status
        block.active &= ~(<uint64_t>1 << lane)
