"""One descent of a Python function, by steps around its calls: compiled between them, or in Python.

The updates are those of the optimizer's own stepper.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgd.descent.follower import Array, Recorded
from fastgd.descent.objective import Objective
from fastgd.descent.request import Request
from fastgd.engines.layout import RUNNING, SMALL_STEP
from fastgd.engines.native import kernels
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.reference.steepness import projected
from fastgd.optimizers.loops import bound_to, with_settings
from fastgd.problems import Function, returned

_MOST_RATES = 1 << 12  # of a schedule, tabulated at once


def can_step(problem: Function, runs: Descents) -> bool:
    """Whether the run of a Python function is one of steps: one that looks ahead only in compiled loops."""
    return not runs.lookahead or (_native(problem) and runs.mode == "plain")


def stepped(
    problem: Function, request: Request, runs: Descents, step_tol: float
) -> InPython | Native:
    """The follower of a Python function's run."""
    kind = Native if _native(problem) else InPython
    return kind(problem, request, runs, step_tol)


def _native(problem: Function) -> bool:
    """Whether compiled loops can make the problem's calls: a class of a user's own may make others."""
    return type(problem) is Function and kernels.available()


class Native:
    """Everything between two calls of the function is compiled."""

    backend = "python"

    def __init__(
        self, problem: Function, request: Request, runs: Descents, step_tol: float
    ) -> None:
        from fastgd.engines.native.stepped import Stepped  # noqa: PLC0415

        limits = request.limits
        self.calls = problem.calls_per_gradient
        self.objective = Objective(runs, request.optimizer)
        self.x = np.array(runs.x0[:, 0], limits.dtype)
        optimizer = with_settings(
            request.optimizer, flush_subnormals=request.flush, n_threads=1, backend="auto"
        )
        plan = bound_to(optimizer, [self.x], rule=runs.rule)
        (slot,), (group,) = plan.slots, plan.groups
        self.schedule = runs.schedules[runs.rate_of[0]] if runs.schedules is not None else None
        self.first: tuple[float, float] | None = None
        self.run = Stepped(
            self.x,
            problem.calls,
            returned,
            plan.update,
            group.hyper,
            penalties=runs.minimized[:, 0] if runs.measured else None,
            box=runs.box,
            velocity=slot.state[0] if runs.lookahead else None,
            momentum=float(runs.hyper[1, 0]) if runs.lookahead else 0.0,
            max_iter=limits.max_iter,
            tol=float(limits.dtype.type(limits.tol)),
            step_tol=float(limits.dtype.type(step_tol)),
            limit=limits.bound,
        )

    @property
    def n(self) -> int:
        """Updates done."""
        return self.run.n

    @property
    def status(self) -> int:
        """How the run ended, or `RUNNING`."""
        return self.run.status

    @status.setter
    def status(self, status: int) -> None:
        self.run.end(status)

    def advance(self, stop: int, every: int) -> Recorded | None:  # noqa: D102
        run = self.run
        if run.evaluated_at < 0 and not self._begins():
            run.end(Status.DIVERGED)
            return None
        rates = None
        if self.schedule is not None:
            stop = min(stop, run.n + _MOST_RATES)
            rates = np.ascontiguousarray(self.schedule.values(run.n, stop), np.float64)
        points, losses, slopes = run.advance(stop, every, rates)
        if not points:
            return None
        return Recorded(np.array(points), np.array(losses), np.array(slopes))

    def _begins(self) -> bool:
        """Whether the first value is finite: in float64, as in a sweep."""
        value = self.run.begin()
        self.first = value, self.run.slope
        if self.x.dtype == np.float32 and not math.isfinite(value):
            value = self.run.in_double()
        return math.isfinite(value)

    def evaluations(self, recorded: int) -> tuple[int, int]:  # noqa: D102
        return self.run.values + self.run.gradients * self.calls, self.run.gradients

    def last(self) -> tuple[float, Array]:  # noqa: D102
        # After divergence the function is not called: the point may be outside its domain.
        if self.run.evaluated_at != self.run.n:
            return np.nan, np.full_like(self.x, np.nan)
        return self.run.loss(), self.run.g


class InPython:
    """The same in Python: where nothing is compiled, and for a class of a user's own."""

    backend = "python"

    def __init__(
        self, problem: Function, request: Request, runs: Descents, step_tol: float
    ) -> None:
        self.problem, self.limits, self.step_tol = problem, request.limits, step_tol
        self.objective = Objective(runs, request.optimizer)
        self.optimizer = with_settings(
            request.optimizer, flush_subnormals=request.flush, n_threads=1
        )
        self.x = np.array(runs.x0[:, 0], self.limits.dtype)
        self.box = runs.box
        self.n, self.status = 0, RUNNING
        self.value: float | None = None
        self.g = np.full_like(self.x, np.nan)
        self.slope: np.floating[Any] = np.float64(np.nan)
        self.evaluated_at = -1  # the update after which value and gradient were taken
        self.first: tuple[float, float] | None = None
        self.values, self.gradients = 0, 0

    def advance(self, stop: int, every: int) -> Recorded | None:  # noqa: D102
        step, x, bound, shortest = self.optimizer.step, self.x, self.limits.bound, self.step_tol
        tol = x.dtype.type(self.limits.tol)
        kept: list[tuple[Array, float, float]] = []
        if self.evaluated_at < 0:
            self._evaluate()
            self.first = self._loss(), float(self.slope)
            if not self._may_begin():
                self.status = Status.DIVERGED
                return None
        while True:
            if self.slope < tol:
                self.status = Status.CONVERGED
            elif self.n == self.limits.max_iter:
                self.status = Status.MAX_ITER
            if self.status != RUNNING or self.n == stop:
                break
            before = x.copy() if shortest else None
            step(x, self.g)
            if self.box is not None:
                x[...] = projected(x, self.box)
            self.n += 1
            if not np.abs(x).max() <= bound:
                self.status = Status.DIVERGED
                break
            self._evaluate()
            if before is not None and np.abs(x - before).max() < x.dtype.type(shortest):
                self.status = Status.CONVERGED if self.slope < tol else SMALL_STEP
            if every and self.n % every == 0:
                kept.append((x.copy(), self._loss(), float(self.slope)))
        if not kept:
            return None
        points, losses, slopes = zip(*kept, strict=True)
        return Recorded(np.array(points), np.array(losses), np.array(slopes))

    def _may_begin(self) -> bool:
        """Whether the first value is finite: in float64, as in a sweep."""
        if self.x.dtype == np.float32 and not math.isfinite(self._loss()):
            self.value = self.problem.value_at(self.x.astype(np.float64))
            self.values += 1
        return math.isfinite(self._loss())

    def _evaluate(self) -> None:
        self.value, self.g = self.problem.slope_at(self.x)
        self.slope = self.objective.slope(self.x, self.g)
        self.evaluated_at = self.n
        self.gradients += 1

    def _loss(self) -> float:
        if self.value is None:
            self.value = self.problem.value_at(self.x)
            self.values += 1
        return self.value

    def evaluations(self, recorded: int) -> tuple[int, int]:  # noqa: D102
        return self.values + self.gradients * self.problem.calls_per_gradient, self.gradients

    def last(self) -> tuple[float, Array]:  # noqa: D102
        # After divergence the function is not called: the point may be outside its domain.
        if self.evaluated_at != self.n:
            return np.nan, np.full_like(self.x, np.nan)
        return self._loss(), self.g
