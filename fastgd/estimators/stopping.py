"""`Stopping`: the best parameters of a linear model's descent, and when it may end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array
from fastgd.estimators.duality import DualityGap, Left

__all__ = ["CLOSE", "Stopping"]

CLOSE = 1e-3  # a gap, relative to the objective, that is good enough where a descent has stopped improving
# A share of the objective of the best constant: what relative means where the objective is lower.
_FLOOR = 0.01
# A proof that failed is tried again after so many times its cost, or the epochs so far.
_SHARE, _LATER = 0.5, 0.1


class Stopping:
    """Keeps the parameters with the lowest objective, and ends the descent when they are proved to be good enough.

    Parameters
    ----------
    gap : DualityGap
    null : ndarray of shape (outputs,), or (1,) where outputs are coupled
        The objective of the best constant.
    steepest : float
        A bound of the objective's curvature, inf if there is none.
    tol : float
        The gap that is allowed, relative to the objective.
    patience : float
        Looks without improvement after which a gap of `CLOSE` is allowed.

    Attributes
    ----------
    best : float
        The lowest objective.
    kept : list of ndarray
        Its parameters.
    first, last : float
        The objectives of the first look and the last.
    """

    def __init__(
        self,
        gap: DualityGap,
        null: NDArray[np.float64],
        steepest: float,
        tol: float,
        patience: float,
    ) -> None:
        self.gap, self.null, self.steepest = gap, null, steepest
        self.tol, self.patience = tol, patience
        self.best = self.first = self.last = math.inf
        self.kept: list[Array] = []
        self._left: Left | None = None  # at the best parameters, once it was computed
        self._counted = math.inf  # the last objective that was lower by what counts
        self._waited = 0  # looks since then
        self._promising = False  # whether the best parameters are new and may be good enough
        self._next_proof = 0

    def look(
        self,
        epoch: int,
        value: float,
        params: Sequence[Array],
        gradients: Sequence[Array] | None = None,
    ) -> bool:
        """Whether the descent may end, given its objective; without gradients only keep the best parameters."""
        self.first = value if self.first == math.inf else self.first
        self.last = value
        allowed = self._allowed(self.tol, value, self.null.sum())
        if value < self.best:
            self.best, self._left, self.kept = value, None, [p.copy() for p in params]
            if gradients is not None:
                # The objective is above its minimum by |g|² / (2 steepest) at least.
                squares = sum(float(np.vdot(g, g)) for g in gradients)
                self._promising = squares <= 2.0 * self.steepest * allowed
        lower = value < self._counted - allowed
        self._counted, self._waited = (value, 0) if lower else (self._counted, self._waited + 1)
        resting = self._waited >= self.patience
        if gradients is None or epoch < self._next_proof or not (self._promising or resting):
            return False
        self._next_proof = epoch + max(1, int(_SHARE * self.gap.cost(params)), int(_LATER * epoch))
        self._promising = False
        return self.is_close(self.tol) or (resting and self.is_close(CLOSE))

    # --- the best parameters ----------------------------------------------------------------------

    @property
    def left(self) -> Left:
        """What is left to gain there."""
        if self._left is None:
            self._left = self.gap.at(*self.kept)
        return self._left

    def is_close(self, tol: float, lost: Any = 0.0) -> bool:
        """Whether the gap, and what was lost after it, is at most a share `tol` of the objective, for each output."""
        left = self.left
        return bool((left.gap + lost <= self._allowed(tol, left.objective, self.null)).all())

    def is_over(self) -> bool:
        """Whether the parameters are good enough at the end of all epochs."""
        return self.is_close(self.tol) or (self.patience < math.inf and self.is_close(CLOSE))

    def distance(self, lost: Any = 0.0) -> float:
        """The gap, and what was lost after it, relative to the objective, of the worst output; inf if not known."""
        left = self.left
        size = np.maximum(self._allowed(1.0, left.objective, self.null), 1e-300)
        return float(((left.gap + lost) / size).max())

    def allowed_gap(self) -> float:
        """The gap that `tol` allows there, of the output with the largest."""
        left = self.left
        return float(
            np.ravel(self._allowed(self.tol, left.objective, self.null))[left.gap.argmax()]
        )

    @staticmethod
    def _allowed(tol: float, objective: Any, null: Any) -> Any:
        return tol * np.maximum(objective, _FLOOR * null)
