"""The text of a network's kernel modules: loops of activations and losses, and the passes of `network_kernels.h`.

The passes of linear models, in `linear_kernels.h`, use the same loops; their module has those of the losses that only
they know.

As in `fastgd.engines.native.source`, the same text is compiled once per instruction set.
"""

from __future__ import annotations

from fastgd.engines.native.source_module import HEADER, LANES, REAL, addresses_text, vocabulary_text
from fastgd.engines.native.source_updates import elementary_text
from fastgd.engines.parse import PairFunction
from fastgd.engines.registry import ACTIVATIONS, ELEMENTARY, LINEAR_LOSSES, LOSSES
from fastgd.engines.templates import filled

_PASSES = """\
cdef extern from "network_kernels.h" nogil:
    void fgd_run_f(void*, int)
    void fgd_run_d(void*, int)
    Py_ssize_t fgd_room_size_f(Py_ssize_t, Py_ssize_t)
    Py_ssize_t fgd_room_size_d(Py_ssize_t, Py_ssize_t)

"""
_LINEAR_PASSES = """\
cdef extern from "linear_kernels.h" nogil:
    void fgd_linear_run_f(void*, int)
    void fgd_linear_run_d(void*, int)
    Py_ssize_t fgd_linear_room_f(Py_ssize_t, Py_ssize_t)
    Py_ssize_t fgd_linear_room_d(Py_ssize_t, Py_ssize_t)

"""
_PAIR_LOOP = """
cdef void ${kind}_${name}_$s($real** arrays, const $real* c, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef V$s $names
    cdef Py_ssize_t i = lo
    $arrays
    $constants
    while i < hi:
        $loads
        $body
        $stores
        i += LANES_$s

"""


def _pair_loop(kind: str, function: PairFunction, inputs: int, suffix: str) -> str:
    """Value and slope over arrays (inputs..., value, slope); whole vectors, which begin on a cache line.

    The form is that of update loops, so that a user's own function can stand in its place.
    """
    real, v = REAL[suffix], f"V{suffix}"
    arrays = (*function.arguments[:inputs], "result_", "slope_")
    constants = function.arguments[inputs:]
    return filled(
        _PAIR_LOOP,
        kind=kind,
        name=function.name,
        s=suffix,
        real=real,
        names=", ".join(dict.fromkeys((*arrays, *constants, *function.locals))),
        arrays=[f"cdef {real}* {name}_array = arrays[{k}]" for k, name in enumerate(arrays)],
        constants=[f"{name} = splat_v{suffix}(c[{k}])" for k, name in enumerate(constants)],
        loads=[f"{n} = (<{v}*>({n}_array + i))[0]" for n in arrays[:inputs]],
        body=function.lines(f"v{suffix}", "result_", "slope_"),
        stores=[f"(<{v}*>({n}_array + i))[0] = {n}" for n in arrays[inputs:]],
    )


def network_source() -> str:
    """The text of a module; `addresses` maps names to addresses, `lanes` says how wide a vector is."""
    texts = [HEADER, vocabulary_text(), _PASSES, *map(elementary_text, ELEMENTARY)]
    for kind, functions, inputs in (("activation", ACTIVATIONS, 1), ("loss", LOSSES, 2)):
        texts += [_pair_loop(kind, f, inputs, s) for f in functions.values() for s in REAL]
    passes = [f"fgd_{name}_{suffix}" for name in ("run", "room_size") for suffix in REAL]
    return "".join([*texts, addresses_text(texts, passes), LANES])


def linear_source() -> str:
    """The text of a module of linear models' passes, and loops of the losses that networks do not have."""
    texts = [HEADER, vocabulary_text(), _LINEAR_PASSES]
    texts += [_pair_loop("loss", f, 2, s) for f in LINEAR_LOSSES.values() for s in REAL]
    passes = [f"fgd_linear_{name}_{suffix}" for name in ("run", "room") for suffix in REAL]
    return "".join([*texts, addresses_text(texts, passes), LANES])
