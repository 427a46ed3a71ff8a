"""What runs minimize, in NumPy: an objective with penalties, perhaps in a box, and how steep that is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import PENALTIES
from fastgd.engines.parse import Rule
from fastgd.engines.registry import CONFINED, PROJECT, STEEPNESS
from fastgd.engines.vocabulary import bound, numpy_vocabulary

Array = NDArray[np.floating[Any]]


@cache
def _in_numpy(rule: Rule) -> Callable[..., Any]:
    return bound(rule.function, numpy_vocabulary())


def steepest_of(x: Array, g: Array, measure: NDArray[np.float64] | None) -> Array:
    """The largest slope of each run, NaN where one is: by these a run converges.

    `x` and the objective's gradients `g` are (n_parameters, runs), `measure` is that of the runs' `Descents`.
    """
    if measure is None:
        return np.asarray(np.maximum.reduce(np.abs(g), axis=0))
    with np.errstate(all="ignore"):
        own, sides = np.split(measure.astype(g.dtype), [PENALTIES])
        rule, box = (CONFINED, np.split(sides, 2)) if len(sides) else (STEEPNESS, [])
        (sizes,) = _in_numpy(rule)(x.astype(g.dtype), g, *own, np.zeros((), g.dtype), *box)
        return np.asarray(np.maximum.reduce(sizes, axis=0))


def projected(x: Array, box: NDArray[np.float64]) -> Array:
    """The points (n_parameters, ...) moved into a box (2, n_parameters)."""
    low, high = (side.reshape((-1,) + (1,) * (x.ndim - 1)) for side in box.astype(x.dtype))
    return np.asarray(_in_numpy(PROJECT)(x, low, high)[0])


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
