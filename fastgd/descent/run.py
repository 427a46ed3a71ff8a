"""One descent that can be observed: in a compiled loop, by steps around a Python function, or on NumPy.

A follower advances a run to a given update and returns the iterates recorded on the way. All followers take a run
through the same bits to the same end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.follower import Array, Follower, Recorded
from fastgd.descent.objective import Objective
from fastgd.descent.request import Request
from fastgd.descent.stepped import can_step, stepped
from fastgd.engines import called, sweeps
from fastgd.engines.layout import RUNNING, SHARED, SMALL_STEP
from fastgd.engines.native.crew import exact_parts
from fastgd.engines.protocol.outcomes import NumpyOutcomes, Outcomes, Status
from fastgd.engines.protocol.sweeps import Descents
from fastgd.extras import present
from fastgd.problems import Function

_COMPILING_PAYS = (
    2_000_000  # updates from which a faster loop is worth the wait for its compilation
)
_MOST_RATES = 1 << 16  # of a schedule, tabulated at once


def follower(request: Request, *, step_tol: float, observed: bool) -> Follower:
    """The follower of a request's only run; `observed` if iterates are recorded or called back."""
    (group,) = request.groups()
    runs, problem = group.part(0, 1), request.problem
    backend = sweeps.engine_of(problem, request.backend)
    calls_python = request.backend != "numpy" and backend == "numpy"
    if calls_python and isinstance(problem, Function) and can_step(problem, runs):
        return stepped(problem, request, runs, step_tol)
    if not request.startable[0]:
        return _NotBegun(request, runs)
    if problem.batches is not None and backend != "numpy" and not (observed or step_tol):
        return _Unobserved(request, runs, backend)
    if backend == "numpy" or problem.batches is not None:
        return _Columns(request, runs, step_tol)
    try:
        return _Compiled(request, runs, step_tol, backend)
    except sweeps.NotCompiled:
        if backend != "auto":
            raise
        sweeps.warn_not_compiled("A descent", request.problem, runs)
        return _Columns(request, runs, step_tol)


class _Uncounted:
    """A follower that evaluates the gradient once per update, or twice with lookahead."""

    n: int
    status: int
    first: tuple[float, float] | None = None

    def __init__(self, request: Request, runs: Descents) -> None:
        self.problem, self.limits = request.problem, request.limits
        self.lookahead, self.objective = runs.lookahead, Objective(runs, request.optimizer)
        self.n, self.status = 0, RUNNING

    def last(self) -> tuple[float, Array] | None:
        return None

    def evaluations(self, recorded: int) -> tuple[int, int]:
        # The last iterate of a diverged run is not tested.
        tests = self.status != Status.DIVERGED
        gradients = self.n * (2 if self.lookahead else 1) + tests
        return gradients if isinstance(self.problem, Function) else recorded, gradients


class _NotBegun(_Uncounted):
    """A run that ended at its start, where a user's function has no finite value."""

    backend = "python"

    def __init__(self, request: Request, runs: Descents) -> None:
        super().__init__(request, runs)
        self.x = np.array(runs.x0[:, 0], request.limits.dtype)
        self.status = Status.DIVERGED

    def advance(self, stop: int, every: int) -> None:
        """There is nothing to do."""

    def last(self) -> tuple[float, Array]:
        point = self.x[:, None].copy()
        return float(self.problem.losses(point)[0]), self.problem.slopes(point)[:, 0]

    def evaluations(self, recorded: int) -> tuple[int, int]:
        return 1, 1


# --- compiled -------------------------------------------------------------------------------------------


class _Compiled(_Uncounted):
    """The whole loop in machine code."""

    def __init__(self, request: Request, runs: Descents, step_tol: float, backend: str) -> None:
        from fastgd.engines.native.descent import Descent  # noqa: PLC0415

        super().__init__(request, runs)
        limits = request.limits
        kernels, self.backend, alone = _kernels(request, runs, step_tol, backend)
        self.run = Descent(
            kernels,
            runs.x0[:, 0],
            runs.state0[:, 0],
            _numbers(runs, limits.dtype),
            penalties=None if runs.measure is None else runs.measure[:, 0],
            own=alone,
            scheduled=runs.schedules is not None,
            max_iter=limits.max_iter,
            tol=limits.tol,
            step_tol=step_tol,
            limit=limits.bound,
            flush=request.flush,
        )
        self.schedule = runs.schedules[runs.rate_of[0]] if runs.schedules is not None else None
        self.x = self.run.x

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
    request: Request, runs: Descents, step_tol: float, backend: str
) -> tuple[Any, str, bool]:
    """Kernels compiled ahead of time, unless compiling better ones saves time.

    Beside them stand the backend that made them, and whether they are for a run alone.
    """
    problem, limits = request.problem, request.limits
    kernel, char = problem.kernel(limits.dtype), "f" if limits.dtype == np.float32 else "d"
    pays = backend == "auto" and limits.max_iter > _COMPILING_PAYS and present("numba")
    ahead = None if backend == "numba" else sweeps.ahead_of_time(kernel, runs, char)
    loops = None
    if ahead is None or step_tol:
        loops = called.loops_of(kernel, runs, char, backend, single=True)
    if loops is not None and (limits.max_iter <= _COMPILING_PAYS or backend == "cython"):
        kernels = sweeps.bound_kernels(0, loops.observe, loops.kernel, len(runs.x0), runs)
        return kernels, loops.backend, True
    if backend == "cython" and (ahead is None or step_tol):
        raise ValueError(
            f"backend='cython' has no descent of {runs.rule.name} on {problem!r}"
            f"{' with step_tol' if step_tol else ''}; use backend='auto' or 'numba'"
        )
    if step_tol or pays:
        ahead = None
    address = _observed_loop(kernel, len(runs.x0), runs, char) if ahead is None else ahead[1]
    kernels = sweeps.bound_kernels(0, address, kernel, len(runs.x0), runs)
    return kernels, "numba" if ahead is None else "cython", ahead is None


def _observed_loop(kernel: Any, count: int, runs: Descents, char: str) -> int:
    """The address of Numba's loop for one run."""
    sweeps.check_numba()
    from fastgd.engines.numba import sweeps as numba_sweeps  # noqa: PLC0415

    return numba_sweeps.follow(kernel, count, runs, char)


def _numbers(runs: Descents, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Arguments of the coefficient functions: first the rule's, then those of `prepare` and clipping."""
    hyper = runs.hyper
    if runs.shared is not None:
        clip = [exact_parts(row, dtype) for row in runs.shared[SHARED:]]
        hyper = np.vstack([hyper, hyper[:1], runs.shared[:SHARED], *clip])
    return np.asarray(hyper[:, 0])


class _Unobserved(_Uncounted):
    """A run in batches of rows, from start to end as a sweep does it."""

    def __init__(self, request: Request, runs: Descents, backend: str) -> None:
        super().__init__(request, runs)
        self.runs, self.flush, self.backend = runs, request.flush, backend
        self.x = np.array(runs.x0[:, 0], request.limits.dtype)

    def advance(self, stop: int, every: int) -> None:
        alone = _Alone(self.runs)
        self.backend, _ = sweeps.descend(
            self.problem, alone, self.limits, backend=self.backend, n_threads=1, flush=self.flush
        )
        out = alone.outcomes
        self.x, self.n, self.status = out.x[0], int(out.iterations[0]), int(out.status[0])


class _Alone:
    """A run for an engine of sweeps."""

    total = 1
    outcomes: Outcomes

    def __init__(self, runs: Descents) -> None:
        self.runs = runs

    def part(self, start: int, stop: int) -> Descents:
        return self.runs

    def take(self, start: int, runs: Descents, outcomes: Outcomes) -> None:
        self.outcomes = outcomes

    def record(self, start: int, n: int, columns: NDArray[np.int64], x: NDArray[Any]) -> None:
        """Nothing is recorded."""


# --- in NumPy ---------------------------------------------------------------------------------------------


class _Columns(_Uncounted):
    """The reference: the NumPy sweep's arithmetic on one run."""

    backend = "numpy"

    def __init__(self, request: Request, runs: Descents, step_tol: float) -> None:
        from fastgd.engines.reference import sweeps as reference_sweeps  # noqa: PLC0415

        super().__init__(request, runs)
        self.step_tol = step_tol
        self.epoch = self.problem.updates_per_epoch
        self.tested = self.problem.batches is None or self.limits.tol > 0
        out = NumpyOutcomes.of(1, len(runs.x0), self.limits.dtype)
        self.columns = reference_sweeps.Columns(
            self.problem, runs, self.limits, out, flush=request.flush
        )

    @property
    def x(self) -> Array:
        return np.asarray(self.columns.x[:, 0])

    def advance(self, stop: int, every: int) -> Recorded | None:
        kept = []
        with np.errstate(all="ignore"):
            while self.status == RUNNING:
                if self.tested and self.n % self.epoch == 0 and self.columns.converged()[0]:
                    self.status = Status.CONVERGED
                elif self.n == self.limits.max_iter:
                    self.status = Status.MAX_ITER
                if self.status != RUNNING or self.n == stop:
                    break
                before = self.x.copy()
                self.columns.update(self.n + 1)
                self.n += 1
                if not self.columns.inside()[0]:
                    self.status = Status.DIVERGED
                    break
                if np.abs(self.x - before).max() < self.x.dtype.type(self.step_tol):
                    self.status = SMALL_STEP
                if every and self.n % every == 0:
                    kept.append(self.x.copy())
        return Recorded(np.array(kept)) if kept else None
