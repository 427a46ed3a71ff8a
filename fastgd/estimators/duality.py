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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.blas import one_thread
from fastgd.engines.protocol.networks import Array, Rows
from fastgd.estimators.conjugates import Conjugate, conjugate_of
from fastgd.estimators.design import Design
from fastgd.estimators.newton import Quadratic, conjugate_gradients
from fastgd.estimators.penalties import Penalties
from fastgd.estimators.primal_point import ROUNDING, PrimalPoint
from fastgd.estimators.spectrum import Spectrum, spectrum_of, work_of_spectrum

__all__ = ["DualityGap", "Left", "Point", "nothing"]

Reals = NDArray[np.float64]
_CALLS = 1e6  # multiplications that take as long as the calls of a proof
_GUESSES, _STEPS = 8, 200  # of conjugate gradients, for an estimate and for a proof
_DENSE = 64  # unknowns of coupled outputs whose curvature is one matrix
_DIRECT = 200.0  # passes over the rows: where a decomposition takes more, conjugate gradients take its place
_CORNERS = 10  # how often rows whose slopes lie beyond a loss's steepest are held there


@dataclass(frozen=True)
class Left:
    """What is left to gain.

    Attributes
    ----------
    objective : ndarray of shape (outputs,), or (1,) where outputs are coupled
        Loss and penalties.
    gap : ndarray of the same shape
        How far the objective is above its minimum, at most: the objective itself where nothing else is known, as none
        of these losses is negative.
    least : ndarray of the same shape
        How far it is above its minimum, by an estimate from below; 0 where there is none.
    spectrum : Spectrum or None
        The curvature at this point, of the output with the largest gap; None where it was not decomposed.
    gradient : ndarray
        The gradient in the order of the spectrum's vectors.
    """

    objective: Reals
    gap: Reals
    least: Reals
    spectrum: Spectrum | None
    gradient: Reals


def nothing(objective: Reals, least: Reals) -> Left:
    """What is known without a proof."""
    return Left(objective, objective, least, None, np.zeros(0))


class DualityGap:
    """The gap of a linear model on some rows.

    Parameters
    ----------
    rows : Rows
        As the model is trained on them.
    loss : str
        A loss of a network.
    delta : float
        Of Huber's loss.
    intercept : bool
        Whether the model has one.
    penalties : Penalties

    Attributes
    ----------
    design : Design
    spent : float
        The work so far, in multiplications of a matrix and a vector.
    """

    def __init__(
        self, rows: Rows, loss: str, delta: float, intercept: bool, penalties: Penalties
    ) -> None:
        self.loss: Conjugate = conjugate_of(loss, delta)
        self.design = Design(rows, intercept)
        self.intercept, self.penalties = intercept, penalties
        self.rows = rows
        self.spent = 0.0
        self.bends = loss not in ("mae", "huber")
        self._quadratic = loss == "half_squares" and not penalties.l1.any()
        self._spectrum: Spectrum | None = None  # of a quadratic, always the same
        none = np.zeros((int(intercept), 1))
        self.l1, self.l2 = (np.concatenate([p, none]) for p in (penalties.l1, penalties.l2))

    def targets(self, outputs: int) -> Reals:
        """The targets in columns, class numbers as indicators."""
        return self.indicators(self.rows.y, outputs)

    @staticmethod
    def indicators(y: Array, outputs: int) -> Reals:
        """Targets in columns, class numbers as indicators."""
        return np.eye(outputs)[y] if y.ndim == 1 else np.asarray(y, np.float64)

    def at_least(self, gradients: Sequence[Array], steepest: float) -> float:
        """A bound from below: how far the objective is above its minimum, from its gradients.

        That is |g|² / (2 steepest), where no curvature exceeds `steepest`, and of quadratics half of g'H⁻¹g.
        """
        g = np.asarray(gradients[0], np.float64)
        if self.intercept:
            g = np.concatenate([g, np.asarray(gradients[1], np.float64)[None]])
        single = gradients[0].dtype == np.float32  # whose rounding the inverse would amplify
        if self._spectrum is not None and not single:
            return 0.5 * float((g * self._spectrum.solve(g)).sum())
        return 0.5 * float(np.vdot(g, g)) / max(steepest, 1e-300)

    def direct_work(self, outputs: int) -> float:
        """The work of decomposing the curvatures of so many outputs; inf if it is not worth it."""
        n, columns = self.design.shape
        work = work_of_spectrum(n, columns, bool(self.l2.any()))
        if self.loss.coupled and columns * outputs <= _DENSE:
            return 0.5 * n * (columns * outputs) ** 2
        if work > _DIRECT * n * columns + _CALLS:
            return math.inf
        if not self._quadratic:
            return work * outputs
        if self._spectrum is not None:
            return 0.0
        return work - (n * columns**2 / 8.0 if "moments" in vars(self.design) else 0.0)

    def work(self, params: Sequence[Array]) -> float:
        """About the work of a proof."""
        outputs = len(params[1])
        direct = self.direct_work(outputs)
        passes = 4.0 * self.design.shape[0] * params[0].size
        if direct == math.inf or (self.loss.coupled and params[0].size > _DENSE):
            passes *= 0.25 * _STEPS
        return _CALLS + passes + (0.0 if direct == math.inf else direct)

    def point(self, weights: Array, intercepts: Array) -> Point:
        """Some parameters, of shapes (features, outputs) and (outputs,)."""
        w, b = np.asarray(weights, np.float64), np.asarray(intercepts, np.float64)
        return Point(self, np.concatenate([w, b[None]]) if self.intercept else w)

    def spectrum_of(self, metric: Reals, active: NDArray[np.bool_]) -> Spectrum:
        """Of the curvature for one output by the parameters that are active."""
        if self._quadratic and self._spectrum is not None:
            return self._spectrum
        plain = self._quadratic or bool((metric == 1.0).all())
        l2 = self.l2[:, 0]
        found = spectrum_of(self.design, None if plain else metric, l2, active)
        n, columns = self.design.shape
        self.spent += work_of_spectrum(n, columns, bool(l2.any()))
        if self._quadratic:
            self._spectrum = found
        return found


class Point:
    """Some parameters of a linear model: their objective, and what is left to gain.

    Attributes
    ----------
    objective : ndarray of shape (outputs,), or (1,) where outputs are coupled
        Loss and penalties.
    """

    def __init__(self, of: DualityGap, w: Reals) -> None:
        self.of = of
        outputs = w.shape[1]
        with one_thread, np.errstate(all="ignore"):
            z, y = of.design.times(w), of.targets(outputs)
            penalty = of.penalties.values(w[: of.design.features])
            losses = of.design.share @ of.loss.value(z, y)
        of.spent += _CALLS + z.shape[0] * w.size
        if of.loss.coupled:
            self.objective = np.array([losses + penalty.sum()])
            self._outputs = [_Output(of, w, z, y)]
        else:
            self.objective = losses + penalty
            columns = [slice(k, k + 1) for k in range(outputs)]
            self._outputs = [_Output(of, w[:, c], z[:, c], y[:, c]) for c in columns]
        self.least: Reals = np.zeros_like(self.objective)

    def estimate(self, enough: Any) -> Reals:
        """About how far the objective is above its minimum, from below, until more than `enough` is known."""
        if self.of.bends:
            wanted = np.broadcast_to(enough, self.objective.shape)
            with one_thread, np.errstate(all="ignore"):
                pairs = zip(self._outputs, wanted, strict=True)
                self.least = np.array([part.estimate(float(most)) for part, most in pairs])
        return self.least

    def prove(self, enough: Any = 0.0, budget: float = math.inf) -> Left:
        """What is left to gain, with a bound from above; a bound below `enough` is not made lower.

        Conjugate gradients end at about `budget` multiplications; after a few steps, they make no bound.
        """
        wanted = np.broadcast_to(enough, self.objective.shape)
        with one_thread, np.errstate(all="ignore"):
            pairs = zip(self._outputs, wanted, strict=True)
            gaps = np.array([part.gap(float(most), budget) for part, most in pairs])
        gaps = np.where(gaps < self.objective, gaps, self.objective)  # also where not a number
        worst = self._outputs[int(gaps.argmax())]
        return Left(self.objective, gaps, self.least, worst.spectrum, worst.gradient)


class _Output:
    """One output, or all of them where they are coupled, at some parameters."""

    def __init__(self, of: DualityGap, w: Reals, z: Reals, y: Reals) -> None:
        self.of, self.w, self.z, self.y = of, w, z, y
        self.l1, self.l2 = of.l1, of.l2
        self._primal = PrimalPoint(of.design, of.loss, of.l1, of.l2, w, z, y)
        self.active = np.asarray((self.l1 == 0) | (self.w != 0))
        self.spectrum: Spectrum | None = None
        self.gradient: Reals = np.zeros(0)
        self.work = float(z.shape[0] * w.size)  # of one pass over the rows
        self.steps = _STEPS

    # --- estimates --------------------------------------------------------------------------------

    def estimate(self, enough: float) -> float:
        """Half of g'v after some steps of conjugate gradients."""
        slopes, metric = next(iter(self.of.loss.metrics(self.z, self.y, self.w.size)))
        g = np.where(self.active, self._gradient(slopes), 0.0)
        found = self._steps(g, metric, lambda r: r, _GUESSES, lambda at: at.gain > enough)
        return 0.0 if found is None or not math.isfinite(found.gain) else found.gain

    def _steps(
        self, g: Reals, metric: Reals, solve: Any, most: int, is_over: Any
    ) -> Quadratic | None:
        def times(v: Reals) -> Reals:
            self.of.spent += 2.0 * self.work
            curved = self._mean(self._curved(metric, self.of.design.times(v))) + self.l2 * v
            return np.where(self.active, curved, 0.0)

        return conjugate_gradients(times, solve, g, most, is_over)

    # --- proofs -----------------------------------------------------------------------------------

    def gap(self, enough: float, budget: float) -> float:
        """The lowest of the gaps that the loss's metrics lead to, or the first below `enough`."""
        lowest = math.inf
        self.steps = int(min(_STEPS, max(_GUESSES, budget / (2.0 * self.work))))
        for slopes, metric in self.of.loss.metrics(self.z, self.y, int(self.active.sum())):
            lowest = min(lowest, self._gap_by(slopes, metric, enough))
            if lowest <= enough:
                break
        return lowest

    def _gap_by(self, t: Reals, metric: Reals, enough: float) -> float:
        """By a metric; rows whose slopes it moves beyond the loss's steepest are held there, and the others moved."""
        lowest = math.inf
        for _ in range(_CORNERS):
            self.of.spent += _CALLS + 5.0 * self.work
            step = self._step(t, metric, self._gradient(t))
            if step is None:
                break
            dual = self._balanced(t - self._curved(metric, self.of.design.times(step)), metric)
            found = self._primal.gap_to(dual)
            held = self.of.loss.held(dual)
            if found <= enough or found > 0.9 * lowest or held is None:
                return min(found, lowest)
            lowest = min(found, lowest)
            t, metric = held, metric * (held == dual)
        return lowest

    def _step(self, t: Reals, metric: Reals, g: Reals) -> Reals | None:
        """The step v of H v = g, as far as the bound needs it."""
        direct = self.of.direct_work(self.w.shape[1])
        coupled = self.of.loss.coupled
        if direct < math.inf and (not coupled or self.w.size <= _DENSE):
            spectrum = self._spectrum(metric)
            step = np.zeros_like(self.w)
            step[self.active] = spectrum.solve(g[self.active])
            if self.spectrum is None:
                self.spectrum, self.gradient = spectrum, g[self.active]
            return step
        solve = self._blocks(metric) if coupled and direct < math.inf else lambda r: r
        g = np.where(self.active, g, 0.0)
        found = self._steps(g, metric, solve, self.steps, self._is_exact(t))
        return None if found is None else found.v

    def _is_exact(self, t: Reals) -> Any:
        """Whether a step is good enough for a proof: what it leaves is taken by l2, or is rounding."""
        weights = slice(0, self.of.design.features)
        if (self.l2[weights] > 0).all():
            l2 = self.l2[weights]

            def is_taken(at: Quadratic) -> bool:
                return float((at.residual[weights] ** 2 / l2).sum()) <= 0.01 * at.gain

            return is_taken
        self.of.spent += 3.0 * self.work
        terms = self.of.design.sizes(np.abs(t))
        return lambda at: bool((np.abs(at.residual) <= 0.1 * ROUNDING * terms).all())

    def _balanced(self, dual: Reals, metric: Reals) -> Reals:
        """The dual point with a sum of 0, as the intercept asks, where conjugate gradients left one."""
        if not self.of.intercept or self.spectrum is not None:
            return dual
        share = self.of.design.share
        left = share @ dual
        if self.of.loss.coupled:
            curved = metric * share[:, None]
            bend = np.diag(curved.sum(axis=0)) - metric.T @ curved
            shift = np.linalg.pinv(bend, hermitian=True) @ left
        else:
            shift = left / (share @ metric)
        return dual - self._curved(metric, np.broadcast_to(shift, dual.shape))

    def _gradient(self, slopes: Reals) -> Reals:
        return np.asarray(self._mean(slopes) + self.l2 * self.w + self.l1 * np.sign(self.w))

    def _mean(self, t: Reals) -> Reals:
        return self.of.design.mean(t)

    def _curved(self, metric: Reals, t: Reals) -> Reals:
        """The rows' metric times t."""
        if not self.of.loss.coupled:
            return metric * t
        return np.asarray(metric * (t - (metric * t).sum(axis=1, keepdims=True)))

    def _spectrum(self, metric: Reals) -> Spectrum:
        if not self.of.loss.coupled:
            return self.of.spectrum_of(metric[:, 0], self.active[:, 0])
        q, outputs = self.w.shape
        hessian = np.zeros((q, outputs, q, outputs))
        for k in range(outputs):
            for m in range(k):
                hessian[:, k, :, m] = -self.of.design.gram(metric[:, k] * metric[:, m])
                hessian[:, m, :, k] = hessian[:, k, :, m]
            hessian[:, k, :, k] = self.of.design.gram(metric[:, k] * (1.0 - metric[:, k]))
            hessian[range(q), k, range(q), k] += self.l2[:, 0]
        self.of.spent += 0.5 * self.work * self.w.size
        active = self.active.ravel()
        values, vectors = np.linalg.eigh(hessian.reshape(q * outputs, -1)[np.ix_(active, active)])
        kept = values > values[-1] * 1e-13 if values.size else values > 0
        return Spectrum(values[kept], vectors[:, kept].T)

    def _blocks(self, metric: Reals) -> Any:
        """The solution with each output's own curvature, as if the others did not depend on it."""
        own = [
            self.of.spectrum_of(p * (1.0 - p), a)
            for p, a in zip(metric.T, self.active.T, strict=True)
        ]

        def solve(r: Reals) -> Reals:
            found = np.zeros_like(r)
            for k, spectrum in enumerate(own):
                active = self.active[:, k]
                found[active, k] = spectrum.solve(r[active, k])
            return found

        return solve
