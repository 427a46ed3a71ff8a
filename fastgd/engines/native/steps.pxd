"""Declarations that the stepper shares with networks, whose loops make its steps without calling it."""

from cpython.object cimport PyObject

cimport numpy as cnp
from fastgd.engines.native.intervals cimport Interval

include "layout.pxi"

ctypedef void (*loop_t)(void** arrays, const void* c, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil
ctypedef void (*evaluate_t)(
    double t, double* carry, const double* hyper, double* out
) noexcept nogil

ctypedef unsigned char bint8

cdef extern from "layouts.h" nogil:
    ctypedef struct fgd_axis:
        Py_ssize_t length
        Py_ssize_t step[2]
        Py_ssize_t place
    ctypedef struct fgd_layout:
        fgd_axis* axes
        int flat
        Py_ssize_t item
        Py_ssize_t reach[2][2]

cdef enum:
    BLOCKS_CLAIMED = 8  # blocks of the norm that a thread claims at a time

cdef struct Placement:  # how the arrays lie where it is not in C order without gaps
    fgd_layout layout
    cnp.npy_intp* steps[2]  # strides of the parameter and the gradient that `layout` describes
    bint aligned[2]
    cnp.npy_intp* places  # strides of the state, in elements

cdef struct Entry:  # one parameter array, in one line of the cache
    void** arrays  # parameter, gradient, state...: what the loop gets
    loop_t loop
    void* coefficients
    Py_ssize_t size
    cnp.npy_intp* shape
    Placement* placement
    int ndim
    int many  # arrays
    char type_number
    bint8 ordered  # the state lies in C order
    bint8 laid  # parameter, gradient or state lie as `placement` says
    bint8 gathered  # the gradient does
    bint8 fresh  # the gradient lies where it has not yet been compared with the parameters

cdef struct GroupEntry:
    evaluate_t evaluate  # NULL: a Python function
    evaluate_t prepare  # NULL: not prepared
    double* hyper
    double* shared
    double* carry
    double* behind  # steps that the arrays have missed
    double new_carry
    double clip_norm
    double norm_eps
    int own  # number of the rule's own coefficients
    double* local  # the hyperparameters with this step's rate, then `prepare`'s arguments
    int hypers
    double* numbers  # all coefficients, in double
    float* rounded

cdef struct Plan:
    Entry* entries
    Py_ssize_t count
    Py_ssize_t total  # elements
    Py_ssize_t work  # bytes
    Py_ssize_t* starts  # first element of each array, counted over all
    Py_ssize_t* blocks  # likewise, in blocks of squares
    Py_ssize_t chunk
    double* squares
    bint flush


cdef void finish(GroupEntry* g, double t, double lr, double norm) noexcept nogil


cdef class Stepper:
    cdef Plan plan
    cdef GroupEntry* group_entries
    cdef Py_ssize_t group_count
    cdef Placement* placements  # of the entries
    cdef Interval* intervals  # of the parameters, in order
    cdef Py_ssize_t interval_count
    cdef bint ranked  # no parameter has moved since `intervals` were made and found apart
    cdef bint disjoint  # nor a gradient since the last check found no overlap
    cdef bint busy
    cdef bint clips
    cdef object n_threads
    cdef readonly list slots
    cdef readonly list groups
    cdef list kept  # arrays whose memory the plan points to

    cdef int _take_group(self, GroupEntry* g, group, address) except -1
    cdef double* _doubles(self, array, Py_ssize_t count) except NULL
    cdef int _take_slots(self) except -1
    cdef cnp.npy_intp* _integers(self, Py_ssize_t count) except NULL
    cdef int _take_shape(self, Entry* e, Placement* placement, shape) except -1
    cdef int _take_state(self, Entry* e, slot) except -1
    cdef bint _point_to(self, list params, list grads) noexcept
    cdef bint _lay_out(self, Entry* e, PyObject* p, PyObject* g) noexcept
    cdef bint _apart(self) noexcept
    cdef bint _rank_params(self) noexcept
    cdef tuple _judged(self, list params, list grads)
    cdef void _trust(self) noexcept
    cdef void forget(self) noexcept
    cdef int _update(self, double t, list params, list grads) except -1
    cdef int _evaluate_all(self, double t) except -1
    cdef void _run_all(self, double t, int n_threads) noexcept
    cdef void _run(self, double t, int n_threads) noexcept nogil
    cdef int _threads(self) except -1
    cdef int evaluate(self, GroupEntry* g, Py_ssize_t index, double t, double lr) except -1
