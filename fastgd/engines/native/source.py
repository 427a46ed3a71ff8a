"""The text of the kernel modules that Cython compiles ahead of time.

One module holds, for float and double: an update loop for every rule, plain and with `prepare` in front of it; every
coefficient function; linear models' gradients; and for sweeps the kernels that advance a block of runs, each run a
vector's lane. The same text is compiled once per instruction set (see `setup.py`), so a vector is as wide as that set
has it.

The kernels' signatures are the library's ABI: Numba makes functions of the same form for what is not compiled here.
"""

from __future__ import annotations

from fastgd.engines.native.source_linear import matrix_slopes, row_losses, row_products, row_slopes
from fastgd.engines.native.source_module import (
    HEADER,
    LANES,
    NUMBERS,
    REAL,
    addresses_text,
    vocabulary_text,
)
from fastgd.engines.native.source_sweeps import (
    Called,
    Folded,
    Swept,
    memory_window,
    observe,
    register_window,
)
from fastgd.engines.native.source_updates import (
    coefficients,
    elementary_text,
    judging_text,
    lane_coefficients,
    update_loop,
)
from fastgd.engines.registry import (
    COEFFICIENTS,
    ELEMENTARY,
    GRADIENTS,
    PREPARE,
    RESIDUALS,
    ROW_LOSSES,
    RULES,
    SHRINK,
    STOPS,
)
from fastgd.engines.templates import filled

# Sweeps that are compiled ahead of time; Numba makes every other combination.
SWEPT_RULES = ("sgd", "momentum", "nesterov", "adam")
SWEPT_SIZES = (
    1,
    2,
    3,
)  # so many parameters live in registers; another kernel takes any number from memory
_VOCABULARY = """\
cdef extern from "vocabulary.h" nogil:
""" + "".join(filled(NUMBERS, s=suffix, t=real) for suffix, real in REAL.items())


def kernels_source() -> str:
    """The text of a module; its `addresses` maps each kernel's name to its address."""
    texts = [HEADER, vocabulary_text(), row_products(), *map(elementary_text, ELEMENTARY)]
    texts += map(coefficients, COEFFICIENTS.values())
    for suffix in REAL:
        texts += [
            update_loop(rule, shared, suffix)
            for rule in RULES.values()
            for shared in (None, (PREPARE, SHRINK))
        ]
        texts += [lane_coefficients(function, suffix) for function in COEFFICIENTS.values()]
        texts += [row_slopes(name, residual, suffix) for name, residual in RESIDUALS.items()]
        texts += [matrix_slopes(each, suffix) for each in GRADIENTS.values() if each.matrix]
        texts += _sweeps(suffix)
    texts += [row_losses(name, loss, "d") for name, loss in ROW_LOSSES.items()]
    return "".join([*texts, addresses_text(texts), LANES])


def stops_include() -> str:
    """The stopping decisions that the loops around the kernels make."""
    decision = STOPS["oscillating"]
    arguments = ", ".join(f"Py_ssize_t {name}" for name in decision.arguments)
    head = f"cdef inline bint {decision.name}({arguments}) noexcept nogil:"
    return f"{head}\n    return {decision.text(*decision.arguments)}\n"


def steepness_include() -> str:
    """The size of a slope with penalties, and the box of bounds, for loops around a function that is not compiled."""
    return "".join([_VOCABULARY, *(judging_text(suffix, real) for suffix, real in REAL.items())])


def _swept_problems() -> list[Swept]:
    """Problems of any number of parameters; those that are a matrix have another kernel for few of them."""
    gradients = GRADIENTS.values()
    matrices = [Called(each.name, f"{each.name}_matrix") for each in gradients if each.matrix]
    return [*map(Folded, gradients), *matrices, *(Called(name, name) for name in RESIDUALS)]


def _sweeps(suffix: str) -> list[str]:
    texts = []
    for rule in map(RULES.__getitem__, SWEPT_RULES):
        for gradient in GRADIENTS.values():
            sizes = SWEPT_SIZES if gradient.each else ()
            texts += [register_window(rule, gradient, n, suffix) for n in sizes]
        for problem in _swept_problems():
            texts += [memory_window(rule, problem, suffix), observe(rule, problem, suffix)]
    return texts
