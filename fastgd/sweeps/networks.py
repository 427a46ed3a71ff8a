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
from functools import partial
from typing import Any

import numpy as np

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
from fastgd.sweeps.lanes import SideBySide, Task, dealt_out
from fastgd.sweeps.network_outcomes import NetworkOutcomes
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.seeds import combinations
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
) -> SweepResult:
    """Train a network for every combination of the axes' values; see `fastgd.sweep`.

    `watcher` shows more runs than these. They are a part of a sweep then, whose best networks only the whole can tell.
    """
    _check_options(problem, options)
    places = axes if isinstance(axes, Places) else Places(axes)
    deadline, show = options.deadline, options.show
    threads = min(config.get_num_threads(options.n_threads), places.total)
    runs = NetworkRuns(problem, optimizer, places, options)
    taken = None
    if watcher is None:
        taken = combinations(plain_axes(places.given), "rng", paired=places.paired)
    outcomes = NetworkOutcomes(runs, taken, keep, record)
    work = _Work(runs, outcomes, deadline, options.backend, threads)
    most = int(runs.updates.max())
    if watcher is None:
        with Progress(runs.total, show, deadline=deadline, max_iter=most) as own, blas.one_thread:
            work.go(own)
    else:
        with blas.one_thread:
            work.go(watcher)
        watcher.close_group(outcomes.ended, outcomes.diverged)
    return outcomes.result(
        places,
        backend=work.backend,
        engine=work.engine,
        vector_width=work.width,
        max_iter=most,
        optimizer="" if "optimizer" in places.values else described(optimizer, places.values),
        seconds=time.perf_counter() - options.started,
    )


def _check_options(problem: NetworkProblem[MLP], options: Options) -> None:
    """Refuse options that do not apply to networks."""
    if options.tol is not None and options.tol != 0:
        raise ValueError(
            f"tol is not for networks, whose runs go on to max_iter; got {options.tol!r:.60}"
        )
    real = problem.network.architecture.dtype
    if options.dtype is not None and as_dtype(options.dtype) != real:
        raise ValueError(f"dtype is {options.dtype!r:.60}, but the network's is {real.name}")
    if not as_flag("flush_subnormals", options.flush_subnormals):
        raise ValueError("flush_subnormals is not for networks; give it to the optimizer")


# --- training ------------------------------------------------------------------------------------------


class _Work:
    """The queue of runs, from which threads take some after the other."""

    def __init__(
        self,
        runs: NetworkRuns,
        outcomes: NetworkOutcomes,
        deadline: float,
        backend: str | None,
        threads: int,
    ) -> None:
        self.runs, self.outcomes, self.deadline, self.threads = runs, outcomes, deadline, threads
        self.running = {} if backend is None else {"backend": backend}
        # A network is made now, which raises if the backend cannot train it.
        first = runs.network(0, n_threads=1, **self.running)
        self.backend = chosen_backend(first.backend)
        if self.backend == "cuda":
            raise ValueError(
                "backend 'cuda' trains one network at a time, and a sweep of networks has a run on every thread; "
                "choose another backend, or call fit for each network"
            )
        self.starts = Starts()
        self.side_by_side = SideBySide(runs, self.starts, self._early, threads)
        tasks, others = dealt_out(runs, outcomes.order, first.backend, threads, outcomes.record)
        alone = np.zeros(runs.total, bool)
        alone[others] = True
        engines = sorted({task.lanes.name for task in tasks}) + ["one by one"] * bool(others.size)
        self.engine = " and ".join(engines)
        self.width = max([t.lanes.width for t in tasks if t.lanes.name == "lanes"], default=1)
        self.queue: list[Task | int] = [*tasks, *outcomes.order[alone[outcomes.order]].tolist()]
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
        ended = one_by_one.train(k, partial(self._look, 1, 1))
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
