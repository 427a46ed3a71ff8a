"""`Penalties`: l1 and l2 of a linear model, a factor for each column of its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array

__all__ = ["Penalties"]


@dataclass(frozen=True)
class Penalties:
    """l1 Σ|w| + l2/2 Σ w², with a factor for each row of the weights.

    Attributes
    ----------
    l1, l2 : ndarray of float64, shape (features, 1)
    """

    l1: NDArray[np.float64]
    l2: NDArray[np.float64]

    def __bool__(self) -> bool:
        return bool(self.l1.any() or self.l2.any())

    @property
    def uniform(self) -> bool:
        """Whether all columns have the same factors."""
        return bool((self.l1 == self.l1[:1]).all() and (self.l2 == self.l2[:1]).all())

    def values(self, w: Array) -> NDArray[np.float64]:
        """The penalties of each output."""
        wide = np.asarray(w, np.float64)
        return np.asarray((self.l1 * np.abs(wide) + 0.5 * self.l2 * wide * wide).sum(axis=0))

    def add_gradient(self, w: Array, g: Array) -> None:
        """Add to the loss's gradient the shortest subgradient of the penalties: 0 where l1 holds a weight at 0."""
        if self.l2.any():
            g += (self.l2 * w).astype(g.dtype)
        if self.l1.any():
            l1 = self.l1.astype(g.dtype)
            at_rest = np.sign(g) * np.maximum(np.abs(g) - l1, 0)
            g[...] = np.where(w == 0, at_rest, g + l1 * np.sign(w))

    def hold(self, before: Array, g: Array, w: Array) -> None:
        """Set to 0 the weights that an update moved through 0, where l1's slope turns, or away from a rest there."""
        if self.l1.any():
            moved = (before * w < 0) | ((before == 0) & (g == 0))
            w[moved & (self.l1 > 0)] = 0
