"""The best run of a sweep, or a run of its best combination of hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status
from fastgd.sweeps.seeds import Average, averaged, known_values

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

By = Literal["loss", "iterations", "metric"]


@dataclass(frozen=True)
class BestRun:
    """One run of a sweep: the best, or of the best combination of hyperparameters the one nearest to its average.

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
    average, standard_error : float, optional
        Of what was compared (loss, iterations or metric), over the runs of the combination that have a value: the
        mean or the median, and the standard error of the mean, nan for a single run. None where no average was taken.
    seeds : int
        The runs of the combination; 1 where no average was taken.
    converged, diverged : float, optional
        The shares of them that converged and that diverged.
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
    average: float | None = field(default=None, kw_only=True)
    standard_error: float | None = field(default=None, kw_only=True)
    seeds: int = field(default=1, kw_only=True)
    converged: float | None = field(default=None, kw_only=True)
    diverged: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Values:
    """The arrays of a sweep that decide which run is the best, flat."""

    loss: NDArray[np.float64]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    metric: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class BestCombination:
    """The best combination of some, and a typical run of it.

    `key` orders combinations from the best on: the share of runs without a value, the average, the average of what
    decides between equal ones.
    """

    row: int
    run: int
    average: float
    standard_error: float
    key: tuple[float, float, float]


def best_of_combinations(
    by: By, how: Average, rows: NDArray[np.int64], values: Values
) -> BestCombination | None:
    """The best of the combinations whose runs are the rows of positions; None if no run can be chosen."""
    given, known = known_values(getattr(values, by), values.status, by)
    known = (known & np.isfinite(values.loss))[rows] & (rows >= 0)
    second = values.iterations if by == "loss" else values.loss
    average, error = averaged(given[rows], known, how)
    tie, _ = averaged(np.asarray(second, np.float64)[rows], known, "mean")
    without = 1.0 - known.sum(axis=1) / (rows >= 0).sum(axis=1)
    sign = -1.0 if by == "metric" else 1.0
    candidates = np.flatnonzero(known.any(axis=1))
    if not candidates.size:
        return None
    keys = [key[candidates] for key in (tie, sign * average, without)]  # the last one counts first
    row = int(candidates[np.lexsort(keys)[0]])
    own, there = given[rows[row]], known[row]
    away = np.where(there, np.abs(own - average[row]), np.inf)
    near = int(np.lexsort([np.where(there, sign * own, np.inf), away])[0])
    key = float(without[row]), float(sign * average[row]), float(tie[row])
    return BestCombination(row, int(rows[row, near]), float(average[row]), float(error[row]), key)
