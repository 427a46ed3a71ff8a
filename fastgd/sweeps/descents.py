"""Sweeps of descents: all runs of a request on one backend, and their outcomes as a `SweepResult`."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Runs
from fastgd.descent.grouping import Group
from fastgd.descent.request import Request
from fastgd.engines import sweeps
from fastgd.engines.layout import DIVERGED
from fastgd.engines.protocol.outcomes import NumpyOutcomes, Outcomes, Status
from fastgd.engines.protocol.sweeps import Descents
from fastgd.optimizers.loops import described
from fastgd.progress import Progress
from fastgd.sweeps.ends import Judge
from fastgd.sweeps.results import SweepResult

_UNKNOWN = -128  # the status of a run that has not come back
_AT_ONCE = 1 << 16  # runs that are not begun, given results at once


def sweep_descents(request: Request, watcher: Progress | None = None) -> SweepResult:
    """Descend all runs, or those that end before Ctrl-C or the deadline; `watcher` shows more runs than these."""
    limits, found = request.limits, _Found(request)
    begin = None if request.startable.all() else found.refuse()
    own = watcher is None
    if watcher is None:
        watcher = Progress(
            request.places.total, request.show, deadline=limits.deadline, max_iter=limits.max_iter
        )
    refused = 0 if begin is None else int(np.count_nonzero(~begin))
    watcher.close_group(refused, refused)
    groups = list(request.groups(begin))
    try:
        for group in groups:
            backend, vector = sweeps.descend(
                request.problem,
                _Results(found, group),
                limits,
                backend=request.backend,
                n_threads=request.n_threads,
                flush=request.flush,
                progress=watcher,
            )
            found.ran(backend, vector)
            if found.ended_early:
                break
            watcher.close_group(group.total, found.count_diverged(group))
    except KeyboardInterrupt:  # between two groups; within one, `descend` handles it
        pass
    finally:
        if own:
            watcher.close()
    found.complete(groups)
    return found.result(time.perf_counter() - request.started)


class _Results:
    """The runs of a group, which come back to the results of the sweep."""

    def __init__(self, found: _Found, group: Group) -> None:
        self.found, self.group, self.total, self.part = found, group, group.total, group.part

    def take(self, start: int, runs: Descents, outcomes: Outcomes) -> None:
        """Take a part that has ended."""
        self.found.take(self.group.index[start : start + len(runs)], runs, outcomes)


class _Found:
    """Results of all runs, in one dimension; parts of them are taken from several threads."""

    def __init__(self, request: Request) -> None:
        self.request, self.problem = request, request.problem
        total, dtype = request.places.total, request.limits.dtype
        self.x = np.empty((total, self.problem.n_parameters), dtype)
        self.iterations, self.status = np.empty(total, np.int64), np.full(total, _UNKNOWN, np.int8)
        self.loss, self.slope = np.empty(total), np.empty(total)
        self.regime = np.empty(total, np.uint8)
        self.judge = Judge(request)
        self.ended_early = False
        self.backends: dict[str, None] = {}
        self.vector = 1

    def refuse(self) -> NDArray[np.bool_]:
        """End runs at their starts, where a user's function has no finite value; returns which others begin."""
        request = self.request
        begin = np.empty(request.places.total, bool)
        begin[:] = request.startable[request.starts.which(range(request.places.total))]
        for group in request.groups(~begin):
            self.leave(group, Status.DIVERGED)
        return begin

    def ran(self, backend: str, vector: int) -> None:
        """Note which backend ran a group, and how many runs a vector instruction of it advances."""
        self.backends[backend] = None
        self.vector = max(self.vector, vector)

    def count_diverged(self, group: Group) -> int:
        """How many runs of a group diverged."""
        return int(np.count_nonzero(self.status[_places(group.index)] == DIVERGED))

    def complete(self, groups: list[Group]) -> None:
        """Runs whose turn never came stand at their starts."""
        if not (self.status == _UNKNOWN).any():
            return
        for group in groups:
            left = np.asarray(group.index)[self.status[_places(group.index)] == _UNKNOWN]
            self.leave(replace(group, index=left), Status.NOT_RUN)

    def leave(self, group: Group, status: Status) -> None:
        """Runs that end before their first update."""
        for start in range(0, group.total, _AT_ONCE):
            runs = group.part(start, min(start + _AT_ONCE, group.total))
            out = NumpyOutcomes.of(len(runs), len(runs.x0), self.request.limits.dtype)
            out.x[:], out.status[:] = runs.x0.T, status
            self.take(group.index[start : start + len(runs)], runs, out)

    def take(self, index: Runs, runs: Descents, outcomes: Outcomes) -> None:
        """The outcomes of some runs, their losses, slopes and regimes."""
        at, ends = _places(index), self.judge.ends(index, runs, outcomes)
        self.x[at], self.iterations[at] = outcomes.x, outcomes.iterations
        self.status[at], self.regime[at] = outcomes.status, ends.regime
        self.loss[at], self.slope[at] = ends.loss, ends.slope
        if ends.early:
            self.ended_early = True

    def result(self, seconds: float) -> SweepResult:
        """The table of all runs."""
        request, problem = self.request, self.problem
        places, limits = request.places, request.limits
        shape = places.shape
        return SweepResult(
            axes=places.given,
            paired=places.paired,
            iterations=self.iterations.reshape(shape),
            status=self.status.reshape(shape),
            regime=self.regime.reshape(shape),
            loss=self.loss.reshape(shape),
            slope=self.slope.reshape(shape),
            x=self.x.reshape(*shape, problem.n_parameters),
            parameter_names=problem.parameter_names,
            seconds=seconds,
            backend="+".join(self.backends),
            problem=repr(problem),
            optimizer=""
            if "optimizer" in places.values
            else described(request.optimizer, places.values),
            dtype="float32" if limits.dtype.char == "f" else "float64",  # NumPy makes up its name
            tol=limits.tol,
            max_iter=limits.max_iter,
            vector_width=self.vector,
        )


def _places(index: Runs) -> slice | NDArray[np.intp]:
    """Where in an array these runs stand."""
    return slice(index.start, index.stop) if isinstance(index, range) else index
