"""The text of linear models' gradients: products of rows with the parameters of many runs, residuals between them."""

from __future__ import annotations

from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.native.source_module import REAL
from fastgd.engines.parse import Vocabulary
from fastgd.engines.parse_problems import Residual
from fastgd.engines.templates import filled, indented

_PRODUCTS = """
cdef extern from "rows.h" nogil:
    enum: TOGETHER "FGD_ROWS_TOGETHER"
    void* fgd_scratch(size_t bytes, void** raw) noexcept
    void fgd_release(void* raw) noexcept
"""
_PRODUCTS_OF_TYPE = """
    void fgd_forward_$s(const $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const V$s*, Py_ssize_t, V$s*) noexcept
    void fgd_backward_$s(const $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const V$s*, Py_ssize_t, V$s*) noexcept
    void fgd_pack_$s(const $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, V$s*) noexcept
    void fgd_unpack_$s(const V$s*, Py_ssize_t, $real, $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept
"""
# Gradients of runs lo..hi-1 at the points in the rows from `xo` on, into the rows from `go` on.
_SLOPES = """
cdef void slopes_${model}_$s(
        $real* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi,
        Py_ssize_t first, Py_ssize_t last, Py_ssize_t rows, Py_ssize_t features, Py_ssize_t outputs,
        const $real* data
) noexcept nogil:
    $locals
    cdef V$s *z
    cdef V$s *points
    cdef V$s *sums
    cdef V$s *block
    cdef Py_ssize_t row = features + 1
    cdef $real y, scale = data[rows * row]
    cdef void* raw
    cdef Py_ssize_t l, k, i, c, start, stop, many, lanes, count = features * outputs
    # Vectors of each output; several outputs have enough of their own.
    cdef Py_ssize_t groups = 2 if outputs == 1 and hi - lo > LANES_$s else 1
    cdef Py_ssize_t n = outputs * groups, size = features * n
    points = <V$s*>fgd_scratch((3 * size + TOGETHER * n) * sizeof(V$s), &raw)
    if points == NULL:  # no memory: the runs count as diverged
        for i in range(first, last):
            for l in range(lo, hi):
                b[go + i * width + l] = NAN
        return
    sums, block, z = points + size, points + 2 * size, points + 3 * size
    l = lo
    while l < hi:
        if groups == 2 and hi - l <= LANES_$s:  # what is left fits into one
            groups, n, size = 1, outputs, features * outputs
        lanes = min(groups * LANES_$s, hi - l)
        fgd_pack_$s(b + xo + l, width, lanes, count, groups, points)
        for i in range(size): sums[i] = splat_v$s(0)
        start = 0
        while start < rows:
            for i in range(size): block[i] = splat_v$s(0)
            stop = min(rows, start + $row_block)
            k = start
            while k < stop:
                many = min(<Py_ssize_t>TOGETHER, stop - k)
                fgd_forward_$s(data + k * row, many, row, features, points, n, z)
                for i in range(many):
                    y = data[(k + i) * row + features]
                    $residual
                fgd_backward_$s(data + k * row, many, row, features, z, n, block)
                k += many
            for i in range(size): sums[i] = sums[i] + block[i]
            start = stop
        fgd_unpack_$s(sums, groups, scale, b + go + l, width, lanes, first, last)
        l += groups * LANES_$s
    fgd_release(raw)

"""


def row_products() -> str:
    """Declarations of what `rows.h` offers."""
    own = (filled(_PRODUCTS_OF_TYPE, s=s, real=real) for s, real in REAL.items())
    return filled(_PRODUCTS) + "".join(own) + "\n"


def row_slopes(model: str, residual: Residual, suffix: str) -> str:
    """Gradients of one model."""
    spelled = Vocabulary(f"v{suffix}")
    if residual.coupled:
        own = f"(splat_{suffix}(1) if {{}} == y else splat_{suffix}(0))"
        lines = residual.lines(spelled, "z[i * n + {}]".format, own.format, "n")
    else:
        lines = residual.lines(spelled, lambda _: "z[i * n + c]", lambda _: "y")
        lines = ["for c in range(n):", *indented(lines)]
    return filled(
        _SLOPES,
        model=model,
        s=suffix,
        real=REAL[suffix],
        locals=[f"cdef V{suffix} {name}" for name in residual.locals],
        row_block=str(ROW_BLOCK),
        residual=lines,
    )
