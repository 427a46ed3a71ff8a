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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.batches import Batches
from fastgd.checks import as_count, as_dtype, as_flag, as_seed
from fastgd.descent.axes import Places
from fastgd.descent.request import Options, check_optimizers
from fastgd.engines import blas, config
from fastgd.engines.networks import chosen_backend
from fastgd.engines.protocol.outcomes import Regime, Standing, Status
from fastgd.network.arguments import changed_architecture
from fastgd.network.mlp import MLP
from fastgd.network.problem import NetworkProblem
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import check_groups, described, with_settings
from fastgd.progress import Progress
from fastgd.sweeps.axis_values import plain_axes
from fastgd.sweeps.best import Values
from fastgd.sweeps.kept import KeptNetworks, in_order
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.seeds import Combinations, combinations

_OF_NETWORKS = ("hidden", "dropout")  # axes that change the architecture
_OWN_AXES = ("optimizer", "rng", "batch_size", "epochs", "max_iter", *_OF_NETWORKS)
_LOOK_EVERY = 0.1  # seconds between two updates of the progress bar


def sweep_networks(
    problem: NetworkProblem[MLP], optimizer: Optimizer, axes: Mapping[str, Any], options: Options
) -> SweepResult:
    """Train a network for every combination of the axes' values; see `fastgd.sweep`."""
    _check_options(problem, options)
    places = Places(axes)
    deadline, show = options.deadline, options.show
    threads = min(config.get_num_threads(options.n_threads), places.total)
    runs = _runs(problem, optimizer, places, options)
    taken = combinations(plain_axes(places.given), "rng", paired=places.paired)
    work = _Work(problem, runs, taken, deadline, options.backend)
    most = max(run.updates for run in runs)
    with Progress(len(runs), show, deadline=deadline, max_iter=most) as watcher, blas.one_thread:
        work.go(threads, watcher)
    return work.result(
        places,
        max_iter=most,
        optimizer="" if "optimizer" in places.values else described(optimizer, places.values),
        seconds=time.perf_counter() - options.started,
    )


def _check_options(problem: NetworkProblem[MLP], options: Options) -> None:
    """Refuse options that do not apply to networks."""
    if options.x0 is not None:
        raise ValueError("x0 is not for networks: a run starts at weights drawn by its seed, rng")
    if options.tol is not None and options.tol != 0:
        raise ValueError(
            f"tol is not for networks, whose runs go on to max_iter; got {options.tol!r:.60}"
        )
    real = problem.network.architecture.dtype
    if options.dtype is not None and as_dtype(options.dtype) != real:
        raise ValueError(f"dtype is {options.dtype!r:.60}, but the network's is {real.name}")
    if not as_flag("flush_subnormals", options.flush_subnormals):
        raise ValueError("flush_subnormals is not for networks; give it to the optimizer")


# --- which runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """The settings of a run; `changes` are those of its architecture."""

    seed: int
    optimizer: Optimizer
    batches: Batches
    updates: int
    changes: dict[str, Any]


def _runs(
    problem: NetworkProblem[MLP], optimizer: Any, places: Places, options: Options
) -> list[_Run]:
    """All runs, checked before the first begins."""
    values, max_iter = places.values, options.most_updates
    if "epochs" in values and "max_iter" in values:
        raise ValueError("axes['epochs'] and axes['max_iter'] both say how long; give one of them")
    for name in {"epochs", "max_iter"} & values.keys():
        for k, value in enumerate(values[name]):
            as_count(f"axes[{name!r}][{k}]", value)
    seeds, optimizers = _seeds(problem, places, options.rng), _Optimizers(optimizer, places)
    runs = []
    for k in range(places.total):
        own = places.at(k)
        seed = seeds[places.of["rng"][k] if "rng" in places.of else 0]
        size = own.get("batch_size", problem.batch_size)
        batches = problem.batches(size, seed, "axes['batch_size']")
        updates = own.get("max_iter", max_iter)
        if "epochs" in own:
            updates = own["epochs"] * batches.updates
        changes = {name: own[name] for name in _OF_NETWORKS if name in own}
        layers = changed_architecture(problem.network.architecture, changes).layers
        runs.append(_Run(seed, optimizers.of(k, own, layers), batches, int(updates), changes))
    return runs


def _seeds(problem: NetworkProblem[MLP], places: Places, rng: Any) -> list[int]:
    if "rng" not in places.values:
        return [problem.network.seed if rng is None else as_seed("rng", rng)]
    if rng is not None:
        raise ValueError("rng and axes['rng'] both say which seeds the runs have; give one of them")
    return [as_seed("axes['rng']", value) for value in places.values["rng"]]


class _Optimizers:
    """The optimizers of the runs, each a template to copy; runs with the same options share one."""

    def __init__(self, optimizer: Any, places: Places) -> None:
        self.optimizer, self.places = optimizer, places
        self.names = [name for name in places.values if name not in _OWN_AXES]
        self.known: dict[tuple[Any, ...], Optimizer] = {}
        check_optimizers(optimizer, places)

    def of(self, run: int, own: Mapping[str, Any], layers: int) -> Optimizer:
        """The optimizer of a run with these axis values, for a network of `layers` layers."""
        concerned = [name for name in ("optimizer", *self.names) if name in own]
        key = (layers, *(int(self.places.of[name][run]) for name in concerned))
        if key not in self.known:
            options = {name: own[name] for name in self.names}
            one = own.get("optimizer", self.optimizer).with_options(**options)
            check_groups(one, [(k,) for k in range(2 * layers)])
            self.known[key] = one
        return self.known[key]


# --- training ------------------------------------------------------------------------------------------


class _Work:
    """The queue of runs, from which threads take one after the other, and their results."""

    def __init__(
        self,
        problem: NetworkProblem[MLP],
        runs: list[_Run],
        taken: Combinations,
        deadline: float,
        backend: str | None,
    ) -> None:
        self.problem, self.runs, self.deadline = problem, runs, deadline
        self.changes = {} if backend is None else {"backend": backend}
        n = len(runs)
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
        self.stopped = False
        self.error: BaseException | None = None
        first = self._network(runs[0])  # raises if the backend cannot train it
        self.backend = chosen_backend(first.backend)
        if self.backend == "cuda":
            raise ValueError(
                "backend 'cuda' trains one network at a time, and a sweep of networks has a run on every thread; "
                "choose another backend, or call fit for each network"
            )

    def _network(self, run: _Run) -> MLP:
        return self.problem.network.fresh(run.seed, n_threads=1, **self.changes, **run.changes)

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
        shares = [done / max(1, self.runs[k].updates) for k, done in under_way.items()]
        furthest = max(under_way.values(), default=0)
        return Standing(ended, len(under_way), diverged, ended + sum(shares), furthest)

    def _take_runs(self) -> None:
        try:
            while (k := self._next()) is not None:
                self._do(k, self.runs[k])
        except BaseException as error:  # raised again by the waiting thread
            self.error, self.stopped = self.error or error, True

    def _next(self) -> int | None:
        with self.lock:
            if self.begun == len(self.runs) or self.stopped or time.perf_counter() > self.deadline:
                return None
            k = int(self.order[self.begun])
            self.begun += 1
            self.under_way[k] = 0
            return k

    def _do(self, k: int, run: _Run) -> None:
        network, optimizer = self._network(run), with_settings(run.optimizer, n_threads=1)
        trainer = Trainer(network, self.problem.rows, optimizer, run.batches.size)
        status, regime = self._train(k, run, trainer)
        loss = metric = math.nan
        if status is not Status.DIVERGED:
            loss, metric = network.assess(self.problem.judged)
        with self.lock:
            done = self.under_way.pop(k)
            self.iterations[k], self.status[k], self.regime[k] = done, status, regime
            self.loss[k], self.metric[k] = loss, metric
            self.kept.add(k, network, optimizer)

    def _train(self, k: int, run: _Run, trainer: Trainer) -> tuple[Status, Regime]:
        """Train a run to its end; returns its status and its regime."""
        done, per_epoch = 0, run.batches.updates
        recent = _Recent(min(per_epoch, run.updates // 2))
        while done < run.updates:
            epoch, first = divmod(done, per_epoch)
            last = min(per_epoch, first + run.updates - done)
            order = run.batches.orders(run.seed, epoch, epoch + 1)[0].astype(np.int64)
            for stretch in trainer.stretches(order, first, last):
                done += stretch.done
                self.under_way[k] = done
                recent.add((stretch.losses + stretch.penalties)[: stretch.done])
                if stretch.diverged:
                    return Status.DIVERGED, Regime.DIVERGED
                early = self._early() if done < run.updates else None
                if early is not None:
                    return early, recent.regime()
            # Tested once per epoch in every run, so that the count does not depend on timing.
            if not all(np.isfinite(p).all() for p in trainer.network.params):
                return Status.DIVERGED, Regime.DIVERGED
        return Status.MAX_ITER, recent.regime()

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
            x=np.zeros((*shape, 0), a.dtype),
            networks={
                tuple(int(i) for i in np.unravel_index(k, shape)): self._handed_over(k, *found)
                for k, found in self.kept.networks().items()
            },
            backend=self.backend,
            problem=repr(self.problem),
            dtype=a.dtype.name,
            **about,
        )

    def _handed_over(self, k: int, network: MLP, optimizer: Optimizer) -> MLP:
        """The network as `MLP.fit` would have trained it, with threads and backend of the problem's network."""
        run, done = self.runs[k], int(self.iterations[k])
        whole = self.problem.network.fresh(run.seed, **run.changes)
        for target, source in zip(whole.params, network.params, strict=True):
            target[...] = source
        whole.steps_, whole.status_ = done, Status(int(self.status[k]))
        whole.epochs_, whole.steps_in_epoch_ = divmod(done, run.batches.updates)
        whole.optimizer_ = run.optimizer.fresh()
        whole.optimizer_.load_state_dict(optimizer.state_dict())
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
