"""One descent followed iterate by iterate: by a compiled loop, by steps around a Python function, or on NumPy.

A follower has the number of updates done `n`, the point `x`, and a `status` that is -1 until the run has ended.
`advance` goes on up to an update number and returns what it recorded on the way. Which follower it is changes no bit
of where a run goes and when it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import sweeps
from fastgd.engines.layout import SHARED
from fastgd.engines.native.crew import exact_parts
from fastgd.engines.protocol.outcomes import NumpyOutcomes
from fastgd.engines.protocol.sweeps import Descents, Limits
from fastgd.optimizers.loops import with_settings

if TYPE_CHECKING:
    from fastgd.optimizers import Optimizer
    from fastgd.problems import Function, Problem


Array = NDArray[np.floating[Any]]
SMALL_STEP = 5  # the status of a run whose last update was shorter than it should be
_INSTANT = 2_000_000  # updates up to which kernels that exist are taken before twice as fast ones that must be compiled
_MOST_RATES = 1 << 16  # of a schedule, tabulated at once


@dataclass
class Recorded:
    """Iterates (k, n_parameters); their losses and slopes where they are known already."""

    x: Array
    loss: NDArray[np.float64] | None = None
    slope: NDArray[np.float64] | None = None


class Follower(Protocol):
    """See the module's docstring."""

    n: int
    status: int
    backend: str
    first: tuple[float, float] | None  # loss and slope at the start, where they are known

    @property
    def x(self) -> Array:
        """Where the run is."""

    def advance(self, stop: int, every: int) -> Recorded | None:
        """Goes on up to `stop` updates; records every `every`-th, if that is not 0."""

    def last(self) -> tuple[float, Array] | None:
        """Loss and gradient at `x`, where they are known."""

    def evaluations(self) -> tuple[int, int] | None:
        """How often the value and the gradient were taken, if that was counted."""


def follower(
    problem: Problem,
    optimizer: Optimizer,
    runs: Descents,
    limits: Limits,
    *,
    step_tol: float,
    backend: str,
    flush: bool,
    watched: bool,
) -> Follower:
    """What follows this run; `backend` as for `fastgd.engines.sweeps.choose`, or "numpy".

    `watched`: iterates are to be seen on the way.
    """
    asked, backend = backend, sweeps.engine_of(problem, backend)
    if asked != "numpy" and backend == "numpy" and not runs.lookahead:
        return _Stepped(problem, optimizer, runs, limits, step_tol, flush=flush)  # type: ignore[arg-type]
    if problem.batches is not None and backend != "numpy" and not (watched or step_tol):
        return _Unseen(problem, runs, limits, backend=backend, flush=flush)
    if backend == "numpy" or problem.batches is not None:
        return _Columns(problem, runs, limits, step_tol, flush=flush)
    try:
        return _Compiled(problem, runs, limits, step_tol, backend=backend, flush=flush)
    except sweeps.NotCompiled:
        if backend != "auto":
            raise
        return _Columns(problem, runs, limits, step_tol, flush=flush)


class _Uncounted:
    first: tuple[float, float] | None = None

    def last(self) -> tuple[float, Array] | None:
        return None

    def evaluations(self) -> tuple[int, int] | None:
        return None


class _Compiled(_Uncounted):
    """The whole loop in machine code."""

    def __init__(
        self,
        problem: Problem,
        runs: Descents,
        limits: Limits,
        step_tol: float,
        *,
        backend: str,
        flush: bool,
    ) -> None:
        from fastgd.engines.native.descent import Descent  # noqa: PLC0415

        kernels, self.backend = _kernels(problem, runs, limits, step_tol, backend)
        self.run = Descent(
            kernels,
            runs.x0[:, 0],
            runs.state0[:, 0],
            _numbers(runs, limits.dtype),
            own=self.backend == "numba",
            scheduled=runs.schedules is not None,
            max_iter=limits.max_iter,
            tol=limits.tol,
            step_tol=step_tol,
            limit=limits.bound,
            flush=flush,
        )
        self.schedule = runs.schedules[runs.rate_of[0]] if runs.schedules is not None else None
        self.x = self.run.x
        self.n, self.status = 0, -1

    def advance(self, stop: int, every: int) -> Recorded | None:
        records, rates = None, None
        if self.schedule is not None:
            stop = min(stop, self.n + _MOST_RATES)
            rates = np.ascontiguousarray(self.schedule.values(self.n, stop), np.float64)
        if every:
            records = np.empty((stop // every - self.n // every, len(self.x)), self.x.dtype)
        kept = self.run.advance(stop, every, records, rates)
        self.n, self.status = self.run.n, self.run.status
        return None if records is None else Recorded(records[:kept])


def _kernels(
    problem: Problem, runs: Descents, limits: Limits, step_tol: float, backend: str
) -> tuple[Any, str]:
    """Those compiled ahead of time where no time would be won by waiting for better ones."""
    kernel, char = problem.kernel(limits.dtype), "f" if limits.dtype == np.float32 else "d"
    ahead = None if backend == "numba" else sweeps.ahead_of_time(kernel, runs, char)
    if backend == "cython" and (ahead is None or step_tol):
        raise ValueError(
            f"backend='cython' has no descent of {runs.rule.name} on {problem!r}"
            f"{' with step_tol' if step_tol else ''}; use backend='auto' or 'numba'"
        )
    if step_tol or (backend == "auto" and limits.max_iter > _INSTANT):
        ahead = None
    address = _followed(kernel, problem.n_parameters, runs, char) if ahead is None else ahead[1]
    kernels = sweeps.bound_kernels(0, address, kernel, problem.n_parameters, runs)
    return kernels, "numba" if ahead is None else "cython"


def _followed(kernel: Any, count: int, runs: Descents, char: str) -> int:
    from fastgd.engines.numba import sweeps as numba_sweeps  # noqa: PLC0415

    sizes = numba_sweeps.Sizes(
        kernel.kind,
        kernel.sequential,
        runs.lookahead,
        runs.mode,
        count,
        len(runs.state0),
        width=1,
        outputs=kernel.outputs,
    )
    return numba_sweeps.follow(runs.rule, sizes, char, kernel.functions)


def _numbers(runs: Descents, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Arguments of the coefficient functions: the rule's, then those of what stands before it."""
    hyper = runs.hyper
    if runs.shared is not None:
        clip = [exact_parts(row, dtype) for row in runs.shared[SHARED:]]
        hyper = np.vstack([hyper, hyper[:1], runs.shared[:SHARED], *clip])
    return np.asarray(hyper[:, 0])


class _Unseen(_Uncounted):
    """A run in batches of rows, from start to end as the sweep does it."""

    def __init__(
        self, problem: Problem, runs: Descents, limits: Limits, *, backend: str, flush: bool
    ) -> None:
        self.problem, self.runs, self.limits, self.flush = problem, runs, limits, flush
        self.backend = backend
        self.x = np.array(runs.x0[:, 0], limits.dtype)
        self.n, self.status = 0, -1

    def advance(self, stop: int, every: int) -> None:
        out, self.backend, _ = sweeps.descend(
            self.problem,
            self.runs,
            self.limits,
            backend=self.backend,
            n_threads=1,
            flush=self.flush,
        )
        self.x, self.n, self.status = out.x[0], int(out.iterations[0]), int(out.status[0])


class _Stepped:
    """A Python function and the optimizer's own step, with as little between them as may be."""

    backend = "python"

    def __init__(
        self,
        problem: Function,
        optimizer: Optimizer,
        runs: Descents,
        limits: Limits,
        step_tol: float,
        *,
        flush: bool,
    ) -> None:
        self.problem, self.limits, self.step_tol = problem, limits, step_tol
        self.optimizer = with_settings(optimizer, flush_subnormals=flush, n_threads=1)
        self.x = np.array(runs.x0[:, 0], limits.dtype)
        self.n, self.status = 0, -1
        self.value: float | None = None
        self.g = np.full_like(self.x, np.nan)
        self.slope = np.nan
        self.known = -1  # the iterate that value and gradient belong to
        self.first: tuple[float, float] | None = None
        self.values, self.gradients = 0, 0

    def advance(self, stop: int, every: int) -> Recorded | None:
        look, step, x, bound = self._look, self.optimizer.step, self.x, self.limits.bound
        tol, shortest = x.dtype.type(self.limits.tol), self.step_tol
        kept: list[tuple[Array, float, float]] = []
        if self.known < 0:
            look()
            self.first = self._loss(), float(self.slope)
        while True:
            if self.slope < tol:
                self.status = 0
            elif self.n == self.limits.max_iter:
                self.status = 1
            if self.status >= 0 or self.n == stop:
                break
            before = x.copy() if shortest else None
            step(x, self.g)
            self.n += 1
            if not np.abs(x).max() <= bound:
                self.status = 2
                break
            look()
            if before is not None and np.abs(x - before).max() < x.dtype.type(shortest):
                self.status = 0 if self.slope < tol else SMALL_STEP
            if every and self.n % every == 0:
                kept.append((x.copy(), self._loss(), float(self.slope)))
        if not kept:
            return None
        points, losses, slopes = zip(*kept, strict=True)
        return Recorded(np.array(points), np.array(losses), np.array(slopes))

    def _look(self) -> None:
        self.value, self.g = self.problem.slope_at(self.x)
        self.slope = np.abs(self.g).max()
        self.known = self.n
        self.gradients += 1

    def _loss(self) -> float:
        if self.value is None:
            self.value = self.problem.value_at(self.x)
            self.values += 1
        return self.value

    def evaluations(self) -> tuple[int, int]:
        return self.values + self.gradients * self.problem.calls_per_gradient, self.gradients

    def last(self) -> tuple[float, Array] | None:
        """A point where the function was not looked at is left alone: it may be beyond all bounds."""
        if self.known != self.n:
            return np.nan, np.full_like(self.x, np.nan)
        return self._loss(), self.g


class _Columns(_Uncounted):
    """The reference: the NumPy sweep's own arithmetic on one run."""

    backend = "numpy"

    def __init__(
        self, problem: Problem, runs: Descents, limits: Limits, step_tol: float, *, flush: bool
    ) -> None:
        from fastgd.engines.reference import sweeps as reference_sweeps  # noqa: PLC0415

        self.limits, self.step_tol = limits, step_tol
        self.epoch = problem.updates_per_epoch
        self.tested = problem.batches is None or limits.tol > 0
        out = NumpyOutcomes(
            np.zeros((1, len(runs.x0)), limits.dtype),
            np.zeros((1, len(runs.x0)), limits.dtype),
            np.zeros(1, np.int64),
            np.full(1, -1, np.int8),
            np.zeros(1, np.uint8),
        )
        self.columns = reference_sweeps.Columns(problem, runs, limits, out, flush=flush)
        self.n, self.status = 0, -1

    @property
    def x(self) -> Array:
        return np.asarray(self.columns.x[:, 0])

    def advance(self, stop: int, every: int) -> Recorded | None:
        kept = []
        with np.errstate(all="ignore"):
            while self.status < 0:
                if self.tested and self.n % self.epoch == 0 and self.columns.converged()[0]:
                    self.status = 0
                elif self.n == self.limits.max_iter:
                    self.status = 1
                if self.status >= 0 or self.n == stop:
                    break
                before = self.x.copy()
                self.columns.update(self.n + 1)
                self.n += 1
                if not (np.abs(self.x) <= self.limits.bound).all():
                    self.status = 2
                    break
                if np.abs(self.x - before).max() < self.x.dtype.type(self.step_tol):
                    self.status = SMALL_STEP
                if every and self.n % every == 0:
                    kept.append(self.x.copy())
        return Recorded(np.array(kept)) if kept else None
