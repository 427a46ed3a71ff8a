"""`Point`: some parameters of a linear model, and the proof of what is left to gain there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.blas import one_thread
from fastgd.estimators.linear_problem import CALLS, DENSE, LOSS, LinearProblem
from fastgd.estimators.newton import ConjugateGradients, Quadratic
from fastgd.estimators.primal_point import ROUNDING, PrimalPoint
from fastgd.estimators.spectrum import Spectrum, rough_spectrum

__all__ = ["GUESSES", "STEPS", "Left", "Point", "nothing"]

Reals = NDArray[np.float64]
GUESSES, STEPS = 8, 200  # of conjugate gradients, for an estimate and for a proof
# How often the kinks of a loss are looked at anew, and how often rows whose slopes lie beyond its steepest are held
# there, as long as the gap becomes lower by what counts.
_ROUNDS, _CORNERS, _BETTER = 4, 10, 0.9


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


class Point:
    """Some parameters of a linear model: their objective, and what is left to gain.

    Attributes
    ----------
    objective : ndarray of shape (outputs,), or (1,) where outputs are coupled
        Loss and penalties.
    """

    def __init__(self, of: LinearProblem, w: Reals) -> None:
        self.of = of
        outputs = w.shape[1]
        with one_thread, np.errstate(all="ignore"):
            z, y = of.design.times(w), of.targets(outputs)
            penalty = of.penalties.values(w[: of.design.features])
            losses = of.design.share @ of.loss.value(z, y)
        of.spent += CALLS + z.shape[0] * (w.size + LOSS * outputs)
        if of.loss.coupled:
            self.objective = np.array([losses + penalty.sum()])
            self._outputs = [_Output(of, w, z, y)]
        else:
            self.objective = losses + penalty
            columns = [slice(k, k + 1) for k in range(outputs)]
            self._outputs = [_Output(of, w[:, c], z[:, c], y[:, c]) for c in columns]
        self.least: Reals = np.zeros_like(self.objective)
        right = None if of.penalties else of.loss.right(z, y)
        # Then no loss is left at infinity: all of the objective is to gain, and no proof can say otherwise.
        self.separates = right is not None and bool((right | (of.design.share == 0)).all())

    def estimate(self, enough: Any) -> Reals:
        """About how far the objective is above its minimum, from below, until more than `enough` is known."""
        if self.separates:
            self.least = self.objective
        elif self.of.bends:
            wanted = np.broadcast_to(enough, self.objective.shape)
            with one_thread, np.errstate(all="ignore"):
                pairs = zip(self._outputs, wanted, strict=True)
                self.least = np.array([part.estimate(float(most)) for part, most in pairs])
        return self.least

    def prove(self, enough: Any = 0.0, budget: float = math.inf) -> Left:
        """What is left to gain, with a bound from above; a bound below `enough` is not made lower.

        At about `budget` multiplications for each output, the search for a lower bound ends; where conjugate gradients
        end then, there is none.
        """
        if self.separates:
            return nothing(self.objective, self.objective)
        wanted = np.broadcast_to(enough, self.objective.shape)
        with one_thread, np.errstate(all="ignore"):
            pairs = zip(self._outputs, wanted, strict=True)
            gaps = np.array([part.gap(float(most), budget) for part, most in pairs])
        gaps = np.where(gaps < self.objective, gaps, self.objective)  # also where not a number
        worst = self._outputs[int(gaps.argmax())]
        return Left(self.objective, gaps, self.least, worst.spectrum, worst.gradient)


class _Output:
    """One output, or all of them where they are coupled, at some parameters."""

    def __init__(self, of: LinearProblem, w: Reals, z: Reals, y: Reals) -> None:
        self.of, self.w, self.z, self.y = of, w, z, y
        self.l1, self.l2 = of.l1, of.l2
        self._primal = PrimalPoint(of.design, of.loss, of.l1, of.l2, w, z, y)
        self.active = np.asarray((self.l1 == 0) | (self.w != 0))
        self.spectrum: Spectrum | None = None
        self.gradient: Reals = np.zeros(0)
        self.work = float(z.shape[0] * (w.size + LOSS * w.shape[1]))  # of one pass over the rows
        self.steps, self.most = STEPS, math.inf  # of conjugate gradients; of what is spent
        self._begun: ConjugateGradients | None = None  # by the estimate

    # --- estimates --------------------------------------------------------------------------------

    def estimate(self, enough: float) -> float:
        """Half of g'v after some steps of conjugate gradients."""
        slopes, metric = self._primal.first_metric
        self._begun = self._conjugates(metric, lambda r: r, self._gradient(slopes, self.w))
        found = self._begun.go_on(GUESSES, lambda at: at.gain > enough)
        return 0.0 if found is None or not math.isfinite(found.gain) else found.gain

    def _conjugates(self, metric: Reals, solve: Any, g: Reals) -> ConjugateGradients:
        def times(v: Reals) -> Reals:
            self.of.spent += 2.0 * self.work
            curved = self._mean(self._curved(metric, self.of.design.times(v))) + self.l2 * v
            return np.where(self.active, curved, 0.0)

        return ConjugateGradients(times, solve, np.where(self.active, g, 0.0))

    # --- proofs -----------------------------------------------------------------------------------

    def gap(self, enough: float, budget: float) -> float:
        """The lowest of the gaps that the loss's metrics lead to, or the first below `enough`.

        Where a loss has kinks, they depend on how near to these the residuals are: they are tried again where the best
        of them leads.
        """
        self.steps = int(min(STEPS, max(GUESSES, budget / (2.0 * self.work))))
        loss, unknowns = self.of.loss, int(self.active.sum())
        z, w, lowest = self.z, self.w, math.inf
        self.most = self.of.spent + budget
        for _ in range(_ROUNDS):
            step, before = None, lowest
            for slopes, metric in self._metrics(z, unknowns):
                found, moved = self._gap_by(slopes, metric, w, enough)
                if found < lowest:
                    lowest, step = found, moved
                if lowest <= enough or self.of.spent > self.most:
                    return lowest
            if step is None or lowest > _BETTER * before or loss.held(z, self.y) is None:
                break
            z, w = z - self.of.design.times(step), w - step
        return lowest

    def _metrics(self, z: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        if (
            self.of.bends and z is self.z
        ):  # a smooth loss has one metric, which does not depend on the unknowns
            return iter([self._primal.first_metric])
        return self.of.loss.metrics(z, self.y, unknowns)

    def _gap_by(self, t: Reals, metric: Reals, w: Reals, enough: float) -> tuple[float, Reals]:
        """By a metric, and the step that it leads to.

        Rows whose slopes it moves beyond the loss's steepest are held there, and the others moved again.
        """
        lowest, moved = math.inf, np.zeros_like(w)
        for _ in range(_CORNERS):
            self.of.spent += CALLS + 5.0 * self.work
            step = self._step(t, metric, self._gradient(t, w - moved))
            if step is None:
                break
            dual = self._balanced(t - self._curved(metric, self.of.design.times(step)), metric)
            found, before = self._primal.gap_to(dual), lowest
            lowest, moved = min(found, lowest), moved + step
            held = self.of.loss.held(dual, self.y)
            if lowest <= enough or found > _BETTER * before or held is None:
                break
            if self.of.spent > self.most:
                break
            t, metric = held, metric * (held == dual)
        return lowest, moved

    def _step(self, t: Reals, metric: Reals, g: Reals) -> Reals | None:
        """The step v of H v = g, as far as the bound needs it."""
        direct = self.of.direct_work(self.w.shape[1])
        coupled = self.of.loss.coupled
        if direct < math.inf and (not coupled or self.w.size <= DENSE):
            spectrum = self._spectrum(metric)
            step = np.zeros_like(self.w)
            step[self.active] = spectrum.solve(g[self.active])
            if self.spectrum is None:
                self.spectrum, self.gradient = spectrum, g[self.active]
            return step
        steps, first = self._begun, t is self._primal.first_metric[0]
        if coupled and direct < math.inf:
            steps = self._conjugates(metric, self._blocks(metric), g)
        elif steps is None or not first:  # else those of the estimate go on
            steps = self._conjugates(metric, lambda r: r, g)
        found = steps.go_on(steps.steps + self.steps, self._is_exact(t))
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

    def _gradient(self, slopes: Reals, w: Reals) -> Reals:
        return np.asarray(self._mean(slopes) + self.l2 * w + self.l1 * np.sign(self.w))

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
        l2 = self.of.l2[:, 0]
        pairs = zip(metric.T, self.active.T, strict=True)
        own = [rough_spectrum(self.of.design, p * (1.0 - p), l2, active) for p, active in pairs]
        self.of.spent += self.of.direct_work(len(own))

        def solve(r: Reals) -> Reals:
            found = np.zeros_like(r)
            for k, spectrum in enumerate(own):
                active = self.active[:, k]
                found[active, k] = spectrum.solve(r[active, k])
            return found

        return solve
