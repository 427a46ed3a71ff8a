"""Sweeps of descents: all runs of a request on one backend, and their outcomes as a `SweepResult`."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count
from fastgd.descent.axes import Runs
from fastgd.descent.grouping import Group
from fastgd.descent.request import Request
from fastgd.engines import sweeps
from fastgd.engines.layout import DIVERGED, RUNNING, STOPPED
from fastgd.engines.protocol.outcomes import NumpyOutcomes, Outcomes, Status
from fastgd.engines.protocol.sweeps import Descents, Limits, Snapshot, snapshot_at
from fastgd.optimizers.loops import described
from fastgd.progress import Progress
from fastgd.sweeps.best import Values, best_so_far
from fastgd.sweeps.ends import Judge
from fastgd.sweeps.halving import in_rungs, judged_together
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.rungs import Rungs
from fastgd.sweeps.stopping import SuccessiveHalving
from fastgd.sweeps.tables import table

_UNKNOWN = -128  # the status of a run that has not come back
_AT_ONCE = 1 << 16  # runs that are not begun, given results at once


def sweep_descents(
    request: Request,
    watcher: Progress | None = None,
    *,
    record: Any = None,
    stopping: SuccessiveHalving | None = None,
) -> SweepResult:
    """Descend all runs, or those that end before Ctrl-C or the deadline; `watcher` shows more runs than these."""
    if record is not None:
        limits = replace(request.limits, record=as_count("record", record, 1))
        request = replace(request, limits=limits)
    found, rungs = _Found(request), None
    if watcher is not None:
        refused = request.places.total - _count(found.begin, request)
        watcher.close_group(refused, refused)
    if stopping is None:
        _descend(found, found.begin, request.limits, watcher=watcher)
    else:
        rungs = in_rungs(_Waiting(found), stopping, judged_together(request.places, stopping))
    found.complete()
    return found.result(time.perf_counter() - request.started, rungs)


def _descend(
    found: _Found,
    which: NDArray[np.bool_] | None,
    limits: Limits,
    *,
    waiting: _Waiting | None = None,
    watcher: Progress | None = None,
) -> None:
    """Descend some runs, or all, or those of them that end before Ctrl-C or the deadline."""
    request = found.request
    shown = watcher or Progress(
        _count(which, request),
        request.show,
        deadline=limits.deadline,
        max_iter=limits.max_iter,
    )
    if watcher is None:
        shown.best = partial(best_so_far, found.values)
    groups = list(request.groups(which))
    found.ended_early = False
    try:
        for group in groups:
            backend, vector = sweeps.descend(
                request.problem,
                _Results(found, group, waiting),
                limits,
                backend=request.backend,
                n_threads=request.n_threads,
                flush=request.flush,
                progress=shown,
            )
            found.ran(backend, vector)
            if found.ended_early:
                break
            shown.close_group(group.total, found.count_diverged(group))
    except KeyboardInterrupt:  # between two groups; within one, `descend` handles it
        pass
    finally:
        if watcher is None:
            shown.close()


def _count(which: NDArray[np.bool_] | None, request: Request) -> int:
    """How many runs these are; None stands for all."""
    return request.places.total if which is None else int(np.count_nonzero(which))


class _Results:
    """The runs of a group, which come back to the results of the sweep."""

    def __init__(self, found: _Found, group: Group, waiting: _Waiting | None) -> None:
        self.found, self.group, self.total, self.waiting = found, group, group.total, waiting

    def part(self, start: int, stop: int) -> Descents:
        """Some of the runs, as they begin or where they wait."""
        runs = self.group.part(start, stop)
        if self.waiting is not None:
            runs.begun = self.waiting.where(self.group.index[start:stop], runs)
        return runs

    def take(self, start: int, runs: Descents, outcomes: Outcomes) -> None:
        """Take a part that has ended."""
        index = self.group.index[start : start + len(runs)]
        if self.waiting is not None:
            self.waiting.put(index, outcomes)
        self.found.take(index, runs, outcomes)

    def record(self, start: int, n: int, columns: NDArray[np.int64], x: NDArray[Any]) -> None:
        """Note the losses of some runs on their way."""
        index = self.group.index
        runs = start + columns + index.start if isinstance(index, range) else index[start + columns]
        self.found.note(runs, n, x)


class _Waiting:
    """The runs of a sweep as `fastgd.sweeps.halving.Runners`, with where those stand that wait.

    A run's numbers stand in a row of one of the tables, which differ in their width: optimizers differ in their states.
    """

    def __init__(self, found: _Found) -> None:
        self.found, self.limits = found, found.request.limits
        total = found.request.places.total
        self.values = found.values
        self.updates = np.full(total, self.limits.max_iter)
        self.tables: dict[int, NDArray[Any]] = {}
        self.carry = np.ones(total)
        self.at: int | None = None  # the updates that runs made that now go on; None: they begin
        self.pause = 0
        self.left = np.zeros(total, bool)  # that do not go on

    def go_on(self, runs: NDArray[np.intp], pause: NDArray[np.int64]) -> None:
        """Take runs on up to a pause."""
        which = np.zeros(self.updates.size, bool)
        which[runs] = True
        waited = bool((self.found.status[runs] == STOPPED).any())
        self.at = snapshot_at(self.limits.max_iter, self.pause) if waited else None
        self.pause = int(pause.max(initial=0))
        some = None if which.all() else which
        _descend(self.found, some, replace(self.limits, pause=self.pause), waiting=self)

    def where(self, index: Runs, runs: Descents) -> Snapshot | None:
        """What some runs go on from, if they have waited."""
        if self.at is None:
            return None
        at, rows = _places(index), len(runs.x0) * (1 + len(runs.state0))
        return Snapshot(self.at, self.tables[rows][at].T.copy(), self.carry[at].copy())

    def put(self, index: Runs, outcomes: Outcomes) -> None:
        """Keep where runs wait; what others have in their rows is not read again."""
        rows, at = outcomes.numbers.shape[1], _places(index)
        if not rows:
            return
        if rows not in self.tables:
            self.tables[rows] = table("stopping", self.updates.size, rows, self.limits.dtype)
        self.tables[rows][at], self.carry[at] = outcomes.numbers, outcomes.carry

    def leave(self, runs: NDArray[np.intp]) -> None:
        """These stay where they wait."""
        self.left[runs] = True

    def close(self) -> None:
        """Runs that wait and were not stopped were broken off."""
        late = time.perf_counter() > self.limits.deadline
        broken_off = (self.found.status == STOPPED) & ~self.left
        self.found.status[broken_off] = Status.MAX_SECONDS if late else Status.INTERRUPTED


class _Found:
    """Results of all runs, in one dimension; parts of them are taken from several threads."""

    def __init__(self, request: Request) -> None:
        self.request, self.problem = request, request.problem
        total, dtype = request.places.total, request.limits.dtype
        self.x = np.empty((total, self.problem.n_parameters), dtype)
        self.iterations, self.status = np.zeros(total, np.int64), np.full(total, _UNKNOWN, np.int8)
        self.loss, self.slope = np.full(total, np.nan), np.empty(total)
        self.regime = np.empty(total, np.uint8)
        self.values = Values(self.loss, self.iterations, self.status)
        self.judge = Judge(request)
        self.ended_early = False
        self.backends: dict[str, None] = {}
        self.vector = 1
        self._make_history()
        self.begin: NDArray[np.bool_] | None = None  # which runs do; None: all
        if not request.startable.all():
            self._refuse()

    def _make_history(self) -> None:
        """Room for losses on the way, and those at the starting points."""
        limits, self.history = self.request.limits, None
        if limits.record:
            records = -(-limits.max_iter // limits.record)
            asked = f"record={limits.record}"
            self.history = table(asked, self.request.places.total, records, limits.dtype)
            self.first = self._losses(self.request.starts.points)

    def _refuse(self) -> None:
        """End runs at their starts, where a user's function has no finite value."""
        request = self.request
        self.begin = np.empty(request.places.total, bool)
        self.begin[:] = request.startable[request.starts.which(range(request.places.total))]
        for group in request.groups(~self.begin):
            self.leave(group, Status.DIVERGED)

    def ran(self, backend: str, vector: int) -> None:
        """Note which backend ran a group, and how many runs a vector instruction of it advances."""
        self.backends[backend] = None
        self.vector = max(self.vector, vector)

    def count_diverged(self, group: Group) -> int:
        """How many runs of a group diverged."""
        return int(np.count_nonzero(self.status[_places(group.index)] == DIVERGED))

    def complete(self) -> None:
        """Runs whose turn never came stand at their starts."""
        left = self.status == _UNKNOWN
        if left.any():
            for group in self.request.groups(left):
                self.leave(group, Status.NOT_RUN)

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
        of: Any = slice(None)
        if runs.begun is not None:  # those whose turn did not come stay where they waited
            of = outcomes.status != RUNNING
            at = np.asarray(index)[of]
        self.x[at], self.iterations[at] = outcomes.x[of], outcomes.iterations[of]
        self.status[at], self.regime[at] = outcomes.status[of], ends.regime[of]
        self.loss[at], self.slope[at] = ends.loss[of], ends.slope[of]
        if self.history is not None:
            self._end_history(at, index, of)
        if ends.early:
            self.ended_early = True

    # --- losses on the way ----------------------------------------------------------------------------

    def note(self, runs: NDArray[np.intp], n: int, x: NDArray[Any]) -> None:
        """The losses of some runs at their points after n updates."""
        assert self.history is not None
        with np.errstate(over="ignore"):  # of float32
            self.history[runs, n // self.request.limits.record] = self._losses(x)

    def _losses(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Losses at points (n_parameters, runs), nan beyond the bound, where a function may not be called."""
        within = (np.abs(x) <= self.request.limits.bound).all(axis=0)
        losses = np.full(x.shape[1], np.nan)
        losses[within] = self.problem.losses(np.ascontiguousarray(x[:, within]))
        return losses

    def _end_history(self, at: Any, index: Runs, of: Any) -> None:
        """The first loss of runs that came back, and nothing from their ends on."""
        assert self.history is not None
        record, history = self.request.limits.record, self.history[at]
        which = self.request.starts.which(index)
        first = self.first[which]
        history[:, :1] = (first if first.size == 1 else first[of])[:, None]
        ends = self.iterations[at][:, None]
        history[np.arange(history.shape[1]) * record >= ends] = np.nan
        self.history[at] = history

    # --- the table ------------------------------------------------------------------------------------

    def result(self, seconds: float, rungs: Rungs | None) -> SweepResult:
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
            history=None if self.history is None else self.history.reshape(*shape, -1),
            record=limits.record,
            rungs=rungs,
        )


def _places(index: Runs) -> slice | NDArray[np.intp]:
    """Where in an array these runs stand."""
    return slice(index.start, index.stop) if isinstance(index, range) else index
