"""Checks of the arguments of schedules."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastgd.checks import short

LAST_STEP = 2**53  # up to here float64 holds every step number exactly


def describe(value: object) -> str:
    """A value for a message; arrays by dtype and shape."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    return short(value)


def checked_rate(name: str, value: Any, of: str = "got") -> float:
    """A finite number >= 0 as a float; `of` says in a message where the value came from."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, {of} {describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and not negative, {of} {value!r:.60}")
    return number + 0.0  # -0.0 becomes 0.0


def checked_factor(value: Any) -> float:
    """A factor in (0, 1]."""
    factor = checked_rate("factor", value)
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"factor must be in (0, 1], got {value!r}")
    return factor


def checked_steps(name: str, value: Any, least: int = 1) -> int:
    """A number of steps, from `least` to 2**53."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {describe(value)}")
    number = int(value)
    if not least <= number <= LAST_STEP:
        raise ValueError(f"{name} must be at least {least} and at most 2**53, got {number}")
    return number


def checked_span(peak: Any, steps: int, floor: Any) -> tuple[float, int, float]:
    """Peak, steps (checked before) and floor, with 0 <= floor <= peak."""
    high, low = checked_rate("peak", peak), checked_rate("floor", floor)
    if low > high:
        raise ValueError(f"floor must not exceed peak, got floor={floor!r} and peak={peak!r}")
    return high, steps, low
