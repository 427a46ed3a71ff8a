"""The text of the kernel modules of small networks side by side: rules on vectors of runs, and `lane_kernels.h`.

A parameter is a vector, one number for each of as many networks as it has lanes, and so is each coefficient. As in
`fastgd.engines.native.source`, the same text is compiled once per instruction set.
"""

from __future__ import annotations

from fastgd.engines.native.source_module import HEADER, LANES, REAL, addresses_text, vocabulary_text
from fastgd.engines.parse import Rule
from fastgd.engines.registry import PREPARE, RULES
from fastgd.engines.templates import filled

_PASSES = ("pass", "train", "gradients", "update")
_DECLARED = """\
cdef extern from "lane_kernels.h" nogil:
    unsigned long long fgd_lanes_broken_f(void*)
    unsigned long long fgd_lanes_broken_d(void*)
"""
_LOOP = """
cdef void lane_${kind}_${rule}_$s($real** arrays, const $real* c, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef V$s $names
    cdef Py_ssize_t i
    $arrays
    $coefficients
    for i in range(lo, hi):
        $loads
        $before
        $update
        $stores

"""


def lane_loop(rule: Rule, before: Rule | None, suffix: str) -> str:
    """A rule over arrays (p, g, state...) of vectors, with vectors of coefficients; perhaps `prepare` before it."""
    v, arrays = f"V{suffix}", ("p", "g", *rule.state)
    coefficients = (*(before.coefficients if before else ()), *rule.coefficients)
    names = (*arrays, *coefficients, *rule.locals)
    return filled(
        _LOOP,
        kind="prepared" if before else "plain",
        rule=rule.name,
        s=suffix,
        real=REAL[suffix],
        names=", ".join(dict.fromkeys(names)),
        arrays=[f"cdef {v}* {name}_array = <{v}*>arrays[{k}]" for k, name in enumerate(arrays)],
        coefficients=[f"{name} = (<{v}*>c)[{k}]" for k, name in enumerate(coefficients)],
        loads=[f"{name} = {name}_array[i]" for name in arrays],
        before=before.lines(f"v{suffix}") if before else [],
        update=rule.lines(f"v{suffix}"),
        stores=[f"{name}_array[i] = {name}" for name in ("p", *rule.state)],
    )


def lanes_source() -> str:
    """The text of a module; `addresses` maps names to addresses, `lanes` says how many networks a vector has."""
    loops = [
        lane_loop(rule, before, suffix)
        for suffix in REAL
        for rule in RULES.values()
        for before in (None, PREPARE)
    ]
    declared = "".join(f"    void fgd_lanes_{name}_{s}(void*)\n" for name in _PASSES for s in REAL)
    passes = [f"fgd_lanes_{name}_{s}" for name in (*_PASSES, "broken") for s in REAL]
    texts = [HEADER, vocabulary_text(), _DECLARED + declared + "\n", *loops]
    return "".join([*texts, addresses_text(texts, passes), LANES])
