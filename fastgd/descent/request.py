"""What the caller of `minimize` or `sweep` asked for, checked once and carried as one object."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastgd.checks import (
    as_count,
    as_dtype,
    as_finite,
    as_flag,
    as_positive,
)
from fastgd.descent.axes import Places
from fastgd.descent.bounds import checked_bounds
from fastgd.descent.grouping import Group, groups_of
from fastgd.descent.starts import Starts, checked_starts
from fastgd.engines import called, config
from fastgd.engines.backends import missing, resolve_backend
from fastgd.engines.protocol.sweeps import Limits
from fastgd.optimizers import Optimizer, loops
from fastgd.optimizers.named import not_optimizer
from fastgd.problems import Function, Problem

DIVERGED_BEYOND = {"f": 1e30, "d": 1e100}  # by the dtype's letter
DEFAULT_TOL = {"f": 1e-4, "d": 1e-8}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments that `minimize` and `sweep` share, as they were given."""

    x0: Any
    bounds: Any
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
    starts : Starts
        Starting points, and seeds of the orders of rows.
    box : ndarray of shape (2, n_parameters), optional
        The lowest and the highest parameters.
    """

    problem: Problem
    optimizer: Optimizer
    places: Places
    limits: Limits
    starts: Starts
    box: NDArray[np.float64] | None
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
        axes: Mapping[str, Any] | Places,
        options: Options,
        *,
        cuda: bool = False,
    ) -> Self:
        """Check everything before the first run begins; `cuda` says whether that backend can run it."""
        places = axes if isinstance(axes, Places) else Places(axes)
        check_optimizers(optimizer, places, ungrouped=True)
        dtype = as_dtype(options.dtype)
        _check_data(problem, dtype)
        limits = Limits(
            options.most_updates,
            _tolerance(options.tol, dtype, problem),
            DIVERGED_BEYOND[dtype.char],
            dtype,
            options.deadline,
        )
        backend = _engine_backend(options.backend, cuda=cuda)
        n_threads = config.get_num_threads(options.n_threads)
        flush = as_flag("flush_subnormals", options.flush_subnormals)
        show = options.show
        box = checked_bounds(options.bounds, problem.n_parameters, dtype)
        if box is not None and isinstance(problem, Function):
            problem = problem.within(box)
        starts = checked_starts(problem, places, options.x0, options.rng, dtype).within(box)
        return cls(
            problem,
            optimizer,
            places,
            limits,
            starts,
            box,
            backend,
            n_threads,
            flush,
            show,
            options.started,
        )

    @cached_property
    def startable(self) -> NDArray[np.bool_]:
        """Which starting points runs may begin at: a user's function, called once for each, may have no value there."""
        if self.backend not in {"numpy", "cuda"}:
            called.prepare(self.problem.kernel(self.limits.dtype), self.limits.dtype.char)
        return self.problem.may_begin(self.starts.points)

    def groups(self, begin: NDArray[np.bool_] | None = None) -> Iterator[Group]:
        """Groups of runs that share a rule, of all runs or of those that `begin`."""
        for group in groups_of(self.optimizer, self.places, self.starts, begin):
            if group.lookahead and self.problem.kernel(self.limits.dtype).sequential:
                raise ValueError(
                    "optimizer NAG looks ahead with all parameters at once; problem has update='sequential'"
                )
            yield replace(group, box=self.box)


# --- optimizers -------------------------------------------------------------------------------------


def check_optimizers(optimizer: Any, places: Places, *, ungrouped: bool = False) -> None:
    """Check the optimizer, or those of the axis "optimizer" that replace it."""
    several = places.given.columns.get("optimizer", ())
    given = {f"axes['optimizer'][{k}]": v for k, v in enumerate(several)}
    for name, one in (given or {"optimizer": optimizer}).items():
        if not isinstance(one, Optimizer):
            raise not_optimizer(name, one)
        if ungrouped and loops.groups_of(one):
            raise ValueError(f"{name} has groups; a sweep descends one array of parameters")


# --- limits and backend -------------------------------------------------------------------------------


def _tolerance(tol: Any, dtype: np.dtype[Any], problem: Problem) -> float:
    if tol is None:
        return DEFAULT_TOL[dtype.char] if problem.batches is None else 0.0
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
