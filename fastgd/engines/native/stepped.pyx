"""One descent of a Python function: everything between two of its calls, without the interpreter.

The twin in Python is `fastgd.descent.stepped.InPython`, which makes the same calls and the same bits.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.math cimport NAN, fabs, isfinite, isnan
from libc.string cimport memcmp, memcpy

cimport numpy as cnp
from fastgd.engines.native.lanes cimport pointer
from fastgd.engines.native.plain_array cimport data_of, is_plain
from fastgd.engines.native.sizes cimport farthest, largest

import numpy as np

include "layout.pxi"
include "steepness.pxi"

cnp.import_array()

cdef extern from "Python.h":
    bint PyFloat_CheckExact(object)
    double PyFloat_AS_DOUBLE(object)
    Py_ssize_t Py_REFCNT(PyObject*) noexcept

_FLOAT64 = np.float64
_FORMS = ("written", "paired", "apart", "differences")

cdef enum Form:  # in the order of `_FORMS`
    WRITTEN
    PAIRED
    APART
    DIFFERENCES


cdef class Lent:
    """Room for one array, lent to a function again and again: as a view, since of that no one can free the memory.

    It is made anew where the function kept what it got, or changed its form, so that every call gets an array of its
    own as far as the function can tell.
    """

    cdef object room, view
    cdef cnp.dtype dtype
    cdef Py_ssize_t n
    cdef void* data

    def __cinit__(self, Py_ssize_t n, dtype):
        self.n, self.dtype = n, np.dtype(dtype)

    cdef inline object array(self):
        """The array to lend; what is in it is what was there, or nothing."""
        cdef cnp.npy_intp n = self.n
        cdef int wanted = cnp.NPY_ARRAY_CARRAY
        if (
            self.view is None
            or Py_REFCNT(<PyObject*>self.view) != 1
            or Py_REFCNT(<PyObject*>self.room) != 2  # ours and the view's
            or not is_plain(<PyObject*>self.view, self.dtype.type_num, 1, &n, wanted)
            or data_of(<PyObject*>self.view) != self.data
        ):
            self.room = np.empty(self.n, self.dtype)
            self.view = self.room[:]
            self.data = data_of(<PyObject*>self.room)
        return self.view


cdef class Stepped:
    """A run under way: `n` updates done, and what is known of the function at `x`.

    Attributes
    ----------
    value : float or None
        The function's at `x`, where it is known.
    g : ndarray
        The gradient taken last at an iterate, after `evaluated_at` updates.
    slope : float
        The largest there, penalties included.
    values, gradients : int
        How many were taken.
    """

    cdef readonly Py_ssize_t n, evaluated_at, values, gradients
    cdef readonly int status
    cdef readonly object x, g, value
    cdef readonly double slope
    cdef object fun, jac, returned, update, params, grads, ahead, rates_of
    cdef Lent point, gradient
    cdef Form form
    cdef bint single, penalized, lookahead, bounded
    cdef Py_ssize_t size, bytes, max_iter
    cdef double difference, tol, step_tol, limit
    cdef double penalties[PENALTIES]
    cdef const double[:, ::1] box
    cdef double* rate  # where the stepper reads it
    cdef const char* blank
    cdef char *at
    cdef char *slopes
    cdef char *before
    cdef char *velocity
    cdef char *ahead_at
    cdef char *ahead_slopes
    cdef double momentum, most  # the latter of the gradient taken last
    cdef tuple _keep

    def __init__(self, x, calls, returned, update, rate, *, penalties=None, box=None, velocity=None,
                 double momentum=0.0, Py_ssize_t max_iter, double tol, double step_tol, double limit):
        """`calls` are the form of the function, `fun` and `jac`, and the step of differences; `returned` checks results.

        ``update([x], [g], t)`` makes update number t in place, with the rate in the array `rate`. `penalties` are those
        of `steepness`; `box` (2, n) has the lowest and the highest parameters, in double. With `velocity`, gradients of
        updates are taken at x - momentum * velocity.
        """
        cdef Py_ssize_t k
        dtype = x.dtype
        self.x, self.size, self.single, self.bytes = x, x.size, dtype == np.float32, x.nbytes
        form, self.fun, self.jac, self.difference = calls
        self.returned, self.update = returned, update
        k = _FORMS.index(form)
        self.form = <Form>k
        self.g, blank, before = np.full_like(x, NAN), returned.blank(x), np.zeros_like(x)
        ahead, ahead_slopes = np.zeros_like(x), np.zeros_like(x)
        self.params, self.grads, self.ahead = [x], [self.g], [ahead_slopes]
        self.point = Lent(self.size, np.float64 if self.form == DIFFERENCES else dtype)
        self.gradient = Lent(self.size, dtype)
        self.at, self.slopes, self.before = pointer(x), pointer(self.g), pointer(before)
        self.ahead_at, self.ahead_slopes = pointer(ahead), pointer(ahead_slopes)
        self.blank, self.rate = pointer(blank), <double*>pointer(rate)
        self.lookahead, self.momentum = velocity is not None, momentum
        if self.lookahead:
            self.velocity = pointer(velocity)
        self._keep = (blank, before, ahead, rate, velocity)
        self.penalized = penalties is not None
        for k in range(PENALTIES if self.penalized else 0):
            self.penalties[k] = penalties[k]
        self.bounded = box is not None
        if self.bounded:
            self.box = box
            if self.box.shape[0] != 2 or self.box.shape[1] != self.size or not self.penalized:
                raise ValueError(f"a box of shape {box.shape} for {self.size} parameters")
        self.n, self.evaluated_at, self.status, self.slope = 0, -1, RUNNING, NAN
        self.max_iter, self.tol, self.step_tol, self.limit = max_iter, tol, step_tol, limit

    def begin(self):
        """Take value and gradient at the start; returns the value."""
        self._evaluate()
        return self.loss()

    def end(self, int status):
        """The run ends here."""
        self.status = status

    def loss(self):
        """The function's value at `x`, taken now if it is not known."""
        if self.value is None:
            self.value = self._value_at(self.x)
            self.values += 1
        return self.value

    def in_double(self):
        """The value at `x` in float64."""
        self.value = self._value_at(self.x.astype(np.float64))
        self.values += 1
        return self.value

    def advance(self, Py_ssize_t stop, Py_ssize_t every, rates):
        """Go on up to `stop` updates, or to the end; returns points, losses and slopes after every `every`-th.

        `rates` are those of the updates from here on, if there is a schedule.
        """
        cdef const double[::1] of_schedule
        cdef Py_ssize_t start = self.n
        cdef double moved
        cdef list points = [], losses = [], slopes = []
        if rates is not None:
            of_schedule = rates
        while True:
            if self.slope < self.tol:
                self.status = CONVERGED
            elif self.n == self.max_iter:
                self.status = MAX_ITER
            if self.status != RUNNING or self.n == stop:
                return points, losses, slopes
            PyErr_CheckSignals()  # the function may be one of C, which never looks
            if self.step_tol:
                memcpy(self.before, self.at, self.bytes)
            if rates is not None:
                self.rate[0] = of_schedule[self.n - start]
            self._step()
            self.n += 1
            if not self._largest(self.at) <= self.limit:
                self.status = DIVERGED
                return points, losses, slopes
            self._evaluate()
            if self.step_tol:
                moved = farthest(<float*>self.at, <float*>self.before, self.size) if self.single else (
                    farthest(<double*>self.at, <double*>self.before, self.size))
                if moved < self.step_tol:
                    self.status = CONVERGED if self.slope < self.tol else SMALL_STEP
            if every and self.n % every == 0:
                points.append(self.x.copy())
                losses.append(self.loss())
                slopes.append(self.slope)

    cdef int _step(self) except -1:
        """One update, by the gradient at `x` or ahead of it."""
        cdef Py_ssize_t i
        if not self.lookahead:
            self.update(self.params, self.grads, self.n + 1)
            self._into_box(self.at)
            return 0
        for i in range(self.size):
            if self.single:
                (<float*>self.ahead_at)[i] = (<float*>self.at)[i] - <float>self.momentum * (<float*>self.velocity)[i]
            else:
                (<double*>self.ahead_at)[i] = (<double*>self.at)[i] - self.momentum * (<double*>self.velocity)[i]
        self._into_box(self.ahead_at)
        self._call(self.ahead_at, self.ahead_slopes)
        self.gradients += 1
        self.update(self.params, self.ahead, self.n + 1)
        self._into_box(self.at)
        return 0

    cdef void _into_box(self, char* at) noexcept:
        """Project a point, if there are bounds."""
        cdef Py_ssize_t i
        for i in range(self.size if self.bounded else 0):
            if self.single:
                (<float*>at)[i] = project_f((<float*>at)[i], <float>self.box[0, i], <float>self.box[1, i])
            else:
                (<double*>at)[i] = project_d((<double*>at)[i], self.box[0, i], self.box[1, i])

    cdef int _evaluate(self) except -1:
        """Value and gradient at `x`, and how steep it is there."""
        self.value = self._call(self.at, self.slopes)
        self.slope = self._steepness() if self.penalized else self.most
        self.evaluated_at = self.n
        self.gradients += 1
        return 0

    cdef double _largest(self, const char* numbers) noexcept:
        if self.single:
            return largest(<const float*>numbers, self.size)
        return largest(<const double*>numbers, self.size)

    cdef double _steepness(self) noexcept:
        """The largest slope at `x`, penalties included."""
        cdef double size, most = 0.0
        cdef double* own = self.penalties
        cdef Py_ssize_t i
        for i in range(self.size):
            if self.bounded and self.single:
                size = confined_f((<float*>self.at)[i], (<float*>self.slopes)[i], <float>own[0], <float>own[1],
                                  <float>own[2], <float>own[3], <float>own[4], 0, <float>self.box[0, i],
                                  <float>self.box[1, i])
            elif self.bounded:
                size = confined_d((<double*>self.at)[i], (<double*>self.slopes)[i], own[0], own[1], own[2], own[3],
                                  own[4], 0, self.box[0, i], self.box[1, i])
            elif self.single:
                size = steepness_f((<float*>self.at)[i], (<float*>self.slopes)[i], <float>own[0], <float>own[1],
                                   <float>own[2], <float>own[3], <float>own[4], 0)
            else:
                size = steepness_d((<double*>self.at)[i], (<double*>self.slopes)[i], own[0], own[1], own[2], own[3],
                                   own[4], 0)
            if size > most or isnan(size):
                most = size
        return most

    # --- calls of the function ------------------------------------------------------------------------

    cdef object _call(self, const char* at, char* g):
        """The value at a point, or None where the call that gives the gradient does not give it; `g` gets that."""
        if self.form == WRITTEN:
            return self._written(at, g)
        value = self._differences(at, g) if self.form == DIFFERENCES else self._returned(at, g)
        self.most = self._largest(g)
        return value

    cdef object _returned(self, const char* at, char* g):
        """Of functions that return their gradient."""
        point = self.point.array()
        memcpy(self.point.data, at, self.bytes)
        value = None
        if self.form == PAIRED:
            returned = self.fun(point)
            if type(returned) is tuple and len(<tuple>returned) == 2:
                value, gradient = <tuple>returned
            else:
                value, gradient = self.returned.as_pair(returned)
            value = self._number(value)
        else:
            gradient = self.jac(point)
        self._take(gradient, g)
        return value

    cdef object _written(self, const char* at, char* g):
        """Of a function that writes its gradient, which must be whole unless there is no value."""
        point, gradient = self.point.array(), self.gradient.array()
        cdef void* own = self.gradient.data
        cdef Py_ssize_t i, width = 4 if self.single else 8
        memcpy(self.point.data, at, self.bytes)
        memcpy(own, self.blank, self.bytes)
        value = self._number(self.fun(point, gradient))
        memcpy(g, own, self.bytes)
        self.most = self._largest(g)
        if isnan(self.most):
            for i in range(self.size):
                if memcmp(g + i * width, self.blank, width) == 0:
                    self._left_out(value, g)
                    break
        return value

    cdef int _left_out(self, double value, char* g) except -1:
        """Some of a gradient was not written: an error, unless the function has no value there."""
        array = np.empty_like(self.x)
        memcpy(data_of(<PyObject*>array), g, self.bytes)
        if isfinite(value):
            self.returned.check_written(array, self.fun)
        self.returned.without_marks(array)
        memcpy(g, data_of(<PyObject*>array), self.bytes)
        return 0

    cdef int _take(self, gradient, char* g) except -1:
        """A returned gradient, copied."""
        cdef cnp.npy_intp n = self.size
        if not is_plain(<PyObject*>gradient, cnp.NPY_FLOAT if self.single else cnp.NPY_DOUBLE, 1, &n,
                        cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED):
            gradient = self.returned.as_gradient(gradient, self.x)
        memcpy(g, data_of(<PyObject*>gradient), self.bytes)
        return 0

    cdef object _differences(self, const char* at, char* g):
        """Differences in double, over the steps that the rounded points really make: forward, unless a bound is near."""
        cdef Py_ssize_t k
        cdef double here, there, own, moved
        here = self._number(self.fun(self._in_double(at)))
        for k in range(self.size):
            point = None  # else it counts as kept
            point = self._in_double(at)
            own = (<double*>self.point.data)[k]
            moved = self._moved(own, k)
            (<double*>self.point.data)[k] = moved
            there = here if moved == own else self._number(self.fun(point))
            if self.single:
                (<float*>g)[k] = <float>((there - here) / (moved - own)) if moved != own else 0
            else:
                (<double*>g)[k] = (there - here) / (moved - own) if moved != own else 0
        return None

    cdef double _moved(self, double own, Py_ssize_t k) noexcept:
        """The other place of a difference; a parameter that its bounds fix has none."""
        cdef double step = self.difference * max(1.0, fabs(own)), low, high
        if not self.bounded:
            return own + step
        low, high = self.box[0, k], self.box[1, k]
        if own + step <= high:
            return own + step
        if own - step >= low:
            return own - step
        return low if own - low > high - own else high

    cdef object _in_double(self, const char* at):
        """A point, lent as float64."""
        cdef Py_ssize_t i
        point = self.point.array()
        for i in range(self.size):
            (<double*>self.point.data)[i] = (<float*>at)[i] if self.single else (<double*>at)[i]
        return point

    cdef object _value_at(self, x):
        """The value alone, at a point of either precision."""
        here = x.copy()
        returned = self.fun(here, self.returned.blank(here)) if self.form == WRITTEN else self.fun(here)
        return self.returned.as_value(self.returned.as_pair(returned)[0] if self.form == PAIRED else returned)

    cdef object _number(self, returned):
        """A returned value as a float."""
        if PyFloat_CheckExact(returned):
            return returned
        if type(returned) is _FLOAT64:
            return PyFloat_AS_DOUBLE(returned)
        return self.returned.as_value(returned)
