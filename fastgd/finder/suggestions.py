"""The rules that read a learning rate from the losses of short runs.

Every run has one rate from its start to its end. So a loss is that of its rate, and not, as in a ramp, that of all
smaller rates before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgd.finder.sharpness import Limit

__all__ = ["RULES", "Suggestion", "suggestions_of"]

Reals = NDArray[np.float64]

RULES = ("valley", "steepest", "minimum / 10", "lowest", "stable")
_FALL = 0.01  # the least share of the loss at the start that must be gained
_SLOPE_BEGINS = 0.1  # share of the valley's fall that lies before its beginning
_POINT = 2.0 / 3.0  # of the way through the valley
_BELOW_MINIMUM = 10.0
_STEADY = 0.95  # of the largest stable rate, as in `fastgd.theory.steady_rate`


@dataclass(frozen=True)
class Suggestion:
    """A rule's learning rate.

    Attributes
    ----------
    rule : str
    rate : float or None
    reason : str
        Why there is none; empty if there is one.
    """

    rule: str
    rate: float | None
    reason: str = ""


def suggestions_of(
    rates: Reals, losses: Reals, start: float, limit: Limit, *, unsettled: str
) -> list[Suggestion]:
    """What all rules say.

    Parameters
    ----------
    rates, losses : ndarray of shape (n,)
        In increasing order; losses after the runs, nan where one diverged.
    start : float
        The loss before.
    limit : Limit
        Of the curvature.
    unsettled : str
        Why no constant rate settles at a minimum; empty if small ones do.
    """
    curve = _Curve.of(rates, losses)
    lowest = math.nan if curve is None else float(curve.losses.min())
    if curve is None or not lowest < start - _FALL * abs(start):
        why = "no rate's loss fell" if curve is not None else "all runs diverged"
        if curve is not None and lowest < start:
            why = f"the loss fell from {start:.4g} to {lowest:.4g} at best"
        read = [Suggestion(rule, None, why) for rule in RULES[:-1]]
    else:
        read = [
            _valley(curve),
            _steepest(curve),
            _below_minimum(curve, rates),
            _lowest(curve, limit, unsettled),
        ]
    return [*read, _stable(limit, rates)]


@dataclass(frozen=True)
class _Curve:
    """The losses of rates at which no run diverged: as they are, and smoothed on a scale on which they are compared."""

    rates: Reals
    losses: Reals
    smooth: Reals

    @classmethod
    def of(cls, rates: Reals, losses: Reals) -> _Curve | None:
        known = np.isfinite(losses)
        if not known.any():
            return None
        rates, losses = rates[known], losses[known]
        scale = np.log(losses) if losses.min() > 0.0 else losses
        smooth = scale.copy()
        smooth[1:-1] = (scale[:-2] + scale[1:-1] + scale[2:]) / 3.0
        return cls(rates, losses, smooth)

    def between(self, first: int, last: int, share: float) -> float:
        """The rate at a share of the way from one place to another, geometrically."""
        low, high = self.rates[first], self.rates[last]
        return float(low * (high / low) ** share)


# --- rules ------------------------------------------------------------------------------------------


def _lowest(curve: _Curve, limit: Limit, unsettled: str) -> Suggestion:
    """The rate of the lowest loss, where nothing but instability limits rates: it is good for more updates too.

    Otherwise it is not: the longer the training, the smaller the rate has to be, which is how far from a minimum the
    updates swing.
    """
    if unsettled:
        return Suggestion("lowest", None, f"{unsettled}, and it is too large for more updates")
    rate = float(curve.rates[curve.losses.argmin()])
    return Suggestion("lowest", min(rate, math.inf if limit.rate is None else _STEADY * limit.rate))


def _valley(curve: _Curve) -> Suggestion:
    """Two thirds of the way through the longest descent of the losses.

    It begins where a tenth of its fall is made: before that nothing is learned, and how far down the rates go would
    decide. fastai's rule takes the middle of a ramp's valley; in runs of one rate the fall goes on to larger rates.
    """
    first, last = _longest_descent(curve.smooth)
    level = curve.smooth[first] - _SLOPE_BEGINS * (curve.smooth[first] - curve.smooth[last])
    first += int(np.argmax(curve.smooth[first : last + 1] <= level))
    if first == last:
        return Suggestion("valley", None, "the losses do not fall over several rates")
    return Suggestion("valley", curve.between(first, last, _POINT))


def _longest_descent(values: Reals) -> tuple[int, int]:
    """First and last place of the longest subsequence that falls: noise does not end it, as it would end a stretch."""
    length = np.ones(values.size, np.intp)
    begins = np.arange(values.size)
    for k in range(1, values.size):
        above = np.flatnonzero(values[:k] > values[k])
        if above.size:
            before = above[length[above].argmax()]
            length[k], begins[k] = length[before] + 1, begins[before]
    last = int(length.argmax())
    return int(begins[last]), last


def _steepest(curve: _Curve) -> Suggestion:
    """Where the loss falls fastest as the rate grows, among rates below that of the lowest loss.

    Above it losses are large and uneven, and fall somewhere by accident.
    """
    last = int(curve.smooth.argmin())
    if last < 2:
        return Suggestion("steepest", None, "the lowest loss is at the smallest rates")
    slopes = np.gradient(curve.smooth[: last + 1], np.log(curve.rates[: last + 1]))
    return Suggestion("steepest", float(curve.rates[slopes.argmin()]))


def _below_minimum(curve: _Curve, rates: Reals) -> Suggestion:
    rate = float(curve.rates[curve.losses.argmin()]) / _BELOW_MINIMUM
    if rate < rates[0]:
        return Suggestion("minimum / 10", None, "it lies below all rates that were tried")
    return Suggestion("minimum / 10", rate)


def _stable(limit: Limit, rates: Reals) -> Suggestion:
    if limit.rate is not None and limit.rate < rates[0]:
        why = f"the curvature allows {limit.rate:.3g} only, below all rates that were tried"
        return Suggestion("stable", None, why)
    return Suggestion("stable", limit.rate, limit.reason)
