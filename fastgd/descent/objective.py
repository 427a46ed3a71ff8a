"""What a single run minimizes: a problem's value or its negative, and the optimizer's penalties; perhaps in a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.rates import longest_swing
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.reference.steepness import minimized_at, penalties_at, steepest_of
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import schedule_of

Array = NDArray[np.floating[Any]]
_NO_SLOPE = (
    "no slope tells where this rule brings weights to rest that decay apart from the gradient; "
)
_MOVING = "weights that decay apart from the gradient come to rest under this rule only as the rate falls; "
_KINK = "{} of {} parameters belong at 0, which the steps of l1 pass to and fro; "


@dataclass(frozen=True)
class Place:
    """Where a run ended: the point, the function's gradient there (both (n_parameters,)), and the updates done."""

    x: Array
    g: Array
    n: int


class Objective:
    """What one run of some descents minimizes.

    Attributes
    ----------
    penalized : bool
        Whether penalties are part of it.
    bounded : bool
        Whether parameters have bounds.
    optimizer : Optimizer
        By which it is minimized.
    """

    def __init__(self, runs: Descents, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.penalized, self.bounded = runs.penalized, runs.box is not None
        self._minimized, self._measure = runs.minimized, runs.measure

    def slopes(self, x: Array, g: Array) -> Array:
        """The largest slopes (points,) at points and gradients (n_parameters, points)."""
        return steepest_of(x, g, self._measure)

    def slope(self, x: Array, g: Array) -> np.floating[Any]:
        """The largest slope at one point (n_parameters,)."""
        if self._measure is None:  # one per update around a Python function
            found: np.floating[Any] = np.abs(g).max()
        else:
            found = self.slopes(x[:, None], g[:, None])[0]
        return found

    def penalties(self, x: Array) -> NDArray[np.float64]:
        """Penalties at points (n_parameters, points)."""
        return penalties_at(x, self._minimized)

    def values(self, loss: NDArray[np.float64], x: Array) -> NDArray[np.float64]:
        """What is minimized at points (n_parameters, points), whose losses are known."""
        return minimized_at(x, loss, self._minimized)

    def obstacle(self, end: Place, gradient: Callable[[Array], Array]) -> str:
        """Why penalties keep a run from converging near its end, and what helps; empty if they do not."""
        if not self.penalized:
            return ""
        if np.isnan(self.slope(end.x, end.g)) and np.isfinite(end.g).all():
            return f"{_NO_SLOPE}give step_tol, or {self._coupled()}"
        scheduled = schedule_of(self.optimizer) is not None
        held = np.count_nonzero(self._at_kink(end, gradient))
        if held:
            falls = "give step_tol" if scheduled else "let the rate fall by a schedule"
            return f"{_KINK.format(held, len(end.x))}{falls}, and take what is left of them as 0"
        if self._minimized[3, 0] > 0:
            falls = "let the schedule go on to lower rates" if scheduled else "give a schedule"
            return f"{_MOVING}{falls}, or {self._coupled()}"
        return ""

    def _coupled(self) -> str:
        """Advice to decay weights by the gradient alone."""
        if self.optimizer.l2:
            return "set weight_decay=0 and leave the decay to l2"
        return "give l2 in place of weight_decay"

    def _at_kink(self, end: Place, gradient: Callable[[Array], Array]) -> NDArray[np.bool_]:
        """Which parameters are about 0, but not there, and would stay if they were: l1 outweighs the slope."""
        l1 = self._minimized[2, 0]
        near = np.abs(end.x) <= longest_swing(self.optimizer, np.abs(end.g) + l1, end.n)
        if not (l1 > 0 and near.any()):
            return np.zeros(len(end.x), bool)
        slopes = gradient(np.where(near, 0, end.x).astype(end.x.dtype))
        return np.asarray(near & (end.x != 0) & (np.abs(slopes) <= l1))
