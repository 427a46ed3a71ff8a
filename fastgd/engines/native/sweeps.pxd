"""What sweeps and single descents share: the kernels that they call, and their signatures."""

from libc.stdint cimport int64_t, uintptr_t

# The signatures of `fastgd.engines.native.source`; `real` is float or double.
ctypedef void (*window_t)(
    void* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, const void* c, Py_ssize_t stride,
    const void* data, void* low, void* high, void* work,
    Py_ssize_t features, Py_ssize_t outputs
) noexcept nogil
ctypedef void (*observe_f)(
    float* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, bint last, const float* c,
    Py_ssize_t stride, const float* data, float tol, float limit, float* status, float* seen, float* moved,
    float* turns, float* work, Py_ssize_t features, Py_ssize_t outputs
) noexcept nogil
ctypedef void (*observe_d)(
    double* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, bint last, const double* c,
    Py_ssize_t stride, const double* data, double tol, double limit, double* status, double* seen, double* moved,
    double* turns, double* work, Py_ssize_t features, Py_ssize_t outputs
) noexcept nogil
ctypedef void (*follow_f)(
    float* x, Py_ssize_t size, Py_ssize_t steps, bint last, const float* c, Py_ssize_t stride, const float* data,
    float tol, float limit, float step_tol, int64_t* ended
) noexcept nogil
ctypedef void (*follow_d)(
    double* x, Py_ssize_t size, Py_ssize_t steps, bint last, const double* c, Py_ssize_t stride, const double* data,
    double tol, double limit, double step_tol, int64_t* ended
) noexcept nogil
ctypedef void (*lanes_t)(
    double t, double* carry, const double* hyper, Py_ssize_t width, Py_ssize_t lanes, bint uniform, void* out
) noexcept nogil


cdef class Kernels:
    cdef readonly object dtype, data, batches
    cdef readonly Py_ssize_t size, count, n_state, n_coefficients, n_hyper, n_penalties, features, outputs
    cdef readonly bint steady
    cdef window_t window
    cdef uintptr_t observe
    cdef lanes_t lanes, shared
    cdef Py_ssize_t n_shared, dtype_size
