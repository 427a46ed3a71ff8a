"""The text of gradients inside sweeps' kernels, for each kind of problem.

``slopes(b, xo, go, lo, hi, first, last, size, data)`` takes the gradients of the runs lo..hi-1 at the points that lie
at offset `xo` of the buffer `b`, and writes those of the parameters first..last-1 at offset `go`.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any

from fastgd.engines.layout import MATRIX
from fastgd.engines.numba.modules import HEADER, TYPES, generated_module
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.registry import GRADIENTS, RESIDUALS
from fastgd.engines.templates import filled, indented, lines_of

# --- problems given by numbers --------------------------------------------------------------------

# The data's numbers are read outside the loops over runs: for all LLVM knows, a store may change them.
_SLOPES = """
@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    $body
"""
_FOLD = """
$numbers_of_start
for l in range(lo, hi):
    $g = $start
$loop
    $numbers_of_step
    for l in range(lo, hi):
        $g = $step
$numbers_of_result
$finish
"""


def gradient_text(gradient: Gradient) -> str:
    """A gradient of `fastgd.rules.gradients`."""
    numbers: dict[str, str] = {}
    g = "b[go + i * W + l]" if gradient.each else "b[go + l]"

    def number(array: str, indices: tuple[str, ...]) -> str:
        name = f"number{len(numbers)}"
        numbers[name] = f"data[{gradient.place(array, indices, 'size')}]"
        return name

    def point(index: str) -> str:
        return "b[xo + l]" if index == "0" else f"b[xo + {index} * W + l]"

    def numbers_of(expression: str) -> list[str]:
        return [f"{name} = {place}" for name, place in numbers.items() if name in expression]

    fold = gradient.fold(number, point, "size", total=g)
    finish = ["for l in range(lo, hi):", f"    {g} = {fold.result}"]
    body = lines_of(
        _FOLD,
        g=g,
        start=fold.start,
        loop=[fold.loop],
        step=fold.step,
        numbers_of_start=numbers_of(fold.start),
        numbers_of_step=numbers_of(fold.step),
        numbers_of_result=numbers_of(fold.result),
        finish=[] if fold.result == g else finish,
    )
    if gradient.each:
        body = ["for i in range(first, last):", *indented(body)]
    return filled(_SLOPES, body=body)


# --- linear models and large matrices, whose gradients are compiled ahead of time ------------------

_LINEAR = """
model = types.ExternalFunction("$symbol", types.void($pointer, *[types.intp] * 10, $pointer))

@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    model(b, xo, go, W, lo, hi, first, last, size, COUNT // OUTPUTS, OUTPUTS, data)
"""


def linear_text(kind: str, char: str) -> str:
    """Text that calls the kernel module's function by a name; LLVM learns its address here."""
    from llvmlite import binding  # noqa: PLC0415

    from fastgd.engines.native import kernels  # noqa: PLC0415

    name = f"slopes_{kind}_{char}"
    binding.add_symbol(f"fastgd_{name}", kernels.address(name))
    return filled(_LINEAR, symbol=f"fastgd_{name}", pointer=f"types.CPointer(types.{TYPES[char]})")


# --- a user's function ----------------------------------------------------------------------------

# It takes one run's parameters side by side, and may do with them what it likes. What it does not write of its gradient
# is NaN: that never converges.
_FUNCTION = """
@njit(error_model="numpy")
def gradient(x, g):
    try:
        $call
    except Exception:  # where the function cannot be evaluated, its gradient is NaN
        g[:] = math.nan

@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    so = go + 2 * COUNT * W
    room = carray(b, (so + 2 * COUNT,))
    x = room[so : so + COUNT]
    g = room[so + COUNT : so + 2 * COUNT]
    for l in range(lo, hi):
        for i in range(COUNT):
            x[i] = b[xo + i * W + l]
            g[i] = math.nan
        gradient(x, g)
        for i in range(COUNT):
            b[go + i * W + l] = g[i]
"""
# The loop is outside: with Python 3.12 and later Numba loses what is raised inside a `try` inside a loop.
_EVALUATE = """
@njit(error_model="numpy")
def take(k, points, x, g, values):
    try:
        $value
    except Exception:
        g[:] = math.nan

@njit(error_model="numpy")
def evaluate(points, x, g, values, slopes):
    for k in range(points.shape[0]):
        x[:] = points[k]
        g[:] = math.nan
        values[k] = math.nan
        take(k, points, x, g, values)
        for i in range(len(x)):
            slopes[k, i] = g[i]
"""
# By how many functions there are: fun(x, grad), or fun(x) and jac(x).
_CALLS = {1: "function(x, g)", 2: "g[:] = derivative(x)"}
_VALUES = {
    1: "values[k] = function(x, g)",
    2: "values[k] = function(x); x[:] = points[k]; g[:] = derivative(x)",
}


def function_text(functions: tuple[Any, ...], char: str) -> tuple[str, dict[str, Any]]:
    """A user's gradient: the text, and objects that the text calls."""
    texts, given = _named(functions, char)
    return "".join([*texts, filled(_FUNCTION, call=_CALLS[len(functions)])]), given


@lru_cache(maxsize=128)
def evaluator(functions: tuple[Any, ...], char: str) -> Any:
    """``evaluate(points, x, g, values, slopes)`` at many points (k, n); `x` and `g` are working space (n,)."""
    texts, given = _named(functions, char)
    text = filled(_EVALUATE, value=_VALUES[len(functions)])
    return generated_module("".join([HEADER, *texts, text]), given or None).evaluate


def _named(functions: tuple[Any, ...], char: str) -> tuple[list[str], dict[str, Any]]:
    """Functions of this library as text, a user's as objects, compiled first.

    They are compiled by their own rules, not by those of their caller: a caller's rule for a division by zero would
    stay in force for every later caller.
    """
    from numba import types  # noqa: PLC0415

    array = types.Array(getattr(types, TYPES[char]), 1, "C")
    given = {}
    for name, function in zip(("function", "derivative"), functions, strict=False):
        if not isinstance(function, str):
            given[name] = function
            with suppress(RuntimeError):  # it has signatures already, and takes no more
                function.compile((array,) * (3 - len(functions)))
    return [part for part in functions if isinstance(part, str)], given


# --- any kind -------------------------------------------------------------------------------------


def slopes_text(
    kind: str, count: int, char: str, functions: tuple[Any, ...]
) -> tuple[str, dict[str, Any]]:
    """The gradient of a kind of problem, and objects that the text calls."""
    if kind in GRADIENTS and GRADIENTS[kind].matrix and count >= MATRIX:
        return linear_text(kind, char), {}
    if kind in GRADIENTS:
        return gradient_text(GRADIENTS[kind]), {}
    if kind in RESIDUALS:
        return linear_text(kind, char), {}
    return function_text(functions, char)
