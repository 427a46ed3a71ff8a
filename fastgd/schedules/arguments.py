"""Checks of the arguments of schedules."""

from typing import Any

from fastgd.checks import as_finite


def checked_rate(name: str, value: Any, got: str = "got") -> float:
    """A finite number >= 0; `got` says in a message where it came from."""
    return as_finite(name, value, 0, got=got) + 0.0  # -0.0 becomes 0.0


def checked_factor(value: Any) -> float:
    """A factor in (0, 1]."""
    factor = checked_rate("factor", value)
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"factor must be in (0, 1], got {value!r}")
    return factor


def checked_span(peak: Any, steps: int, floor: Any) -> tuple[float, int, float]:
    """Peak, steps (checked before) and floor, with 0 <= floor <= peak."""
    high, low = checked_rate("peak", peak), checked_rate("floor", floor)
    if low > high:
        raise ValueError(f"floor must not exceed peak, got floor={floor!r} and peak={peak!r}")
    return high, steps, low
