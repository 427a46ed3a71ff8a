"""The best run of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


@dataclass(frozen=True)
class BestRun:
    """One run of a sweep.

    Attributes
    ----------
    index : tuple of int
        Its position in every array of the sweep.
    axes : dict of str to object
        Its value on each axis.
    x : ndarray of shape (n_parameters,)
        The last iterate.
    loss : float
        The problem's value there.
    iterations : int
        Updates done.
    status : Status
        How the run ended.
    regime : str
        As in `SweepResult`.
    metric : float, optional
        In a sweep of networks: accuracy, or R².
    network : MLP, optional
        In a sweep of networks, the trained network, if it was kept; `fit` trains it further.
    """

    index: tuple[int, ...]
    axes: dict[str, Any]
    x: NDArray[Any]
    loss: float
    iterations: int
    status: Status
    regime: str
    metric: float | None = None
    network: MLP | None = None


def best_position(
    by: Literal["loss", "iterations", "metric"],
    loss: NDArray[np.float64],
    iterations: NDArray[np.int64],
    status: NDArray[np.int8],
    metric: NDArray[np.float64] | None,
) -> int | None:
    """The position of the best run in the flat arrays; None if no run can be chosen."""
    usable = np.isfinite(loss)
    if by == "iterations":
        usable &= status == Status.CONVERGED
        keys: tuple[NDArray[Any], NDArray[Any]] = (loss, iterations)  # the last one counts first
    else:
        usable &= ~np.isin(status, (Status.DIVERGED, Status.NOT_RUN))
        keys = (iterations, loss)
    if by == "metric" and metric is not None:
        usable &= np.isfinite(metric)
        keys = (loss, -metric)
    candidates = np.flatnonzero(usable)
    if not candidates.size:
        return None
    return int(candidates[np.lexsort([key.ravel()[candidates] for key in keys])[0]])
