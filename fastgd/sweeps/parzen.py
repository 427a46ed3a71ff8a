"""Where to look next: Parzen estimators of the good and of the other trials (TPE), for a whole batch at once.

Optuna's sampler fits them anew for every trial, which takes longer than a small network trains. Here they are fitted
once for a batch.

Bergstra et al. (2011), Algorithms for hyper-parameter optimization. Falkner et al. (2018), BOHB: several dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dimension", "batch_of_points"]

Reals = NDArray[np.float64]
# Half of a batch explores: each trial takes the best of a few candidates. With more, all of them crowd where the model
# is best. The other half looks near the best points.
_CANDIDATES = 4
_NEAR, _NEAREST = 0.5, 10  # widths of its kernels, and around how many points
_PRIOR = 1.0  # weight of the prior among the good points
_SHARE, _MOST_GOOD = 0.1, 25  # of the trials that count as good
_NARROWEST = 1e-3  # standard deviation of a kernel, of the unit interval


@dataclass(frozen=True)
class Dimension:
    """A dimension of the space: the unit interval, or so many categories, whose places are the numbers."""

    categories: int = 0


def batch_of_points(
    dimensions: list[Dimension], points: Reals, ranks: Reals, many: int, rng: np.random.Generator
) -> Reals:
    """The next points.

    Parameters
    ----------
    dimensions : list of Dimension
    points : ndarray of shape (n, dimensions)
        Those that were tried.
    ranks : ndarray of shape (n,)
        Lower is better; inf for a run that diverged.
    many : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (many, dimensions)
    """
    if not len(points):
        return _spread(dimensions, many, rng)
    order = np.argsort(ranks, kind="stable")
    good = min(max(1, math.ceil(_SHARE * len(points))), _MOST_GOOD)
    good = max(1, min(good, int(np.isfinite(ranks).sum())))
    better = _Estimator(dimensions, points[order[:good]])
    others = _Estimator(dimensions, points[order[good:]])
    explored = many - many // 2
    drawn = better.draw(explored * _CANDIDATES, rng)
    gain = better.log_density(drawn) - others.log_density(drawn)
    best = gain.reshape(explored, _CANDIDATES).argmax(axis=1)
    near = better.draw(many // 2, rng, _NEAREST, _NEAR)
    return np.concatenate([drawn[np.arange(explored) * _CANDIDATES + best], near])


def _spread(dimensions: list[Dimension], many: int, rng: np.random.Generator) -> Reals:
    """A Latin hypercube: every dimension is covered evenly."""
    columns = []
    for dimension in dimensions:
        u = (rng.permutation(many) + rng.random(many)) / many
        columns.append(np.floor(u * dimension.categories) if dimension.categories else u)
    return np.stack(columns, axis=1)


class _Estimator:
    """A mixture of kernels at some points and of a prior, uniform in every dimension."""

    def __init__(self, dimensions: list[Dimension], points: Reals) -> None:
        self.dimensions, self.points = dimensions, points
        n = len(points)
        # Scott's rule. A few points far apart have wide kernels, many near together narrow ones.
        factor = max(n, 1) ** (-1.0 / (len(dimensions) + 4))
        spread = points.std(axis=0) if n > 1 else np.full(len(dimensions), 0.25)
        self.widths = np.clip(spread * factor, max(_NARROWEST, 0.1 / (n + 1)), 0.5)
        self.kept = n / (n + len(dimensions))  # of a category, beside all others

    def draw(
        self, many: int, rng: np.random.Generator, first: int | None = None, scale: float = 1.0
    ) -> Reals:
        """Points of the mixture, or near the first of its points."""
        n = len(self.points[:first])
        chosen = rng.integers(0, n, many)
        prior = rng.random(many) < scale * _PRIOR / (n + _PRIOR)
        found = np.empty((many, len(self.dimensions)))
        for k, dimension in enumerate(self.dimensions):
            center = self.points[chosen, k]
            if dimension.categories:
                other = rng.integers(0, dimension.categories, many).astype(float)
                moved = rng.random(many) >= 1.0 - scale * (1.0 - self.kept)
                found[:, k] = np.where(moved | prior, other, center)
            else:
                step = rng.normal(size=many) * self.widths[k] * scale
                inside = _reflected(center + step)
                found[:, k] = np.where(prior, rng.random(many), inside)
        return found

    def log_density(self, at: Reals) -> Reals:
        """Its logarithm at some points."""
        logs = np.zeros((len(at), len(self.points)))
        for k, dimension in enumerate(self.dimensions):
            x, centers = at[:, k, None], self.points[None, :, k]
            if dimension.categories:
                other = (1.0 - self.kept) / dimension.categories
                logs += np.log(np.where(x == centers, self.kept + other, other))
            else:
                logs += self._log_normal(x, centers, self.widths[k])
        volume = sum(math.log(d.categories) for d in self.dimensions if d.categories)
        prior = np.full((len(at), 1), math.log(_PRIOR) - volume)
        total: Reals = np.logaddexp.reduce(np.concatenate([logs, prior], axis=1), axis=1)
        return total - math.log(len(self.points) + _PRIOR)

    @staticmethod
    def _log_normal(x: Reals, center: Reals, width: float) -> Reals:
        """Of a normal kernel whose tails beyond the unit interval are folded back."""
        found = np.exp(-0.5 * ((x - center) / width) ** 2)
        for mirrored in (-center, 2.0 - center):
            found = found + np.exp(-0.5 * ((x - mirrored) / width) ** 2)
        return np.log(found + 1e-300) - math.log(width * math.sqrt(2.0 * math.pi))


def _reflected(x: Reals) -> Reals:
    """Numbers outside the unit interval, folded back into it."""
    folded = np.abs(x) % 2.0
    return np.where(folded > 1.0, 2.0 - folded, folded)
