"""What the engines for one network and for networks side by side share: rows as they lie in memory, averages, and the metric."""

cimport numpy as cnp
from fastgd.engines.native.lane_network cimport fgd_lane_network
from fastgd.engines.native.network cimport (
    FGD_BYTES, FGD_CLASSES, FGD_DOUBLE_ROWS, FGD_LABELS, FGD_SINGLE_ROWS, fgd_network,
)
from libc.math cimport NAN

ctypedef fused network:
    fgd_network
    fgd_lane_network


cdef inline int describe_inputs(network* net, rows, double scale) except -1:
    """Addresses and sizes of the inputs alone."""
    cdef cnp.ndarray x = rows
    cdef Py_ssize_t item = cnp.PyArray_ITEMSIZE(x), inputs = net.sizes[0]
    kind = {cnp.NPY_UINT8: FGD_BYTES, cnp.NPY_FLOAT: FGD_SINGLE_ROWS, cnp.NPY_DOUBLE: FGD_DOUBLE_ROWS}.get(
        cnp.PyArray_TYPE(x)
    )
    if (kind is None or cnp.PyArray_NDIM(x) != 2 or cnp.PyArray_DIM(x, 1) != inputs
            or not (cnp.PyArray_ISALIGNED(x) and cnp.PyArray_ISNOTSWAPPED(x))
            or (cnp.PyArray_SIZE(x) and cnp.PyArray_DIM(x, 1) > 1 and cnp.PyArray_STRIDE(x, 1) != item)):
        raise ValueError(f"X must have rows of {inputs} numbers side by side, as it had when it was checked")
    net.x = <const char*>cnp.PyArray_DATA(x)
    net.row, net.n = cnp.PyArray_STRIDE(x, 0), cnp.PyArray_DIM(x, 0)
    net.kind, net.scale = kind, scale
    return 0


cdef inline int describe_rows(network* net, rows, architecture, Py_ssize_t least) except -1:
    """Addresses and sizes of at least so many rows as they are in memory now: the caller's own arrays may have changed."""
    cdef double scale = rows.scale
    describe_inputs(net, rows.x, scale)
    if net.n < least:
        raise ValueError(f"X has {net.n} rows now, fewer than when it was checked")
    target = cnp.NPY_INT32 if architecture.classes else architecture.dtype.num
    net.y = of_rows("y", rows.y, net.n, target, 0 if architecture.classes else net.sizes[net.layers])
    net.weights = <const double*>of_rows("sample_weight", rows.weights, net.n, cnp.NPY_DOUBLE, 0)
    return 0


cdef inline void* of_rows(name, values, Py_ssize_t n, int type_number, Py_ssize_t columns) except? NULL:
    """The memory of contiguous numbers of n rows, one each or in columns; NULL for None."""
    cdef cnp.ndarray array
    if values is None:
        return NULL
    array = values
    if (cnp.PyArray_TYPE(array) != type_number or not cnp.PyArray_ISCARRAY_RO(array)
            or cnp.PyArray_NDIM(array) != (2 if columns else 1) or cnp.PyArray_DIM(array, 0) != n
            or (columns and cnp.PyArray_DIM(array, 1) != columns)):
        raise ValueError(f"{name} must hold {n} rows, as it did when it was checked")
    return cnp.PyArray_DATA(array)


cdef inline double metric(int predicts, Py_ssize_t n, Py_ssize_t outputs, double right, double residual,
                          double spread) noexcept nogil:
    """Accuracy, or R²: of n rows, from the correct predictions or from squares of errors."""
    if predicts == FGD_CLASSES:
        return right / <double>n
    if predicts == FGD_LABELS:
        return right / <double>(n * outputs)
    return 1.0 - residual / spread if spread != 0 else NAN


cdef inline int describe_averages(fgd_network* net, averages, shapes) except -1:
    """Addresses of the sums that the parameters of a network with one layer are added to, if there are any."""
    cdef int k
    if averages is None:
        return 0
    if net.layers != 1 or len(averages.sums) != 2:
        raise ValueError("averages are made of networks with one layer and biases only")
    for k in range(2):
        total = averages.sums[k]
        if not (total.dtype.num == cnp.NPY_DOUBLE and total.shape == shapes[k] and total.flags.carray):
            raise ValueError(f"sums[{k}] must be contiguous float64 of shape {shapes[k]}")
        net.averages[k] = <double*>cnp.PyArray_DATA(total)
    net.average_from = averages.wait
    return 0
