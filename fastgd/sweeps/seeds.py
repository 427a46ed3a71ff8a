"""Runs that differ in their seeds alone, taken together: averages, standard errors, shares that converged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status

Average = Literal["mean", "median"]
_SHARES = (Status.CONVERGED, Status.DIVERGED, Status.STOPPED)
AVERAGES: tuple[Average, ...] = ("mean", "median")


@dataclass(frozen=True, eq=False)
class SeedAverages:
    """A quantity of a sweep, averaged over an axis; `SweepResult.averages` returns it.

    Every array is shaped like the axes that are left.

    Attributes
    ----------
    axes : dict of str to tuple
        The axes of the sweep without the one that was averaged over.
    average : ndarray of float64
        Mean or median over the runs that have a value; nan where none has.
    standard_error : ndarray of float64
        Standard deviation of these values over the square root of their number; nan where there are fewer than two.
    runs : ndarray of int64
        Runs of each combination.
    without : ndarray of int64
        Those of them without a value: that diverged or were not started; of iterations, that did not converge.
    converged, diverged : ndarray of float64
        The shares that converged and that diverged.
    stopped : ndarray of float64
        The share that was stopped at a rung, after fewer updates than others made.
    """

    axes: dict[str, tuple[Any, ...]]
    average: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    runs: NDArray[np.int64]
    without: NDArray[np.int64]
    converged: NDArray[np.float64]
    diverged: NDArray[np.float64]
    stopped: NDArray[np.float64]


# --- which runs belong together -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Combinations:
    """The runs of each combination of the axes but one.

    Attributes
    ----------
    axes : dict of str to tuple
        The axes that are left.
    shape : tuple of int
        Their lengths; for paired axes the number of different combinations.
    rows : ndarray of int64, shape (combinations, most runs)
        Positions of each combination's runs in the flat arrays, in order; -1 behind the last.
    """

    axes: dict[str, tuple[Any, ...]]
    shape: tuple[int, ...]
    rows: NDArray[np.int64]


def combinations(axes: Mapping[str, tuple[Any, ...]], over: str, *, paired: bool) -> Combinations:
    """The combinations of all axes but `over`; of all axes if there is no such axis."""
    left = {name: values for name, values in axes.items() if name != over}
    if paired:
        return _of_pairs(left, len(next(iter(axes.values()))))
    shape = tuple(len(values) for values in axes.values())
    place = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    place = np.moveaxis(place, list(axes).index(over), -1) if over in axes else place[..., None]
    return Combinations(left, place.shape[:-1], place.reshape(-1, place.shape[-1]))


def _of_pairs(axes: dict[str, tuple[Any, ...]], runs: int) -> Combinations:
    """Sampled combinations: those that are equal but for the seed belong together."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for k in range(runs):
        found.setdefault(tuple(_key(values[k]) for values in axes.values()), []).append(k)
    rows = np.full((len(found), max(map(len, found.values()))), -1)
    for row, own in zip(rows, found.values(), strict=True):
        row[: len(own)] = own
    left = {name: tuple(values[k] for k in rows[:, 0]) for name, values in axes.items()}
    return Combinations(left, (len(found),), rows)


def _key(value: Any) -> Any:
    """What equal values have in common; a value that has no hash is equal to itself alone."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def check_average(axes: Mapping[str, Any], over: Any, average: Any) -> None:
    """Raise unless `over` is an axis or None, and `average` a known one."""
    if over not in (None, "rng", *axes):
        raise ValueError(
            f"over must be an axis of the sweep, one of {list(axes)}, or None, got {over!r}"
        )
    if average not in AVERAGES:
        raise ValueError(f'average must be "mean" or "median", got {average!r}')


# --- averages ---------------------------------------------------------------------------------------


def known_values(
    values: NDArray[Any], status: NDArray[np.int8], by: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A quantity of all runs, flat, and which runs have it: those that did not diverge, and of iterations converged."""
    flat = np.asarray(values, np.float64).ravel()
    if by == "iterations":
        return flat, (status == Status.CONVERGED).ravel()
    lost = np.isin(status, (Status.DIVERGED, Status.NOT_RUN)).ravel()
    return flat, np.isfinite(flat) & ~lost


def averaged(
    values: NDArray[np.float64], known: NDArray[np.bool_], how: Average
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Averages along the last axis of the known values, and their standard errors."""
    count = known.sum(axis=-1)
    with np.errstate(all="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=-1) / count
        square = np.where(known, values - mean[..., None], 0.0) ** 2
        error = np.sqrt(square.sum(axis=-1) / (count - 1) / count)
    error = np.where(count > 1, error, np.nan)
    if how == "mean":
        return mean, error
    ordered = np.sort(np.where(known, values, np.inf), axis=-1)
    places = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=-1)
    places = np.minimum(places, ordered.shape[-1] - 1)
    middle = np.take_along_axis(ordered, places, axis=-1)
    with np.errstate(all="ignore"):
        median = np.where(count > 0, middle[..., 0] / 2 + middle[..., 1] / 2, np.nan)
    return median, error


def averages_of(
    taken: Combinations, values: NDArray[Any], status: NDArray[np.int8], by: str, how: Average
) -> SeedAverages:
    """A quantity of all runs, averaged over those of each combination."""
    rows, there = taken.rows, taken.rows >= 0
    flat, known = known_values(values, status, by)
    known = known[rows] & there
    average, error = averaged(flat[rows], known, how)
    count = there.sum(axis=1)
    ended = np.where(there, status.ravel()[rows], Status.NOT_RUN)
    shares = [(ended == one).sum(axis=1) / count for one in _SHARES]
    arrays = (average, error, count, count - known.sum(axis=1), *shares)
    return SeedAverages(taken.axes, *(np.asarray(a).reshape(taken.shape) for a in arrays))
