"""Declarations of ``network.h``: the description of a network's work, which threads read and write."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

ctypedef void (*loop_t)(void** arrays, const void* c, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil
ctypedef int (*begin_t)(void* owner, Py_ssize_t step) noexcept nogil
ctypedef void (*finish_t)(void* owner, Py_ssize_t step, double squares) noexcept nogil
ctypedef void (*run_t)(void* net, int rank) noexcept nogil
ctypedef Py_ssize_t (*room_t)(Py_ssize_t widest, Py_ssize_t outputs) noexcept nogil

cdef extern from "network.h" nogil:
    enum: FGD_ROWS
    enum: FGD_MOST_LAYERS
    enum: FGD_MOST_ARRAYS
    enum: FGD_STRIP
    enum: FGD_FORWARD_ONLY, FGD_ASSESS, FGD_GRADIENT, FGD_TRAIN
    enum: FGD_CLASSES, FGD_LABELS, FGD_COUNTS, FGD_VALUES
    enum: FGD_BYTES, FGD_SINGLE_ROWS, FGD_DOUBLE_ROWS
    ctypedef struct fgd_barrier:
        int members
    ctypedef struct fgd_update:
        loop_t loop
        void** arrays
        int count
        const void* coefficients
        int plain
    ctypedef struct fgd_network:
        int layers
        Py_ssize_t* sizes
        void** parameters
        void** gradients
        fgd_update* updates
        loop_t activation, loss, exponential, logarithm
        const void* activation_constants
        const void* loss_constants
        double reduce, cap, l1, l2, dropout
        int penalty_per_row
        uint64_t seed, t
        const char* x
        Py_ssize_t row, n
        const char* end
        int kind
        double scale
        const void* y
        const double* weights
        const int32_t* order
        int mode, flush, sparse, separate
        Py_ssize_t batch, first, last, origin, epoch_rows, epoch_updates
        void* outputs
        int predicts
        int strict, not_finite
        double* means
        double loss_sum, right, residual, spread
        double* losses
        double* penalties
        double* norms
        double* averages[2]
        Py_ssize_t average_from
        Py_ssize_t done
        double deadline
        int diverged, failed, keep, late, overflowed
        Py_ssize_t check_every, check_since
        void** kept
        Py_ssize_t dense_until
        begin_t begin
        finish_t finish
        void* owner
        void** values
        void** slopes
        void** deltas
        void* targets
        void* row_losses
        void** halves
        double* share
        double* squares
        double* penalty_parts
        uint32_t* seen
        Py_ssize_t** offsets
        void** scratch
        Py_ssize_t** lists
        fgd_barrier barrier

cdef extern from "pace.h" nogil:
    enum: FGD_ALONE, FGD_TOGETHER
    ctypedef struct fgd_pace:
        pass
    fgd_pace fgd_new_pace()
    int fgd_next_piece(fgd_pace* pace, Py_ssize_t* updates, double* limit)
    void fgd_note_piece(fgd_pace* pace, int who, Py_ssize_t updates, double seconds)

cdef extern from "floating.h" nogil:
    double fgd_seconds()

cdef extern from "blocks.h" nogil:
    enum: FGD_MOST_BLOCKS
    ctypedef struct fgd_blocks:
        run_t run
        fgd_network** nets
        int count
    void fgd_take_block(void* blocks, int chunk)
