"""Where runs start, and in which order they take their rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_generator, as_real_array, as_seed, shown
from fastgd.descent.axes import Column, Places, Runs
from fastgd.engines.reference.steepness import projected
from fastgd.problems import Problem


@dataclass(frozen=True)
class Starts:
    """Starting points, and seeds of the orders of rows.

    Attributes
    ----------
    points : ndarray of shape (n_parameters, k)
        Those of the axis that varies them, or the one of all runs.
    axis : str
        That axis, "x0" or "rng"; empty if there is none.
    seeds : list of int
        Seeds of the orders in which batches of rows are taken; empty for a problem without batches.
    """

    places: Places
    points: NDArray[Any]
    axis: str
    seeds: list[int]

    def within(self, box: NDArray[np.float64] | None) -> Self:
        """The same, with points that lie outside the box moved onto it."""
        return self if box is None else replace(self, points=projected(self.points, box))

    def which(self, runs: Runs) -> slice | NDArray[np.intp]:
        """Which of the points these runs start from; the one point of all may stand for each."""
        return self.places.positions(self.axis, runs) if self.axis else slice(0, 1)

    def of(self, runs: Runs) -> NDArray[Any]:
        """The points (n_parameters, runs) from which runs start."""
        if self.axis:
            return self.points[:, self.which(runs)]
        shape, strides = (len(self.points), len(runs)), (self.points.strides[0], 0)
        same = np.ndarray(shape, self.points.dtype, self.points, strides=strides)
        same.flags.writeable = False  # one number stands for those of all runs
        return same

    def seed_of(self, runs: Runs) -> NDArray[np.int64]:
        """The positions in `seeds` of these runs' seeds."""
        if len(self.seeds) < 2:
            return np.zeros(len(runs) if self.seeds else 0, np.int64)
        return self.places.numbered("rng", runs)


def checked_starts(
    problem: Problem,
    places: Places,
    x0: ArrayLike | None,
    rng: int | np.random.Generator | None,
    dtype: np.dtype[Any],
) -> Starts:
    """Starting points and seeds, checked."""
    # Both may draw from the same generator: first the starting point, then the seed.
    points, axis = _points(problem, places, x0, rng, dtype)
    return Starts(places, points, axis, _seeds(problem, places, rng))


def _points(
    problem: Problem,
    places: Places,
    x0: ArrayLike | None,
    rng: int | np.random.Generator | None,
    dtype: np.dtype[Any],
) -> tuple[NDArray[Any], str]:
    """Starting points (n_parameters, k) and the axis that they belong to."""
    n = problem.n_parameters
    _check_one_start(problem, places, x0, rng)
    if "x0" in places.values:
        return _many(places.values.columns["x0"], n, dtype), "x0"
    if "rng" in places.values and x0 is None:
        draws = [as_generator("axes['rng']", v).standard_normal(n) for v in places.values["rng"]]
        return np.array(draws, dtype).T, "rng"
    start = np.zeros(n)
    if x0 is not None:
        start = _point("x0", x0, n, dtype)
    elif rng is not None:
        start = as_generator("rng", rng).standard_normal(n)
    return start.astype(dtype)[:, None], ""


def _check_one_start(problem: Problem, places: Places, x0: Any, rng: Any) -> None:
    """Refuse two arguments that both say where runs start."""
    given = [name for name, value in (("x0", x0), ("rng", rng)) if value is not None]
    given += [f"axes[{name!r}]" for name in ("x0", "rng") if name in places.values]
    if problem.batches is not None:  # then `rng` is the seed of the rows' orders as well
        given = [name for name in given if "x0" in name] or given[:1]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} both say where runs start; give one of them")


def _many(column: Column, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The points of an axis, (n_parameters, k)."""
    if isinstance(column, np.ndarray):  # at once, if there is nothing to complain about
        rows = column.reshape(len(column), -1)
        if rows.shape[1] == n:
            with np.errstate(over="ignore"):
                points = np.ascontiguousarray(rows.T, dtype)
            if np.isfinite(points).all():
                return points
    listed = column.tolist() if isinstance(column, np.ndarray) else column
    several = [_point(f"axes['x0'][{k}]", point, n, dtype) for k, point in enumerate(listed)]
    return np.ascontiguousarray(np.array(several, dtype).T)


def _point(name: str, point: Any, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = as_real_array(name, point, "fiu")
    array = array[None] if n == 1 and array.ndim == 0 else array  # a number for one parameter
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, wanted ({n},)")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(f"{name} must be finite in {dtype.name}, got {shown(point)}")
    return converted


def _seeds(problem: Problem, places: Places, rng: int | np.random.Generator | None) -> list[int]:
    """Seeds of the rows' orders."""
    if problem.batches is None:
        return []
    if "rng" in places.values:
        if rng is not None:
            raise ValueError("rng and axes['rng'] both say in which order rows come; give one")
        return [as_seed("axes['rng']", v) for v in places.values["rng"]]
    return [problem.batches.seed if rng is None else as_seed("rng", rng)]
