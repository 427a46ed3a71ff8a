"""Sweeps of descents: all runs of a request on one backend, and their outcomes as a `SweepResult`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.request import Request
from fastgd.engines import sweeps
from fastgd.engines.layout import PENALTIES
from fastgd.engines.protocol.outcomes import Outcomes, Regime, Status
from fastgd.engines.reference.steepness import minimized_at, steepest_of
from fastgd.optimizers.loops import described
from fastgd.problems import LeastSquares, Quadratic
from fastgd.progress import Progress
from fastgd.sweeps.regimes import unfinished_regimes
from fastgd.sweeps.results import SweepResult

_ENDED_EARLY = (Status.NOT_RUN, Status.MAX_SECONDS, Status.INTERRUPTED)
_MOST_ROWS = 20_000_000  # rows x runs up to which the last gradients are summed row by row


def sweep_descents(request: Request) -> SweepResult:
    """Descend all runs, or those that end before Ctrl-C or the deadline."""
    limits = request.limits
    found = _Found(request)
    found.refuse(np.flatnonzero(~request.may_begin))
    watcher = Progress(
        request.places.total, request.show, deadline=limits.deadline, max_iter=limits.max_iter
    )
    refused = int(np.count_nonzero(~request.may_begin))
    watcher.close_group(refused, refused)
    try:
        for index, runs in request.groups(request.may_begin):
            outcome = sweeps.descend(
                request.problem,
                runs,
                limits,
                backend=request.backend,
                n_threads=request.n_threads,
                flush=request.flush,
                progress=watcher,
            )
            found.take(index, runs.minimized, *outcome)
            status = outcome[0].status
            if np.isin(status, _ENDED_EARLY).any():
                break
            watcher.close_group(len(index), int(np.count_nonzero(status == Status.DIVERGED)))
    except KeyboardInterrupt:  # between two groups; within one, `descend` handles it
        pass
    finally:
        watcher.close()
    return found.result(time.perf_counter() - request.started)


class _Found:
    """Outcomes of all runs, in one dimension."""

    def __init__(self, request: Request) -> None:
        self.request = request
        shape = request.places.total, request.problem.n_parameters
        self.x = np.zeros(shape, request.limits.dtype)
        self.before = np.zeros(shape, request.limits.dtype)
        self.iterations = np.zeros(shape[0], np.int64)
        self.status = np.full(shape[0], Status.NOT_RUN, np.int8)
        self.oscillating = np.zeros(shape[0], bool)
        self.minimized = np.zeros((PENALTIES, shape[0]))  # as in `Descents`
        self.minimized[0] = 1.0
        self.backends: dict[str, None] = {}
        self.vector = 1

    def take(
        self,
        index: NDArray[np.intp],
        minimized: NDArray[np.float64],
        outcomes: Outcomes,
        backend: str,
        vector: int,
    ) -> None:
        """Take the outcomes of one group, and what its runs minimize."""
        self.minimized[:, index] = minimized
        for name in ("x", "before", "iterations", "status", "oscillating"):
            getattr(self, name)[index] = getattr(outcomes, name)
        self.backends[backend] = None
        self.vector = max(self.vector, vector)

    def refuse(self, index: NDArray[np.intp]) -> None:
        """End runs at their starts, where a user's function has no finite value."""
        self.status[index] = Status.DIVERGED
        self.x[index] = self.before[index] = self.request.starts.T[index]

    def result(self, seconds: float) -> SweepResult:
        """The table of all runs."""
        request, problem = self.request, self.request.problem
        places, limits = request.places, request.limits
        shape = places.shape
        waiting = self.status == Status.NOT_RUN
        self.x[waiting] = request.starts.T[waiting]
        loss, slope = self._last()
        return SweepResult(
            axes=places.given,
            paired=places.paired,
            iterations=self.iterations.reshape(shape),
            status=self.status.reshape(shape),
            regime=self._regimes(loss).reshape(shape),
            loss=loss.reshape(shape),
            slope=slope.reshape(shape),
            x=self.x.reshape(*shape, problem.n_parameters),
            parameter_names=problem.parameter_names,
            seconds=seconds,
            backend="+".join(self.backends),
            problem=repr(problem),
            optimizer=""
            if "optimizer" in places.values
            else described(request.optimizer, places.values),
            dtype=limits.dtype.name,
            tol=limits.tol,
            max_iter=limits.max_iter,
            vector_width=self.vector,
        )

    def _last(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Losses and slopes at the end; a run that came to rest where they are not finite has diverged.

        After divergence a Python function is not called: the point may be outside its domain.
        """
        problem = self.request.problem
        gone = (self.status == Status.DIVERGED) & (self.iterations > 0)
        loss, slope = np.full((2, len(gone)), np.nan)
        kept = ~gone if problem.kernel(self.x.dtype).kind == "python" else slice(None)
        loss[kept] = problem.losses(self.x[kept].T)
        slope[kept] = self._last_slopes(self.x[kept].T, self.minimized[:, kept])
        known = np.isfinite(loss) & np.isfinite(slope)
        self.status[(self.status == Status.CONVERGED) & ~known] = Status.DIVERGED
        return loss, slope

    def _regimes(self, loss: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Of converged runs by the signs of the last steps; of others by what they minimize, and minimized before."""
        problem = self.request.problem
        regimes = np.where(self.oscillating, Regime.OSCILLATING, Regime.MONOTONE).astype(np.uint8)
        regimes[self.status == Status.DIVERGED] = Regime.DIVERGED
        regimes[self.status == Status.NOT_RUN] = Regime.NONE
        unfinished = np.isin(self.status, (Status.MAX_ITER, Status.MAX_SECONDS, Status.INTERRUPTED))
        if unfinished.any():
            points, which = self.request.distinct_starts
            own, at = self.minimized[:, unfinished], which[unfinished]
            before, now = self.before[unfinished].T, self.x[unfinished].T
            regimes[unfinished] = unfinished_regimes(
                minimized_at(points[:, at], problem.losses(points)[at], own),
                minimized_at(before, problem.losses(before), own),
                minimized_at(now, loss[unfinished], own),
            )
        return regimes

    def _last_slopes(self, x: NDArray[Any], minimized: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest slopes at the last points (n_parameters, runs)."""
        problem = self.request.problem
        rows = problem.kernel(x.dtype).size * x.shape[1]
        if rows > _MOST_ROWS and isinstance(problem, LeastSquares | Quadratic):
            with np.errstate(all="ignore"):
                g = problem.hessian @ x.astype(np.float64) - problem.linear[:, None]
        else:
            g = sweeps.slopes(problem, x)
        penalties = minimized if np.any(minimized[1:] != 0) else None
        return np.asarray(steepest_of(x, g, penalties), np.float64)
