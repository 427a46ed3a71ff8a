"""A linear warm-up before any schedule, and the usual combinations."""

from collections.abc import Callable
from typing import Any

from fastgd.checks import as_count
from fastgd.schedules.arguments import checked_rate, checked_span
from fastgd.schedules.decays import constant, cosine, inverse_sqrt, linear
from fastgd.schedules.schedule import Schedule, as_schedule


def warmup(
    schedule: Schedule | float | Callable[[int], float], steps: int, start: float = 0.0
) -> Schedule:
    """Put a linear warm-up of `steps` steps before any schedule, which then begins at step `steps`.

    Parameters
    ----------
    schedule : Schedule, float or callable
        What comes after, as `as_schedule` takes it.
    steps : int
        Length of the warm-up, at least 0; the rate at step `steps` is exactly ``schedule(0)``.
    start : float, default 0.0
        Rate at step 0; finite, not negative. With 0 the first update moves nothing.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.warmup(schedules.step(1.0, every=2), steps=4).values(0, 8)
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  , 0.1 , 0.1 ])
    """
    inner = as_schedule(schedule, name="schedule")
    return Schedule("warmup", (inner, as_count("steps", steps, 0), checked_rate("start", start)))


def warmup_cosine(peak: float, warmup: int, total: int, floor: float = 0.0) -> Schedule:
    """Linear from 0 to `peak` over `warmup` steps, then a cosine down to `floor` at step `total`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number as in `cosine`, or `total` is not above `warmup`.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.warmup_cosine(peak=0.1, warmup=500, total=10_000)
    >>> rate(250), rate(500), rate(10_000)
    (0.05, 0.1, 0.0)
    """
    rise, rest = _split(warmup, total)
    return _after_warmup(cosine(peak, rest, floor), rise)


def warmup_linear(peak: float, warmup: int, total: int, floor: float = 0.0) -> Schedule:
    """Linear from 0 to `peak` over `warmup` steps, then linear down to `floor` at step `total`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number as in `linear`, or `total` is not above `warmup`.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.warmup_linear(peak=1.0, warmup=2, total=6)
    >>> rate.values(0, 7)
    array([0.  , 0.5 , 1.  , 0.75, 0.5 , 0.25, 0.  ])
    """
    rise, rest = _split(warmup, total)
    high, steps, low = checked_span(peak, rest, floor)
    return _after_warmup(linear(high, low, steps), rise)


def warmup_inverse_sqrt(peak: float, warmup: int) -> Schedule:
    """peak min(t / warmup, sqrt(warmup / t)): linear from 0, then inverse square root (Vaswani et al., 2017).

    Raises
    ------
    TypeError, ValueError
        If `peak` is not a finite number >= 0 or `warmup` not an int >= 1.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.warmup_inverse_sqrt(peak=1.0, warmup=100)
    >>> rate(50), rate(100), rate(400)
    (0.5, 1.0, 0.5)
    """  # noqa: D403
    rise = as_count("warmup", warmup, 1)
    return _after_warmup(inverse_sqrt(peak, rise), rise)


def warmup_constant(peak: float, warmup: int) -> Schedule:
    """Linear from 0 to `peak` over `warmup` steps, then constant.

    Raises
    ------
    TypeError, ValueError
        If `peak` is not a finite number >= 0 or `warmup` not an int >= 0.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.warmup_constant(peak=1.0, warmup=2).values(0, 4)
    array([0. , 0.5, 1. , 1. ])
    """
    return _after_warmup(constant(checked_rate("peak", peak)), as_count("warmup", warmup, 0))


def _after_warmup(schedule: Schedule, steps: int) -> Schedule:
    """`warmup` from 0, for functions with a parameter of that name."""
    return warmup(schedule, steps)


def _split(warmup: Any, total: Any) -> tuple[int, int]:
    """Steps of the warm-up, and of the schedule after it."""
    rise = as_count("warmup", warmup, 0)
    end = as_count("total", total, 1)
    if end <= rise:
        raise ValueError(f"total must be above warmup, got total={end} and warmup={rise}")
    return rise, end - rise
