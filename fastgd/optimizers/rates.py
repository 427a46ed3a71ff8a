"""Where a step reads its learning rate: a number, a table of the next steps, or a function that is called."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgd.checks import LARGEST_COUNT
from fastgd.optimizers.fields import Schedule, rate_at

_FIRST, _MOST = 32, 1024  # steps in a table: each is twice as long as that before


def reader_of(rate: float | Schedule) -> Callable[[int], float]:
    """The checked rate of the step after `t` steps, as a function of `t`: what `rate_at` returns, in less time."""
    if isinstance(rate, float):
        return lambda t: rate
    from fastgd.schedules.plain import as_plain  # noqa: PLC0415  (`import fastgd` is quicker without)

    schedule: Any = rate
    if schedule.name == "function":
        return _called(schedule.arguments[0])
    if (
        as_plain(schedule) is None
    ):  # a user's function is part of it, which is called at its step and not before
        return lambda t: rate_at(rate, t)
    return _tabulated(schedule)


def _called(function: Callable[[int], Any]) -> Callable[[int], float]:
    from fastgd.schedules.arguments import checked_rate  # noqa: PLC0415

    def read(t: int) -> float:
        value = function(t)
        if isinstance(value, float) and 0.0 < value < math.inf:
            return float(value)
        return checked_rate("lr", value, got=f"returned at step {t}")

    return read


def _tabulated(schedule: Any) -> Callable[[int], float]:
    """From a table of the next steps, which a schedule computes with the bits of single calls."""
    table: tuple[int, list[float]] = (0, [])  # the first step, and the rates from there on
    many = _FIRST

    def read(t: int) -> float:
        nonlocal table, many
        start, rates = table
        if not start <= t < start + len(rates):
            if not 0 <= t <= LARGEST_COUNT - many:
                return rate_at(schedule, t)
            with np.errstate(
                all="ignore"
            ):  # what becomes of a later step's rate is not this one's matter
                start, rates = table = t, schedule.values(t, t + many).tolist()
            many = min(2 * many, _MOST)
        rate = rates[t - start]
        return rate if 0.0 <= rate < math.inf else rate_at(schedule, t)

    return read
