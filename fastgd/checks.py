"""Checks of arguments, shared by all rooms: each returns the argument in its plain type, or raises an error.

Every message names the argument, what is wanted and what came. A wrong type raises TypeError, a wrong value
ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.tensors import as_array

_FLOAT64: np.dtype[Any] = np.dtype(np.float64)
LARGEST_COUNT = 2**53  # up to here float64 tells integers apart


def shown(value: Any) -> str:
    """A value for a message: its type, and of an array the shape instead of the numbers."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of {value.dtype}, shape {value.shape}"
    return f"{value!r:.60} ({type(value).__name__})"


def is_integer(value: Any) -> bool:
    """Whether this is an integer; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_flag(value: Any) -> bool:
    """Whether this is True or False, of Python or NumPy."""
    return isinstance(value, bool | np.bool_)


def as_flag(name: str, value: Any) -> bool:
    """True or False."""
    if not is_flag(value):
        raise TypeError(f"{name} must be True or False, got {value!r:.60}")
    return bool(value)


def as_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r:.60}")
    return value


def is_bound(value: Any) -> bool:
    """Whether this is one bound: None or a number, also of NumPy."""
    if value is None or type(value) is float or type(value) is int:  # asked for at every step
        return True
    value = _unwrapped(value)
    return value is None or (isinstance(value, Real) and not is_flag(value))


def as_bounds(name: str, pair: Any) -> tuple[float, float]:
    """A pair of bounds, lowest and highest, of which None stands for an infinite one."""
    given = pair.tolist() if isinstance(pair, np.ndarray) else pair
    if not isinstance(given, tuple | list) or len(given) != 2 or not all(map(is_bound, given)):
        raise TypeError(f"{name} must be a pair (low, high) of numbers or None, got {pair!r:.60}")
    low, high = given
    low = -math.inf if low is None else as_number(name, low)
    high = math.inf if high is None else as_number(name, high)
    if not low <= high:  # neither is NaN
        raise ValueError(f"{name} must have low <= high, got ({low:g}, {high:g})")
    return low, high


def as_count(name: str, value: Any, low: int = 0, high: int | None = None, wanted: str = "") -> int:
    """An integer from `low` to `high`, or to `LARGEST_COUNT`; `wanted` says so in other words."""
    value, upper = _unwrapped(value), LARGEST_COUNT if high is None else high
    wanted = wanted or f"an integer >= {low}" + ("" if high is None else f" and <= {high}")
    if not is_integer(value):
        raise TypeError(f"{name} must be {wanted}, got {value!r:.60}")
    if not low <= value <= upper:
        beyond = " and at most 2^53" if high is None and value > upper else ""
        raise ValueError(f"{name} must be {wanted}{beyond}, got {value!r:.60}")
    return int(value)


def as_number(name: str, value: Any, wanted: str = "a real number", got: str = "got") -> float:
    """A real number; strings, complex numbers, True and False are not."""
    if type(value) is float:
        return value
    value = _unwrapped(value)
    if is_flag(value) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {wanted}, {got} {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be {wanted}, {got} an integer beyond all floats") from None


def as_positive(name: str, value: Any) -> float:
    """A number above 0, which may be infinite."""
    x = as_number(name, value, wanted := "a number > 0")
    if not x > 0:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return x


def as_nonnegative(name: str, value: Any) -> float:
    """A number of at least 0, which may be infinite."""
    x = as_number(name, value, wanted := "a number >= 0")
    if not x >= 0:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return x


def as_finite(name: str, value: Any, low: float = -math.inf, *, got: str = "got") -> float:
    """A finite number of at least `low`."""
    wanted = "a finite number" + (f" >= {low:g}" if low > -math.inf else "")
    x = as_number(name, value, wanted, got)
    if not (low <= x and abs(x) < math.inf):
        raise ValueError(f"{name} must be {wanted}, {got} {value!r}")
    return x


def as_finite_positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    x = as_number(name, value, wanted := "a finite number > 0")
    if not 0 < x < math.inf:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return x


def as_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    """float32 or float64 in this machine's byte order; None is float64."""
    if dtype is None:
        return _FLOAT64
    message = f"dtype must be 'float32' or 'float64', got {dtype!r:.60}"
    try:
        name = np.dtype(dtype).name
    except (TypeError, ValueError, SyntaxError):
        raise TypeError(message) from None
    if name not in {"float32", "float64"}:
        raise ValueError(message)
    return np.dtype(name)


def as_seed(name: str, rng: Any) -> int:
    """An integer of at least 0 as it is; of a generator, its next draw."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if not is_integer(rng) or rng < 0:
        raise TypeError(f"{name} must be an integer >= 0 or a numpy.random.Generator, got {rng!r}")
    return int(rng)


def as_generator(name: str, rng: Any) -> np.random.Generator:
    """A generator as it is; of an integer, the generator with that seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(as_seed(name, rng))


def as_real_array(name: str, values: Any, kinds: str = "fiub") -> NDArray[Any]:
    """An array of real numbers of any dtype of these `kinds`, not copied if it is one."""
    values = as_array(name, values)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.array(None)
    if array.dtype.kind not in kinds:
        raise TypeError(f"{name} must be an array of real numbers, got {shown(values)}")
    return array


def as_finite_array(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A float64 copy in C order, so that sums do not depend on the memory layout of the argument."""
    array = np.array(as_real_array(name, values), np.float64, order="C")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)][0]
        raise ValueError(f"{name} holds {bad}; wanted finite numbers only")
    return array


def _unwrapped(value: Any) -> Any:
    """The number in an array of no dimensions."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
