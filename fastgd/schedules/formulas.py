"""The formulas of all schedules: (vocabulary, step as float64, parameters) -> rate.

A formula is written once and runs on one float or on an array: its vocabulary `m` is `Scalar` or `Array`.
+ - * / sqrt floor min max are correctly rounded, hence equal in both; cos and pow are not (NumPy's differ from
libm's, and among instruction sets), so arrays use libm's too, one element at a time.
"""

# ruff: noqa: D102, PLR0917  (the formula is the documentation; formulas are called by position)

import math
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import LARGEST_COUNT
from fastgd.schedules.arguments import checked_rate


class Rate(Protocol):
    """A schedule that a formula contains."""

    def evaluate(self, vocabulary: Any, t: Any) -> Any:
        """The rate at step `t`, computed with `vocabulary`."""
        ...


class Scalar:
    """The operations of the formulas, on Python floats."""

    cos, pow, sqrt, floor = math.cos, math.pow, math.sqrt, math.floor
    minimum, maximum = min, max

    @staticmethod
    def where(condition: bool, yes: float, no: float) -> float:
        return yes if condition else no

    @staticmethod
    def count_reached(bounds: tuple[int, ...], t: float) -> int:
        return bisect_right(bounds, t)

    @staticmethod
    def take(values: tuple[int, ...], index: int) -> int:
        return values[index]

    @staticmethod
    def call(function: Callable[[int], float], t: float) -> float:
        return checked_rate("lr", function(int(t)), got=f"returned at step {int(t)}")


def _per_element(function: Callable[..., float], *operands: Any) -> NDArray[np.float64]:
    """`function` of each element of the broadcast operands."""
    columns = np.broadcast_arrays(*operands)
    values = map(function, *(column.ravel().tolist() for column in columns))
    return np.fromiter(values, np.float64, columns[0].size).reshape(columns[0].shape)


class Array:
    """The same operations on float64 arrays."""

    sqrt, floor, minimum, maximum, where = np.sqrt, np.floor, np.minimum, np.maximum, np.where

    @staticmethod
    def cos(x: Any) -> NDArray[np.float64]:
        return _per_element(math.cos, x)

    @staticmethod
    def pow(x: Any, y: Any) -> NDArray[np.float64]:
        return _per_element(math.pow, x, y)

    @staticmethod
    def count_reached(bounds: tuple[int, ...], t: Any) -> Any:
        return np.searchsorted(np.asarray(bounds, dtype=np.float64), t, side="right")

    @staticmethod
    def take(values: tuple[int, ...], index: Any) -> Any:
        return np.asarray(values, dtype=np.float64)[index]

    @staticmethod
    def call(function: Callable[[int], float], t: Any) -> NDArray[np.float64]:
        return _per_element(lambda step: Scalar.call(function, step), t)


def constant(m: Any, t: Any, rate: float) -> Any:
    return rate + 0.0 * t


def step(m: Any, t: Any, peak: float, every: int, factor: float) -> Any:
    return peak * m.pow(factor, m.floor(t / every))


def multi_step(m: Any, t: Any, peak: float, milestones: tuple[int, ...], factor: float) -> Any:
    return peak * m.pow(factor, m.count_reached(milestones, t))


def exponential(m: Any, t: Any, peak: float, factor: float) -> Any:
    return peak * m.pow(factor, t)


def _half_cosine(m: Any, done: Any, start: float, end: float) -> Any:
    return end + (start - end) * (0.5 * (1.0 + m.cos(math.pi * done)))


def _straight(m: Any, done: Any, start: float, end: float) -> Any:
    # start + (end - start) may miss `end` by a rounding; the last value is exact.
    return m.where(done >= 1.0, end, start + (end - start) * done)


def cosine(m: Any, t: Any, peak: float, total: int, floor: float) -> Any:
    return _half_cosine(m, m.minimum(t / total, 1.0), peak, floor)


def cosine_restarts(m: Any, t: Any, peak: float, period: int, multiplier: int, floor: float) -> Any:
    if multiplier == 1:
        done = (t - period * m.floor(t / period)) / period
        return _half_cosine(m, done, peak, floor)
    starts = _restarts(period, multiplier)
    cycle = m.count_reached(starts, t) - 1
    begin = m.take(starts, cycle)
    # A cycle is as long as all before it times (multiplier - 1), and one period more.
    length = begin * (multiplier - 1) + period
    return _half_cosine(m, (t - begin) / length, peak, floor)


def linear(m: Any, t: Any, start: float, end: float, total: int) -> Any:
    return _straight(m, m.minimum(t / total, 1.0), start, end)


def polynomial(m: Any, t: Any, peak: float, total: int, power: float, floor: float) -> Any:
    left = 1.0 - m.minimum(t / total, 1.0)
    return floor + (peak - floor) * m.pow(left, power)


def inverse_sqrt(m: Any, t: Any, peak: float, offset: int) -> Any:
    return peak / m.sqrt((t + offset) / offset)


def one_cycle(
    m: Any,
    t: Any,
    peak: float,
    total: int,
    pct_start: float,
    div_factor: float,
    final_div_factor: float,
    anneal: str,
) -> Any:
    start = peak / div_factor
    end = start / final_div_factor
    top = max(pct_start * total - 1.0, 0.0)  # step of the peak, usually not an integer
    curve = _half_cosine if anneal == "cos" else _straight
    fall = curve(m, m.minimum(m.maximum(t - top, 0.0) / (total - 1 - top), 1.0), peak, end)
    if top == 0.0:
        return fall
    return m.where(t <= top, curve(m, m.minimum(t / top, 1.0), start, peak), fall)


def warmup(m: Any, t: Any, schedule: Rate, steps: int, start: float) -> Any:
    after = schedule.evaluate(m, m.maximum(t - steps, 0.0))
    if steps == 0:
        return after
    rise = _straight(m, m.minimum(t / steps, 1.0), start, schedule.evaluate(Scalar, 0.0))
    return m.where(t < steps, rise, after)


def scaled(m: Any, t: Any, schedule: Rate, factor: float) -> Any:
    return factor * schedule.evaluate(m, t)


def function(m: Any, t: Any, function: Callable[[int], float]) -> Any:
    return m.call(function, t)


@lru_cache(maxsize=256)
def _restarts(period: int, multiplier: int) -> tuple[int, ...]:
    """First step of each cycle, up to the last step allowed."""
    starts, length = [0], period
    while starts[-1] <= LARGEST_COUNT:
        starts.append(starts[-1] + length)
        length *= multiplier
    return tuple(starts)


FORMULAS: dict[str, Callable[..., Any]] = {
    formula.__name__: formula
    for formula in (
        constant, step, multi_step, exponential, cosine, cosine_restarts, linear, polynomial,
        inverse_sqrt, one_cycle, warmup, scaled, function,
    )
}  # fmt: skip
