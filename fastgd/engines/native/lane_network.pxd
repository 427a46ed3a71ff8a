"""Declarations of ``lane_network.h``: the description of an update of small networks side by side."""

from fastgd.engines.native.network cimport loop_t
from libc.stdint cimport int32_t, uint64_t

ctypedef void (*pass_t)(void* net) noexcept nogil
ctypedef uint64_t (*broken_t)(void* net) noexcept nogil

cdef extern from "lane_network.h" nogil:
    enum: FGD_ACROSS
    ctypedef struct fgd_lane_update:
        loop_t loop
        void** arrays
        const void* coefficients
    ctypedef struct fgd_lane_network:
        int layers
        Py_ssize_t* sizes
        void** parameters
        void** gradients
        fgd_lane_update* updates
        loop_t activation, loss, exponential, logarithm
        const void* activation_constants
        const void* loss_constants
        double reduce, cap, dropout
        int penalty_per_row, penalized
        const double* l1
        const double* l2
        const uint64_t* seeds
        const char* x
        Py_ssize_t row, n
        int kind
        double scale
        const void* y
        const double* weights
        int alike
        const int32_t** orders
        Py_ssize_t start, stop
        uint64_t t
        int training, separate
        double* losses
        double* penalties
        double* squares
        int predicts
        double* right
        double* residual
        Py_ssize_t part
        void** values
        void** deltas
        void* targets
        void* room
        void* packed
        void* zeros
        double* share
        double* row_losses
        int32_t* labels
