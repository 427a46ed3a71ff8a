"""The text of the library's test functions: for one run, and for vectors of runs."""

from __future__ import annotations

from fastgd.engines.native.source_module import REAL
from fastgd.engines.parse_functions import TestFunction
from fastgd.engines.templates import filled

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
