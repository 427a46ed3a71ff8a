"""A run that can be observed: what `minimize` asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.objective import Objective

Array = NDArray[np.floating[Any]]


@dataclass
class Recorded:
    """Iterates (k, n_parameters), with their losses and slopes where these are known."""

    x: Array
    loss: NDArray[np.float64] | None = None
    slope: NDArray[np.float64] | None = None


class Follower(Protocol):
    """One run, advanced in slices.

    Attributes
    ----------
    status : int
        `RUNNING` of `fastgd.engines.layout`, or how the run ended.
    backend : str
    first : tuple of float, optional
        Loss and slope at the start, where they are known.
    objective : Objective
        What the run minimizes.
    """

    status: int
    backend: str
    first: tuple[float, float] | None
    objective: Objective

    @property
    def n(self) -> int:
        """Updates done."""

    @property
    def x(self) -> Array:
        """The current iterate."""

    def advance(self, stop: int, every: int) -> Recorded | None:
        """Go on up to `stop` updates; record each `every`-th, or none if that is 0."""

    def last(self) -> tuple[float, Array] | None:
        """Loss and gradient at `x`, where they are known."""

    def evaluations(self, recorded: int) -> tuple[int, int]:
        """Evaluations of the value and of the gradient, with `recorded` iterates in the history."""
