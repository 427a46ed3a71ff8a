"""What runs minimize, in NumPy: an objective with penalties, and how steep that is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.registry import STEEPNESS
from fastgd.engines.vocabulary import bound, numpy_vocabulary

Array = NDArray[np.floating[Any]]


@cache
def _steepness() -> Callable[..., Any]:
    return bound(STEEPNESS.function, numpy_vocabulary())


def steepest_of(x: Array, g: Array, penalties: NDArray[np.float64] | None) -> Array:
    """The largest slope of each run, NaN where one is: by these a run converges.

    `x` and the objective's gradients `g` are (n_parameters, runs), `penalties` are those of the runs' `Descents`.
    """
    if penalties is None:
        return np.asarray(np.maximum.reduce(np.abs(g), axis=0))
    with np.errstate(all="ignore"):
        own = penalties.astype(g.dtype)
        (sizes,) = _steepness()(x.astype(g.dtype), g, *own, np.zeros((), g.dtype))
        return np.asarray(np.maximum.reduce(sizes, axis=0))


def penalties_at(x: Array, minimized: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the penalties add to each run's objective; decay that an adaptive rule weighs adds nothing to any."""
    _, l2, l1, *_ = minimized
    found, wide = np.zeros(x.shape[1]), x.astype(np.float64)
    with np.errstate(all="ignore"):
        if l1.any():
            found += np.where(l1 != 0, l1 * np.abs(wide).sum(axis=0), 0.0)
        if l2.any():
            found += np.where(l2 != 0, 0.5 * l2 * (wide * wide).sum(axis=0), 0.0)
    return found


def minimized_at(
    x: Array, loss: NDArray[np.float64], minimized: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each run minimizes at its point, whose loss is known."""
    with np.errstate(invalid="ignore"):  # of a maximum, infinitely far away
        return np.asarray(minimized[0] * loss + penalties_at(x, minimized))
