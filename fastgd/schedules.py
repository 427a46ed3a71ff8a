"""Learning rates as pure functions of the step.

Each function here returns a frozen `Schedule`: call it with a step number (from 0) or an integer array of
steps; it keeps no state, so it can be shared, compared, hashed, pickled and continued from anywhere. Update
number n of an optimizer (from 1) uses the rate of step n - 1.

>>> import numpy as np
>>> from fastgd import schedules
>>> rate = schedules.warmup_cosine(peak=0.1, warmup=5, total=105)
>>> rate(0), rate(5), rate(105)
(0.0, 0.1, 0.0)
>>> rate(np.array([[0, 5], [55, 105]]))
array([[0.  , 0.1 ],
       [0.05, 0.  ]])
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Schedule",
    "as_schedule",
    "constant",
    "cosine",
    "cosine_restarts",
    "exponential",
    "inverse_sqrt",
    "linear",
    "multi_step",
    "one_cycle",
    "polynomial",
    "step",
    "warmup",
    "warmup_constant",
    "warmup_cosine",
    "warmup_inverse_sqrt",
    "warmup_linear",
]

_LAST_STEP = 2**53  # up to here float64 holds every step number exactly


# --------------------------------------------------------------------------------------------------------------
# The two vocabularies. A formula is written once and run on one float or on an array. + - * / sqrt floor min max
# are correctly rounded, hence equal in both; cos and pow are not (NumPy's differ from libm's, and among
# instruction sets), so arrays use libm's too, one element at a time.


def _per_element(function: Callable[..., float], *operands: Any) -> NDArray[np.float64]:
    columns = np.broadcast_arrays(*operands)
    values = map(function, *(column.ravel().tolist() for column in columns))
    return np.fromiter(values, np.float64, columns[0].size).reshape(columns[0].shape)


class _Scalar:
    """The words of the formulas, on Python floats."""

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
        return _rate("lr", function(int(t)), of=f"returned at step {int(t)}")


class _Array:
    """The same words on float64 arrays."""

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
        return _per_element(lambda step: _Scalar.call(function, step), t)


# --------------------------------------------------------------------------------------------------------------
# The formulas: (vocabulary, step as float64, parameters) -> rate.


def _constant(m: Any, t: Any, rate: float) -> Any:
    return rate + 0.0 * t


def _step(m: Any, t: Any, peak: float, every: int, factor: float) -> Any:
    return peak * m.pow(factor, m.floor(t / every))


def _multi_step(m: Any, t: Any, peak: float, milestones: tuple[int, ...], factor: float) -> Any:
    return peak * m.pow(factor, m.count_reached(milestones, t))


def _exponential(m: Any, t: Any, peak: float, factor: float) -> Any:
    return peak * m.pow(factor, t)


def _half_cosine(m: Any, done: Any, start: float, end: float) -> Any:
    return end + (start - end) * (0.5 * (1.0 + m.cos(math.pi * done)))


def _straight(m: Any, done: Any, start: float, end: float) -> Any:
    # start + (end - start) may miss `end` by a rounding; the last value is exact.
    return m.where(done >= 1.0, end, start + (end - start) * done)


def _cosine(m: Any, t: Any, peak: float, total: int, floor: float) -> Any:
    return _half_cosine(m, m.minimum(t / total, 1.0), peak, floor)


def _cosine_restarts(  # noqa: PLR0917 (all formulas are called by position)
    m: Any, t: Any, peak: float, period: int, multiplier: int, floor: float
) -> Any:
    if multiplier == 1:
        done = (t - period * m.floor(t / period)) / period
        return _half_cosine(m, done, peak, floor)
    starts = _restarts(period, multiplier)
    cycle = m.count_reached(starts, t) - 1
    begin = m.take(starts, cycle)
    # A cycle is as long as all before it times (multiplier - 1), and one period more.
    length = begin * (multiplier - 1) + period
    return _half_cosine(m, (t - begin) / length, peak, floor)


def _linear(m: Any, t: Any, start: float, end: float, total: int) -> Any:
    return _straight(m, m.minimum(t / total, 1.0), start, end)


def _polynomial(  # noqa: PLR0917
    m: Any, t: Any, peak: float, total: int, power: float, floor: float
) -> Any:
    left = 1.0 - m.minimum(t / total, 1.0)
    return floor + (peak - floor) * m.pow(left, power)


def _inverse_sqrt(m: Any, t: Any, peak: float, offset: int) -> Any:
    return peak / m.sqrt((t + offset) / offset)


def _one_cycle(  # noqa: PLR0917
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
    top = max(pct_start * total - 1.0, 0.0)  # where the peak lies, between two steps as a rule
    curve = _half_cosine if anneal == "cos" else _straight
    fall = curve(m, m.minimum(m.maximum(t - top, 0.0) / (total - 1 - top), 1.0), peak, end)
    if top == 0.0:
        return fall
    return m.where(t <= top, curve(m, m.minimum(t / top, 1.0), start, peak), fall)


def _warmup(m: Any, t: Any, schedule: "Schedule", steps: int, start: float) -> Any:
    after = schedule._at(m, m.maximum(t - steps, 0.0))
    if steps == 0:
        return after
    rise = _straight(m, m.minimum(t / steps, 1.0), start, schedule._at(_Scalar, 0.0))
    return m.where(t < steps, rise, after)


def _scaled(m: Any, t: Any, schedule: "Schedule", factor: float) -> Any:
    return factor * schedule._at(m, t)


def _function(m: Any, t: Any, function: Callable[[int], float]) -> Any:
    return m.call(function, t)


@lru_cache(maxsize=256)
def _restarts(period: int, multiplier: int) -> tuple[int, ...]:
    """The step at which each cycle begins, as far as steps go."""
    starts, length = [0], period
    while starts[-1] <= _LAST_STEP:
        starts.append(starts[-1] + length)
        length *= multiplier
    return tuple(starts)


_FORMULAS: dict[str, Callable[..., Any]] = {
    formula.__name__[1:]: formula
    for formula in (
        _constant, _step, _multi_step, _exponential, _cosine, _cosine_restarts, _linear, _polynomial,
        _inverse_sqrt, _one_cycle, _warmup, _scaled, _function,
    )
}  # fmt: skip


# --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """A learning rate as a pure function of the step; made by the functions of this module.

    Two schedules are equal when they were made by the same function with the same numbers.

    Parameters
    ----------
    name : str
        The function that made it.
    arguments : tuple
        Its arguments, all of them, in order.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.step(0.1, every=30)
    >>> rate
    step(peak=0.1, every=30, factor=0.1)
    >>> rate(29), rate.scaled(2.0)(29)
    (0.1, 0.2)
    >>> rate == schedules.step(0.1, every=30, factor=0.1)
    True
    """

    name: str
    arguments: tuple[Any, ...]

    def _at(self, vocabulary: Any, t: Any) -> Any:
        return _FORMULAS[self.name](vocabulary, t, *self.arguments)

    @overload
    def __call__(self, step: int) -> float: ...
    @overload
    def __call__(self, step: NDArray[np.integer] | Sequence[Any]) -> NDArray[np.float64]: ...
    def __call__(self, step: Any) -> Any:
        """Rate at `step`: an int gives a float, an integer array a float64 array of its shape, with the same bits.

        Raises
        ------
        TypeError
            If `step` is neither an int nor an integer array.
        ValueError
            If a step is negative or above 2**53.
        """
        if type(step) is int and 0 <= step <= _LAST_STEP:
            return _FORMULAS[self.name](_Scalar, float(step), *self.arguments)
        return self._at_any(step)

    def _at_any(self, step: Any) -> Any:
        steps = np.asarray(step)
        if steps.dtype.kind not in "iu" and not isinstance(
            step, int
        ):  # an int may be too large for NumPy
            raise TypeError(f"step must be an int or an integer array, got {_describe(step)}")
        if isinstance(step, bool):
            raise TypeError("step must be an int or an integer array, got bool")
        if steps.size and (steps.min() < 0 or steps.max() > _LAST_STEP):
            raise ValueError(f"step must lie between 0 and 2**53, got {_describe(step)}")
        if isinstance(step, np.integer):
            return self._at(_Scalar, float(step))
        # Formulas may see a 0-d array become a NumPy scalar, or reuse their input: give an array of our own.
        rates = self._at(_Array, steps.astype(np.float64))
        return np.asarray(rates, dtype=np.float64)

    def values(self, start: int, stop: int) -> NDArray[np.float64]:
        """Table of the rates of steps `start`, …, `stop` - 1; compiled loops read their rate from it.

        Parameters
        ----------
        start, stop : int
            First step, and the step after the last; 0 <= start <= stop.

        Returns
        -------
        ndarray of float64, shape (stop - start,)
            Bit for bit what calling the schedule with each step gives.

        Examples
        --------
        >>> from fastgd import schedules
        >>> schedules.linear(1.0, 0.0, total=4).values(1, 6)
        array([0.75, 0.5 , 0.25, 0.  , 0.  ])
        """
        first = _integer("start", start, least=0)
        last = _integer("stop", stop, least=first)
        return self(np.arange(first, last, dtype=np.int64))

    def scaled(self, factor: float) -> "Schedule":
        """Return this schedule times `factor` (finite, not negative): batch x k, rate x k."""
        return Schedule("scaled", (self, _rate("factor", factor)))

    def __repr__(self) -> str:
        if self.name == "scaled":
            return f"{self.arguments[0]!r}.scaled({self.arguments[1]!r})"
        formula = _FORMULAS[self.name]
        names = formula.__code__.co_varnames[2 : formula.__code__.co_argcount]
        inside = ", ".join(f"{k}={v!r}" for k, v in zip(names, self.arguments, strict=True))
        return f"{self.name}({inside})"


def constant(rate: float) -> Schedule:
    """Return the same `rate` (finite, not negative) at every step.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.constant(0.1)(10**6)
    0.1
    """
    return Schedule("constant", (_rate("rate", rate),))


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
    return Schedule("step", (_rate("peak", peak), _integer("every", every), _factor(factor)))


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
        raise TypeError(f"milestones must be a sequence of ints, got {_describe(milestones)}")
    steps = tuple(_integer("milestones", milestone) for milestone in milestones)
    if any(late <= early for early, late in pairwise(steps)):
        raise ValueError(f"milestones must increase, got {list(steps)}")
    return Schedule("multi_step", (_rate("peak", peak), steps, _factor(factor)))


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
    return Schedule("exponential", (_rate("peak", peak), _factor(factor)))


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
    return Schedule("cosine", (*_between(peak, _integer("total", total), floor),))


def cosine_restarts(peak: float, period: int, multiplier: int = 1, floor: float = 0.0) -> Schedule:
    """Cosine that starts again at `peak`, each cycle `multiplier` times longer (SGDR, Loshchilov & Hutter, 2017).

    Parameters
    ----------
    peak, floor : float
        Highest and lowest rate; 0 <= floor <= peak, `floor` 0 by default and reached only in the limit, since
        the step that would have it begins the next cycle.
    period : int
        Steps of the first cycle, at least 1.
    multiplier : int, default 1
        At least 1.

    Returns
    -------
    Schedule
        Without end; torch's ``CosineAnnealingWarmRestarts``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.cosine_restarts(1.0, period=10, multiplier=2)
    >>> rate(0), rate(5), rate(10), rate(20), rate(30)
    (1.0, 0.5, 1.0, 0.5, 1.0)
    """
    high, steps, low = _between(peak, _integer("period", period), floor)
    return Schedule("cosine_restarts", (high, steps, _integer("multiplier", multiplier), low))


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
    numbers = (_rate("start", start), _rate("end", end), _integer("total", total))
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
    high, steps, low = _between(peak, _integer("total", total), floor)
    exponent = _rate("power", power)
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
    return Schedule("inverse_sqrt", (_rate("peak", peak), _integer("offset", offset)))


def one_cycle(
    peak: float,
    total: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    *,
    anneal: str = "cos",
) -> Schedule:
    """Rise to `peak` and fall far below the first rate (1cycle, Smith & Topin, 2018), in two phases.

    Names, defaults and values are those of torch's ``OneCycleLR`` (``peak`` is its ``max_lr``, ``anneal`` its
    ``anneal_strategy``). Where that raises an error after its last step, ``total - 1``, this stays at its value.

    Parameters
    ----------
    peak : float
        Highest rate; finite, not negative.
    total : int
        Number of steps, at least 2.
    pct_start : float, default 0.3
        Share of the steps that rise, in [0, 1).
    div_factor : float, default 25.0
        The first rate is ``peak / div_factor``; at least 1.
    final_div_factor : float, default 1e4
        The last rate is the first one divided by this; at least 1.
    anneal : {"cos", "linear"}, default "cos"
        Shape of both phases.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number or word.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.one_cycle(1.0, total=11, pct_start=6 / 11, anneal="linear")
    >>> rate(0), rate(5), rate(10)
    (0.04, 1.0, 4e-06)
    """
    share = _rate("pct_start", pct_start)
    if share >= 1.0:
        raise ValueError(f"pct_start must be in [0, 1), got {pct_start!r}")
    divisors = _rate("div_factor", div_factor), _rate("final_div_factor", final_div_factor)
    if min(divisors) < 1.0:
        raise ValueError(f"div_factor and final_div_factor must be at least 1, got {divisors}")
    if anneal not in ("cos", "linear"):
        raise ValueError(f"anneal must be 'cos' or 'linear', got {anneal!r}")
    steps = _integer("total", total, least=2)
    return Schedule("one_cycle", (_rate("peak", peak), steps, share, *divisors, anneal))


def warmup(
    schedule: "Schedule | float | Callable[[int], float]", steps: int, start: float = 0.0
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
    return Schedule("warmup", (inner, _integer("steps", steps, least=0), _rate("start", start)))


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
    return _warm(cosine(peak, rest, floor), rise)


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
    high, steps, low = _between(peak, rest, floor)
    return _warm(linear(high, low, steps), rise)


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
    rise = _integer("warmup", warmup)
    return _warm(inverse_sqrt(peak, rise), rise)


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
    return _warm(constant(_rate("peak", peak)), _integer("warmup", warmup, least=0))


# The parameter `warmup` hides the function of that name where both are needed.
_warm = warmup


def as_schedule(lr: "Schedule | float | Callable[[int], float]", *, name: str = "lr") -> Schedule:
    """Turn a number, a schedule or any pure function of the step into a `Schedule`.

    Parameters
    ----------
    lr : Schedule, float or callable
        A number (finite, not negative) becomes `constant`; a callable step -> rate is called with a Python int
        for each step and its answer checked; it must give the same answer each time.
    name : str, default "lr"
        What error messages call the argument.

    Raises
    ------
    TypeError
        If `lr` is neither a real number nor callable, or is a bool.
    ValueError
        If the number is negative, infinite or NaN. A callable's answers raise the same, when they are asked for.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.as_schedule(0.1)
    constant(rate=0.1)
    >>> schedules.as_schedule(lambda t: 1.0 / (t + 1)).values(0, 3)
    array([1.        , 0.5       , 0.33333333])
    """
    if isinstance(lr, Schedule):
        return lr
    if callable(lr) and not isinstance(lr, type):
        return Schedule("function", (lr,))
    return Schedule("constant", (_rate(name, lr),))


# --------------------------------------------------------------------------------------------------------------


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    return f"{value!r:.60} ({type(value).__name__})"


def _rate(name: str, value: Any, of: str = "got") -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, {of} {_describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and not negative, {of} {value!r:.60}")
    return number + 0.0  # -0.0 becomes 0.0


def _factor(value: Any) -> float:
    factor = _rate("factor", value)
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"factor must be in (0, 1], got {value!r}")
    return factor


def _integer(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {_describe(value)}")
    number = int(value)
    if not least <= number <= _LAST_STEP:
        raise ValueError(f"{name} must be at least {least} and at most 2**53, got {number}")
    return number


def _between(peak: Any, steps: int, floor: Any) -> tuple[float, int, float]:
    high, low = _rate("peak", peak), _rate("floor", floor)
    if low > high:
        raise ValueError(f"floor must not exceed peak, got floor={floor!r} and peak={peak!r}")
    return high, steps, low


def _split(warmup: Any, total: Any) -> tuple[int, int]:
    """Check both and return the steps of the warm-up and of what follows."""
    rise = _integer("warmup", warmup, least=0)
    end = _integer("total", total)
    if end <= rise:
        raise ValueError(f"total must be above warmup, got total={end} and warmup={rise}")
    return rise, end - rise
