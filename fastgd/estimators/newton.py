"""One of Newton's steps at a point of a linear model, and what it promises to gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Quadratic", "conjugate_gradients"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Quadratic:
    """A direction v, with H v and the gradient: what conjugate gradients came to."""

    v: Reals
    residual: Reals
    gain: float  # half of g'v, which grows to half of g'H⁻¹g


def conjugate_gradients(
    times: Callable[[Reals], Reals],
    solve: Callable[[Reals], Reals],
    g: Reals,
    most: int,
    is_over: Callable[[Quadratic], bool],
) -> Quadratic | None:
    """Towards v with H v = g, whose part along each direction only grows.

    Parameters
    ----------
    times : callable
        Of H with a matrix of g's shape.
    solve : callable
        Of the inverse of a matrix that is similar to H.
    g : ndarray
    most : int
        Steps.
    is_over : callable
        Whether the state after a step is good enough.

    Returns
    -------
    Quadratic or None
        None if H is not positive along a direction.
    """
    v, residual, gain = np.zeros_like(g), g.copy(), 0.0
    found = Quadratic(v, residual, gain)
    if not g.any():
        return found
    steepest = solve(residual)
    direction, size = steepest.copy(), float((residual * steepest).sum())
    for _ in range(most):
        curved = times(direction)
        along = float((direction * curved).sum())
        if not along > 0:
            return None
        v = v + size / along * direction
        residual = residual - size / along * curved
        gain += 0.5 * size * size / along
        found = Quadratic(v, residual, gain)
        if is_over(found):
            break
        steepest = solve(residual)
        before, size = size, float((residual * steepest).sum())
        if not size > 0:
            break
        direction = steepest + size / before * direction
    return found
