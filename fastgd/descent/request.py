"""What the caller of `minimize` or `sweep` asked for, checked once and carried as one object."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.checks import (
    as_count,
    as_dtype,
    as_finite,
    as_flag,
    as_generator,
    as_positive,
    as_real_array,
    as_seed,
    shown,
)
from fastgd.descent.axes import Places
from fastgd.descent.grouping import grouped_descents
from fastgd.engines import config
from fastgd.engines.backends import missing, resolve_backend
from fastgd.engines.protocol.sweeps import Descents, Limits
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import groups_of
from fastgd.problems import Problem

DIVERGED_BEYOND = {"float32": 1e30, "float64": 1e100}
DEFAULT_TOL = {"float32": 1e-4, "float64": 1e-8}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments that `minimize` and `sweep` share, as they were given."""

    x0: Any
    rng: int | np.random.Generator | None
    max_iter: int
    tol: float | None
    dtype: DTypeLike | None
    max_seconds: float | None
    backend: str | None
    n_threads: int | None
    flush_subnormals: bool
    progress: bool | None
    started: float = field(default_factory=time.perf_counter)

    @property
    def most_updates(self) -> int:
        """`max_iter`, checked."""
        return as_count("max_iter", self.max_iter)

    @property
    def deadline(self) -> float:
        """When `max_seconds` have passed, on the clock of `time.perf_counter`."""
        if self.max_seconds is None:
            return np.inf
        return self.started + as_positive("max_seconds", self.max_seconds)

    @property
    def show(self) -> bool | None:
        """`progress`, checked; None leaves the choice to the terminal."""
        return None if self.progress is None else as_flag("progress", self.progress)


@dataclass(frozen=True)
class Request:
    """Checked descents of a problem.

    Attributes
    ----------
    starts : ndarray of shape (n_parameters, runs)
        Starting points.
    seeds : list of int
        Seeds of the orders in which batches of rows are taken; empty for a problem without batches.
    seed_of : ndarray of shape (runs,)
        The position in `seeds` of each run's seed.
    """

    problem: Problem
    optimizer: Optimizer
    places: Places
    limits: Limits
    starts: NDArray[Any]
    seeds: list[int]
    seed_of: NDArray[np.int64]
    backend: str
    n_threads: int
    flush: bool
    show: bool | None
    started: float

    @classmethod
    def of(
        cls,
        problem: Problem,
        optimizer: Optimizer,
        axes: Mapping[str, Any],
        options: Options,
        *,
        cuda: bool = False,
    ) -> Self:
        """Check everything before the first run begins; `cuda` says whether that backend can run it."""
        places = Places(axes)
        check_optimizers(optimizer, places, ungrouped=True)
        dtype = as_dtype(options.dtype)
        _check_data(problem, dtype)
        limits = Limits(
            options.most_updates,
            _tolerance(options.tol, dtype, problem),
            DIVERGED_BEYOND[dtype.name],
            dtype,
            options.deadline,
        )
        backend = _engine_backend(options.backend, cuda=cuda)
        n_threads = config.get_num_threads(options.n_threads)
        flush = as_flag("flush_subnormals", options.flush_subnormals)
        show = options.show
        # Both may draw from the same generator: first the starting point, then the seed.
        starts = _starting_points(problem, places, options.x0, options.rng, dtype)
        seeds, seed_of = _order_seeds(problem, places, options.rng)
        return cls(
            problem,
            optimizer,
            places,
            limits,
            starts,
            seeds,
            seed_of,
            backend,
            n_threads,
            flush,
            show,
            options.started,
        )

    @cached_property
    def distinct_starts(self) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """The starting points (n_parameters, k) by the axis that varies them, and which of them each run has."""
        of = next((self.places.of[name] for name in ("x0", "rng") if name in self.places.of), None)
        if of is None:  # all runs start at one point
            of = np.zeros(self.places.total, np.intp)
        _, first, which = np.unique(of, return_index=True, return_inverse=True)
        return self.starts[:, first], which.reshape(-1)

    @cached_property
    def may_begin(self) -> NDArray[np.bool_]:
        """Which runs may begin: a user's function may have no value at a starting point. It is called once for each."""
        points, which = self.distinct_starts
        return self.problem.may_begin(points)[which]

    def groups(
        self, begin: NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], Descents]]:
        """Groups of runs that share a rule, all or those that `begin`, and the index of each run."""
        for index, runs in grouped_descents(self.optimizer, self.places, self.starts, begin):
            if runs.lookahead and self.problem.kernel(self.limits.dtype).sequential:
                raise ValueError(
                    "optimizer NAG looks ahead with all parameters at once; problem has update='sequential'"
                )
            runs.seeds, runs.seed_of = self.seeds, self.seed_of[index]
            yield index, runs


# --- optimizers -------------------------------------------------------------------------------------


def check_optimizers(optimizer: Any, places: Places, *, ungrouped: bool = False) -> None:
    """Check the optimizer, or those of the axis "optimizer" that replace it."""
    given = {f"axes['optimizer'][{k}]": v for k, v in enumerate(places.given.get("optimizer", ()))}
    for name, one in (given or {"optimizer": optimizer}).items():
        if not isinstance(one, Optimizer):
            raise TypeError(
                f"{name} must be a fastgd optimizer, for example gd.SGD(), got {type(one).__name__}"
            )
        if ungrouped and groups_of(one):
            raise ValueError(f"{name} has groups; a sweep descends one array of parameters")


# --- starting points and seeds ------------------------------------------------------------------------


def _starting_points(
    problem: Problem,
    places: Places,
    x0: ArrayLike | None,
    rng: int | np.random.Generator | None,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Starting points (n_parameters, runs)."""
    n = problem.n_parameters
    _check_one_start(problem, places, x0, rng)
    if "x0" in places.values:
        points = [
            _point(f"axes['x0'][{k}]", v, n, dtype) for k, v in enumerate(places.values["x0"])
        ]
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


def _check_one_start(problem: Problem, places: Places, x0: Any, rng: Any) -> None:
    """Refuse two arguments that both say where runs start."""
    given = [name for name, value in (("x0", x0), ("rng", rng)) if value is not None]
    given += [f"axes[{name!r}]" for name in ("x0", "rng") if name in places.values]
    if problem.batches is not None:  # then `rng` is the seed of the rows' orders as well
        given = [name for name in given if "x0" in name] or given[:1]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} both say where runs start; give one of them")


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


def _order_seeds(
    problem: Problem, places: Places, rng: int | np.random.Generator | None
) -> tuple[list[int], NDArray[np.int64]]:
    """Seeds of the rows' orders, and the position of each run's seed among them."""
    if problem.batches is None:
        return [], np.zeros(places.total, np.int64)
    if "rng" in places.values:
        if rng is not None:
            raise ValueError("rng and axes['rng'] both say in which order rows come; give one")
        seeds = [as_seed("axes['rng']", v) for v in places.values["rng"]]
        return seeds, places.of["rng"].astype(np.int64)
    seed = problem.batches.seed if rng is None else as_seed("rng", rng)
    return [seed], np.zeros(places.total, np.int64)


# --- limits and backend -------------------------------------------------------------------------------


def _tolerance(tol: Any, dtype: np.dtype[Any], problem: Problem) -> float:
    if tol is None:
        return DEFAULT_TOL[dtype.name] if problem.batches is None else 0.0
    return as_finite("tol", tol, 0)


def _check_data(problem: Problem, dtype: np.dtype[Any]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        finite = problem.kernel(dtype).finite
    if not finite:
        raise ValueError(f"problem has numbers beyond {dtype.name}: {problem!r}; scale its data")


def _engine_backend(backend: str | None, *, cuda: bool) -> str:
    """What `fastgd.engines.sweeps.descend` is asked for; both compiled backends need the compiled core."""
    supports = ("numpy", "cython", "numba", *(("cuda",) if cuda else ()))
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
