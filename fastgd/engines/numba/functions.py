"""A user's function compiled once for each precision, by an address that loops compiled ahead of time call."""

from __future__ import annotations

from collections import OrderedDict
from types import ModuleType
from typing import Any

from fastgd.engines.numba.identity import identified
from fastgd.engines.numba.modules import HEADER, LOCK, TYPES, generated_module
from fastgd.engines.templates import filled

# The kernel has the signature of `fastgd.engines.native.source_functions`. The function gets one run's parameters
# side by side, and may do with them what it likes. What it does not write of its gradient is NaN: that never converges.
_SLOPES = """
N = $count

@njit
def number(value):  # of a number alone, which an assignment does not ask for
    return math.nan if math.isnan(value) else value

@njit
def take(x, g, values, l, valued):
    try:
        $call
    except Exception:  # where the function cannot be evaluated, its gradient is NaN
        g[:] = math.nan

@cfunc(types.void(types.CPointer(types.$type), *[types.intp] * 10, types.CPointer(types.double)), cache=CACHE)
def slopes(b, xo, go, width, lo, hi, first, last, n, features, valued, values):
    so = go + 2 * N * width
    room = carray(b, (so + 2 * N,))
    x = room[so : so + N]
    g = room[so + N : so + 2 * N]
    for l in range(lo, hi):
        for i in range(N):
            x[i] = b[xo + i * width + l]
            g[i] = math.nan
        take(x, g, values, l, valued)
        for i in range(N):
            b[go + i * width + l] = g[i]
"""
# By how many functions there are: fun(x, grad), or fun(x) and jac(x), of which the first may change x.
_CALLS = {
    1: ["value = function(x, g)", "if valued == 2:", "    values[l] = number(value)"],
    2: [
        "gradient = derivative(x.copy())",
        "if gradient.shape != g.shape:  # it would be broadcast",
        "    raise ValueError",
        "g[:] = gradient",
        "if valued == 2:",
        "    values[l] = number(function(x))",
    ],
}


_MOST_KEPT = 128
_Known = tuple[tuple[Any, ...], int, str]
_compiled: OrderedDict[_Known, Any] = OrderedDict()  # modules, the last used last


def is_compiled(functions: tuple[Any, ...], count: int, char: str) -> bool:
    """Whether `gradient_address` has compiled this in this process."""
    return _compiled.get((functions, count, char)) is not None


def gradient_address(functions: tuple[Any, ...], count: int, char: str) -> int | None:
    """Address of the gradient of `count` parameters; None if Numba cannot compile it in this form.

    A function that can be told from all others is compiled once and kept on disk. The address is good for as long as
    the function is among the last that were used.
    """
    with LOCK:
        key = functions, count, char
        if key not in _compiled:
            _compiled[key] = _module(*key)
            if len(_compiled) > _MOST_KEPT:
                _compiled.popitem(last=False)
        _compiled.move_to_end(key)
        module = _compiled[key]
    return None if module is None else int(module.slopes.address)


def _module(functions: tuple[Any, ...], count: int, char: str) -> ModuleType | None:
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    text, given = identified(functions)
    body = filled(_SLOPES, count=str(count), type=TYPES[char], call=_CALLS[len(functions)])
    try:
        return generated_module(HEADER + text + body, given)
    except (NumbaError, UnsupportedBytecodeError):
        return None
