"""Sweeps of networks: `fastgd.sweep` of a `NetworkProblem`.

Each thread trains one network at a time, which is faster than several threads inside one training. A run's result
depends on its own settings alone, not on the number of threads or their timing.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_dtype, as_flag
from fastgd.descent.axes import Places
from fastgd.descent.request import Options
from fastgd.engines import blas, config
from fastgd.engines.networks import chosen_backend
from fastgd.engines.protocol.networks import Checkpoints
from fastgd.engines.protocol.outcomes import Regime, Standing, Status
from fastgd.network.mlp import MLP
from fastgd.network.parameters import numbered_names
from fastgd.network.problem import NetworkProblem
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import described, groups_of, state_of, with_settings
from fastgd.progress import Progress
from fastgd.sweeps.axis_values import plain_axes
from fastgd.sweeps.best import Values
from fastgd.sweeps.kept import KeptNetworks, Trained, in_order
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.seeds import Combinations, combinations
from fastgd.sweeps.tables import table
from fastgd.sweeps.trainees import Starts, Trainees

_LOOK_EVERY = 0.1  # seconds between two updates of the progress bar


def sweep_networks(
    problem: NetworkProblem[MLP],
    optimizer: Optimizer,
    axes: Mapping[str, Any],
    options: Options,
    *,
    keep: Any = None,
    record: Any = None,
) -> SweepResult:
    """Train a network for every combination of the axes' values; see `fastgd.sweep`."""
    _check_options(problem, options)
    places = Places(axes)
    deadline, show = options.deadline, options.show
    threads = min(config.get_num_threads(options.n_threads), places.total)
    runs = NetworkRuns(problem, optimizer, places, options)
    taken = combinations(plain_axes(places.given), "rng", paired=places.paired)
    work = _Work(runs, taken, deadline, options.backend)
    work.keep(keep, record)
    most = int(runs.updates.max())
    with Progress(runs.total, show, deadline=deadline, max_iter=most) as watcher, blas.one_thread:
        work.go(threads, watcher)
    return work.result(
        places,
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
    """The queue of runs, from which threads take one after the other, and their results."""

    def __init__(
        self,
        runs: NetworkRuns,
        taken: Combinations,
        deadline: float,
        backend: str | None,
    ) -> None:
        self.problem, self.runs, self.deadline = runs.problem, runs, deadline
        self.running = {} if backend is None else {"backend": backend}
        n = runs.total
        self.iterations = np.zeros(n, np.int64)
        self.status = np.full(n, Status.NOT_RUN, np.int8)
        self.loss, self.metric = np.full(n, math.nan), np.full(n, math.nan)
        self.regime = np.zeros(n, np.uint8)
        self.lock = threading.Lock()
        self.begun = 0
        self.under_way: dict[int, int] = {}  # updates done, by run
        self.order = in_order(taken)
        self.kept = KeptNetworks(
            taken, Values(self.loss, self.iterations, self.status, self.metric)
        )
        self.parameter_names: tuple[str, ...] = ()
        self.params = np.zeros((n, 0), runs.problem.network.architecture.dtype)
        self.history: NDArray[Any] | None = None
        self.record = 0
        self.starts = Starts()
        self.stopped = False
        self.error: BaseException | None = None
        first = self._network(0)  # raises if the backend cannot train it
        self.backend = chosen_backend(first.backend)
        if self.backend == "cuda":
            raise ValueError(
                "backend 'cuda' trains one network at a time, and a sweep of networks has a run on every thread; "
                "choose another backend, or call fit for each network"
            )

    def keep(self, what: Any, record: Any) -> None:
        """Make room for what is kept of every run: parameters, losses of every `record`-th update."""
        real = self.problem.network.architecture.dtype
        if what not in (None, "params"):
            raise ValueError(f"keep must be 'params' or None, got {what!r:.60}")
        if what is not None:
            a = self.runs.one_form("keep='params'")
            self.parameter_names = numbered_names(a)
            numbers = len(self.parameter_names)
            self.params = table("keep='params'", self.runs.total, numbers, real)
        if record is not None:
            self.record = as_count("record", record, 1)
            records = -(-int(self.runs.updates.max()) // self.record)
            self.history = table(f"record={record}", self.runs.total, records, real)

    def _network(self, k: int) -> MLP:
        return self.runs.network(k, n_threads=1, **self.running)

    def go(self, threads: int, watcher: Progress) -> None:
        """Train all networks, or those that are trained before Ctrl-C or the deadline."""
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
            under_way = dict(self.under_way)
            ended = self.begun - len(under_way)
            diverged = int(np.count_nonzero(self.status == Status.DIVERGED))
        shares = [done / max(1, int(self.runs.updates[k])) for k, done in under_way.items()]
        furthest = max(under_way.values(), default=0)
        return Standing(ended, len(under_way), diverged, ended + sum(shares), furthest)

    def _take_runs(self) -> None:
        trainees = Trainees(self.problem.rows)
        try:
            while (k := self._next()) is not None:
                self._do(k, trainees)
        except BaseException as error:  # raised again by the waiting thread
            self.error, self.stopped = self.error or error, True

    def _next(self) -> int | None:
        with self.lock:
            if self.begun == self.runs.total or self.stopped or time.perf_counter() > self.deadline:
                return None
            k = int(self.order[self.begun])
            self.begun += 1
            self.under_way[k] = 0
            return k

    def _trainer(self, k: int, trainees: Trainees) -> Trainer:
        """What trains a run, with all as it is at its beginning."""
        runs, optimizer = self.runs, with_settings(self.runs.optimizer(k), n_threads=1)
        seed, place = runs.seed(k), int(runs.architecture_of[k])
        start = self.starts.get((place, int(runs.start_of[k]), seed), lambda: runs.start(k))
        kind = place, type(optimizer), tuple(groups_of(optimizer))
        return trainees.trainer(kind, lambda: self._network(k), start, seed, optimizer)

    def _do(self, k: int, trainees: Trainees) -> None:
        trainer = self._trainer(k, trainees)
        network, optimizer = trainer.network, trainer.optimizer
        status, regime = self._train(k, trainer)
        loss = metric = math.nan
        if self.parameter_names:
            np.concatenate([p.ravel() for p in network.params], out=self.params[k])
        if status is not Status.DIVERGED:
            loss, metric = network.assess(self.problem.judged)
        with self.lock:
            done = self.under_way.pop(k)
            self.iterations[k], self.status[k], self.regime[k] = done, status, regime
            self.loss[k], self.metric[k] = loss, metric
            self.kept.add(
                k, lambda: Trained([p.copy() for p in network.params], state_of(optimizer))
            )

    def _train(self, k: int, trainer: Trainer) -> tuple[Status, Regime]:
        """Train a run to its end; returns its status and its regime."""
        batches = replace(self.runs.batches_at(k), seed=self.runs.seed(k))
        done, per_epoch, updates = 0, batches.updates, int(self.runs.updates[k])
        recent = _Recent(min(per_epoch, updates // 2))
        # Parameters are tested once per epoch in every run, so that the count does not depend on timing.
        for stretch in trainer.stretches(batches, 0, updates, Checkpoints(per_epoch)):
            losses = (stretch.losses + stretch.penalties)[: stretch.done]
            self._record(k, done, losses)
            done += stretch.done
            self.under_way[k] = done
            recent.add(losses)
            if stretch.diverged or stretch.overflowed:
                return Status.DIVERGED, Regime.DIVERGED
            early = self._early() if done < updates else None
            if early is not None:
                return early, recent.regime()
        if done % per_epoch and not all(np.isfinite(p).all() for p in trainer.network.params):
            return Status.DIVERGED, Regime.DIVERGED
        return Status.MAX_ITER, recent.regime()

    def _record(self, k: int, done: int, losses: NDArray[np.float64]) -> None:
        """Take those of a run's next losses that its history has."""
        if self.history is not None:
            every = losses[-done % self.record :: self.record]
            first = -(-done // self.record)
            self.history[k, first : first + every.size] = every

    def _early(self) -> Status | None:
        """The status of a run that must end before its last update, or None."""
        if self.stopped:
            return Status.INTERRUPTED
        return Status.MAX_SECONDS if time.perf_counter() > self.deadline else None

    # --- results ----------------------------------------------------------------------------------

    def result(self, places: Places, **about: Any) -> SweepResult:
        """The result of the sweep, with the best networks."""
        shape = places.shape
        a = self.problem.network.architecture
        return SweepResult(
            axes=places.given,
            paired=places.paired,
            iterations=self.iterations.reshape(shape),
            status=self.status.reshape(shape),
            regime=self.regime.reshape(shape),
            loss=self.loss.reshape(shape),
            metric=self.metric.reshape(shape),
            metric_name="accuracy" if a.link in {"softmax", "sigmoid"} else "R²",
            slope=np.full(shape, math.nan),
            x=self.params.reshape(*shape, self.params.shape[1]),
            parameter_names=self.parameter_names,
            history=None if self.history is None else self.history.reshape(*shape, -1),
            record=self.record,
            template=self.runs.template(),
            networks={
                tuple(int(i) for i in np.unravel_index(k, shape)): self._handed_over(k, trained)
                for k, trained in self.kept.networks().items()
            },
            backend=self.backend,
            problem=repr(self.problem),
            dtype=a.dtype.name,
            **about,
        )

    def _handed_over(self, k: int, trained: Trained) -> MLP:
        """The network as `MLP.fit` would have trained it, with threads and backend of the problem's network."""
        done, whole = int(self.iterations[k]), self.runs.network(k)
        for target, source in zip(whole.params, trained.params, strict=True):
            target[...] = source
        whole.steps_, whole.status_ = done, Status(int(self.status[k]))
        whole.epochs_, whole.steps_in_epoch_ = divmod(done, self.runs.batches_at(k).updates)
        whole.optimizer_ = self.runs.optimizer(k)
        whole.optimizer_.load_state_dict(trained.state)
        return whole


class _Recent:
    """The losses of the last ``2 * window`` updates, and the highest of the first ``window``."""

    def __init__(self, window: int) -> None:
        self.window, self.losses = window, np.zeros(0)
        self.first, self.highest = window, -math.inf  # updates of the first window to come

    def add(self, losses: NDArray[np.float64]) -> None:
        """Append losses."""
        self.losses = np.concatenate([self.losses, losses])[-2 * max(1, self.window) :]
        self.highest = max([self.highest, *losses[: self.first].tolist()])
        self.first -= min(self.first, len(losses))

    def regime(self) -> Regime:
        """By the mean of the second half: above all first losses, below the mean of the first half, or neither."""
        n = min(self.window, len(self.losses) // 2)
        if not n:
            return Regime.CYCLING
        now = self.losses[-n:].mean()
        if now > self.highest:
            return Regime.GROWING
        return Regime.SLOW if now < self.losses[-2 * n : -n].mean() else Regime.CYCLING
