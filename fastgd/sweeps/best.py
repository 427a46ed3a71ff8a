"""The best run of a sweep, or a run of its best combination of hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status
from fastgd.sweeps.seeds import Average, averaged, known_values

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

By = Literal["loss", "iterations", "metric"]


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        """What is known of the run: parts that are as by default say nothing."""
        known = ((part.name, getattr(self, part.name), part.default) for part in fields(self))
        told = (f"{name}={value!r}" for name, value, default in known if value is not default)
        return f"BestRun({', '.join(told)})"


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

    `key` orders combinations from the best on: the share of runs that were stopped at a rung, the share without a
    value, the average, the average of what decides between equal ones.
    """

    row: int
    run: int
    average: float
    standard_error: float
    key: tuple[float, float, float, float]


@dataclass(frozen=True)
class Compared:
    """Combinations of runs, each with its average and with keys by which they are ordered, the first one first.

    `known` tells which of the runs have a value; a combination of which none has cannot be chosen.
    """

    average: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    keys: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    known: NDArray[np.bool_]

    def order(self, *first: NDArray[np.float64]) -> NDArray[np.intp]:
        """Those that can be chosen, from the best on; other keys may come first."""
        candidates = np.flatnonzero(self.known.any(axis=1))
        keys = [key[candidates] for key in reversed((*first, *self.keys))]
        return candidates[np.lexsort(keys)]


def compared(by: By, how: Average, rows: NDArray[np.int64], values: Values) -> Compared:
    """The combinations whose runs are the rows of positions; -1 stands for no run."""
    given, known = known_values(getattr(values, by), values.status, by)
    known = (known & np.isfinite(values.loss))[rows] & (rows >= 0)
    second = values.iterations if by == "loss" else values.loss
    average, error = averaged(given[rows], known, how)
    tie, _ = averaged(np.asarray(second, np.float64)[rows], known, "mean")
    without = 1.0 - known.sum(axis=1) / (rows >= 0).sum(axis=1)
    return Compared(average, error, (without, sign_of(by) * average, tie), known)


def best_so_far(values: Values) -> str:
    """The lowest loss of the runs that have ended, in words; empty if none has."""
    known = values.loss[np.isin(values.status, (Status.CONVERGED, Status.MAX_ITER))]
    known = known[np.isfinite(known)]
    return f"best loss {known.min():.4g}" if known.size else ""


def best_of_combinations(
    by: By, how: Average, rows: NDArray[np.int64], values: Values
) -> BestCombination | None:
    """The best of the combinations whose runs are the rows of positions; None if no run can be chosen.

    Those that were stopped at a rung come after all others: they made fewer updates.
    """
    found = compared(by, how, rows, values)
    stopped = ((values.status == Status.STOPPED)[rows] & (rows >= 0)).mean(axis=1)
    order = found.order(stopped)
    if not order.size:
        return None
    row = int(order[0])
    own, there = np.asarray(getattr(values, by), np.float64)[rows[row]], found.known[row]
    away = np.where(there, np.abs(own - found.average[row]), np.inf)
    near = int(np.lexsort([np.where(there, sign_of(by) * own, np.inf), away])[0])
    without, worth, tie = (float(key[row]) for key in found.keys)
    key = float(stopped[row]), without, worth, tie
    average, error = float(found.average[row]), float(found.standard_error[row])
    return BestCombination(row, int(rows[row, near]), average, error, key)


def sign_of(by: By) -> float:
    """1 where less is better, else -1."""
    return -1.0 if by == "metric" else 1.0
