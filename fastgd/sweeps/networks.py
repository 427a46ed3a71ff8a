"""Sweeps of networks: `fastgd.sweep` of a `NetworkProblem`.

Threads take runs from a queue: a platoon of small networks, which train side by side, or one larger network. A run's
result depends on its own settings alone, not on how it was trained, on the number of threads or their timing.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_dtype, as_flag
from fastgd.descent.axes import Places
from fastgd.descent.request import Options
from fastgd.engines import blas, config
from fastgd.engines.networks import chosen_backend
from fastgd.engines.protocol.outcomes import Standing, Status
from fastgd.network.mlp import MLP
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import described
from fastgd.progress import Progress
from fastgd.sweeps.alone import OneByOne
from fastgd.sweeps.axis_values import plain_axes
from fastgd.sweeps.best import best_so_far
from fastgd.sweeps.halving import in_rungs, judged_together
from fastgd.sweeps.kept import Stage
from fastgd.sweeps.lanes import SideBySide, Task, dealt_out
from fastgd.sweeps.network_outcomes import NetworkOutcomes
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.seeds import combinations
from fastgd.sweeps.stopping import SuccessiveHalving
from fastgd.sweeps.tables import check_room
from fastgd.sweeps.trainees import Starts

_LOOK_EVERY = 0.1  # seconds between two updates of the progress bar


def sweep_networks(
    problem: NetworkProblem[MLP],
    optimizer: Optimizer,
    axes: Mapping[str, Any] | Places,
    options: Options,
    *,
    keep: Any = None,
    record: Any = None,
    watcher: Progress | None = None,
    stopping: SuccessiveHalving | None = None,
) -> SweepResult:
    """Train a network for every combination of the axes' values; see `fastgd.sweep`.

    `watcher` shows more runs than these. They are a part of a sweep then, whose best networks only the whole can tell.
    """
    _check_options(problem, options)
    places = axes if isinstance(axes, Places) else Places(axes)
    threads = min(config.get_num_threads(options.n_threads), places.total)
    runs = NetworkRuns(problem, optimizer, places, options)
    taken = None
    if watcher is None:
        taken = combinations(plain_axes(places.given), "rng", paired=places.paired)
    outcomes = NetworkOutcomes(runs, taken, keep, record)
    trainings = _Trainings(runs, outcomes, options, threads)
    rungs = None
    with blas.one_thread:
        if stopping is None:
            trainings.train(Stage.whole(outcomes.order), watcher)
        else:
            rungs = in_rungs(trainings, stopping, judged_together(places, stopping))
    return outcomes.result(
        places,
        backend=trainings.backend,
        engine=" and ".join(trainings.engines),
        vector_width=trainings.width,
        max_iter=int(runs.updates.max()),
        optimizer="" if "optimizer" in places.values else described(optimizer, places.values),
        seconds=time.perf_counter() - options.started,
        rungs=rungs,
    )


def _check_options(problem: NetworkProblem[MLP], options: Options) -> None:
    """Refuse options that do not apply to networks."""
    if options.tol is not None and options.tol != 0:
        raise ValueError(
            f"tol is not for networks, whose runs go on to max_iter; got {options.tol!r:.60}"
        )
    if options.bounds is not None:
        raise ValueError(
            "bounds are for descents of a problem; the weights of networks are not bounded, got "
            f"bounds={options.bounds!r:.60}"
        )
    real = problem.network.architecture.dtype
    if options.dtype is not None and as_dtype(options.dtype) != real:
        raise ValueError(f"dtype is {options.dtype!r:.60}, but the network's is {real.name}")
    if not as_flag("flush_subnormals", options.flush_subnormals):
        raise ValueError("flush_subnormals is not for networks; give it to the optimizer")


# --- training ------------------------------------------------------------------------------------------


class _Trainings:
    """All runs of a sweep, stage by stage; `fastgd.sweeps.halving.Runners` has what decides between stages."""

    def __init__(
        self, runs: NetworkRuns, outcomes: NetworkOutcomes, options: Options, threads: int
    ) -> None:
        self.runs, self.outcomes, self.threads = runs, outcomes, threads
        self.deadline, self.show = options.deadline, options.show
        self.values, self.updates = outcomes.values, runs.updates
        self.running = {} if options.backend is None else {"backend": options.backend}
        # A network is made now, which raises if the backend cannot train it.
        first = runs.network(0, n_threads=1, **self.running)
        self.asked, self.backend = first.backend, chosen_backend(first.backend)
        if self.backend == "cuda":
            raise ValueError(
                "backend 'cuda' trains one network at a time, and a sweep of networks has a run on every thread; "
                "choose another backend, or call fit for each network"
            )
        self.engines: dict[str, None] = {}
        self.width = 1

    def train(self, stage: Stage, watcher: Progress | None = None) -> None:
        """Train the networks of a stage, or those that are trained before Ctrl-C or the deadline.

        `watcher` shows more runs than these.
        """
        work, outcomes = _Work(self, stage), self.outcomes
        self.engines |= dict.fromkeys(work.engines)
        self.width = max(self.width, work.width)
        if watcher is not None:
            work.go(watcher)
            watcher.close_group(outcomes.ended, outcomes.diverged)
            return
        most, total = int(self.updates.max()), stage.order.size
        with Progress(total, self.show, deadline=self.deadline, max_iter=most) as own:
            own.best = partial(best_so_far, self.values)
            work.go(own)

    def go_on(self, runs: NDArray[np.intp], pause: NDArray[np.int64]) -> None:
        """Take runs on up to a pause."""
        waits = runs[pause < self.updates[runs]]
        needed = int(self._bytes[waits].sum())
        check_room(
            "stopping", needed, f"parameters and states of {waits.size:,} networks that wait"
        )
        if runs.size:
            self.train(self.outcomes.stage(runs, pause))

    @cached_property
    def _bytes(self) -> NDArray[np.int64]:
        """What each run needs while it waits: parameters, the optimizer's state, and its last losses."""
        needed, runs = np.zeros(self.runs.total, np.int64), self.runs
        for group in runs.groups:
            a, states = group.architecture, [len(own.method.rule.state) for own in group.numbers]
            needed[group.index] = (1 + max(states)) * a.n_parameters * a.dtype.itemsize
        epochs = np.array([batches.updates for batches in runs.batches])[runs.batches_of]
        return np.asarray(needed + 16 * np.minimum(epochs, runs.updates // 2), np.int64)

    def leave(self, runs: NDArray[np.intp]) -> None:
        """These stay where they wait."""
        self.outcomes.leave(runs)

    def close(self) -> None:
        """Runs that still wait were broken off."""
        late = time.perf_counter() > self.deadline
        self.outcomes.close(Status.MAX_SECONDS if late else Status.INTERRUPTED)


class _Work:
    """The queue of a stage's runs, from which threads take some after the other."""

    def __init__(self, trainings: _Trainings, stage: Stage) -> None:
        self.runs, self.outcomes, self.stage = trainings.runs, trainings.outcomes, stage
        self.deadline, self.threads = trainings.deadline, trainings.threads
        self.running = trainings.running
        runs, outcomes, order = self.runs, self.outcomes, stage.order
        self.starts = Starts()
        self.side_by_side = SideBySide(runs, self.starts, self._early, self.threads)
        tasks, others = dealt_out(runs, stage, trainings.asked, self.threads, outcomes.record)
        alone = np.zeros(runs.total, bool)
        alone[others] = True
        self.engines = sorted({task.lanes.name for task in tasks})
        self.engines += ["one by one"] * bool(others.size)
        self.width = max([t.lanes.width for t in tasks if t.lanes.name == "lanes"], default=1)
        self.queue: list[Task | int] = [*tasks, *order[alone[order]].tolist()]
        self.queue.reverse()
        self.lock = threading.Lock()
        self.under_way: dict[int, tuple[int, int, int]] = {}  # by thread: runs, those left, updates
        self.stopped = False
        self.error: BaseException | None = None

    def go(self, watcher: Progress) -> None:
        """Train all networks, or those that are trained before Ctrl-C or the deadline."""
        threads = min(self.threads, len(self.queue))
        pool = ThreadPoolExecutor(threads, thread_name_prefix="fastgd-networks")
        try:
            workers = [pool.submit(self._take_runs) for _ in range(threads)]
            while wait(workers, timeout=_LOOK_EVERY).not_done:
                watcher.look(self.standing)
        except KeyboardInterrupt:
            pass
        finally:
            self.stopped = True
            pool.shutdown(cancel_futures=True)  # waits for the current stretch of every thread
        if self.error is not None:
            raise self.error

    def standing(self) -> Standing:
        """The progress of all runs."""
        with self.lock:
            under_way = list(self.under_way.values())
            ended = self.outcomes.ended + sum(all_ - left for all_, left, _ in under_way)
            diverged = self.outcomes.diverged
        most = max(1, int(self.runs.updates.max()))
        work = ended + sum(left * min(1.0, done / most) for _, left, done in under_way)
        furthest = max((done for _, left, done in under_way if left), default=0)
        return Standing(ended, sum(left for _, left, _ in under_way), diverged, work, furthest)

    def _take_runs(self) -> None:
        one_by_one = OneByOne(
            self.runs, self.starts, self.running, self.outcomes.record, self._early
        )
        try:
            while (task := self._next()) is not None:
                if isinstance(task, Task):
                    self._do_together(task)
                else:
                    self._do(task, one_by_one)
        except BaseException as error:  # raised again by the waiting thread
            self.error, self.stopped = self.error or error, True

    def _next(self) -> Task | int | None:
        with self.lock:
            if not self.queue or self.stopped or time.perf_counter() > self.deadline:
                return None
            return self.queue.pop()

    def _look(self, runs: int, left: int, done: int) -> None:
        self.under_way[threading.get_ident()] = runs, left, done

    def _do_together(self, task: Task) -> None:
        n, judged = task.runs.size, self.runs.problem.judged
        self._look(n, n, 0)
        ended = self.side_by_side.train(task, judged, partial(self._look, n))
        with self.lock:
            self.under_way.pop(threading.get_ident())
            self.outcomes.take(task.runs, ended)

    def _do(self, k: int, one_by_one: OneByOne) -> None:
        self._look(1, 1, 0)
        where = self.stage.waiting.get(k)
        ended = one_by_one.train(
            k,
            partial(self._look, 1, 1),
            int(self.stage.pause[k]),
            None if where is None else where.begun(),
        )
        worth = (math.nan, math.nan)
        if ended.status is not Status.DIVERGED:
            worth = ended.trainer.network.assess(self.runs.problem.judged)
        with self.lock:
            self.under_way.pop(threading.get_ident())
            self.outcomes.take_one(k, ended, worth)

    def _early(self) -> Status | None:
        """The status of runs that must end before their last update, or None."""
        if self.stopped:
            return Status.INTERRUPTED
        return Status.MAX_SECONDS if time.perf_counter() > self.deadline else None
