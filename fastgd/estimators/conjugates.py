"""The losses of linear models with what duality needs of them: slopes, curvatures, convex conjugates.

For a convex loss f and its conjugate f*, every dual point t of f*'s domain has f(z) + f*(t) >= z t (Fenchel and Young),
with equality where t is the slope at z. The difference is what `excess` returns. All arrays are float64, outputs and
targets of shape (n, outputs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, rel_entr, softmax

from fastgd.estimators.corners import bands, corner_of

__all__ = ["Conjugate", "conjugate_of"]

Reals = NDArray[np.float64]


class Conjugate(Protocol):
    """A loss of rows, by its outputs."""

    coupled: bool  # whether the outputs of a row depend on one another

    def value(self, z: Reals, y: Reals) -> Reals:
        """The losses, shape (n,) where outputs are coupled, else (n, outputs)."""

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        """Slopes, and positive numbers by which they may be corrected: curvatures where the loss has them."""

    def feasible_share(self, t: Reals, y: Reals) -> float:
        """The largest share of t, at most 1, that lies in the conjugate's domain; 0 if none does."""

    def held(self, t: Reals, y: Reals) -> Reals | None:
        """The slopes t, held at the loss's steepest ones; None where these are not numbers."""

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        """f(z) + f*(t) - z t, never negative, of the shape of `value`."""

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        """Of classes, the rows that are on the right side: if all are, longer weights make their losses vanish."""


@dataclass(frozen=True)
class _Robust:
    """Huber's loss up to `delta`, half squares where it is infinite."""

    delta: float
    coupled = False

    def value(self, z: Reals, y: Reals) -> Reals:
        size = np.abs(z - y)
        inner = np.minimum(size, self.delta)
        return np.asarray(inner * (size - 0.5 * inner))

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        error = z - y
        slope = np.clip(error, -self.delta, self.delta)
        if self.delta == np.inf:
            yield slope, np.ones_like(slope)
            return
        for band in (self.delta, *bands(error, unknowns)):
            yield slope, (np.abs(error) <= max(band, self.delta)).astype(float)

    def feasible_share(self, t: Reals, y: Reals) -> float:
        return min(1.0, self.delta / max(float(np.abs(t).max()), 1e-300))

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return None if self.delta == np.inf else np.clip(t, -self.delta, self.delta)

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        return None

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        error = z - y
        if self.delta == np.inf:
            return np.asarray(0.5 * (error - t) ** 2)
        return np.maximum(self.value(z, y) + 0.5 * t * t - error * t, 0.0)


class _Absolute:
    """The absolute error: at a residual of zero every slope from -1 to 1."""

    coupled = False

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.abs(z - y)

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        error = z - y
        for band in bands(error, unknowns):
            yield np.clip(error / band, -1.0, 1.0), (np.abs(error) <= band) / band

    def feasible_share(self, t: Reals, y: Reals) -> float:
        return min(1.0, 1.0 / max(float(np.abs(t).max()), 1e-300))

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return np.clip(t, -1.0, 1.0)

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        return None

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        error = z - y
        return np.maximum(np.abs(error) - error * t, 0.0)


class _Logistic:
    """Binary cross-entropy; the conjugate's domain has y + t between 0 and 1."""

    coupled = False

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))) - y * z

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        right, wrong = _chances(z, y)
        yield np.where(y > 0, -wrong, wrong), right * wrong

    def feasible_share(self, t: Reals, y: Reals) -> float:
        signed = np.where(y > 0, -t, t)
        return 0.0 if (signed < 0).any() else min(1.0, 1.0 / max(float(signed.max()), 1e-300))

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return None

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        return np.asarray((np.where(y > 0, z, -z) > 0).all(axis=1))

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        signed = np.where(
            y > 0, -t, t
        )  # of the wrong class: what the dual point gives it, and the model
        right, wrong = _chances(z, y)
        return np.asarray(rel_entr(signed, wrong) + rel_entr(1.0 - signed, right))


def _chances(z: Reals, y: Reals) -> tuple[Reals, Reals]:
    """The probabilities of the right class and the wrong one, both as exact as the outputs."""
    e = np.exp(-np.abs(z))
    more = 1.0 / (1.0 + e)
    less, likely = e * more, (z > 0) == (y > 0)
    return np.where(likely, more, less), np.where(likely, less, more)


class _Softmax:
    """Cross-entropy of coupled outputs; targets are 1 for the row's class, else 0."""

    coupled = True

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.asarray(-(y * log_softmax(z, axis=1)).sum(axis=1))

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        p = softmax(z, axis=1)
        others = np.where(y > 0, 0.0, p)
        yield np.where(y > 0, -others.sum(axis=1, keepdims=True), others), p

    def feasible_share(self, t: Reals, y: Reals) -> float:
        others = np.where(y > 0, 0.0, t)
        most = float(others.sum(axis=1).max())
        return 0.0 if (others < 0).any() else min(1.0, 1.0 / max(most, 1e-300))

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return None

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        return np.asarray((z * y).sum(axis=1) > np.where(y > 0, -np.inf, z).max(axis=1))

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        return np.asarray(rel_entr(np.maximum(y + t, 0.0), softmax(z, axis=1)).sum(axis=1))


class _Poisson:
    """Half the Poisson deviance of exp(z); the conjugate's domain has y + t >= 0."""

    coupled = False

    def value(self, z: Reals, y: Reals) -> Reals:
        mean = np.exp(z)
        return np.asarray(rel_entr(y, mean) - y + mean)

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        mean = np.exp(z)
        yield mean - y, mean

    def feasible_share(self, t: Reals, y: Reals) -> float:
        falling = t < 0
        return min(1.0, float((y[falling] / -t[falling]).min())) if falling.any() else 1.0

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return None

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        return None

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        mean, dual = np.exp(z), np.maximum(y + t, 0.0)
        return np.asarray(np.maximum(rel_entr(dual, mean) - dual + mean, 0.0))


def conjugate_of(loss: str, constant: float) -> Conjugate:
    """The loss of a linear model by the name that its network has for it, and its constant if it has one."""
    if loss == "half_squares":
        return _Robust(np.inf)
    if loss == "huber":
        return _Robust(constant)
    kinds: dict[str, Callable[[], Conjugate]] = {
        "mae": _Absolute,
        "binary_cross_entropy": _Logistic,
        "cross_entropy": _Softmax,
        "poisson": _Poisson,
    }
    return kinds[loss]() if loss in kinds else corner_of(loss, constant)
