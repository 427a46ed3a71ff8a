"""The text of gradients that loops call: of the library's test functions, and of problems that are given by numbers."""

from __future__ import annotations

from collections.abc import Callable

from fastgd.engines.native.source_module import REAL
from fastgd.engines.parse_functions import TestFunction
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.templates import filled, indented, lines_of

SIGNATURES = """
ctypedef void (*slopes_f)(
    float* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first,
    Py_ssize_t last, Py_ssize_t n, Py_ssize_t features, Py_ssize_t valued, void* values
) noexcept nogil
ctypedef void (*slopes_d)(
    double* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first,
    Py_ssize_t last, Py_ssize_t n, Py_ssize_t features, Py_ssize_t valued, void* values
) noexcept nogil
ctypedef void (*advance_f)(
    float* x, const float* at, const float* g, const float* c, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t count
) noexcept nogil
ctypedef void (*advance_d)(
    double* x, const double* at, const double* g, const double* c, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t count
) noexcept nogil
"""
KNOWN = """
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cdef extern from "function_lanes.h" nogil:
    double wide_f(const float*) noexcept
    double wide_d(const double*) noexcept
    Vd wide_vf(const float*) noexcept
    Vd wide_vd(const double*) noexcept
    void narrow_f(float*, double) noexcept
    void narrow_d(double*, double) noexcept
    void narrow_vf(float*, Vd) noexcept
    void narrow_vd(double*, Vd) noexcept
    double sin_d(double) noexcept
    double cos_d(double) noexcept
    Vd sin_vd(Vd) noexcept
    Vd cos_vd(Vd) noexcept
    Vf copysign_vf(Vf, Vf) noexcept
    Vd copysign_vd(Vd, Vd) noexcept
    Mf eq_vf(Vf, Vf) noexcept
    Md eq_vd(Vd, Vd) noexcept
    bint all_f(Mf) noexcept
    bint all_d(Md) noexcept
"""
# Whole vectors where the rows have room for them; what lies behind the last run is never read.
_SLOPES = """
cdef inline void ${name}_of_run_$s(
        const $real* x, $real* g, double* out, Py_ssize_t width, Py_ssize_t n
) noexcept nogil:
    cdef double $locals
    cdef Py_ssize_t i
    $one

cdef inline void ${name}_of_runs_$s(
        const $real* x, $real* g, Vd* out, Py_ssize_t width, Py_ssize_t n
) noexcept nogil:
    cdef Vd $locals
    cdef Py_ssize_t i
    $many

cdef void slopes_${name}_$s(
        $real* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first,
        Py_ssize_t last, Py_ssize_t n, Py_ssize_t features, Py_ssize_t valued, void* values
) noexcept nogil:
    cdef Py_ssize_t l = lo, k
    cdef double value
    cdef Vd found
    if width % LANES_d == 0 and lo % LANES_d == 0:
        while l < hi:
            ${name}_of_runs_$s(b + xo + l, b + go + l, &found, width, n)
            for k in range(min(<Py_ssize_t>LANES_d, hi - l) if valued == 2 else 0):
                (<double*>values)[l + k] = (<double*>&found)[k]
            l += LANES_d
        return
    while l < hi:
        ${name}_of_run_$s(b + xo + l, b + go + l, &value, width, n)
        if valued == 2:
            (<double*>values)[l] = value
        l += 1

"""


def known_slopes(function: TestFunction, suffix: str) -> str:
    """The kernel of a test function."""

    def body(vector: str) -> list[str]:
        read, write = f"wide_{vector}{suffix}", f"narrow_{vector}{suffix}"
        return function.lines(
            f"{vector}d",
            lambda i: f"{read}(x + ({i}) * width)",
            lambda i, number: f"{write}(g + ({i}) * width, {number})",
            "out[0]",
        )

    return filled(
        _SLOPES,
        name=function.name,
        s=suffix,
        real=REAL[suffix],
        locals=", ".join(function.locals),
        one=body(""),
        many=body("v"),
    )


# --- problems given by numbers --------------------------------------------------------------------

_GIVEN = """
cdef void slopes_${name}_$s(
        $real* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t first,
        Py_ssize_t last, Py_ssize_t n, Py_ssize_t features, Py_ssize_t valued, void* values
) noexcept nogil:
    cdef const $real* data = <const $real*>values
    cdef const $real* x
    cdef $real* g
    cdef V$s totals
    cdef $real total
    cdef Py_ssize_t l = lo, i, j
    if width % LANES_$s == 0 and lo % LANES_$s == 0:
        while l < hi:
            x, g = b + xo + l, b + go + l
            $many
            l += LANES_$s
        return
    while l < hi:
        x, g = b + xo + l, b + go + l
        $one
        l += 1

"""
_TOTAL = """
$total = $start
$loop
    $total = $step
$place = $result
"""


def given_slopes(gradient: Gradient, suffix: str) -> str:
    """The kernel of a problem's gradient; `values` are the problem's numbers."""
    v = f"V{suffix}"
    vector = _total(gradient, "totals", lambda row: f"(<{v}*>({row}))[0]", f"splat_v{suffix}({{}})")
    return filled(
        _GIVEN,
        name=gradient.name,
        s=suffix,
        real=REAL[suffix],
        many=vector,
        one=_total(gradient, "total", lambda row: f"({row})[0]", "{}"),
    )


def _total(gradient: Gradient, total: str, spelled: Callable[[str], str], number: str) -> list[str]:
    """All components, each a running total; `number` makes one of a number of the problem."""

    def read(array: str, indices: tuple[str, ...]) -> str:
        return f"data[{gradient.place(array, indices, 'n')}]"

    fold = gradient.fold(read, lambda i: spelled(f"x + ({i}) * width"), "n", total=total)
    lines = lines_of(
        _TOTAL,
        total=total,
        start=fold.start if gradient.each else number.format(fold.start),
        loop=[fold.loop],
        step=fold.step,
        place=spelled(f"g + {'i' if gradient.each else '0'} * width"),
        result=fold.result,
    )
    return ["for i in range(first, last):", *indented(lines)] if gradient.each else lines
