"""What pictures of descents are made of: the runs, their iterates and losses, and the function as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.history import History
from fastgd.plotting.paths import Window
from fastgd.problems import Function, Problem, Quadratic

Numbers = NDArray[np.float64]
Runs = Any  # a run, a sequence of them, or a dict of names to runs


def named(runs: Runs) -> dict[str, Any]:
    """Runs by their names in the legend."""
    one = only_run(runs)
    if one is not None:
        return {"run": one}
    if isinstance(runs, Mapping):
        found = {str(name): run for name, run in runs.items()}
    elif isinstance(runs, list | tuple):
        found = {f"run {k}": run for k, run in enumerate(runs, 1)}
    else:
        raise TypeError(
            f"runs must be a result of minimize, or a sequence or dict of them, got {type(runs).__name__}"
        )
    if not found:
        raise ValueError("runs must hold at least one run, got none")
    return found


def only_run(runs: Runs) -> Any:
    """The run, if it is one; of several None."""
    if is_result(runs) or hasattr(runs, "loss") or isinstance(runs, np.ndarray):
        return runs
    if isinstance(runs, list | tuple) and runs and all(np.size(point) <= 2 for point in runs):
        return runs if not any(map(is_result, runs)) and np.ndim(runs[0]) < 2 else None
    return None


def is_result(run: Any) -> bool:
    """Whether it is what `fastgd.minimize` returned."""
    return isinstance(run, Mapping) and "nit" in run


def history_of(name: str, run: Any) -> Any:
    """The history of a run; an error names the run that has none."""
    history = run.get("history") if is_result(run) else run
    if history is None:
        raise ValueError(f"runs: {name} has no history; call minimize with record=1, or record=100")
    if not hasattr(history, "loss") or not len(history):
        what = "no records" if hasattr(history, "loss") else type(history).__name__
        raise ValueError(f"runs: {name} must be a result of minimize or a history, got {what}")
    return history


def points_of(name: str, run: Any) -> Numbers:
    """The iterates of a run, shape (k, n_parameters)."""
    if is_result(run) or hasattr(run, "loss"):
        history = history_of(name, run)
        if not isinstance(history, History):
            raise ValueError(f"runs: {name} is a network's training, which records no parameters")
        return np.asarray(history.x, np.float64)
    try:
        points = np.asarray(run, np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim == 1 and points.size:
        points = points[:, None]
    if points.ndim != 2 or not points.size:
        raise ValueError(
            f"runs: {name} must be a result of minimize with record=, or points of shape (k, n_parameters), "
            f"got {type(run).__name__}"
        )
    return points


def updates_of(run: Any) -> NDArray[np.int64]:
    """The updates at which the iterates of a run were recorded."""
    history = run.get("history") if is_result(run) else run
    return np.asarray(history.n if isinstance(history, History) else np.arange(len(history)))


def last_of(points: Numbers) -> Numbers:
    """The last point that is finite."""
    finite = points[np.isfinite(points).all(axis=1)]
    return np.asarray(finite[-1] if len(finite) else points[-1])


def as_problem(fun: Any, count: int) -> Problem:
    """The problem, or a function of `count` parameters as one."""
    if isinstance(fun, Problem):
        return fun
    if callable(fun):
        return Function(fun, count)
    raise TypeError(f"fun must be a fastgd.Problem or callable, got {type(fun).__name__}")


def values_of(problem: Problem) -> Callable[[Numbers], Numbers]:
    """The problem's losses; nan where a user's function has none."""

    def value(point: Numbers) -> float:
        try:
            return float(problem.losses(np.ascontiguousarray(point[:, None]))[0])
        except (ArithmeticError, ValueError):
            return float("nan")

    def values(points: Numbers) -> Numbers:
        try:
            return problem.losses(np.ascontiguousarray(points))
        except (ArithmeticError, ValueError):
            return np.array([value(point) for point in points.T])

    return values


def minima_of(problem: Problem) -> Numbers | None:
    """The known minima, shape (m, n_parameters)."""
    if isinstance(problem, Quadratic):
        return _bottom_of(problem)
    for name in ("minima", "solution"):
        try:
            known = getattr(problem, name, None)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            continue
        if isinstance(known, np.ndarray) and known.size and np.isfinite(known).all():
            return known.reshape(-1, problem.n_parameters)
    return None


def _bottom_of(problem: Quadratic) -> Numbers | None:
    """The minimum of a quadratic that bends upwards in all directions."""
    if not (np.linalg.eigvalsh(problem.hessian) > 0).all():
        return None
    return np.asarray(np.linalg.solve(problem.hessian, problem.linear))[None]


def checked_window(window: Any, count: int) -> Window | None:
    """The ranges of a picture, a pair for each parameter."""
    if window is None:
        return None
    try:
        ranges = np.asarray(window, np.float64)
    except (TypeError, ValueError):
        ranges = np.empty(0)
    if ranges.shape == (2,) and count == 1:
        ranges = ranges[None]
    if ranges.shape != (count, 2) or not (ranges[:, 0] < ranges[:, 1]).all():
        raise ValueError(
            f"window must hold a pair (low, high) for each of {count} parameters, got {window!r:.60}"
        )
    return [(float(low), float(high)) for low, high in ranges]


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many places of `count`, the first and the last among them, closer together at the start."""
    if count <= most:
        return np.arange(count)
    if most == 1:
        return np.array([count - 1])
    even = np.linspace(0.0, 1.0, most)
    places = np.expm1(even * np.log(count)).round().astype(np.int64)  # each update at first
    return np.unique(np.maximum(places, np.minimum(np.arange(most), count - 1)))
