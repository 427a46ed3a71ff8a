"""`PrimalPoint`: parameters of a linear model, and the gap to a dual point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastgd.estimators.conjugates import Conjugate
from fastgd.estimators.design import Design

__all__ = ["ROUNDING", "PrimalPoint"]

Reals = NDArray[np.float64]
ROUNDING = 1e-9  # of a gradient, relative to the sum of its terms' sizes


@dataclass(frozen=True)
class PrimalPoint:
    """Parameters of one output, or of all where they are coupled.

    Attributes
    ----------
    design : Design
    loss : Conjugate
    l1, l2 : ndarray of shape (columns, 1)
    w : ndarray of shape (columns, outputs)
    z, y : ndarray of shape (n, outputs)
        The model's outputs, and the targets.
    """

    design: Design
    loss: Conjugate
    l1: Reals
    l2: Reals
    w: Reals
    z: Reals
    y: Reals

    def gap_to(self, dual: Reals) -> float:
        """The gap to a dual point, or to a share of it that is in the domain; inf if there is none."""
        dual = dual * self.loss.feasible_share(dual, self.y)
        u = -self.design.mean(dual)  # what the penalties must balance
        if self._is_unbalanced(u):
            return math.inf
        lasso = np.broadcast_to((self.l1 > 0) & (self.l2 == 0), u.shape)
        bounds = np.broadcast_to(self.l1, u.shape)[lasso]
        if bounds.size:
            share = min(1.0, float((bounds / np.maximum(np.abs(u[lasso]), 1e-300)).min()))
            dual, u = dual * share, u * share
        rows = self.loss.excess(self.z, self.y, dual)
        rows = rows if rows.ndim == 1 else rows[:, 0]
        return float(self.design.share @ rows + self._penalty_excess(u))

    def _is_unbalanced(self, u: Reals) -> bool:
        """Whether there is more than rounding where no penalty takes it."""
        free = np.broadcast_to((self.l1 == 0) & (self.l2 == 0), u.shape)
        return bool((np.abs(u) > ROUNDING * self._terms)[free].any())

    @cached_property
    def first_metric(self) -> tuple[Reals, Reals]:
        """The slopes of the rows' losses here, and the first of the metrics."""
        return next(iter(self.loss.metrics(self.z, self.y, self.w.size)))

    @cached_property
    def _terms(self) -> Reals:
        """The sums of the sizes of the gradient's terms; of the intercept alone where the weights are not free."""
        slopes = np.abs(self.first_metric[0])
        if ((self.l1 == 0) & (self.l2 == 0))[: self.design.features].any():
            return self.design.sizes(slopes)
        return np.broadcast_to(self.design.share @ slopes, self.w.shape)

    def _penalty_excess(self, u: Reals) -> float:
        """P(w) + P*(u) - u w of the penalties, as `excess` of the losses."""
        pays = np.broadcast_to((self.l1 > 0) | (self.l2 > 0), u.shape)
        l1, l2 = (np.broadcast_to(p, u.shape)[pays] for p in (self.l1, self.l2))
        w, u = self.w[pays], u[pays]
        conjugate = np.maximum(np.abs(u) - l1, 0.0) ** 2 / np.where(l2 > 0, 2 * l2, np.inf)
        excess = l1 * np.abs(w) + 0.5 * l2 * w * w + conjugate - u * w
        return float(np.maximum(excess, 0.0).sum())
