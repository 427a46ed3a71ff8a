"""`Stopping`: the best parameters of a linear model's descent, and when it may end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array
from fastgd.estimators.duality import GUESSES, STEPS, DualityGap, Left, Point, nothing

__all__ = ["CLOSE", "Stopping"]

CLOSE = 1e-3  # a gap, relative to the objective, that is good enough where a descent has stopped improving
# A share of the objective of the best constant: what relative means where the objective is lower.
_FLOOR = 0.01
# A fit that ends at `max_iter` so many times above its tolerance is not worth a warning.
_NEAR = 100.0
_EPOCH = 1e5  # multiplications that take as long as the calls of an epoch
# Work on proofs: a share of the training, and what is never too much (milliseconds); one that takes a smaller share
# needs no estimate.
_SHARE, _FREE, _CHEAP = 0.05, 2e7, 0.005
# All that an estimate promised may take together, as a share of the training: half as much after each that failed. A
# proof under way may take a little more, for it is lost if it ends before. And the steps of conjugate gradients that a
# first one is expected to need after those of the estimate, twice as many after each that failed.
_PROMISED, _UNDER_WAY, _FEW = 1.0, 1.25, 12
# At kinks nothing tells before whether proofs will succeed: the largest share of one, and of what is left for all.
_AT_KINKS, _ATTEMPT = 0.5, 0.5
# A proof is tried again where the objective has come so much nearer to the minimum that the last attempt expects, for
# its bound is the tighter the nearer it is made; or after so many times the epochs.
_NEARER, _LATER = 0.1, 1.25


class Stopping:
    """Keeps the parameters with the lowest objective, and ends the descent when they are proved to be good enough.

    A proof is tried where a bound from below, and an estimate where the proof is dear, say that it can succeed. Counts
    of multiplications keep all attempts together to a small share of the training, and to about as much as the training
    where an estimate promises that they end it.

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
        Epochs without improvement after which a gap of `CLOSE` is allowed.

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
        self._point: Point | None = None  # at the best parameters, once it was computed
        self._left: Left | None = None  # what was proved there
        self._counted, self._since = (
            math.inf,
            0,
        )  # the last objective that was lower by what counts, and its epoch
        self._failed = 0  # proofs that came to no bound
        self._least = 0.0  # a bound from below of the gap at the best parameters
        self._again: dict[
            float, float
        ] = {}  # the epoch of the next attempt at a tolerance, if not the objective decides
        self._expected, self._nearer = (
            math.inf,
            0.0,
        )  # the minimum, and how near to it is worth another attempt

    def look(
        self,
        epoch: int,
        value: float,
        params: Sequence[Array],
        gradients: Sequence[Array],
        final: bool = False,
    ) -> bool:
        """Whether the descent may end, given its objective; a final look only keeps the best parameters."""
        self.first = value if self.first == math.inf else self.first
        self.last = value
        if value < self.best:
            self.best, self.kept = value, [p.copy() for p in params]
            self._point = self._left = None
            self._least = self.gap.at_least(gradients, self.steepest)
        if value < self._counted - self._allowed(self.tol, value, self.null.sum()):
            self._counted, self._since = value, epoch
        if final:
            return False
        resting = epoch - self._since >= self.patience
        return self._try(epoch, self.tol) or (resting and self._try(epoch, max(self.tol, CLOSE)))

    def _try(self, epoch: int, tol: float) -> bool:
        """Whether the best parameters are proved to be good enough, if it is worth an attempt."""
        if self._left is None and self.best <= tol * _FLOOR * float(self.null.min()):
            self._left = self.left  # losses are not negative: all of the objective is little enough
        if self._left is not None:
            return self.is_close(tol)
        if not self._is_worth_it(epoch, tol):
            return False
        self._again[tol] = _LATER * epoch
        enough = self._allowed(tol, self._at.objective, self.null)
        cheap = self.gap.work(self.kept) <= _FREE + _CHEAP * self._trained(epoch)
        if cheap or not self._is_far(enough):
            budget = _ATTEMPT * (self._budget(epoch) - self.gap.spent)
            if self.gap.bends:
                budget = _FREE + _UNDER_WAY * self._promised(epoch) - self.gap.spent
            self._left = self._at.prove(enough, budget)
            self._failed += not (self._left.gap < self._left.objective).all()
        if self._left is None:
            # The estimate ended at the first number that is too large: there may be much more left.
            self._expected = -math.inf
            return False
        gap = float(self._left.gap.sum())
        self._expected, self._nearer = self.best - gap, _NEARER * gap
        return self.is_close(tol)

    def _is_worth_it(self, epoch: int, tol: float) -> bool:
        """Whether a proof may succeed, at a work that is small beside the training's."""
        most = self._most(tol)
        if self._least > most:
            return False
        # Without a bound, a loss that falls by what counts tells that more is left.
        rest = self.patience if self.patience < math.inf else 1
        if self.steepest == math.inf and epoch - self._since < rest:
            return False
        if not self._is_affordable(epoch):
            return False
        due = epoch >= self._again.get(tol, 0.0)
        return due or self.best - self._expected <= max(most, self._nearer)

    def _is_affordable(self, epoch: int) -> bool:
        """Whether the work of another proof is a small enough share of the training."""
        if self.gap.bends:
            steps = min(GUESSES + _FEW * 2**self._failed, STEPS)
            work = self.gap.spent + self.gap.work(self.kept, steps)
            return work <= _FREE + self._promised(epoch)
        if self.gap.spent > self._budget(epoch):
            return False
        return self.gap.work(self.kept) <= _FREE + _AT_KINKS * self._trained(epoch)

    def _is_far(self, enough: Any) -> bool:
        """Whether an estimate says that no proof will succeed."""
        return bool((self._at.estimate(enough) > enough).any())

    def _budget(self, epoch: int) -> float:
        """The work that all proofs may take."""
        return _FREE + _SHARE * self._trained(epoch)

    def _promised(self, epoch: int) -> float:
        """The work that proofs may take of which an estimate says that they will succeed."""
        return 0.5**self._failed * _PROMISED * self._trained(epoch)

    def _trained(self, epoch: int) -> float:
        """The work of so many epochs."""
        return epoch * (2.0 * self.gap.work_of_pass(self.kept) + _EPOCH)

    # --- the best parameters ----------------------------------------------------------------------

    @property
    def _at(self) -> Point:
        if self._point is None:
            self._point = self.gap.point(*self.kept)
        return self._point

    def conclude(self, epoch: int) -> None:
        """After so many epochs, prove what can be proved at a small share of their work, or promises to end well."""
        if self._left is not None and self.is_close(self.enough):
            return
        budget, passes = self._budget(epoch), 4.0 * self.gap.work_of_pass(self.kept)
        if self._least > self._most(self.enough) and passes > budget:
            return
        enough = self._allowed(self.enough, self._at.objective, self.null)
        cheap = self.gap.work(self.kept) <= budget
        if cheap or not self._is_far(enough):
            self._left = self._at.prove(enough, max(budget, self._promised(epoch) / 2))

    @property
    def is_proved(self) -> bool:
        """Whether there was a proof at the best parameters, whatever it says."""
        return self._left is not None

    @property
    def left(self) -> Left:
        """What is left to gain there."""
        if self._left is not None:
            return self._left
        if self._point is None and self.null.size == 1:
            return nothing(np.array([self.best]), np.zeros(1))
        return nothing(self._at.objective, self._at.least)

    @property
    def enough(self) -> float:
        """The share of the objective that may be left at the end of all epochs."""
        most = CLOSE if self.patience < math.inf else min(_NEAR * self.tol, CLOSE)
        return max(self.tol, most)

    def is_close(self, tol: float, lost: Any = 0.0) -> bool:
        """Whether the gap, and what was lost after it, is at most a share `tol` of the objective, for each output."""
        left = self.left
        return bool((left.gap + lost <= self._allowed(tol, left.objective, self.null)).all())

    def distance(self, lost: Any = 0.0) -> float:
        """The gap, and what was lost after it, relative to the objective, of the worst output."""
        return self._relative(self.left.gap + lost)

    def least(self) -> float:
        """The gap relative to the objective by an estimate from below."""
        return max(self._relative(self.left.least), self._least / max(self.best, 1e-300))

    def _relative(self, gap: Any) -> float:
        left = self.left
        size = np.maximum(self._allowed(1.0, left.objective, self.null), 1e-300)
        return float((gap / size).max())

    def allowed_gap(self) -> float:
        """The gap that `tol` allows there, of the output with the largest."""
        left = self.left
        return float(
            np.ravel(self._allowed(self.tol, left.objective, self.null))[left.gap.argmax()]
        )

    def _most(self, tol: float) -> float:
        """No less than what is allowed of all outputs together."""
        return tol * (self.best + _FLOOR * float(self.null.sum()))

    @staticmethod
    def _allowed(tol: float, objective: Any, null: Any) -> Any:
        return tol * np.maximum(objective, _FLOOR * null)
