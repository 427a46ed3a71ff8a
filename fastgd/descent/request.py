"""What a caller of `minimize` or `sweep` asked for, checked and turned into runs for an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_finite, as_generator, as_number, as_real_array, as_seed, shown
from fastgd.descent.axes import Places
from fastgd.engines.backends import missing, resolve_backend
from fastgd.engines.protocol.steps import Method
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.registry import RULES
from fastgd.optimizers import NAG, Optimizer
from fastgd.optimizers.loops import groups_of, methods, schedule_of
from fastgd.problems import Problem
from fastgd.schedules import as_schedule

DIVERGED_BEYOND = {"float32": 1e30, "float64": 1e100}
DEFAULT_TOL = {"float32": 1e-4, "float64": 1e-8}
_OWN_AXES = ("optimizer", "x0", "rng")


# --- which runs -------------------------------------------------------------------------------------


def grouped_descents(
    optimizer: Optimizer, places: Places, starts: NDArray[Any]
) -> Iterator[tuple[NDArray[np.intp], Descents]]:
    """The runs, in groups that share a rule."""
    optimizers = places.values.get("optimizer", (optimizer,))
    which = places.of.get("optimizer", np.zeros(places.total, np.intp))
    for k, given in enumerate(optimizers):
        one = given.fresh()  # the rate of its schedule is that of the first step
        mine = np.flatnonzero(which == k)
        for index, method, schedules, rate_of in _methods(one, places, mine):
            runs = _described(one, method, starts[:, index], len(index))
            runs.schedules, runs.rate_of = schedules, rate_of
            yield index, runs


def _methods(
    optimizer: Optimizer, places: Places, mine: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Method, list[Any] | None, NDArray[np.int64]]]:
    columns: dict[str, Any] = {}
    for name, values in places.values.items():
        if name not in _OWN_AXES:
            numbers = _first_rates(values) if name == "lr" else _column(values)
            columns[name] = numbers[places.of[name][mine]]
    rates = places.values.get("lr", (schedule_of(optimizer) or optimizer.lr,))
    schedules = [as_schedule(rate) for rate in rates] if any(map(callable, rates)) else None
    rate_of = places.of["lr"] if "lr" in places.values else np.zeros(places.total, np.intp)
    if not columns:
        columns["lr"] = np.full(len(mine), optimizer.lr)
    for chosen, method in methods(optimizer, columns):
        index = mine[chosen]
        yield index, method, schedules, rate_of[index].astype(np.int64)


def _first_rates(rates: Sequence[Any]) -> NDArray[np.float64]:
    """The rates at the first step; schedules are followed later."""
    if set(map(type, rates)) == {float}:
        return np.array(rates, np.float64)
    return np.array([_first_rate(rate) for rate in rates], np.float64)


def _first_rate(rate: Any) -> float:
    if callable(rate) and not isinstance(rate, Optimizer):  # which SciPy may call
        return as_schedule(rate)(0)
    return as_number("lr", rate)


def _column(values: Sequence[Any]) -> NDArray[Any]:
    """One entry a value, of whatever kind; the optimizer's fields check them."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError):  # pairs and others mixed
        column = np.empty(len(values), object)
        for k, value in enumerate(values):
            column[k] = value
        return column


def _described(optimizer: Optimizer, method: Method, starts: NDArray[Any], runs: int) -> Descents:
    """A method with its numbers as rows, one column a run."""
    lookahead = isinstance(optimizer, NAG)
    rule = RULES["momentum"] if lookahead else method.rule
    state = [np.broadcast_to(method.initial.get(name, 0.0), runs) for name in rule.state]
    shared = None
    if method.prepared:
        clip = np.broadcast_to(method.clip_norm, runs)
        rows = [clip, np.full(runs, method.norm_eps)] if np.isfinite(clip).any() else []
        shared = np.vstack([np.broadcast_to(method.shared.reshape(6, -1), (6, runs)), *rows])
    return Descents(
        rule,
        method.coefficients,
        np.arange(runs),
        starts,
        np.broadcast_to(method.hyper.reshape(len(method.hyper), -1), (len(method.hyper), runs)),
        np.array(state, np.float64).reshape(len(rule.state), runs),
        shared,
        lookahead=lookahead,
    )


def starting_points(
    problem: Problem,
    places: Places,
    x0: ArrayLike | None,
    rng: int | np.random.Generator | None,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Starting points (n_parameters, runs)."""
    n = problem.n_parameters
    said = {"x0": x0 is not None, "rng": rng is not None}
    given = [name for name in said if said[name]]
    given += [f"axes[{name!r}]" for name in ("x0", "rng") if name in places.values]
    if problem.batches is not None:  # then `rng` has something else to say
        given = [name for name in given if "x0" in name] or given[:1]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} both say where runs start; give one of them")
    if "x0" in places.values:
        given_points = enumerate(places.values["x0"])
        points = [_point(f"axes['x0'][{k}]", v, n, dtype) for k, v in given_points]
        return np.array(points, dtype)[places.of["x0"]].T
    if "rng" in places.values and x0 is None:
        draws = [as_generator("axes['rng']", v).standard_normal(n) for v in places.values["rng"]]
        return np.array(draws, dtype)[places.of["rng"]].T
    start = np.zeros(n)
    if x0 is not None:
        start = _point("x0", x0, n, dtype)
    elif rng is not None:
        start = as_generator("rng", rng).standard_normal(n)
    return np.broadcast_to(start.astype(dtype)[:, None], (n, places.total))


def order_seeds(
    problem: Problem, places: Places, rng: int | np.random.Generator | None
) -> tuple[list[int], NDArray[np.int64]]:
    """Seeds of the orders in which batches of rows are taken, and which of them each run has."""
    if problem.batches is None:
        return [], np.zeros(places.total, np.int64)
    if "rng" in places.values:
        if rng is not None:
            raise ValueError("rng and axes['rng'] both say in which order rows come; give one")
        seeds = [as_seed("axes['rng']", v) for v in places.values["rng"]]
        return seeds, places.of["rng"].astype(np.int64)
    seed = problem.batches.seed if rng is None else as_seed("rng", rng)
    return [seed], np.zeros(places.total, np.int64)


# --- arguments -------------------------------------------------------------------------------------------


def check_optimizer(name: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{name} must be a fastgd optimizer, for example gd.SGD(), "
            f"got {type(optimizer).__name__}"
        )


def check_ungrouped(name: str, optimizer: Any) -> None:
    """An optimizer of a descent, which has one array of parameters."""
    check_optimizer(name, optimizer)
    if groups_of(optimizer):
        raise ValueError(f"{name} has groups; a sweep descends one array of parameters")


def check_order(problem: Problem, runs: Descents) -> None:
    if runs.lookahead and problem.kernel("float64").sequential:
        raise ValueError(
            "optimizer NAG looks ahead with all parameters at once; problem has update='sequential'"
        )


def checked_tol(tol: Any, dtype: np.dtype[Any], problem: Problem) -> float:
    if tol is None:
        return DEFAULT_TOL[dtype.name] if problem.batches is None else 0.0
    return as_finite("tol", tol, 0)


def check_data(problem: Problem, dtype: np.dtype[Any]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        finite = problem.kernel(dtype).finite
    if not finite:
        raise ValueError(f"problem has numbers beyond {dtype.name}: {problem!r}; scale its data")


def _point(name: str, point: Any, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = as_real_array(name, point, "fiu")
    array = array[None] if n == 1 and array.ndim == 0 else array  # a number, where it is clear
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, wanted ({n},)")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(f"{name} must be finite in {dtype.name}, got {shown(point)}")
    return converted


def resolved_backend(backend: str | None, *, card: bool = False) -> str:
    """What `sweeping.descend` is asked for; the blocks of both compiled backends need the compiled core."""
    supports = ("numpy", "cython", "numba", *(("cuda",) if card else ()))
    chosen = resolve_backend(backend, supports=supports)
    if chosen == "cuda":
        return "cuda"
    if chosen == "numpy" or missing("cython"):
        if backend == "numba":
            raise RuntimeError(f"a sweep on Numba needs the compiled core: {missing('cython')}")
        return "numpy"
    if chosen == "numba":
        return "numba"
    return "cython" if backend == "cython" else "auto"
