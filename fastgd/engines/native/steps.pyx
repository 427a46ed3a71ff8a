"""The compiled stepper: one call checks every array, then updates all of them in one pass.

Long because it is one class and the arithmetic that it runs without the GIL; checks of arrays and
memory are in `plain_array.pxd` and `intervals.pxd`.

Arrays of the expected form, in any layout, are checked here, in nanoseconds. What was found about overlaps
holds until an address or a stride changes. Subclasses, memory that interleaves and every error message are
left to `fastgd.engines.protocol.arrays`. Sizes are those of the arrays' C structs, and nothing that may run
Python stands between the last look at them and the update: a coefficient function, or a finalizer of the
garbage collector, could resize an array or empty the caller's list.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport uint64_t, uintptr_t

cimport numpy as cnp
from fastgd.engines.native.intervals cimport Interval, apart, merged, sorted_apart
from fastgd.engines.native.plain_array cimport data_of, has_flags, is_plain, steps_of
from fastgd.engines.native.team cimport team_run

import numpy as np

from fastgd.engines.protocol.arrays import is_dense

cdef extern from "floating.h" nogil:
    uint64_t fgd_flush_subnormals(bint flush)
    void fgd_restore_mode(uint64_t before)
    double fgd_squares_f(const float* x, Py_ssize_t n)
    double fgd_squares_d(const double* x, Py_ssize_t n)
    double fgd_seconds()

cdef extern from "layouts.h" nogil:
    int FGD_P, FGD_G
    bint fgd_describe(fgd_layout* l, int ndim, bint stateless, const int* aligned)
    void fgd_update_tiles(
        const fgd_layout* l, loop_t loop, void** arrays, Py_ssize_t many, const void* c, Py_ssize_t lo,
        Py_ssize_t hi, Py_ssize_t size
    )
    void fgd_gather_f(
        float* to, const void* source, int ndim, const cnp.npy_intp* shape, const cnp.npy_intp* steps,
        Py_ssize_t start, Py_ssize_t n
    )
    void fgd_gather_d(
        double* to, const void* source, int ndim, const cnp.npy_intp* shape, const cnp.npy_intp* steps,
        Py_ssize_t start, Py_ssize_t n
    )

cdef extern from "Python.h":
    PyObject* PyList_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(object)

cnp.import_array()

# Measured on two cores, in bytes of all arrays of a step. Releasing the GIL costs 50 ns, and a time
# slice if another thread takes it. Spinning workers help from USE_TEAM on; waking them costs the
# caller 9 us, which pays from WAKE_TEAM on, or if calls follow each other within CLOSE seconds, so
# that workers are still spinning at the next one.
cdef Py_ssize_t RELEASE_GIL = 512 * 1024
cdef Py_ssize_t USE_TEAM = 640 * 1024
cdef Py_ssize_t WAKE_TEAM = 2560 * 1024
cdef double CLOSE = 15e-6
cdef Py_ssize_t CHUNK = 8192  # elements that a thread claims at a time: from this to eight times it
cdef double last_end = 0.0  # of a step that was large enough for the team

# --- arithmetic: no Python from here to the class --------------------------------------------------


cdef inline void _update_part(Entry* e, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """As many elements as from `lo` to `hi`; which, the layout decides."""
    if e.laid and not e.placement.layout.flat:
        fgd_update_tiles(&e.placement.layout, e.loop, e.arrays, e.many, e.coefficients, lo, hi, e.size)
    else:
        e.loop(e.arrays, e.coefficients, lo, hi)


cdef void _update_all(Plan* plan) noexcept nogil:
    cdef Py_ssize_t k
    cdef uint64_t mode = fgd_flush_subnormals(plan.flush)
    for k in range(plan.count):
        _update_part(&plan.entries[k], 0, plan.entries[k].size)
    fgd_restore_mode(mode)


cdef Py_ssize_t _holder(
    const Py_ssize_t* starts, Py_ssize_t count, Py_ssize_t position
) noexcept nogil:
    """The last array that starts at or before a position, by bisection."""
    cdef Py_ssize_t low = 0, high = count, middle
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= position:
            low = middle
        else:
            high = middle
    return low


cdef void _update_chunk(void* arg, int chunk) noexcept nogil:
    """Elements [chunk * size, (chunk + 1) * size), counted over all arrays."""
    cdef Plan* plan = <Plan*>arg
    cdef Py_ssize_t lo = chunk * plan.chunk, hi = min(lo + plan.chunk, plan.total)
    cdef Py_ssize_t k = _holder(plan.starts, plan.count, lo), stop
    cdef uint64_t mode = fgd_flush_subnormals(plan.flush)
    while lo < hi:
        stop = min(hi, plan.starts[k + 1])
        _update_part(&plan.entries[k], lo - plan.starts[k], stop - plan.starts[k])
        lo = stop
        k += 1
    fgd_restore_mode(mode)


cdef void _sum_squares(void* arg, int chunk) noexcept nogil:
    """Sums of squares of a few blocks, which may lie in several arrays."""
    cdef Plan* plan = <Plan*>arg
    cdef Py_ssize_t b = <Py_ssize_t>chunk * BLOCKS_CLAIMED, start, n
    cdef Py_ssize_t stop = min(b + BLOCKS_CLAIMED, plan.blocks[plan.count])
    cdef Py_ssize_t k = _holder(plan.blocks, plan.count, b)
    cdef Entry* e
    cdef uint64_t mode = fgd_flush_subnormals(plan.flush)
    for b in range(b, stop):
        while plan.blocks[k + 1] <= b:
            k += 1
        e = &plan.entries[k]
        start = (b - plan.blocks[k]) * BLOCK
        n = min(e.size - start, <Py_ssize_t>BLOCK)
        plan.squares[b] = _squares_f(e, start, n) if e.type_number == cnp.NPY_FLOAT else _squares_d(e, start, n)
    fgd_restore_mode(mode)


cdef double _squares_f(Entry* e, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Of a block of a gradient, in C order wherever it lies."""
    cdef float block[BLOCK]
    if not e.gathered:
        return fgd_squares_f(<float*>e.arrays[1] + start, n)
    fgd_gather_f(block, e.arrays[1], e.ndim, e.shape, e.placement.steps[FGD_G], start, n)
    return fgd_squares_f(block, n)


cdef double _squares_d(Entry* e, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    cdef double block[BLOCK]
    if not e.gathered:
        return fgd_squares_d(<double*>e.arrays[1] + start, n)
    fgd_gather_d(block, e.arrays[1], e.ndim, e.shape, e.placement.steps[FGD_G], start, n)
    return fgd_squares_d(block, n)


cdef double _norm(Plan* plan, int n_threads) noexcept nogil:
    cdef Py_ssize_t b, blocks = plan.blocks[plan.count]
    cdef double total = 0.0
    team_run(_sum_squares, plan, <int>((blocks + BLOCKS_CLAIMED - 1) // BLOCKS_CLAIMED), n_threads)
    for b in range(blocks):
        total += plan.squares[b]
    return sqrt(total)


cdef void finish(GroupEntry* g, double t, double lr, double norm) noexcept nogil:
    """Store the carry; complete and round the coefficients."""
    cdef double scale = 1.0, divisor
    cdef double* arguments = g.local + g.hypers
    cdef int k, shared = 0
    g.carry[0] = g.new_carry
    if g.prepare is not NULL:
        shared = SHARED
        if g.clip_norm < INFINITY:
            divisor = norm + g.norm_eps
            scale = g.clip_norm / divisor if divisor != 0.0 else 1.0
            scale = 1.0 if scale > 1.0 else scale
        arguments[0] = lr
        for k in range(SHARED):
            arguments[1 + k] = g.shared[k]
        arguments[2] = arguments[2] * scale
        g.prepare(t - g.behind[0], &g.new_carry, arguments, g.numbers)
    for k in range(shared + g.own):
        g.rounded[k] = <float>g.numbers[k]


cdef Py_ssize_t _chunk(Py_ssize_t total, int n_threads) noexcept nogil:
    """Elements to claim at a time: four claims a thread, in whole lines of the cache."""
    cdef Py_ssize_t wanted = (total // (4 * n_threads) + 16) // 16 * 16
    return max(CHUNK, min(wanted, 8 * CHUNK), total // 0x7fffffff + 1)


cdef void* _allocate(Py_ssize_t count, Py_ssize_t size) except NULL:
    cdef void* memory = PyMem_Calloc(count + 1, size)
    if memory is NULL:
        raise MemoryError
    return memory


cdef class Stepper:
    """Updates lists of arrays in place; see `fastgd.engines.protocol.steps` for slots and groups.

    Parameters
    ----------
    slots : sequence of Slot
        One per parameter array, in the order in which `step` receives them.
    groups : sequence of Group
        The rules and hyperparameters that slots refer to. Their arrays are read at every step,
        everything else now.
    flush_subnormals : bool
        Whether subnormal numbers count as zero in the update loops.
    n_threads : int or None
        The most threads of a step; None asks `fastgd.engines.config` at every step.

    Raises
    ------
    ValueError
        If a slot's state is not of the slot's form, or a group has the wrong number of
        hyperparameters.
    """

    def __cinit__(self):
        self.plan.entries = NULL
        self.group_entries = NULL
        self.intervals = NULL
        self.placements = NULL

    def __init__(self, slots, groups, bint flush_subnormals=True, n_threads=None):
        from fastgd.engines.native import kernels

        if self.plan.entries is not NULL:
            raise RuntimeError("a stepper is set up once")
        self.slots, self.groups, self.kept = list(slots), list(groups), []
        self.n_threads = n_threads
        self.plan.flush = flush_subnormals
        self.group_count = len(self.groups)
        self.group_entries = <GroupEntry*>_allocate(self.group_count, sizeof(GroupEntry))
        for k, group in enumerate(self.groups):
            self._take_group(&self.group_entries[k], group, kernels.address)
        self._take_slots()

    cdef int _take_group(self, GroupEntry* g, group, address) except -1:
        evaluate, function = group.evaluate, group.coefficients
        g.own, g.hypers = len(group.rule.coefficients), len(group.hyper)
        if evaluate is None:
            if len(function.hyperparameters) != g.hypers or function.count != g.own:
                raise ValueError(
                    f"{function.name} makes {function.count} coefficients of "
                    f"{function.hyperparameters}, got {g.hypers} numbers for {group.rule.name}, "
                    f"which takes {group.rule.coefficients}"
                )
            evaluate = address(f"coefficients_{function.name}")
        if isinstance(evaluate, int):
            g.evaluate = <evaluate_t><uintptr_t>evaluate
        if group.prepared:
            g.prepare = <evaluate_t><uintptr_t>address("coefficients_prepare")
        elif group.clip_norm < INFINITY:
            raise ValueError("clipping by norm needs a prepared group")
        g.hyper = self._doubles(group.hyper, g.hypers)
        g.shared = self._doubles(group.shared, SHARED)
        g.carry, g.behind = self._doubles(group.carry, 1), self._doubles(group.behind, 1)
        g.clip_norm, g.norm_eps = group.clip_norm, group.norm_eps
        self.clips = self.clips or g.clip_norm < INFINITY
        g.local = self._doubles(np.zeros(g.hypers + 1 + SHARED), g.hypers + 1 + SHARED)
        g.numbers = self._doubles(np.zeros(g.own + SHARED), g.own + SHARED)
        g.rounded = <float*>self._doubles(np.zeros(g.own + SHARED), g.own + SHARED)
        return 0

    cdef double* _doubles(self, array, Py_ssize_t count) except NULL:
        """The memory of an array of doubles, kept alive."""
        if not (isinstance(array, np.ndarray) and array.dtype == np.float64
                and array.shape == (count,) and array.flags.carray):
            raise ValueError(f"a group's numbers must be {count} contiguous float64, got {array!r}")
        self.kept.append(array)
        return <double*>cnp.PyArray_DATA(array)

    cdef int _take_slots(self) except -1:
        cdef Py_ssize_t n = len(self.slots), k, total = 0, blocks = 0
        cdef Entry* e
        cdef GroupEntry* g
        cdef Plan* plan = &self.plan
        plan.entries = <Entry*>_allocate(n, sizeof(Entry))
        plan.count = n
        plan.starts = <Py_ssize_t*>self._doubles(np.zeros(n + 1), n + 1)
        plan.blocks = <Py_ssize_t*>self._doubles(np.zeros(n + 1), n + 1)
        self.intervals = <Interval*>_allocate(n, sizeof(Interval))
        self.placements = <Placement*>_allocate(n, sizeof(Placement))
        for k, slot in enumerate(self.slots):
            e = &plan.entries[k]
            if slot.dtype.char not in "fd":
                raise ValueError(f"{slot.name} must be float32 or float64, got {slot.dtype}")
            e.type_number, e.many = slot.dtype.num, 2 + len(slot.state)
            self._take_shape(e, &self.placements[k], slot.shape)
            g = &self.group_entries[range(len(self.groups))[slot.group]]
            e.coefficients = <void*>g.rounded if slot.dtype.char == "f" else <void*>g.numbers
            e.loop = <loop_t><uintptr_t>self.groups[slot.group].loops[slot.dtype.char]
            self._take_state(e, slot)
            plan.starts[k], plan.blocks[k] = total, blocks
            total += e.size
            plan.work += e.size * _bytes(e) * e.many
            blocks += (e.size + BLOCK - 1) // BLOCK
        plan.starts[n], plan.blocks[n] = total, blocks
        plan.total = total
        plan.squares = self._doubles(np.zeros(blocks), blocks) if self.clips else NULL
        return 0

    cdef cnp.npy_intp* _integers(self, Py_ssize_t count) except NULL:
        """Memory for so many integers or addresses, all 0, kept alive."""
        numbers = np.zeros(count, np.intp)
        self.kept.append(numbers)
        return <cnp.npy_intp*>cnp.PyArray_DATA(numbers)

    cdef int _take_shape(self, Entry* e, Placement* placement, shape) except -1:
        """The shape, and room for addresses and for what is found out about the layout."""
        cdef cnp.npy_intp* room
        e.ndim, e.size = len(shape), int(np.prod(shape, dtype=np.int64))
        room = self._integers(e.many + 4 * e.ndim + (e.ndim + 3) * sizeof(fgd_axis) // sizeof(cnp.npy_intp))
        e.arrays, e.shape, e.placement = <void**>room, room + e.many, placement
        placement.places = e.shape + e.ndim
        placement.steps[FGD_P], placement.steps[FGD_G] = placement.places + e.ndim, placement.places + 2 * e.ndim
        placement.layout.axes, placement.layout.item = <fgd_axis*>(placement.places + 3 * e.ndim), _bytes(e)
        for k, length in enumerate(shape):
            e.shape[k] = length
        return 0

    cdef int _take_state(self, Entry* e, slot) except -1:
        cdef Py_ssize_t i
        e.ordered = True
        if len(slot.state) != len(self.groups[slot.group].rule.state):
            raise ValueError(f"{slot.name}: wrong number of state arrays, {len(slot.state)}")
        for i, array in enumerate(slot.state):
            if not (isinstance(array, np.ndarray) and array.flags.behaved and array.dtype == slot.dtype
                    and array.shape == tuple(slot.shape) and array.strides == slot.state[0].strides
                    and is_dense(array)):
                raise ValueError(
                    f"state of {slot.name} must be {slot.dtype} of shape {slot.shape} without gaps in memory, "
                    "all of it in one order"
                )
            self.kept.append(array)
            e.arrays[2 + i] = cnp.PyArray_DATA(array)
            e.ordered = array.flags.c_contiguous
            for k, stride in enumerate(array.strides):
                e.placement.places[k] = stride // array.itemsize
        return 0

    def __dealloc__(self):
        PyMem_Free(self.plan.entries)
        PyMem_Free(self.group_entries)
        PyMem_Free(self.intervals)
        PyMem_Free(self.placements)

    def step(self, params, grads, t):
        """Check everything, then update: on an error nothing has changed.

        Parameters
        ----------
        params, grads : list of ndarray
            In the order of the slots.
        t : int
            Number of this step, from 1.

        Raises
        ------
        TypeError, ValueError
            As `fastgd.engines.protocol.arrays.checked` says.
        RuntimeError
            If another thread is in this stepper.
        """
        cdef bint alone = self.plan.work < RELEASE_GIL  # else others may run and change the caller's lists
        cdef list p = params if alone and type(params) is list else list(params)
        cdef list g = grads if alone and type(grads) is list else list(grads)
        if self.busy:
            raise RuntimeError("this optimizer is already in a step, in another thread")
        self.busy = True
        try:
            self._update(t, p, g)
        finally:
            self.busy = False

    cdef bint _point_to(self, list params, list grads) noexcept:
        """Put the arrays' addresses into the plan; False if one is not of the expected form."""
        cdef Py_ssize_t k, n = self.plan.count
        cdef int wanted = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
        cdef PyObject* p
        cdef PyObject* g
        cdef Entry* e
        if PyList_GET_SIZE(params) != n or PyList_GET_SIZE(grads) != n:
            return False
        for k in range(n):
            e = &self.plan.entries[k]
            p = PyList_GET_ITEM(params, k)
            g = PyList_GET_ITEM(grads, k)
            if (
                e.ordered
                and is_plain(p, e.type_number, e.ndim, e.shape, wanted | cnp.NPY_ARRAY_WRITEABLE)
                and is_plain(g, e.type_number, e.ndim, e.shape, wanted)
            ):
                if e.laid:
                    e.laid = e.gathered = self.ranked = False
            elif not self._lay_out(e, p, g):
                return False
            if data_of(p) != e.arrays[0]:
                e.arrays[0] = data_of(p)
                self.ranked = False
            if data_of(g) != e.arrays[1]:
                e.arrays[1] = data_of(g)
                e.fresh, self.disjoint = True, False
        self.disjoint = self.disjoint and self.ranked
        return True

    cdef bint _lay_out(self, Entry* e, PyObject* p, PyObject* g) noexcept:
        """Describe how a parameter and its gradient lie; False if one is not of the expected form."""
        cdef int k, side
        cdef int aligned[2]
        cdef PyObject* arrays[2]
        cdef Placement* known = e.placement
        cdef fgd_axis* axes = known.layout.axes + 3  # where `fgd_describe` wants them
        cdef bint same[2]
        if not (
            is_plain(p, e.type_number, e.ndim, e.shape, cnp.NPY_ARRAY_WRITEABLE)
            and is_plain(g, e.type_number, e.ndim, e.shape, 0)
        ):
            return False
        arrays[FGD_P], arrays[FGD_G] = p, g
        for side in range(2):
            aligned[side] = has_flags(arrays[side], cnp.NPY_ARRAY_ALIGNED)
            same[side] = e.laid and aligned[side] == known.aligned[side]
            for k in range(e.ndim):
                same[side] = same[side] and steps_of(arrays[side])[k] == known.steps[side][k]
        if (same[FGD_P] and same[FGD_G]) or e.size == 0:
            return True
        self.ranked = self.ranked and same[FGD_P]
        e.fresh, self.disjoint = True, False
        for side in range(2):
            known.aligned[side] = aligned[side]
            for k in range(e.ndim):
                known.steps[side][k] = axes[k].step[side] = steps_of(arrays[side])[k]
        for k in range(e.ndim):
            axes[k].length, axes[k].place = e.shape[k], known.places[k]
        e.laid = fgd_describe(&known.layout, e.ndim, e.many == 2, aligned)
        e.gathered = not has_flags(g, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
        return e.laid

    cdef bint _apart(self) noexcept:
        """Whether no parameter overlaps another or a gradient; memory that interleaves counts as overlap."""
        cdef Py_ssize_t k
        cdef Entry* e
        cdef Interval found
        cdef bint every = not self.ranked
        if self.disjoint:
            return True
        if every and not self._rank_params():
            return False
        for k in range(self.plan.count):
            e = &self.plan.entries[k]
            if every or e.fresh:
                found = _interval(e, 1)
                if not apart(self.intervals, self.interval_count, found.low, found.high):
                    return False
                e.fresh = False
        self.ranked = self.disjoint = True
        return True

    cdef bint _rank_params(self) noexcept:
        """Sort the parameters' memory, as intervals that do not overlap; False if some of them did."""
        cdef Py_ssize_t k, n = 0
        for k in range(self.plan.count):
            if self.plan.entries[k].size:
                self.intervals[n] = _interval(&self.plan.entries[k], 0)
                n += 1
        if sorted_apart(self.intervals, n):
            self.interval_count = n
            return True
        self.interval_count = merged(self.intervals, n)
        return False

    cdef tuple _judged(self, list params, list grads):
        """Arrays that need a closer look, as they are in memory, in the plan; or the error that says what is wrong."""
        from fastgd.engines.protocol.arrays import check_memory, plain_arrays

        if not self._point_to(params, grads):
            params, grads = plain_arrays(self.slots, params, grads)
            if not self._point_to(params, grads):
                check_memory(self.slots, params, grads)
                raise RuntimeError("an array was changed while its step was prepared")
        if not self._apart():
            self._trust()
            try:
                check_memory(self.slots, params, grads)
                if not self._point_to(params, grads) or not self.disjoint:
                    raise RuntimeError("an array was changed while its step was prepared")
            except BaseException:
                self.forget()
                raise
        return params, grads

    cdef void _trust(self) noexcept:
        """Take all memory as apart as it lies now."""
        cdef Py_ssize_t k
        self._rank_params()
        for k in range(self.plan.count):
            self.plan.entries[k].fresh = False
        self.ranked = self.disjoint = True

    cdef void forget(self) noexcept:
        """Compare all memory at the next step."""
        self.ranked = self.disjoint = False

    cdef int _update(self, double t, list params, list grads) except -1:
        cdef int n_threads
        self._evaluate_all(t)
        n_threads = self._threads()
        if not (self._point_to(params, grads) and self._apart()):
            params, grads = self._judged(params, grads)
        self._run_all(t, n_threads)
        return 0

    cdef int _evaluate_all(self, double t) except -1:
        """Compute the coefficients of all groups."""
        cdef Py_ssize_t k
        for k in range(self.group_count):
            self.evaluate(&self.group_entries[k], k, t, self.group_entries[k].hyper[0])
        return 0

    cdef void _run_all(self, double t, int n_threads) noexcept:
        """Everything that is left of a step; others may run meanwhile if it takes long."""
        if self.plan.work < RELEASE_GIL:
            self._run(t, n_threads)
        else:
            with nogil:
                self._run(t, n_threads)

    cdef void _run(self, double t, int n_threads) noexcept nogil:
        """Norm, coefficients, updates: nothing here can fail."""
        global last_end
        cdef Py_ssize_t k
        cdef GroupEntry* g
        cdef double norm = _norm(&self.plan, n_threads) if self.clips else 0.0
        for k in range(self.group_count):
            g = &self.group_entries[k]
            finish(g, t, g.local[0], norm)
        if n_threads > 1:
            self.plan.chunk = _chunk(self.plan.total, n_threads)
            k = (self.plan.total + self.plan.chunk - 1) // self.plan.chunk
            team_run(_update_chunk, &self.plan, <int>k, n_threads)
        else:
            _update_all(&self.plan)
        if self.plan.work >= USE_TEAM:
            last_end = fgd_seconds()

    cdef int _threads(self) except -1:
        """How many threads this step should use."""
        if self.plan.work < USE_TEAM or self.plan.work < WAKE_TEAM and fgd_seconds() - last_end > CLOSE:
            return 1
        if self.n_threads is not None:
            return self.n_threads
        from fastgd.engines.config import get_num_threads

        return get_num_threads()

    cdef int evaluate(self, GroupEntry* g, Py_ssize_t index, double t, double lr) except -1:
        """Compute the rule's own coefficients; the carry is written back later."""
        cdef int k, first = SHARED if g.prepare is not NULL else 0
        cdef double value
        for k in range(g.hypers):
            g.local[k] = g.hyper[k]
        g.local[0] = lr
        g.new_carry = g.carry[0]
        t -= g.behind[0]
        if g.evaluate is not NULL:
            g.evaluate(t, &g.new_carry, g.local, g.numbers + first)
            return 0
        carry, own = np.array([g.carry[0]]), np.empty(g.own)
        hyper = np.array([g.local[k] for k in range(g.hypers)])
        self.groups[index].evaluate(t, carry, hyper, own)
        for k, value in enumerate(own):
            g.numbers[first + k] = value
        g.new_carry = carry[0]
        return 0


cdef inline Py_ssize_t _bytes(Entry* e) noexcept:
    return 4 if e.type_number == cnp.NPY_FLOAT else 8


cdef inline Interval _interval(Entry* e, int side) noexcept:
    """The bytes from the first to the last of a parameter or gradient."""
    cdef Interval found
    found.low = found.high = <uintptr_t>e.arrays[side]
    if e.laid:
        found.low += e.placement.layout.reach[side][0]
        found.high += e.placement.layout.reach[side][1]
    else:
        found.high += e.size * _bytes(e)
    return found


def set_thresholds(*values):
    """Change the five thresholds above, for measurements and tests; returns the old ones."""
    global RELEASE_GIL, USE_TEAM, WAKE_TEAM, CLOSE, CHUNK
    old = (RELEASE_GIL, USE_TEAM, WAKE_TEAM, CLOSE, CHUNK)
    RELEASE_GIL, USE_TEAM, WAKE_TEAM, CLOSE, CHUNK = values
    return old
