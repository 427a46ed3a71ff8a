"""What a hyperparameter may be: fields that check one value or a whole column."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_flag, as_number

Schedule = Callable[[int], float]


class _Checked:
    def given(self, value: Any) -> Any:
        """A checked value as it was given."""
        return value


class Real(_Checked):
    """A number in an interval; NaN lies in none. `none` is what None stands for, if it is allowed.

    A number whose being zero selects another rule (no momentum, no buffer) is a `switch`.
    """

    def __init__(
        self,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        low_open: bool = False,
        high_open: bool = False,
        none: float | None = None,
        switch: bool = False,
    ) -> None:
        self.low, self.high, self.low_open, self.high_open = low, high, low_open, high_open
        self.none, self.switch = none, switch
        self.wanted = self._wanted()

    def _contains(self, x: Any) -> Any:
        above = x > self.low if self.low_open else x >= self.low
        below = x < self.high if self.high_open else x <= self.high
        return above & below & (self.none == math.inf or (abs(x) < math.inf))

    def _wanted(self) -> str:
        """The interval in words."""
        if math.isinf(self.high):
            bound = f"{'>' if self.low_open else '>='} {self.low:g}"
            text = f"a number {bound}" if self.low > -math.inf else "a finite number"
        else:
            left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
            text = f"a number in {left}{self.low:g}, {self.high:g}{right}"
        return text if self.none is None else f"{text}, or None"

    def scalar(self, name: str, value: Any) -> float:
        """One value, checked."""
        if value is None and self.none is not None:
            return self.none
        x = as_number(name, value, self.wanted)
        if not (self._contains(x) or (self.none is not None and x == self.none)):
            raise ValueError(f"{name} must be {self.wanted}, got {value!r}")
        return x

    def given(self, value: float) -> float | None:
        """A checked value as it was given: None where that was allowed and stands for the value."""
        if self.none is None:
            return value
        return None if value == self.none or value != value else value  # noqa: PLR0124  (NaN)

    def column(self, name: str, values: Any) -> NDArray[np.float64]:
        """Many values at once, shape (n,)."""
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if array.dtype.kind not in "fiu":
            return np.array([self.scalar(name, v) for v in values], np.float64)
        x = np.asarray(array, np.float64)
        if x.ndim != 1:
            raise ValueError(f"{name} must be one number a run, got shape {x.shape}")
        if x.size and not (self._contains(x.min()) and self._contains(x.max())):  # nor is a NaN
            bad = ~self._contains(x)
            self.scalar(
                name, x[np.argmax(bad)].item()
            )  # the message, or infinity where it means None
        return x

    def switches(self, column: NDArray[np.float64]) -> NDArray[Any] | None:
        """What of a column selects a rule: runs that differ here cannot share a compiled loop."""
        if self.none is not None and math.isnan(self.none):
            return np.isnan(column)
        return column != 0 if self.switch else None


class Pair(_Checked):
    """Two numbers, such as betas."""

    def __init__(self, first: Real, second: Real, ordered: bool = False) -> None:
        self.first, self.second, self.ordered = first, second, ordered

    def _check_order(self, name: str, first: Any, second: Any) -> None:
        if self.ordered and not np.all(first <= second):
            raise ValueError(f"{name} must be two numbers, the smaller first")

    def scalar(self, name: str, value: Any) -> tuple[float, float]:
        """One value, checked."""
        unsized = isinstance(value, np.ndarray) and value.ndim == 0
        sequence = isinstance(value, Sequence | np.ndarray) and not unsized
        if isinstance(value, str | bytes | dict) or not sequence:
            raise TypeError(f"{name} must be two numbers, got {value!r}")
        if len(value) != 2:
            raise ValueError(f"{name} must be two numbers, got {value!r}")
        first = self.first.scalar(f"{name}[0]", value[0])
        second = self.second.scalar(f"{name}[1]", value[1])
        self._check_order(name, first, second)
        return first, second

    def column(self, name: str, values: Any) -> NDArray[np.float64]:
        """Shape (2, n), so that ``column[k]`` reads like ``scalar[k]``."""
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if array.dtype.kind not in "fiu":
            return np.array([self.scalar(name, v) for v in values], np.float64).reshape(-1, 2).T
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"{name} must be two numbers a run, got shape {array.shape}")
        first = self.first.column(f"{name}[0]", array[:, 0])
        second = self.second.column(f"{name}[1]", array[:, 1])
        self._check_order(name, first, second)
        return np.stack([first, second])

    def switches(self, column: NDArray[Any]) -> None:
        """What of a column selects a rule."""
        return None


class Flag(_Checked):
    """True or False."""

    def scalar(self, name: str, value: Any) -> bool:
        """One value, checked."""
        return as_flag(name, value)

    def column(self, name: str, values: Any) -> NDArray[Any]:
        """Many values, checked."""
        return np.array([self.scalar(name, v) for v in values], bool)

    def switches(self, column: NDArray[Any]) -> NDArray[Any]:
        """What of a column selects a rule."""
        return column


class Choice(_Checked):
    """One of a few words."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def scalar(self, name: str, value: Any) -> str:
        """One value, checked."""
        if not isinstance(value, str) or value not in self.words:
            legal = ", ".join(map(repr, self.words))
            raise ValueError(f"{name} must be one of {legal}; got {value!r}")
        return str(value)

    def column(self, name: str, values: Any) -> NDArray[Any]:
        """Many values, checked."""
        return np.array([self.scalar(name, v) for v in values], object)

    def switches(self, column: NDArray[Any]) -> NDArray[Any]:
        """What of a column selects a rule."""
        return column


class Rate(_Checked):
    """A learning rate: a number >= 0, or a schedule (a pure function of the step)."""

    wanted = "a number >= 0 or a schedule"

    def scalar(self, name: str, value: Any) -> float | Schedule:
        """One value, checked."""
        if callable(value):
            from fastgd.schedules import as_schedule  # noqa: PLC0415

            schedule: Schedule = as_schedule(value)
            return schedule
        x = as_number(name, value, self.wanted)
        if not 0 <= x < math.inf:
            raise ValueError(f"{name} must be {self.wanted}, got {value!r}")
        return x

    def column(self, name: str, values: Any) -> NDArray[np.float64]:
        """A schedule counts with its rate at the first step."""
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if array.dtype.kind not in "fiu":
            rates = [self.scalar(name, v) for v in values]
            return np.array([r if isinstance(r, float) else r(0) for r in rates], np.float64)
        return NONNEGATIVE.column(name, array)

    def switches(self, column: NDArray[Any]) -> None:
        """What of a column selects a rule."""
        return None


def rate_at(rate: float | Schedule, t: int) -> float:
    """The learning rate of the step after `t` steps."""
    if isinstance(rate, float):
        return rate
    value = rate(t)
    if not 0 <= value < math.inf:
        raise ValueError(f"lr at step {t} must be a number >= 0, got {value!r}")
    return value


Field = Real | Pair | Flag | Choice | Rate
UNIT = Real(0.0, 1.0)
BELOW_ONE = Real(0.0, 1.0, high_open=True)
NONNEGATIVE = Real(0.0)
CLIP = Real(0.0, low_open=True, none=math.inf)
BETAS = Pair(BELOW_ONE, BELOW_ONE)
MOMENTUM = Real(0.0, switch=True)
SMALLEST = 2.0**-126  # the smallest normal float32: nothing beside any square, but not zero
