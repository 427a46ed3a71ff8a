"""`Schedule`: a learning rate as a pure function of the step; `as_schedule` makes one of a number or function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import LARGEST_COUNT, as_count, is_integer, shown
from fastgd.schedules.arguments import checked_rate
from fastgd.schedules.formulas import FORMULAS, Array, Scalar


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """A learning rate as a pure function of the step; made by the functions of `fastgd.schedules`.

    Two schedules are equal if the same function made them from the same arguments.

    Parameters
    ----------
    name : str
        Name of the function that made it.
    arguments : tuple
        All arguments of that function, in order.

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

    def evaluate(self, vocabulary: Any, t: Any) -> Any:
        """Rate at unchecked float64 step(s) `t`, computed with `Scalar` or `Array` (see `formulas`)."""
        return FORMULAS[self.name](vocabulary, t, *self.arguments)

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
        if type(step) is int and 0 <= step <= LARGEST_COUNT:
            return FORMULAS[self.name](Scalar, float(step), *self.arguments)
        return self._at_any(step)

    def _at_any(self, step: Any) -> Any:
        steps = np.asarray(step)
        # An integer too large for NumPy makes an array of objects.
        if steps.dtype.kind not in "iu" and not is_integer(step):
            raise TypeError(f"step must be an int or an integer array, got {shown(step)}")
        if steps.size and (steps.min() < 0 or steps.max() > LARGEST_COUNT):
            raise ValueError(f"step must lie between 0 and 2**53, got {shown(step)}")
        if isinstance(step, np.integer):
            return self.evaluate(Scalar, float(step))
        # A formula may turn a 0-d array into a NumPy scalar, or return its input: pass a copy, return an array.
        rates = self.evaluate(Array, steps.astype(np.float64))
        return np.asarray(rates, dtype=np.float64)

    def values(self, start: int, stop: int) -> NDArray[np.float64]:
        """Table of the rates of steps `start`, …, `stop` - 1, which compiled loops read.

        Parameters
        ----------
        start, stop : int
            First step, and the step after the last; 0 <= start <= stop.

        Returns
        -------
        ndarray of float64, shape (stop - start,)
            The same bits as calling the schedule with each step.

        Examples
        --------
        >>> from fastgd import schedules
        >>> schedules.linear(1.0, 0.0, total=4).values(1, 6)
        array([0.75, 0.5 , 0.25, 0.  , 0.  ])
        """
        first = as_count("start", start, 0)
        last = as_count("stop", stop, first)
        return self(np.arange(first, last, dtype=np.int64))

    def scaled(self, factor: float) -> Schedule:
        """Return this schedule times `factor` (finite, not negative): batch x k, rate x k."""
        return Schedule("scaled", (self, checked_rate("factor", factor)))

    def __repr__(self) -> str:
        if self.name == "scaled":
            return f"{self.arguments[0]!r}.scaled({self.arguments[1]!r})"
        formula = FORMULAS[self.name]
        names = formula.__code__.co_varnames[2 : formula.__code__.co_argcount]
        inside = ", ".join(f"{k}={v!r}" for k, v in zip(names, self.arguments, strict=True))
        return f"{self.name}({inside})"


def as_schedule(lr: Schedule | float | Callable[[int], float], *, name: str = "lr") -> Schedule:
    """Turn a number, a schedule or any pure function of the step into a `Schedule`.

    Parameters
    ----------
    lr : Schedule, float or callable
        A number (finite, not negative) becomes `constant`. A callable step -> rate is called with a Python int
        for each step, and its result is checked; it must return the same rate each time.
    name : str, default "lr"
        Name of the argument in error messages.

    Raises
    ------
    TypeError
        If `lr` is neither a real number nor callable, or is a bool.
    ValueError
        If the number is negative, infinite or NaN. A callable's results raise the same errors when
        they are used.

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
    return Schedule("constant", (checked_rate(name, lr),))
