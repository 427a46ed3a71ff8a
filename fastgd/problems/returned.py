"""What a user's function returned or wrote, checked.

A gradient that a function is to write holds a NaN of its own before: bits that no arithmetic makes, so that a component
that was left out is told from one that was computed and is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# The payload lies in the bits that float32 and float64 share, so that a conversion keeps it.
_MARKS: dict[str, np.uint32 | np.uint64] = {
    "f": np.uint32(0x7FC5FD6D),
    "d": np.uint64(0x7FF8BFADA0000000),
}
_BYTES = {char: mark.tobytes() for char, mark in _MARKS.items()}
_NONE = np.zeros(0, np.intp)
_MOST_NAMED = 6  # components in a message


def name_of(function: Callable[..., Any]) -> str:
    """The name under which a user knows the function."""
    return str(getattr(function, "__name__", None) or type(function).__name__)


# --- gradients ------------------------------------------------------------------------------------------


def blank(like: Array) -> Array:
    """A gradient that nobody has written."""
    return _blank(like.size, like.dtype.char).copy()


@lru_cache(maxsize=16)
def _blank(n: int, char: str) -> Array:
    return np.full(n, _MARKS[char]).view(char)


def _left_out(g: Array) -> NDArray[np.intp]:
    """The components that are as `blank` made them."""
    if _BYTES[g.dtype.char] not in g.tobytes():  # the usual case, without a warning of NumPy's
        return _NONE
    mark = _MARKS[g.dtype.char]
    return np.flatnonzero(g.view(mark.dtype) == mark)


def without_marks(g: Array) -> Array:
    """The gradient of a function that has no value, or was compiled: what it did not write is NaN like any other."""
    g[_left_out(g)] = math.nan
    return g


def check_written(g: Array, function: Callable[..., Any]) -> None:
    """Refuse a gradient that `function` did not write, or not whole."""
    missing = _left_out(g)
    if missing.size:
        which = (
            f"component{'s' if missing.size > 1 else ''} {_listed(missing.tolist())} of {g.size}"
        )
        what = "none of its components" if missing.size == g.size else f"not {which}"
        raise ValueError(
            f"grad was not written by {name_of(function)!r}: {what}; it must assign all of them, as "
            "grad[:] = ... does (grad = ... only binds the name anew, and grad holds NaN before, so that "
            "nothing can be added to it)"
        )


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NAMED]))
    more = len(numbers) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def as_gradient(returned: Any, x: Array) -> Array:
    """A copy of the returned gradient, in the shape and dtype of `x`."""
    try:
        given = np.asarray(returned)
        if given.dtype.kind == "O":  # other numbers; NumPy would take None for NaN
            given = np.array([float(one) for one in given.flat]).reshape(given.shape)
        if given.dtype.kind not in "biuf":  # it would drop an imaginary part and read a text
            raise TypeError
        g = np.array(given, x.dtype, ndmin=1)
    except (TypeError, ValueError):
        raise TypeError(f"the gradient must be an array, got {returned!r:.60}") from None
    if g.shape != x.shape:
        raise ValueError(f"the gradient has shape {g.shape}, wanted {x.shape}")
    return g


# --- values ---------------------------------------------------------------------------------------------


def as_pair(returned: Any) -> tuple[Any, Any]:
    """Value and gradient that were returned together."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise TypeError(f"fun must return (value, gradient) where jac=True, got {returned!r:.60}")
    return returned[0], returned[1]


def as_value(returned: Any) -> float:
    """The returned value as a real number; an array of one number counts as one."""
    if isinstance(returned, float):  # NumPy's float64 among them
        return float(returned)
    try:
        one = returned
        if np.ndim(one) and np.size(one) == 1:
            one = np.asarray(one).item()
        if isinstance(one, np.ndarray | np.generic) and one.dtype.kind not in "biufO":
            raise TypeError  # NumPy would drop an imaginary part and read a text
        if isinstance(one, str | bytes | bytearray):
            raise TypeError
        return float(one)
    except OverflowError:
        return math.inf if one > 0 else -math.inf
    except (TypeError, ValueError):
        remedy = ""
        if isinstance(returned, np.ndarray):
            remedy = "; it is called as fun(x) or as fun(x, grad), where x holds all parameters"
        elif isinstance(returned, tuple) and len(returned) == 2:
            remedy = "; if that is (value, gradient), say jac=True"
        raise TypeError(f"fun must return a number, got {returned!r:.60}{remedy}") from None
