"""The compiled engine of networks: memory and pointers for `network.h`, and an optimizer's steps inside its loop.

Long because engine, memory and steps share C structs; their declarations are in `network.pxd`. It implements
`fastgd.engines.protocol.networks.Engine`. A stretch of updates is one call without the GIL; only a coefficient function
that Numba cannot compile takes it, once a step.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.math cimport sqrt
from libc.stdint cimport int32_t, uint32_t, uintptr_t
from libc.string cimport memset

cimport numpy as cnp
from fastgd.engines.native.described cimport describe_averages, describe_inputs, describe_rows, metric
from fastgd.engines.native.network cimport (
    FGD_ALONE, FGD_ASSESS, FGD_CLASSES, FGD_COUNTS, FGD_FORWARD_ONLY, FGD_GRADIENT, FGD_LABELS, FGD_MOST_ARRAYS,
    FGD_MOST_BLOCKS, FGD_MOST_LAYERS, FGD_ROWS, FGD_STRIP, FGD_TOGETHER, FGD_TRAIN, FGD_VALUES, fgd_blocks, fgd_network,
    fgd_new_pace, fgd_next_piece, fgd_note_piece, fgd_pace, fgd_seconds, fgd_take_block, fgd_update, loop_t, room_t, run_t,
)
from fastgd.engines.native.steps cimport Entry, GroupEntry, Stepper, finish
from fastgd.engines.native.team cimport team_gather, team_run, team_together

import numpy as np

from fastgd.engines import config
from fastgd.engines.native import kernels
from fastgd.engines.protocol.predictions import NotFinite
from fastgd.engines.reference.linear import LinearReference
from fastgd.engines.reference.networks import Reference
from fastgd.engines.registry import LINEAR_LOSSES, RULES

include "layout.pxi"

cnp.import_array()

# Measured on two cores: multiply-adds of an update from which a second thread pays; and rows of a pass without updates
# between two checks for Ctrl-C.
cdef double WORTH_A_TEAM = 4e5
cdef Py_ssize_t AT_ONCE = 1 << 15
# From how many rows on a prediction is made in blocks of rows, of at most so many. A thread asleep is woken for it, which
# pays from four times as much work as an update, where the threads meet again and again and stay awake.
cdef Py_ssize_t MANY_ROWS = 64, MOST_OF_BLOCK = 1024
cdef double ASLEEP = 0.25
PREDICTS = {"softmax": FGD_CLASSES, "sigmoid": FGD_LABELS, "exp": FGD_COUNTS}


# --- an optimizer's steps inside the loop -------------------------------------------------------------


cdef struct Steps:
    GroupEntry* groups
    Py_ssize_t count
    const double* rates
    double* carries  # as they were before this step
    double t
    bint separate
    PyObject* stepper
    PyObject* errors


cdef int _in_python(Steps* steps, Py_ssize_t k, double t, double lr) noexcept with gil:
    """Call a coefficient function in Python; 0 if it raised."""
    try:
        (<Stepper>steps.stepper).evaluate(&steps.groups[k], k, t, lr)
    except BaseException as error:
        (<list>steps.errors).append(error)
        return 0
    return 1


cdef int _begin(void* owner, Py_ssize_t step) noexcept nogil:
    """Coefficients of a step, complete unless they depend on the gradients' norm."""
    cdef Steps* steps = <Steps*>owner
    cdef GroupEntry* g
    cdef Py_ssize_t k
    cdef int i, first
    cdef double t = steps.t + <double>step + 1.0, lr
    for k in range(steps.count):
        g = &steps.groups[k]
        lr = steps.rates[step * steps.count + k]
        steps.carries[k] = g.carry[0]
        if g.evaluate is NULL:
            if not _in_python(steps, k, t, lr):
                return 0
        else:
            first = SHARED if g.prepare is not NULL else 0
            for i in range(g.hypers):
                g.local[i] = g.hyper[i]
            g.local[0] = lr
            g.new_carry = g.carry[0]
            g.evaluate(t, &g.new_carry, g.local, g.numbers + first)
        if not steps.separate:
            finish(g, t, lr, 0.0)
    return 1


cdef void _finish(void* owner, Py_ssize_t step, double squares) noexcept nogil:
    cdef Steps* steps = <Steps*>owner
    cdef Py_ssize_t k
    for k in range(steps.count):
        finish(&steps.groups[k], steps.t + <double>step + 1.0, steps.groups[k].local[0], sqrt(squares))


# --- memory -------------------------------------------------------------------------------------------


cdef class Workspace:
    """The description of the work of a call, and memory for a number of rows and threads."""

    cdef fgd_network* net
    cdef void* raw
    cdef readonly Py_ssize_t rows
    cdef readonly int members
    cdef list kept

    def __cinit__(self):
        cdef size_t size = sizeof(fgd_network) + 64
        self.raw = PyMem_Malloc(size)
        if self.raw is NULL:
            raise MemoryError
        memset(self.raw, 0, size)
        self.net = <fgd_network*>((<uintptr_t>self.raw + 63) & ~<uintptr_t>63)

    def __dealloc__(self):
        PyMem_Free(self.raw)

    def __init__(self, Network network, Py_ssize_t rows, int members):
        cdef fgd_network* net = self.net
        cdef int l, r, layers = len(network.sizes) - 1
        cdef Py_ssize_t wide = network.panel
        self.kept, self.rows, self.members = [], rows, members
        net.layers = layers
        sizes = network.sizes
        padded = [-(-n // wide) * wide for n in sizes]
        for l in range(layers + 1):
            net.sizes[l] = sizes[l]
            net.values[l] = self._memory(rows * padded[l], network.dtype)
            if l > 0:
                net.slopes[l] = self._memory(rows * padded[l], network.dtype)
                net.deltas[l] = self._memory(rows * padded[l], network.dtype)
        for l in range(layers):
            net.offsets[l] = <Py_ssize_t*>self._taken(np.arange(sizes[l], dtype=np.intp) * sizes[l + 1])
        net.targets = self._memory(rows * padded[layers], network.dtype)
        net.row_losses = self._memory(rows, np.float64)
        for r in range(2):
            net.halves[r] = self._memory(max(padded), network.dtype)
        net.share = <double*>self._memory(rows, np.float64)
        blocks = sum(-(-n * (k + 1) // BLOCK) + n // FGD_STRIP + 4 for k, n in zip(sizes, sizes[1:]))
        blocks = max(blocks, sum(-(-k * n // BLOCK) + 1 + k // min(FGD_STRIP, wide) + 2 + n // BLOCK
                                 for k, n in zip(sizes, sizes[1:])))
        net.squares = <double*>self._memory(blocks, np.float64)
        net.penalty_parts = <double*>self._memory(blocks, np.float64)
        net.seen = <uint32_t*>self._memory(members * sizes[0], np.uint32)
        scratch = np.zeros(members, np.uintp)
        lists = np.zeros(members, np.uintp)
        net.scratch = <void**>self._taken(scratch)
        net.lists = <Py_ssize_t**>self._taken(lists)
        for r in range(members):
            net.scratch[r] = self._memory(network.room(max(sizes), sizes[layers]), network.dtype)
            net.lists[r] = <Py_ssize_t*>self._memory(2 * max(sizes), np.intp)

    cdef void* _memory(self, Py_ssize_t count, dtype) except NULL:
        """Zeros that begin on a cache line."""
        itemsize = np.dtype(dtype).itemsize
        array = np.zeros(count + 128 // itemsize, dtype)
        self.kept.append(array)
        return <void*>((<uintptr_t>cnp.PyArray_DATA(array) + 63) & ~<uintptr_t>63)

    cdef void* _taken(self, array) except NULL:
        self.kept.append(array)
        return cnp.PyArray_DATA(array)


# --- the engine ---------------------------------------------------------------------------------------


cdef class Network:
    """A network's arithmetic, compiled; see `fastgd.engines.protocol.networks.Engine`.

    Parameters
    ----------
    architecture : Architecture
    n_threads : int or None
        The most threads of a call; None asks `fastgd.engines.config` at every call.
    linear : bool
        Whether to compute a network without hidden layers by the kernels of linear models.

    Raises
    ------
    ValueError
        If there are too many layers.
    """

    cdef readonly object architecture
    cdef readonly object dtype
    cdef readonly tuple sizes, shapes
    cdef int apart  # of two arrays among the pairs of weights and biases: 2 without biases
    cdef readonly Py_ssize_t panel
    cdef readonly bint linear
    cdef object n_threads
    cdef run_t run
    cdef room_t size_of_room
    cdef dict addresses
    cdef object activation_constants, loss_constants
    cdef uintptr_t activation_loop, loss_loop, exponential, logarithm
    cdef readonly Py_ssize_t outputs
    cdef double madds  # of a row, forward
    cdef list spare
    cdef fgd_pace pace  # of updates with `paced` rows
    cdef Py_ssize_t paced

    def __init__(self, architecture, n_threads=None, linear=False):
        found = kernels.network_kernels()
        self.architecture, self.dtype = architecture, architecture.dtype
        self.outputs = architecture.sizes[len(architecture.sizes) - 1]
        self.sizes, self.n_threads, self.spare = architecture.sizes, n_threads, []
        self.shapes, self.apart = tuple(architecture.shapes), 1 if architecture.bias else 2
        if len(self.sizes) - 1 > FGD_MOST_LAYERS:
            raise ValueError(f"sizes names {len(self.sizes) - 1} layers; there can be {FGD_MOST_LAYERS}")
        letter = self.dtype.char
        self.addresses = found.addresses
        self.panel = 2 * found.lanes[letter]
        self.linear = linear
        if linear:
            passes = kernels.linear_kernels().addresses
            self.run = <run_t><uintptr_t>passes[f"fgd_linear_run_{letter}"]
            self.size_of_room = <room_t><uintptr_t>passes[f"fgd_linear_room_{letter}"]
        else:
            self.run = <run_t><uintptr_t>self.addresses[f"fgd_run_{letter}"]
            self.size_of_room = <room_t><uintptr_t>self.addresses[f"fgd_room_size_{letter}"]
        self.activation_loop = loop_address("activation", architecture.activation, letter)
        self.loss_loop = 0 if architecture.classes else loop_address("loss", architecture.loss, letter)
        self.exponential = self.addresses[f"map_exp_v{letter}"]
        self.logarithm = self.addresses[f"map_log_v{letter}"]
        self.activation_constants = np.array([*architecture.constants, 0.0], self.dtype)
        self.loss_constants = np.array([*architecture.loss_constants, 0.0], self.dtype)
        self.madds = sum(float(k) * n for k, n in zip(self.sizes, self.sizes[1:]))

    def room(self, Py_ssize_t widest, Py_ssize_t outputs):
        """How many numbers a thread's own memory holds."""
        return self.size_of_room(self.sizes[0] if self.linear else widest, outputs)

    def reference(self):
        """The engine in NumPy that this one is tested against."""
        return (LinearReference if self.linear else Reference)(self.architecture)

    cdef int _threads(self, double passes, Py_ssize_t rows) except -1:
        """How many threads to use for some rows, each of which passes the weights `passes` times."""
        if passes * self.madds * rows < WORTH_A_TEAM:
            return 1
        n_threads = config.get_num_threads(self.n_threads)
        return min(n_threads, 2) if rows == 1 else n_threads

    cdef Workspace _memory_for(self, Py_ssize_t rows, int members):
        """Memory of an earlier call if it is large enough and not in use."""
        rows = min(rows, <Py_ssize_t>FGD_ROWS)
        cdef Workspace found = self.spare.pop() if self.spare else None
        if found is None or found.rows < rows or found.members < members:
            if found is not None:
                rows, members = max(rows, found.rows), max(members, found.members)
            found = Workspace(self, rows, members)
        return found

    cdef int _describe_rows(self, Workspace space, list params, rows, Py_ssize_t least=0) except -1:
        self._describe(space, params)
        describe_rows(space.net, rows, self.architecture, least)
        _describe_end(space.net, rows.x)
        space.net.epoch_rows = space.net.n
        return 0

    cdef int _describe(self, Workspace space, list params) except -1:
        cdef fgd_network* net = space.net
        cdef int k
        a = self.architecture
        if len(params) != len(self.shapes):
            raise ValueError(f"params must hold {len(self.shapes)} arrays, got {len(params)}")
        for k in range(2 * net.layers):
            net.parameters[k] = NULL
        for k in range(len(params)):
            net.parameters[k * self.apart] = self._parameter(params, k)
        net.activation = <loop_t>self.activation_loop
        net.activation_constants = cnp.PyArray_DATA(self.activation_constants)
        net.loss = <loop_t>self.loss_loop
        net.loss_constants = cnp.PyArray_DATA(self.loss_constants)
        net.exponential, net.logarithm = <loop_t>self.exponential, <loop_t>self.logarithm
        net.reduce = 1.0 if a.sum_outputs else 1.0 / self.outputs
        net.cap = a.loss_cap
        net.l1, net.l2, net.dropout = a.l1, a.l2, a.dropout
        net.penalty_per_row = a.penalty_per_row
        net.flush, net.sparse, net.separate = True, True, False
        net.diverged, net.failed, net.overflowed, net.done, net.dense_until = 0, 0, 0, 0, 0  # the memory was used before
        net.norms, net.keep, net.check_every, net.deadline, net.late = NULL, 0, 0, 0, False
        net.strict, net.not_finite, net.averages[0] = False, 0, NULL
        net.order, net.epoch_updates = NULL, PY_SSIZE_T_MAX
        return 0

    cdef void* _parameter(self, list params, int k) except NULL:
        array = params[k]
        shape = self.shapes[k]
        if not (isinstance(array, np.ndarray) and array.dtype == self.dtype and array.shape == shape
                and array.flags.carray):
            raise ValueError(
                f"params[{k}] must be a contiguous {self.dtype} array of shape {shape}, as it was made"
            )
        return cnp.PyArray_DATA(array)

    cdef int _go(self, Workspace space, int members) except -1:
        cdef fgd_network* net = space.net
        cdef run_t run = self.run
        with nogil:
            members = team_gather(members)
            net.barrier.members = members
            team_together(run, net, members)
        return 0

    cdef int _go_on(self, Workspace space, Py_ssize_t first, Py_ssize_t last, int members) except -1:
        """Make updates; where several threads may, piece by piece: by all or by one, whichever is faster just now."""
        cdef fgd_network* net = space.net
        cdef fgd_pace* pace = &self.pace
        cdef run_t run = self.run
        cdef Py_ssize_t many
        cdef double start, limit = 0.0
        cdef int who
        net.first, net.last = first, last
        if members == 1:
            return self._go(space, 1)
        if self.paced != net.batch:
            self.pace, self.paced = fgd_new_pace(), net.batch
        with nogil:
            while first < last and not (net.failed or net.diverged or net.overflowed):
                many = last - first
                who = fgd_next_piece(pace, &many, &limit)
                start = fgd_seconds()
                net.first, net.last, net.late = first, first + many, False
                net.deadline = start + limit if limit > 0 else 0.0
                net.barrier.members = team_gather(members if who == FGD_TOGETHER else 1)
                team_together(run, net, net.barrier.members)
                many = max(1, net.origin + net.done - first)
                who = FGD_TOGETHER if net.barrier.members > 1 else FGD_ALONE
                fgd_note_piece(pace, who, many, fgd_seconds() - start)
                first += many
        return 0

    # --- passes without updates -----------------------------------------------------------------------

    def forward(self, params, x, scale=1.0):
        """The outputs before their link, shape (n, outputs)."""
        return self.predict(params, x, scale, link=False, strict=False)

    def predict(self, params, x, scale=1.0, *, bint link=True, bint strict=True):
        """Predictions, shape (n, outputs): the outputs after their link, or without it."""
        cdef Py_ssize_t start, n = len(x)
        cdef int predicts = PREDICTS.get(self.architecture.link, FGD_VALUES) if link else FGD_VALUES
        outputs = np.empty((n, self.outputs), self.dtype)
        params = list(params)
        for start in range(0, n, AT_ONCE):
            part = ... if n <= AT_ONCE else slice(start, start + AT_ONCE)
            self._pass(params, x[part], scale, outputs[part], predicts, strict)
        return outputs

    cdef int _pass(self, list params, x, double scale, cnp.ndarray outputs, int predicts, bint strict) except -1:
        """Predictions of some rows: in blocks of rows if there are many, else threads share the columns of each layer."""
        cdef Py_ssize_t n = cnp.PyArray_DIM(outputs, 0), each
        cdef bint many = n >= MANY_ROWS
        cdef int not_finite = 0, members = self._threads(ASLEEP if many else 1.0, n)
        cdef list spaces
        cdef Workspace space
        cdef fgd_network* net
        each = min(MOST_OF_BLOCK, (n + members - 1) // members) if many and members > 1 else n
        spaces = [self._memory_for(each, 1) for _ in range(members)] if each < n else [self._memory_for(n, members)]
        for space in spaces:
            net = space.net
            self._describe(space, params)
            describe_inputs(net, x, scale)
            _describe_end(net, x)
            net.mode, net.predicts, net.strict = FGD_FORWARD_ONLY, predicts, strict
            net.outputs, net.y, net.weights = cnp.PyArray_DATA(outputs), NULL, NULL
            net.batch, net.first, net.last, net.origin, net.epoch_rows = each, 0, 1, 0, n
        if each < n:
            self._go_in_blocks(spaces, <int>((n + each - 1) // each))
        else:
            self._go(space, members)
        for space in spaces:
            not_finite |= space.net.not_finite
        self.spare.extend(spaces)
        if not_finite:
            raise NotFinite("X must hold finite numbers only")
        return 0

    cdef int _go_in_blocks(self, list spaces, int count) except -1:
        cdef fgd_blocks blocks
        cdef int k, members = min(len(spaces), FGD_MOST_BLOCKS)
        memset(&blocks, 0, sizeof(blocks))
        blocks.run, blocks.count = self.run, members
        for k in range(members):
            blocks.nets[k] = (<Workspace>spaces[k]).net
            blocks.nets[k].barrier.members = 1
        with nogil:
            team_run(fgd_take_block, &blocks, count, members)
        return 0

    def assess(self, params, rows):
        """Weighted mean loss of the rows, and accuracy or R²."""
        if self.linear:
            return self.reference().assessed(self.forward(params, rows.x, rows.scale), rows)
        cdef Py_ssize_t k, n = len(rows)
        cdef int members = self._threads(1, n)
        cdef Workspace space = self._memory_for(n, members)
        cdef fgd_network* net = space.net
        means = np.empty(self.outputs)
        self._describe_rows(space, list(params), rows)
        link = self.architecture.link
        net.mode, net.predicts = FGD_ASSESS, PREDICTS.get(link, FGD_VALUES)
        net.means = <double*>cnp.PyArray_DATA(means)
        net.loss_sum, net.right, net.residual, net.spread = 0, 0, 0, 0
        net.batch = AT_ONCE
        for k in range((n + AT_ONCE - 1) // AT_ONCE):
            net.first, net.last, net.origin = k, k + 1, k
            self._go(space, members)
            PyErr_CheckSignals()
        self.spare.append(space)
        return net.loss_sum, metric(net.predicts, n, self.outputs, net.right, net.residual, net.spread)

    def loss_and_grad(self, params, rows, index=None):
        """Weighted mean loss, penalties, and the gradients of their sum; of all rows or those in `index`."""
        grads = [np.empty(p.shape, self.dtype) for p in params]
        order = None if index is None else np.ascontiguousarray(index, np.int32)
        n = len(rows) if index is None else len(order)
        _check_order(order, len(rows))
        cdef int k, members = self._threads(3, n)
        cdef Workspace space = self._memory_for(n, members)
        cdef fgd_network* net = space.net
        cdef double loss = 0.0, penalty = 0.0
        self._describe_rows(space, list(params), rows)
        if order is not None:
            net.order, net.n, net.epoch_rows = <const int32_t*>cnp.PyArray_DATA(order), n, n
        net.mode = FGD_GRADIENT
        for k, g in enumerate(grads):
            net.gradients[k * self.apart] = cnp.PyArray_DATA(g)
        net.batch, net.first, net.last, net.origin = n, 0, 1, 0
        net.losses, net.penalties = &loss, &penalty
        self._go(space, members)
        self.spare.append(space)
        return loss, penalty, grads

    # --- training -------------------------------------------------------------------------------------

    def train(self, params, rows, stretch):
        """Make the updates of a stretch in place and write their results into it."""
        stepper = getattr(stretch.plan.update, "__self__", None)
        if not isinstance(stepper, Stepper) or any(
            len(slot.state) > FGD_MOST_ARRAYS - 2 for slot in stepper.slots
        ):
            self.reference().train(params, rows, stretch)
            return
        self._train(list(params), rows, stretch, stepper)

    cdef int _train(self, list params, rows, stretch, Stepper stepper) except -1:
        cdef Steps steps
        cdef list errors = []
        many = min(stretch.batch_size, stretch.rows)
        cdef int members = self._threads(3, many)
        cdef Workspace space = self._memory_for(many, members)
        cdef fgd_network* net = space.net
        rates = np.ascontiguousarray(stretch.rates, np.float64)
        carries = np.empty(stepper.group_count)
        self._describe_rows(space, params, rows, stretch.rows)
        orders = self._described_order(net, stretch)
        self._describe_checkpoints(net, stretch.checkpoints)
        describe_averages(net, stretch.averages, self.shapes)
        net.mode, net.flush = FGD_TRAIN, stepper.plan.flush
        net.separate = stepper.clips or stretch.norms is not None
        net.seed, net.t, net.batch, net.origin = stretch.seed, stretch.t, stretch.batch_size, stretch.first
        net.losses = <double*>cnp.PyArray_DATA(stretch.losses)
        net.penalties = <double*>cnp.PyArray_DATA(stretch.penalties)
        net.norms = NULL if stretch.norms is None else <double*>cnp.PyArray_DATA(stretch.norms)
        steps.groups, steps.count = stepper.group_entries, stepper.group_count
        steps.rates = <const double*>cnp.PyArray_DATA(rates)
        steps.carries = <double*>cnp.PyArray_DATA(carries)
        steps.t, steps.separate = stretch.t, net.separate
        steps.stepper, steps.errors = <PyObject*>stepper, <PyObject*>errors
        net.begin, net.finish, net.owner = _begin, _finish, &steps
        grads = self._point_updates(net, params, stepper, net.separate or many > FGD_ROWS)
        if stepper.busy:
            raise RuntimeError("this optimizer is already in a step, in another thread")
        stepper.busy = True
        try:
            self._go_on(space, stretch.first, stretch.last, members)
        finally:
            stepper.busy = False
        self.spare.append(space)
        del grads, orders
        stretch.done, stretch.diverged, stretch.overflowed = net.done, bool(net.diverged), bool(net.overflowed)
        if net.diverged:  # no step was made with these coefficients
            for k in range(steps.count):
                steps.groups[k].carry[0] = steps.carries[k]
        if errors:
            raise errors[0]
        return 0

    cdef object _described_order(self, fgd_network* net, stretch):
        """Which rows the updates use; returns the memory of their order, or None if they lie in it."""
        cdef cnp.ndarray orders
        net.epoch_rows, net.epoch_updates = stretch.rows, stretch.updates
        if stretch.orders is None:
            return None
        orders = np.ascontiguousarray(stretch.orders, np.int32)
        if orders.shape[1] != net.epoch_rows or len(orders) * net.epoch_updates < stretch.last:
            raise ValueError(f"orders of shape {stretch.orders.shape} do not hold {stretch.last} updates")
        first, last = stretch.first // stretch.updates, -(-stretch.last // stretch.updates)
        _check_order(orders[first:last], net.n)
        net.order, net.n = <const int32_t*>cnp.PyArray_DATA(orders), orders.size
        return orders

    cdef int _describe_checkpoints(self, fgd_network* net, checkpoints) except -1:
        cdef int k
        if checkpoints is None:
            return 0
        net.check_every, net.check_since = checkpoints.every, checkpoints.since
        if checkpoints.kept is not None:
            for k in range(len(self.shapes)):
                net.kept[k * self.apart] = self._parameter(checkpoints.kept, k)
            net.keep = True
        return 0

    cdef list _point_updates(self, fgd_network* net, list params, Stepper stepper, bint separate):
        """Describe each array's update; returns memory for gradients, if these are complete before any update."""
        cdef int k
        cdef Entry* e
        cdef fgd_update* update
        grads = []
        for k in range(len(params)):
            e, update = &stepper.plan.entries[k], &net.updates[k * self.apart]
            e.arrays[0] = net.parameters[k * self.apart]
            group = stepper.groups[stepper.slots[k].group]
            update.loop = <loop_t>e.loop
            update.arrays = e.arrays
            update.count = 2 + len(stepper.slots[k].state)
            update.coefficients = e.coefficients
            update.plain = group.rule is RULES["sgd"] and not group.prepared
            if separate:
                g = np.empty(params[k].shape, self.dtype)
                grads.append(g)
                net.gradients[k * self.apart] = cnp.PyArray_DATA(g)
            else:
                e.arrays[1] = e.arrays[0]  # never read: the loops pass their own
        stepper.forget()
        return grads


cdef int _describe_end(fgd_network* net, cnp.ndarray x) except -1:
    """Where the memory of the rows ends: the kernels of linear models read whole vectors before it."""
    net.end = net.x + max(0, (net.n - 1) * net.row) + net.sizes[0] * cnp.PyArray_ITEMSIZE(x)
    return 0


def _check_order(order, Py_ssize_t n):
    """Refuse numbers of rows that there are not."""
    if order is not None and order.size and order.view(np.uint32).max() >= n:
        raise ValueError(f"X has {n} rows now, fewer than when it was checked")


def loop_address(kind, function, letter):
    """The address of an activation's or loss's loop; a user's function is compiled now."""
    if isinstance(function, str):
        found = kernels.linear_kernels() if function in LINEAR_LOSSES else kernels.network_kernels()
        return found.addresses[f"{kind}_{function}_{letter}"]
    from fastgd.engines.numba.user_functions import function_loop

    return function_loop(function, letter)


def set_threshold(double worth_a_team):
    """Change `WORTH_A_TEAM`, for measurements and tests; returns the old value."""
    global WORTH_A_TEAM
    old = WORTH_A_TEAM
    WORTH_A_TEAM = worth_a_team
    return old


def rehearse_pace(times, double total):
    """For the tests: pieces of `total` seconds, (together, updates, seconds), if ``times(so far)`` are an update's."""
    cdef fgd_pace pace = fgd_new_pace()
    cdef Py_ssize_t many
    cdef double each, limit, clock = 0.0
    cdef int who
    found = []
    while clock < total:
        many = PY_SSIZE_T_MAX
        who = fgd_next_piece(&pace, &many, &limit)
        each = times(clock)[who]
        if limit > 0:  # it ends early
            many = max(1, min(many, <Py_ssize_t>(limit / each) + 1))
        fgd_note_piece(&pace, who, many, each * many)
        clock += each * many
        found.append((who == FGD_TOGETHER, many, each * many))
    return found
