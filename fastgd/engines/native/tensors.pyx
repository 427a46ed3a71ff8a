"""Steps of tensors that exist already: what PyTorch knows of their memory is read in C, at every step.

Nothing is kept but addresses that are compared anew: a tensor may have got other memory, a gradient has mostly. Where
anything is not as it was when the stepper was made, it says so and changes nothing; the caller then looks for itself.
"""

from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cimport numpy as cnp
from fastgd.engines.native.steps cimport Entry, GroupEntry, Stepper

cnp.import_array()

cdef extern from "Python.h":
    bint PyDict_Check(object)
    bint PyList_CheckExact(object)
    bint PyDict_Next(object, Py_ssize_t*, PyObject**, PyObject**)
    Py_ssize_t PyDict_Size(object)
    PyObject* PyList_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(object)
    PyObject* PyTuple_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyTuple_GET_SIZE(object)

# --- DLPack's exchange in C, as its version 1 lays it out -----------------------------------------------

cdef enum:
    MAJOR_VERSION = 1
    CPU = 1  # kDLCPU
    REAL = 2  # kDLFloat

cdef struct Device:
    int32_t kind
    int32_t number

cdef struct Number:
    uint8_t kind
    uint8_t bits
    uint16_t lanes

cdef struct Tensor:  # DLTensor
    void* data
    Device device
    int32_t ndim
    Number number
    int64_t* shape
    int64_t* strides  # in elements
    uint64_t byte_offset

ctypedef int (*read_t)(PyObject* tensor, Tensor* found) noexcept

cdef struct Exchange:  # DLPackExchangeAPI
    uint32_t major
    uint32_t minor
    Exchange* older
    void* allocate
    void* to_managed
    void* from_managed
    read_t read
    void* stream


cdef inline read_t _reader(capsule) except NULL:
    """What reads a tensor's memory, of the version that is known here."""
    cdef Exchange* exchange = <Exchange*>PyCapsule_GetPointer(capsule, b"dlpack_exchange_api")
    while exchange is not NULL and exchange.major != MAJOR_VERSION:
        exchange = exchange.older
    if exchange is NULL or exchange.read is NULL:
        raise ValueError(f"tensors cannot be read by version {MAJOR_VERSION} of DLPack's exchange")
    return exchange.read


cdef class Contents:
    """What is in some lists and dicts: whether each still holds the very same objects, in the same order.

    Parameters
    ----------
    containers : list of list or dict
        They and their contents are kept alive, so that no other object can be taken for one of them.
    """

    cdef list containers, items

    def __init__(self, list containers):
        self.containers = containers
        self.items = [
            tuple([x for item in c.items() for x in item]) if isinstance(c, dict) else tuple(c) for c in containers
        ]

    cpdef bint same(self):
        """Whether nothing has been added, removed, replaced or moved."""
        cdef Py_ssize_t k
        for k in range(len(self.containers)):
            if not _holds(self.containers[k], self.items[k]):
                return False
        return True


cdef bint _holds(container, tuple items) noexcept:
    cdef Py_ssize_t k = 0, position = 0, n = PyTuple_GET_SIZE(items)
    cdef PyObject* key
    cdef PyObject* value
    if PyDict_Check(container):
        if 2 * PyDict_Size(container) != n:
            return False
        while PyDict_Next(container, &position, &key, &value):
            if PyTuple_GET_ITEM(items, k) != key or PyTuple_GET_ITEM(items, k + 1) != value:
                return False
            k += 2
        return True
    if not PyList_CheckExact(container) or PyList_GET_SIZE(container) != n:
        return False
    for k in range(n):
        if PyList_GET_ITEM(container, k) != PyTuple_GET_ITEM(items, k):
            return False
    return True


cdef class TensorStepper(Stepper):
    """A stepper whose arrays are tensors and their gradients.

    `step` takes NumPy arrays as ever; `try_step` reads the tensors. The number of a group's step is ``-behind``, so
    `step` is given 0 as the step number.

    Parameters
    ----------
    slots, groups, flush_subnormals
        As `Stepper` has them; coefficients are compiled. State is the memory of `states`.
    exchange : capsule
        The tensor type's ``__dlpack_c_exchange_api__``.
    params, absent : list of tensors
        Those that have a gradient, in the order of the slots, and those that have none.
    states : list of tuples of tensors
        The state of each parameter in the rule's order.
    counts, products : list of tensors or None
        For each parameter how many steps it has made, and its group's running product; None where no one counts.
    bump : callable
        Called with `params` before an update, so that autograd knows of it.
    limit : callable
        Returns the most threads that tensors' library would use.
    """

    cdef list params, absent, states, counts, products
    cdef read_t read
    cdef object bump, limit
    cdef int64_t* strides  # of all parameters, one after the other
    cdef cnp.npy_intp* group_of
    cdef cnp.npy_intp* leads  # whether a parameter is the first of its group

    def __init__(
        self, slots, groups, bint flush_subnormals=True, *, exchange, list params, list absent, list states, list counts,
        list products, bump, limit
    ):
        super().__init__(slots, groups, flush_subnormals)
        self.read = _reader(exchange)
        self.params, self.absent, self.states = params, absent, states
        self.counts, self.products = counts, products
        self.bump, self.limit = bump, limit
        for k in range(self.group_count):
            if self.group_entries[k].evaluate is NULL:
                raise ValueError("tensors need compiled coefficients")
        self._take_tensors()

    cdef int _take_tensors(self) except -1:
        cdef Py_ssize_t k, axis, at = 0, n = self.plan.count
        if not (len(self.params) == len(self.states) == len(self.counts) == len(self.products) == n):
            raise ValueError(f"wanted {n} parameters with state")
        self.group_of, self.leads = self._integers(n), self._integers(n)
        self.strides = <int64_t*>self._integers(sum([len(slot.shape) for slot in self.slots]))
        met = set()
        for k, slot in enumerate(self.slots):
            self.group_of[k], self.leads[k] = slot.group, slot.group not in met
            met.add(slot.group)
            for axis, stride in enumerate(self.params[k].stride()):
                self.strides[at + axis] = stride
            at += len(slot.shape)
        return 0

    def try_step(self):
        """Make a step if everything is as it was.

        Returns
        -------
        bool
            False if a gradient has come or gone, if a tensor has another form, or if memory may overlap: nothing has
            changed then.

        Raises
        ------
        RuntimeError
            If another thread is in this stepper.
        """
        cdef int n_threads
        cdef list grads = []
        if self.busy:
            raise RuntimeError("this optimizer is already in a step, in another thread")
        self.busy = True
        try:
            for tensor in self.absent:
                if tensor.grad is not None:
                    return False
            for tensor in self.params:
                gradient = tensor.grad
                if gradient is None or tensor.is_neg() or gradient.is_neg():
                    return False
                grads.append(gradient)
            self.bump(self.params)
            n_threads = self._threads()
            # From here to the end no Python code runs.
            if not (self._point_to_tensors(grads) and self._count() and self._apart()):
                return False
            self._evaluate_all(0.0)
            self._run_all(0.0, n_threads)
            self._count_on()
            return True
        finally:
            self.busy = False

    cdef bint _point_to_tensors(self, list grads) noexcept:
        """Put the tensors' addresses into the plan; False if one is not of the expected form."""
        cdef Py_ssize_t k, i
        cdef int64_t* strides = self.strides
        cdef PyObject* states
        cdef Tensor p, g, s
        cdef Entry* e
        for k in range(self.plan.count):
            e = &self.plan.entries[k]
            if not (
                self._reads(PyList_GET_ITEM(self.params, k), e, strides, &p)
                and self._reads(PyList_GET_ITEM(grads, k), e, strides, &g)
            ):
                return False
            states = PyList_GET_ITEM(self.states, k)
            for i in range(e.many - 2):
                if not self._reads(PyTuple_GET_ITEM(<object>states, i), e, strides, &s) or s.data != e.arrays[2 + i]:
                    return False
            strides += e.ndim
            if e.laid:
                e.laid = e.gathered = self.ranked = False
            if p.data != e.arrays[0]:
                e.arrays[0] = p.data
                self.ranked = False
            if g.data != e.arrays[1]:
                e.arrays[1] = g.data
                e.fresh, self.disjoint = True, False
        self.disjoint = self.disjoint and self.ranked
        return True

    cdef bint _reads(self, PyObject* tensor, Entry* e, const int64_t* strides, Tensor* found) noexcept:
        """Read a tensor; False if it has not a parameter's form or not these strides."""
        cdef int axis
        if self.read(tensor, found) != 0:
            PyErr_Clear()
            return False
        if not (
            found.device.kind == CPU
            and found.number.kind == REAL
            and found.number.bits == (32 if e.type_number == cnp.NPY_FLOAT else 64)
            and found.number.lanes == 1
            and found.ndim == e.ndim
        ):
            return False
        for axis in range(e.ndim):
            if found.shape[axis] != e.shape[axis]:
                return False
            if found.shape[axis] > 1 and (found.strides is NULL or found.strides[axis] != strides[axis]):
                return False
        found.data = <char*>found.data + found.byte_offset
        return found.data is not NULL or e.size == 0

    cdef bint _count(self) noexcept:
        """Tell each group the number of its step and its product; False if its parameters do not agree."""
        cdef Py_ssize_t k
        cdef GroupEntry* g
        cdef double* steps
        cdef double count, product
        for k in range(self.plan.count):
            g = &self.group_entries[self.group_of[k]]
            count, product = -g.behind[0] - 1.0, g.carry[0]
            if not (self._number(self.counts, k, &count) and self._number(self.products, k, &product)):
                return False
            if self.leads[k]:
                g.behind[0], g.carry[0] = -(count + 1.0), product
            elif g.behind[0] != -(count + 1.0) or g.carry[0] != product:
                return False
        return True

    cdef bint _number(self, list tensors, Py_ssize_t k, double* value) noexcept:
        """Read the only number of a tensor, if there is one; False if it is no tensor of one real number."""
        cdef Tensor found
        cdef PyObject* tensor = PyList_GET_ITEM(tensors, k)
        if <object>tensor is None:
            return True
        if not self._reads_number(tensor, &found):
            return False
        value[0] = (<float*>found.data)[0] if found.number.bits == 32 else (<double*>found.data)[0]
        return True

    cdef bint _reads_number(self, PyObject* tensor, Tensor* found) noexcept:
        if self.read(tensor, found) != 0:
            PyErr_Clear()
            return False
        found.data = <char*>found.data + found.byte_offset
        return (
            found.device.kind == CPU and found.ndim == 0 and found.number.kind == REAL and found.number.lanes == 1
            and found.number.bits in (32, 64) and found.data is not NULL
        )

    cdef void _count_on(self) noexcept:
        """Write what the step has made of the counts and products."""
        cdef Py_ssize_t k
        cdef GroupEntry* g
        for k in range(self.plan.count):
            g = &self.group_entries[self.group_of[k]]
            self._write(self.counts, k, -g.behind[0])
            self._write(self.products, k, g.carry[0])
        for k in range(self.group_count):
            self.group_entries[k].behind[0] -= 1.0  # where no tensor counts

    cdef void _write(self, list tensors, Py_ssize_t k, double value) noexcept:
        cdef Tensor found
        cdef PyObject* tensor = PyList_GET_ITEM(tensors, k)
        if <object>tensor is None or not self._reads_number(tensor, &found):
            return
        if found.number.bits == 32:
            (<float*>found.data)[0] = <float>value
        else:
            (<double*>found.data)[0] = value

    cdef int _threads(self) except -1:
        cdef int n_threads = Stepper._threads(self)
        return n_threads if n_threads == 1 else min(n_threads, <int>self.limit())
