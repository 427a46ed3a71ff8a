"""The text of a network's kernel modules: loops of activations and losses, and the passes of `network_kernels.h`.

As in `fastgd.engines.native.source`, the same text is compiled once per instruction set.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastgd.engines.native.source import (
    HEADER,
    REAL,
    addresses_text,
    elementary_text,
    function_text,
    vocabulary_text,
)
from fastgd.engines.parse import ElementaryFunction, PairFunction

_PASSES = """\
cdef extern from "network_kernels.h" nogil:
    void fgd_run_f(void*, int)
    void fgd_run_d(void*, int)
    Py_ssize_t fgd_room_size_f(Py_ssize_t)
    Py_ssize_t fgd_room_size_d(Py_ssize_t)

"""


def _pair_loop(kind: str, function: PairFunction, inputs: int, suffix: str) -> str:
    """Value and slope over arrays (inputs..., value, slope); whole vectors, which begin on a cache line.

    The form is that of update loops, so that a user's own function can stand in its place.
    """
    real, v = REAL[suffix], f"V{suffix}"
    arrays = (*function.arguments[:inputs], "result_", "slope_")
    constants = function.arguments[inputs:]
    names = dict.fromkeys((*arrays, *constants, *function.locals))
    return function_text(
        f"{kind}_{function.name}_{suffix}("
        f"{real}** arrays, const {real}* c, Py_ssize_t lo, Py_ssize_t hi)",
        f"cdef {v} {', '.join(names)}",
        "cdef Py_ssize_t i = lo",
        [f"cdef {real}* {name}_array = arrays[{k}]" for k, name in enumerate(arrays)],
        [f"{name} = splat_v{suffix}(c[{k}])" for k, name in enumerate(constants)],
        "while i < hi:",
        [
            f"    {line}"
            for line in (
                *(f"{n} = (<{v}*>({n}_array + i))[0]" for n in arrays[:inputs]),
                *function.lines(f"v{suffix}", "result_", "slope_"),
                *(f"(<{v}*>({n}_array + i))[0] = {n}" for n in arrays[inputs:]),
                f"i += LANES_{suffix}",
            )
        ],
    )


def network_source(
    activations: Iterable[PairFunction],
    losses: Iterable[PairFunction],
    elementary: Iterable[ElementaryFunction],
) -> str:
    """The text of a module; `addresses` maps names to addresses, `lanes` says how wide a vector is."""
    texts = [HEADER, vocabulary_text(), _PASSES, *map(elementary_text, elementary)]
    for kind, functions, inputs in (("activation", activations, 1), ("loss", losses, 2)):
        texts += [_pair_loop(kind, f, inputs, suffix) for f in functions for suffix in REAL]
    passes = [f"fgd_{name}_{suffix}" for name in ("run", "room_size") for suffix in REAL]
    texts.append(addresses_text(texts, passes))
    texts.append("lanes = {'f': LANES_f, 'd': LANES_d}\n")
    return "".join(texts)
