"""One of Newton's steps at a point of a linear model, and what it promises to gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConjugateGradients", "Quadratic"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Quadratic:
    """A direction v, with H v and the gradient: what conjugate gradients came to."""

    v: Reals
    residual: Reals
    gain: float  # half of g'v, which grows to half of g'H⁻¹g


class ConjugateGradients:
    """Steps towards v with H v = g, whose part along each direction only grows.

    Parameters
    ----------
    times : callable
        Of H with a matrix of g's shape.
    solve : callable
        Of the inverse of a matrix that is similar to H.
    g : ndarray

    Attributes
    ----------
    at : Quadratic or None
        Where they came to; None if H is not positive along a direction.
    steps : int
        How many there were.
    """

    def __init__(
        self, times: Callable[[Reals], Reals], solve: Callable[[Reals], Reals], g: Reals
    ) -> None:
        self.at: Quadratic | None = Quadratic(np.zeros_like(g), g.copy(), 0.0)
        self.steps = 0
        self._times, self._solve = times, solve
        self._direction = solve(g)
        self._size = float((g * self._direction).sum())

    def go_on(self, most: int, is_over: Callable[[Quadratic], bool]) -> Quadratic | None:
        """Until a state is good enough, or to so many steps; these may have been made before."""
        while self.at is not None and self._size > 0 and not (self.steps and is_over(self.at)):
            if self.steps >= most:
                break
            self._step(self.at)
        return self.at

    def _step(self, at: Quadratic) -> None:
        self.steps += 1
        curved = self._times(self._direction)
        along = float((self._direction * curved).sum())
        if not along > 0:
            self.at = None
            return
        share = self._size / along
        residual = at.residual - share * curved
        self.at = Quadratic(
            at.v + share * self._direction, residual, at.gain + 0.5 * self._size * share
        )
        steepest = self._solve(residual)
        before, self._size = self._size, float((residual * steepest).sum())
        self._direction = steepest + self._size / before * self._direction
