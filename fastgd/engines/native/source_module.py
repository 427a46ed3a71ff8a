"""What the text of every kernel module begins and ends with: declarations, and the table of addresses."""

from __future__ import annotations

from collections.abc import Iterable

from fastgd.engines.templates import filled

REAL = {"f": "float", "d": "double"}
HEADER = '''\
# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Written by fastgd.engines from fastgd/rules.
"""Kernels compiled for one instruction set."""

from libc.math cimport INFINITY, NAN, exp, log, pow, sqrt
from libc.stdint cimport uintptr_t

cdef extern from "vocabulary.h" nogil:
    ctypedef float Vf "fgd_vf"
    ctypedef double Vd "fgd_vd"
    ctypedef int Mf "fgd_mf"
    ctypedef long long Md "fgd_md"
    enum: LANES_f "FGD_LANES_f"
    enum: LANES_d "FGD_LANES_d"
'''
LANES = "lanes = {'f': LANES_f, 'd': LANES_d}\n"
NUMBERS = """
    $t sqrt_$s($t) noexcept
    $t abs_$s($t) noexcept
    $t sign_$s($t) noexcept
    $t pow2_$s($t) noexcept
    $t exponent_$s($t) noexcept
    $t mantissa_$s($t) noexcept
    $t maximum_$s($t, $t) noexcept
    $t minimum_$s($t, $t) noexcept
    $t larger_$s($t, $t) noexcept
    $t smaller_$s($t, $t) noexcept
    $t where_gt_$s($t, $t, $t, $t) noexcept
    $t where_lt_$s($t, $t, $t, $t) noexcept
    $t where_ge_$s($t, $t, $t, $t) noexcept
    $t where_le_$s($t, $t, $t, $t) noexcept
"""
_SCALARS = """
    $t splat_$s($t) noexcept
    $t copysign_$s($t, $t) noexcept
"""
_VECTORS = """
    M$s gt_v$s(V$s, V$s) noexcept
    M$s lt_v$s(V$s, V$s) noexcept
    M$s ge_v$s(V$s, V$s) noexcept
    M$s le_v$s(V$s, V$s) noexcept
    V$s choose_v$s(M$s, V$s, V$s) noexcept
    V$s splat_v$s($t) noexcept
    V$s steeper_v$s(V$s, V$s) noexcept
    V$s least_v$s(V$s, V$s) noexcept
"""


def vocabulary_text() -> str:
    """Declarations of what `vocabulary.h` offers, for scalars (f, d) and vectors of runs (vf, vd)."""
    texts = [
        filled(template, s=suffix, t=real)
        for suffix, real in REAL.items()
        for template in (NUMBERS, _SCALARS, _VECTORS)
    ]
    texts += [filled(NUMBERS, s=f"v{suffix}", t=f"V{suffix}") for suffix in REAL]
    return "".join(texts) + "\n"


def addresses_text(texts: Iterable[str], more: Iterable[str] = ()) -> str:
    """The module's one Python object: each kernel's address by its name."""
    names = [
        line.removeprefix("cdef void ").split("(")[0]
        for text in texts
        for line in text.split("\n")
        if line.startswith("cdef void ")
    ]
    table = "".join(f"    {name!r}: <uintptr_t>&{name},\n" for name in (*names, *more))
    return "addresses = {\n" + table + "}\n"
