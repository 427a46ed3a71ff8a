"""What a single run minimizes: a problem's value, or the negative of it, and the penalties of the optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.reference.steepness import minimized_at, penalties_at, steepest_of

Array = NDArray[np.floating[Any]]
_NO_SLOPE = (
    "no slope tells where this rule brings weights to rest that decay apart from the gradient; "
    "give step_tol, or l2 in place of weight_decay"
)
_STEADY_RATE = (
    "weights that decay apart from the gradient come to rest under this rule only as the rate falls; "
    "give a schedule, or l2 in place of weight_decay"
)
_KINK = (
    "{} of {} parameters belong at 0, which the steps of l1 pass to and fro; "
    "let the rate fall by a schedule, and take what is left of them as 0"
)


class Objective:
    """What one run of some descents minimizes.

    Attributes
    ----------
    penalized : bool
        Whether penalties are part of it.
    """

    def __init__(self, runs: Descents) -> None:
        self.penalized = runs.penalized
        self._minimized, self._penalties = runs.minimized, runs.penalties

    def slopes(self, x: Array, g: Array) -> Array:
        """The largest slopes (points,) at points and gradients (n_parameters, points)."""
        return steepest_of(x, g, self._penalties)

    def slope(self, x: Array, g: Array) -> np.floating[Any]:
        """The largest slope at one point (n_parameters,)."""
        if self._penalties is None:  # one per update around a Python function
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

    def obstacle(self, x: Array, g: Array, tol: float) -> str:
        """Why penalties keep a run from converging near a point, and what helps; empty if they do not."""
        if self._penalties is None:
            return ""
        each = np.array([self.slope(x[k : k + 1], g[k : k + 1]) for k in range(len(x))])
        if np.isnan(each).any() and np.isfinite(g).all():
            return _NO_SLOPE
        held = (each >= tol) & (np.abs(g) < self._minimized[2, 0])
        if held.any():
            return _KINK.format(np.count_nonzero(held), len(x))
        return _STEADY_RATE if self._minimized[3, 0] > 0 else ""
