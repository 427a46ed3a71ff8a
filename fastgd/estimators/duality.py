"""`DualityGap`: how far the objective of a linear model is above its minimum, at most.

A point of the dual problem bounds the minimum from below. Here it comes from one of Newton's steps: with the slopes t
of the rows' losses and a metric D (their curvatures), the step v solves (X'DX + l2) v = g, and t - D X v satisfies the
dual problem's equations. If it also lies in the domain of the losses' conjugates, the gap between both objectives
bounds what is left to gain, whatever the optimizer, its momentum, the units, or the condition of the problem. For
squared errors it is exact: half of g'H⁻¹g. Reference: Boyd and Vandenberghe (2004), "Convex optimization", sections
5.5 and 9.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array, Rows
from fastgd.estimators.conjugates import Conjugate, conjugate_of
from fastgd.estimators.penalties import Penalties
from fastgd.problems.curvature import Curvature, of_matrix, of_rows

__all__ = ["DualityGap", "Left", "Spectrum"]

Reals = NDArray[np.float64]
_MOST_UNKNOWNS = 1000  # a direct solution takes their third power
_MOST_WORK = 2e10  # rows times unknowns squared
_STEPS = 50  # of conjugate gradients, where there are more
_CALL = 1e5  # multiplications that take as long as the calls of an epoch
_ENOUGH = 1e-3  # they end where one adds less than this share of the estimate
# From so many multiplications on, a Gram matrix takes the place of a QR decomposition, which is some ten times slower;
# eigenvalues that rounding has not touched are above this share of the largest.
_MANY, _SAFE = 1e7, 1e-8
_ROUNDING = 1e-9  # of a gradient, relative to the sum of its terms' sizes


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the curvature of the objective, in no order, and unit eigenvectors as rows; none that are zero."""

    values: Reals
    vectors: Reals

    def solve(self, g: Reals) -> Reals:
        """The shortest v with H v = g."""
        return np.asarray(self.vectors.T @ ((self.vectors @ g) / self.values))

    @property
    def condition(self) -> float:
        """The largest eigenvalue by the smallest."""
        return float(self.values.max() / self.values.min()) if self.values.size else 1.0


@dataclass(frozen=True)
class Left:
    """What is left to gain.

    Attributes
    ----------
    objective : ndarray of shape (outputs,), or (1,) where outputs are coupled
        Loss and penalties.
    gap : ndarray of the same shape
        How far the objective is above its minimum: a bound, of large problems an estimate; infinite where nothing is
        known.
    spectrum : Spectrum or None
        The curvature at this point, of the output with the largest gap; None of very large problems.
    gradient : ndarray
        The gradient in the order of the spectrum's vectors.
    """

    objective: Reals
    gap: Reals
    spectrum: Spectrum | None
    gradient: Reals


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
    """

    def __init__(
        self, rows: Rows, loss: str, delta: float, intercept: bool, penalties: Penalties
    ) -> None:
        self.loss: Conjugate = conjugate_of(loss, delta)
        self.intercept, self.penalties = intercept, penalties
        self.rows = rows
        n = len(rows)
        weights = np.ones(n) if rows.weights is None else np.asarray(rows.weights, np.float64)
        self.share: Reals = weights / weights.sum()
        self.features = int(rows.x.shape[1])
        self._quadratic = loss == "half_squares" and not penalties.l1.any()
        self._spectrum: Spectrum | None = None  # of a quadratic, always the same

    def is_large(self, unknowns: int) -> bool:
        """Whether a direct solution would take too long."""
        return unknowns > _MOST_UNKNOWNS or len(self.rows) * unknowns**2 > _MOST_WORK

    def cost(self, params: Sequence[Array]) -> float:
        """About how many epochs take as long as `at`, from counts of multiplications and what calls take besides."""
        n, unknowns = len(self.rows), params[0].size + params[1].size
        epoch = 4.0 * n * unknowns + _CALL
        if self._quadratic or self.is_large(unknowns):
            return (
                _STEPS * epoch if self.is_large(unknowns) else 4.0 * n * unknowns + 3 * _CALL
            ) / epoch
        together = unknowns if self.loss.coupled else unknowns / len(params[1])
        return (unknowns * together * (n + 10.0 * together) + 10 * _CALL) / epoch

    def targets(self, outputs: int) -> Reals:
        """The targets in columns, class numbers as indicators."""
        return self.indicators(self.rows.y, outputs)

    @staticmethod
    def indicators(y: Array, outputs: int) -> Reals:
        """Targets in columns, class numbers as indicators."""
        return np.eye(outputs)[y] if y.ndim == 1 else np.asarray(y, np.float64)

    def design(self) -> Reals:
        """The inputs, with ones for the intercept."""
        x = np.asarray(self.rows.x, np.float64)
        return np.concatenate([x, np.ones((len(x), 1))], axis=1) if self.intercept else x

    @cached_property
    def moments(self) -> Reals:
        """The mean products of the design's columns."""
        weighted = self.design() * np.sqrt(self.share)[:, None]
        return np.asarray(weighted.T @ weighted)

    @cached_property
    def curvature(self) -> Curvature:
        """That of half the mean square of an output."""
        with np.errstate(all="ignore"):
            columns = self.features + self.intercept
            if columns > len(self.rows):
                return of_rows(self.design(), self.rows.weights)
            return of_matrix(self.moments, summed=len(self.rows))

    def at(self, weights: Array, intercepts: Array) -> Left:
        """The gap at some parameters, of shapes (features, outputs) and (outputs,)."""
        w, b = np.asarray(weights, np.float64), np.asarray(intercepts, np.float64)
        with np.errstate(all="ignore"):
            design = self.design()
            z, y = design[:, : self.features] @ w + b, self.targets(w.shape[1])
            penalty = self.penalties.values(w)
            if self.loss.coupled:
                objective = np.array([self.share @ self.loss.value(z, y) + penalty.sum()])
                parts = [_Output(self, design, w, z, y)]
            else:
                objective = self.share @ self.loss.value(z, y) + penalty
                columns = [slice(k, k + 1) for k in range(w.shape[1])]
                parts = [_Output(self, design, w[:, c], z[:, c], y[:, c]) for c in columns]
            gaps = np.array([part.gap() for part in parts])
        gaps[~np.isfinite(gaps)] = math.inf
        worst = parts[int(gaps.argmax())]
        return Left(objective, gaps, worst.spectrum, worst.gradient)

    def spectrum_of(self, design: Reals, metric: Reals, active: NDArray[np.bool_]) -> Spectrum:
        """Of the curvature for one output by the parameters that are active."""
        if self._quadratic and self._spectrum is not None:
            return self._spectrum
        found = None
        unknowns = int(active.sum())
        if len(design) > 2 * unknowns and len(design) * unknowns**2 > _MANY:
            found = self._of_gram(design, metric, active)
        if found is None:
            found = self._of_triangle(design, metric, active)
        if self._quadratic:
            self._spectrum = found
        return found

    def _of_gram(self, design: Reals, metric: Reals, active: NDArray[np.bool_]) -> Spectrum | None:
        """By the curvature's own eigenvalues; None where rounding may have touched the small ones."""
        if self._quadratic:
            hessian = self.moments.copy()
        else:
            rows = design[:, active] * np.sqrt(self.share * metric)[:, None]
            hessian = rows.T @ rows
        hessian[np.diag_indices_from(hessian)] += self._l2()[active]
        if not np.isfinite(hessian).all():
            return None
        values, vectors = np.linalg.eigh(hessian)
        zero = len(values) * np.finfo(float).eps * values[-1]
        if ((values > zero) & (values < _SAFE * values[-1])).any():
            return None
        return Spectrum(values[values > zero], vectors.T[values > zero])

    def _of_triangle(self, design: Reals, metric: Reals, active: NDArray[np.bool_]) -> Spectrum:
        """By the singular values of its root."""
        rows = design[:, active] * np.sqrt(self.share * metric)[:, None]
        ridge = np.sqrt(self._l2())[active]
        if ridge.any():
            rows = np.concatenate([rows, np.diag(ridge)])
        triangle = np.linalg.qr(rows, mode="r")
        _, s, vectors = np.linalg.svd(triangle, full_matrices=False)
        kept = s > (s[0] if s.size else 0.0) * max(rows.shape) * np.finfo(float).eps
        return Spectrum(s[kept] ** 2, vectors[kept])

    def _l2(self) -> Reals:
        """The l2 penalty of each column of the design."""
        l2 = self.penalties.l2[:, 0]
        return np.append(l2, 0.0) if self.intercept else l2

    def _l1(self) -> Reals:
        l1 = self.penalties.l1[:, 0]
        return np.append(l1, 0.0) if self.intercept else l1


class _Output:
    """One output, or all of them where they are coupled, at some parameters."""

    def __init__(self, of: DualityGap, design: Reals, w: Reals, z: Reals, y: Reals) -> None:
        self.of, self.design, self.z, self.y = of, design, z, y
        self.share = of.share[:, None]
        self.l1, self.l2 = of._l1()[:, None], of._l2()[:, None]
        self.w = np.concatenate([w, np.zeros((1, w.shape[1]))]) if of.intercept else w
        self.active = (self.l1 == 0) | (self.w != 0)
        self.spectrum: Spectrum | None = None
        self.gradient: Reals = np.zeros(0)

    def gap(self) -> float:
        """The lowest of the gaps that the loss's metrics lead to."""
        unknowns = int(self.active.sum())
        large = self.of.is_large(unknowns)
        lowest = math.inf
        for slopes, metric in self.of.loss.metrics(self.z, self.y, unknowns):
            g = self._gradient(slopes)
            if large:
                lowest = min(lowest, self._estimate(g, metric))
                continue
            spectrum = self._spectrum(metric)
            found = self._gap(slopes, metric, g, spectrum)
            if found <= lowest:
                lowest, self.spectrum, self.gradient = found, spectrum, g[self.active]
        return lowest

    def _gradient(self, slopes: Reals) -> Reals:
        return np.asarray(self._moments(slopes) + self.l2 * self.w + self.l1 * np.sign(self.w))

    def _moments(self, t: Reals) -> Reals:
        return np.asarray(self.design.T @ (self.share * t))

    def _curved(self, metric: Reals, t: Reals) -> Reals:
        """The rows' metric times t."""
        if not self.of.loss.coupled:
            return metric * t
        return np.asarray(metric * (t - (metric * t).sum(axis=1, keepdims=True)))

    def _spectrum(self, metric: Reals) -> Spectrum:
        if not self.of.loss.coupled:
            return self.of.spectrum_of(self.design, metric[:, 0], self.active[:, 0])
        q, outputs = self.w.shape
        hessian = np.zeros((q, outputs, q, outputs))
        for k in range(outputs):
            for m in range(outputs):
                curvature = metric[:, k] * ((k == m) - metric[:, m]) * self.share[:, 0]
                hessian[:, k, :, m] = (self.design * curvature[:, None]).T @ self.design
            hessian[range(q), k, range(q), k] += self.l2[:, 0]
        active = self.active.ravel()
        values, vectors = np.linalg.eigh(hessian.reshape(q * outputs, -1)[np.ix_(active, active)])
        kept = values > values[-1] * 1e-13 if values.size else values > 0
        return Spectrum(values[kept], vectors.T[kept])

    def _gap(self, slopes: Reals, metric: Reals, g: Reals, spectrum: Spectrum) -> float:
        """The gap to the dual point that one of Newton's steps leads to."""
        step = np.zeros_like(self.w)
        step[self.active] = spectrum.solve(g[self.active])
        dual = slopes - self._curved(metric, self.design @ step)
        dual = dual * self.of.loss.feasible_share(dual, self.y)
        u = -self._moments(dual)  # what the penalties must balance
        free = (self.l1 == 0) & (self.l2 == 0)
        terms = np.abs(self.design).T @ (self.share * np.abs(slopes))
        if (np.abs(u) > _ROUNDING * terms)[np.broadcast_to(free, u.shape)].any():
            return math.inf
        lasso = np.broadcast_to((self.l1 > 0) & (self.l2 == 0), u.shape)
        bounds = np.broadcast_to(self.l1, u.shape)[lasso]
        if bounds.size:
            share = min(1.0, float((bounds / np.maximum(np.abs(u[lasso]), 1e-300)).min()))
            dual, u = dual * share, u * share
        rows = self.of.loss.excess(self.z, self.y, dual)
        rows = rows if rows.ndim == 1 else rows[:, 0]
        return float(self.of.share @ rows + self._penalty_excess(u))

    def _penalty_excess(self, u: Reals) -> float:
        """P(w) + P*(u) - u w of the penalties, as above for the losses."""
        pays = np.broadcast_to((self.l1 > 0) | (self.l2 > 0), u.shape)
        l1, l2 = (np.broadcast_to(p, u.shape)[pays] for p in (self.l1, self.l2))
        w, u = self.w[pays], u[pays]
        conjugate = np.maximum(np.abs(u) - l1, 0.0) ** 2 / np.where(l2 > 0, 2 * l2, np.inf)
        excess = l1 * np.abs(w) + 0.5 * l2 * w * w + conjugate - u * w
        return float(np.maximum(excess, 0.0).sum())

    def _estimate(self, g: Reals, metric: Reals) -> float:
        """Half of g'v after some steps of conjugate gradients towards H v = g: an estimate, for large problems."""
        g = np.where(self.active, g, 0.0)
        v, residual = np.zeros_like(g), g.copy()
        direction, size = residual.copy(), float((residual * residual).sum())
        begin, gained = size, 0.0
        for _ in range(_STEPS):
            if size <= 1e-20 * begin:
                break
            curved = self._moments(self._curved(metric, self.design @ direction))
            curved = np.where(self.active, curved + self.l2 * direction, 0.0)
            along = float((direction * curved).sum())
            if not along > 0:
                return math.inf
            v += size / along * direction
            gained += size * size / along
            if size * size / along < _ENOUGH * gained:
                break
            residual -= size / along * curved
            before, size = size, float((residual * residual).sum())
            direction = residual + size / before * direction
        outside = np.maximum(np.abs(g) - self.l1, 0.0)[~self.active]
        return math.inf if outside.any() else 0.5 * float((g * v).sum())
