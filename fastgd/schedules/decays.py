"""Schedules that fall, or move from one rate to another, and then stay: constant, steps, curves."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fastgd.checks import as_count, shown
from fastgd.schedules.arguments import checked_factor, checked_rate, checked_span
from fastgd.schedules.schedule import Schedule


def constant(rate: float) -> Schedule:
    """Return the same `rate` (finite, not negative) at every step.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.constant(0.1)(10**6)
    0.1
    """
    return Schedule("constant", (checked_rate("rate", rate),))


def step(peak: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by `factor` after each `every` steps: peak * factor**floor(t / every).

    Parameters
    ----------
    peak : float
        Rate at step 0; finite, not negative.
    every : int
        Steps between two falls, at least 1: step ``every - 1`` has the old rate, step ``every`` the new one.
    factor : float, default 0.1
        In (0, 1].

    Returns
    -------
    Schedule
        Equal to torch's ``StepLR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.step(1.0, every=30, factor=0.5)
    >>> rate(29), rate(30), rate(60)
    (1.0, 0.5, 0.25)
    """
    return Schedule(
        "step", (checked_rate("peak", peak), as_count("every", every, 1), checked_factor(factor))
    )


def multi_step(peak: float, milestones: Sequence[int], factor: float = 0.1) -> Schedule:
    """Multiply the rate by `factor` at each of the given steps; torch's ``MultiStepLR``.

    Parameters
    ----------
    peak : float
        Rate at step 0; finite, not negative.
    milestones : sequence of int
        Increasing steps, at least 1; the rate falls at the milestone itself.
    factor : float, default 0.1
        In (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number, or the milestones do not increase.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.multi_step(1.0, [2, 3], factor=0.5).values(0, 5)
    array([1.  , 1.  , 0.5 , 0.25, 0.25])
    """
    if not isinstance(milestones, Sequence | np.ndarray):
        raise TypeError(f"milestones must be a sequence of ints, got {shown(milestones)}")
    steps = tuple(as_count("milestones", milestone, 1) for milestone in milestones)
    if any(late <= early for early, late in pairwise(steps)):
        raise ValueError(f"milestones must increase, got {list(steps)}")
    return Schedule("multi_step", (checked_rate("peak", peak), steps, checked_factor(factor)))


def exponential(peak: float, factor: float) -> Schedule:
    """Multiply the rate by `factor` at every step: peak * factor**t; torch's ``ExponentialLR``.

    Parameters
    ----------
    peak : float
        Rate at step 0; finite, not negative.
    factor : float
        In (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.exponential(1.0, 0.5).values(0, 4)
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    return Schedule("exponential", (checked_rate("peak", peak), checked_factor(factor)))


def cosine(peak: float, total: int, floor: float = 0.0) -> Schedule:
    """Fall from `peak` to `floor` along half a cosine over `total` steps, then stay there.

    The rate is floor + (peak - floor) (1 + cos(pi t / total)) / 2 (Loshchilov & Hutter, 2017). torch's
    ``CosineAnnealingLR`` is the same up to ``total``, but rises again after it, with a period of 2 ``total``.

    Parameters
    ----------
    peak, floor : float
        First and last rate; 0 <= floor <= peak, `floor` 0 by default.
    total : int
        Steps until the floor, at least 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.cosine(1.0, total=100)
    >>> rate(0), rate(50), rate(100), rate(200)
    (1.0, 0.5, 0.0, 0.0)
    """
    return Schedule("cosine", (*checked_span(peak, as_count("total", total, 1), floor),))


def linear(start: float, end: float, total: int) -> Schedule:
    """Go from `start` to `end` on a straight line over `total` steps, then stay there.

    torch's ``LinearLR`` multiplies the optimizer's rate by factors instead, by default 1/3 to 1 over 5 steps.

    Parameters
    ----------
    start, end : float
        First and last rate; finite, not negative. The line may rise or fall.
    total : int
        Steps until `end`, at least 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.linear(1.0, 0.0, total=4).values(0, 6)
    array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
    """
    numbers = (
        checked_rate("start", start),
        checked_rate("end", end),
        as_count("total", total, 1),
    )
    return Schedule("linear", numbers)


def polynomial(peak: float, total: int, power: float = 1.0, floor: float = 0.0) -> Schedule:
    """Fall as floor + (peak - floor) (1 - t / total)**power over `total` steps, then stay at `floor`.

    Parameters
    ----------
    peak, floor : float
        First and last rate; 0 <= floor <= peak, `floor` 0 by default.
    total : int
        Steps until `floor`, at least 1.
    power : float, default 1.0
        Positive and finite.

    Returns
    -------
    Schedule
        With ``floor=0`` torch's ``PolynomialLR``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.polynomial(1.0, total=4, power=2.0).values(0, 5)
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """
    high, steps, low = checked_span(peak, as_count("total", total, 1), floor)
    exponent = checked_rate("power", power)
    if exponent == 0.0:
        raise ValueError("power must be positive, got 0")
    return Schedule("polynomial", (high, steps, exponent, low))


def inverse_sqrt(peak: float, offset: int = 1) -> Schedule:
    """Fall as peak / sqrt((t + offset) / offset), without end.

    Parameters
    ----------
    peak : float
        Rate at step 0; finite, not negative.
    offset : int, default 1
        At least 1; with 1 the rate is peak / sqrt(t + 1). A larger one falls more slowly: half of `peak` is
        reached at step 3 `offset`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.inverse_sqrt(1.0)
    >>> rate(0), rate(3), rate(99)
    (1.0, 0.5, 0.1)
    """
    return Schedule("inverse_sqrt", (checked_rate("peak", peak), as_count("offset", offset, 1)))
