"""`SecantRate`: rates of plain descent on all rows from the curvature along the last step."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array

__all__ = ["SecantRate"]

_REMEMBERED = 10  # objectives: descent may rise above the last one, but not above all of these
_GROWTH = 10.0  # most that a rate is longer than those before; and how much shorter after one that went too far
_SHORTEST = 0.1  # rate, in units of the steady one


class SecantRate:
    """The rates of Barzilai and Borwein (1988), long and short in turns.

    Between two points s apart, whose gradients are r apart, a quadratic bends by s'r / s's along s. The rate is one by
    that, where a rate for all points must fear the most that the objective bends anywhere. The objective may rise for a
    step or two; where it is above all that were seen of late, descent goes back to the best point, makes a step with
    the steady rate, and trusts long rates less (after Raydan, 1997).

    Parameters
    ----------
    steady : float
        A rate at which the objective falls, wherever the point is.

    Attributes
    ----------
    rate : float
        The last one.
    """

    def __init__(self, steady: float) -> None:
        self.steady = self.rate = steady
        self._longest = _GROWTH * steady
        self._seen: deque[float] = deque(maxlen=_REMEMBERED)
        self._point: NDArray[np.float64] | None = None
        self._slope: NDArray[np.float64] | None = None
        self._best: tuple[float, list[Array], list[Array]] = (math.inf, [], [])
        self._steps = 0

    def next(self, value: float, params: Sequence[Array], gradients: Sequence[Array]) -> float:
        """The rate of the step from some parameters with this objective; these may go back to earlier ones."""
        self._steps += 1
        if self._seen and not value <= max(self._seen):
            self._go_back(params, gradients)
            value = self._best[0]
        else:
            self._longest = max(self._longest, _GROWTH * self.rate)
        if value < self._best[0]:
            self._best = value, [p.copy() for p in params], [g.copy() for g in gradients]
        self._seen.append(value)
        point, slope = _flat(params), _flat(gradients)
        self.rate = self._between(point, slope)
        self._point, self._slope = point, slope
        return self.rate

    def _go_back(self, params: Sequence[Array], gradients: Sequence[Array]) -> None:
        """To the best point: what lies between was a step too far."""
        for arrays, kept in ((params, self._best[1]), (gradients, self._best[2])):
            for array, old in zip(arrays, kept, strict=True):
                np.copyto(array, old)
        self._point = None
        self._seen.clear()
        self._longest = max(self.steady, self.rate / _GROWTH)

    def _between(self, point: NDArray[np.float64], slope: NDArray[np.float64]) -> float:
        if self._point is None or self._slope is None:
            return self.steady
        s, r = point - self._point, slope - self._slope
        bent = float(s @ r)
        if not bent > 0:
            return self.steady
        rate = float(s @ s) / bent if self._steps % 2 else bent / float(r @ r)
        return min(max(rate, _SHORTEST * self.steady), self._longest)


def _flat(arrays: Sequence[Array]) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])
