"""`DualityGap`: how far the objective of a linear model is above its minimum, at most.

A point of the dual problem bounds the minimum from below. Here it comes from one of Newton's steps: with the slopes t
of the rows' losses and a metric D (their curvatures), the step v solves (X'DX + l2) v = g, and t - D X v satisfies the
dual problem's equations. If it also lies in the domain of the losses' conjugates, the gap between both objectives
bounds what is left to gain, whatever the optimizer, its momentum, the units, or the condition of the problem. For
squared errors it is exact: half of g'H⁻¹g. Reference: Boyd and Vandenberghe (2004), "Convex optimization", sections
5.5 and 9.5.

Where the curvature is too large to be decomposed, conjugate gradients find the step. An l2 penalty takes what they
leave of the equations; without one the bound counts only where they leave nothing beyond rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastgd.engines.protocol.networks import Array
from fastgd.estimators.linear_problem import CALLS, DENSE, LOSS, LinearProblem
from fastgd.estimators.points import GUESSES, STEPS, Left, Point, nothing

__all__ = ["GUESSES", "STEPS", "DualityGap", "Left", "Point", "nothing"]


class DualityGap(LinearProblem):
    """The gap of a linear model on some rows; the parameters are those of `LinearProblem`."""

    def at_least(self, gradients: Sequence[Array], steepest: float) -> float:
        """A bound from below: how far the objective is above its minimum, from its gradients.

        That is |g|² / (2 steepest), where no curvature exceeds `steepest`, and of quadratics half of g'H⁻¹g.
        """
        g = np.asarray(gradients[0], np.float64)
        if self.intercept:
            g = np.concatenate([g, np.asarray(gradients[1], np.float64)[None]])
        single = gradients[0].dtype == np.float32  # whose rounding the inverse would amplify
        if self.known is not None and not single:
            return 0.5 * float((g * self.known.solve(g)).sum())
        return 0.5 * float(np.vdot(g, g)) / max(steepest, 1e-300)

    def work_of_pass(self, params: Sequence[Array]) -> float:
        """About the work of one product with the rows, and their losses' share of it."""
        return float(self.design.shape[0] * (params[0].size + LOSS * len(params[1])))

    def work(self, params: Sequence[Array], steps: int = STEPS // 2) -> float:
        """About the work of a proof that takes so many steps of conjugate gradients, if it needs any."""
        outputs = len(params[1])
        direct = self.direct_work(outputs)
        passes = 4.0
        if direct == math.inf or (self.loss.coupled and params[0].size > DENSE):
            passes = 2.0 * steps
        return CALLS + passes * self.work_of_pass(params) + (0.0 if direct == math.inf else direct)

    def point(self, weights: Array, intercepts: Array) -> Point:
        """Some parameters, of shapes (features, outputs) and (outputs,)."""
        w, b = np.asarray(weights, np.float64), np.asarray(intercepts, np.float64)
        return Point(self, np.concatenate([w, b[None]]) if self.intercept else w)
