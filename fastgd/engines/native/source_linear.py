"""The text of linear models' gradients: products of rows with the parameters of many runs, residuals between them."""

from __future__ import annotations

from dataclasses import dataclass

from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.native.source_module import REAL
from fastgd.engines.parse import Vocabulary
from fastgd.engines.parse_problems import Gradient, Residual
from fastgd.engines.templates import filled, indented, lines_of

_PRODUCTS = """
cdef extern from "rows.h" nogil:
    enum: TOGETHER "FGD_ROWS_TOGETHER"
    enum: FEW_f "FGD_FEW_f"
    enum: FEW_d "FGD_FEW_d"
    void* fgd_scratch(size_t bytes, void** raw) noexcept
    void fgd_release(void* raw) noexcept
"""
_PRODUCTS_OF_TYPE = """
    void fgd_forward_$s(
        const $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const V$s*, Py_ssize_t, Py_ssize_t, V$s*) noexcept
    void fgd_backward_$s(
        const $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const V$s*, Py_ssize_t, Py_ssize_t, V$s*) noexcept
    void fgd_symmetric_$s(const $real*, Py_ssize_t, const $real*, Py_ssize_t, Py_ssize_t, $real*) noexcept
    void fgd_pack_$s(const $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, V$s*) noexcept
    void fgd_unpack_$s(const V$s*, Py_ssize_t, $real, $real*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept
"""
# Of runs lo..hi-1 at the points in the rows from `xo` on: gradients in the rows from `go` on, or losses in row `go`.
_OVER_ROWS = """
cdef void ${what}_${model}_$s(
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
    cdef Py_ssize_t l, k, i, c, start, stop, many, lanes, used, count = features * outputs
    # Vectors of each output; several outputs have enough of their own.
    cdef Py_ssize_t groups = 2 if outputs == 1 and hi - lo > LANES_$s else 1
    cdef Py_ssize_t n = outputs * groups, size = $size
    points = <V$s*>fgd_scratch((count * groups + 2 * size + TOGETHER * n) * sizeof(V$s), &raw)
    if points == NULL:  # no memory: the runs count as diverged
        for i in range($first, $last):
            for l in range(lo, hi):
                b[go + i * width + l] = NAN
        return
    sums = points + count * groups
    block, z = sums + size, sums + 2 * size
    l = lo
    while l < hi:
        if groups == 2 and hi - l <= LANES_$s:  # what is left fits into one
            groups, n = 1, outputs
            size = $size
        lanes = min(groups * LANES_$s, hi - l)
        used = lanes if outputs == 1 else n * LANES_$s
        fgd_pack_$s(b + xo + l, width, lanes, count, groups, points)
        for i in range(size): sums[i] = splat_v$s(0)
        start = 0
        while start < rows:
            for i in range(size): block[i] = splat_v$s(0)
            stop = min(rows, start + $row_block)
            k = start
            while k < stop:
                many = min(<Py_ssize_t>TOGETHER, stop - k)
                fgd_forward_$s(data + k * row, many, row, features, points, n, used, z)
                for i in range(many):
                    y = data[(k + i) * row + features]
                    $residual
                $add
                k += many
            for i in range(size): sums[i] = sums[i] + block[i]
            start = stop
        fgd_unpack_$s(sums, groups, scale, b + go + l, width, lanes, $first, $last)
        l += groups * LANES_$s
    fgd_release(raw)

"""
_ADD_SLOPES = "fgd_backward_$s(data + k * row, many, row, features, z, n, used, block)"
_ADD_LOSSES = """
for i in range(many):
    for c in range(groups): block[c] = block[c] + z[i * n + c]
"""
_MATRIX = """
cdef void slopes_${model}_$s(
        $real* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi,
        Py_ssize_t first, Py_ssize_t last, Py_ssize_t size, Py_ssize_t features, Py_ssize_t outputs,
        const $real* data
) noexcept nogil:
    cdef V$s *points
    cdef V$s *totals
    cdef V$s total
    cdef $real* sums
    cdef $real sum
    cdef void* raw
    cdef Py_ssize_t l, i, u, lanes, groups = 2 if hi - lo > LANES_$s else 1
    points = <V$s*>fgd_scratch((2 * size * groups + LANES_$s) * sizeof(V$s), &raw)
    if points == NULL:  # no memory: the runs count as diverged
        for i in range(first, last):
            for l in range(lo, hi):
                b[go + i * width + l] = NAN
        return
    totals = points + size * groups
    sums = <$real*>points
    l = lo
    while l < hi:
        if hi - l <= LANES_$s:
            groups = 1
        lanes = min(groups * LANES_$s, hi - l)
        if lanes <= FEW_$s and last - first == size:
            fgd_symmetric_$s(data, size, b + xo + l, width, lanes, sums)
            for u in range(lanes):
                for i in range(size):
                    sum = sums[u * (size + LANES_$s) + i]
                    b[go + i * width + l + u] = $single
            break
        fgd_pack_$s(b + xo + l, width, lanes, size, groups, points)
        fgd_forward_$s(data + first * size, last - first, size, size, points, groups, lanes, totals + first * groups)
        for i in range(first, last):
            for u in range(groups):
                total = totals[i * groups + u]
                totals[i * groups + u] = $result
        fgd_unpack_$s(totals, groups, 1, b + go + l, width, lanes, first, last)
        l += groups * LANES_$s
    fgd_release(raw)

"""


def row_products() -> str:
    """Declarations of what `rows.h` offers."""
    own = (filled(_PRODUCTS_OF_TYPE, s=s, real=real) for s, real in REAL.items())
    return filled(_PRODUCTS) + "".join(own) + "\n"


@dataclass(frozen=True)
class _Sums:
    """What is summed over rows: how the sums grow, which of them are wanted, and how many vectors they take."""

    name: str
    add: str
    first: str
    last: str
    size: str


_SLOPES = _Sums("slopes", _ADD_SLOPES, "first", "last", "features * n")
_LOSSES = _Sums("losses", _ADD_LOSSES, "0", "1", "groups")


def row_slopes(model: str, residual: Residual, suffix: str) -> str:
    """Gradients of one model."""
    return _over_rows(_SLOPES, model, residual, suffix)


def row_losses(model: str, loss: Residual, suffix: str) -> str:
    """Sums of the losses of a model's rows."""
    return _over_rows(_LOSSES, model, loss, suffix)


def _over_rows(sums: _Sums, model: str, rule: Residual, suffix: str) -> str:
    spelled = Vocabulary(f"v{suffix}")
    if rule.coupled:
        own = f"(splat_v{suffix}(1) if {{}} == y else splat_v{suffix}(0))"
        lines = rule.lines(spelled, "z[i * n + {}]".format, own.format, "n")
    else:
        lines = rule.lines(spelled, lambda _: "z[i * n + c]", lambda _: "y")
        lines = ["for c in range(n):", *indented(lines)]
    return filled(
        _OVER_ROWS,
        what=sums.name,
        model=model,
        s=suffix,
        real=REAL[suffix],
        locals=[f"cdef V{suffix} {name}" for name in rule.locals],
        row_block=str(ROW_BLOCK),
        residual=lines,
        add=lines_of(sums.add, s=suffix),
        first=sums.first,
        last=sums.last,
        size=sums.size,
    )


def matrix_slopes(gradient: Gradient, suffix: str) -> str:
    """Gradients that are a matrix times the point, and something more: see `Gradient.matrix`."""

    def number(array: str, indices: tuple[str, ...]) -> str:
        return f"data[{gradient.place(array, indices, 'size')}]"

    fold, alone = (gradient.fold(number, str, "size", total=name) for name in ("total", "sum"))
    return filled(
        _MATRIX,
        model=gradient.name,
        s=suffix,
        real=REAL[suffix],
        result=fold.result,
        single=alone.result,
    )
