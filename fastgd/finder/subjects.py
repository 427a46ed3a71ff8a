"""What a learning rate is looked for: networks, fits of estimators and descents of problems, with the same few methods.

Each is a start that no run changes: every run has parameters of its own.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import blas, config
from fastgd.engines.protocol.networks import Rows
from fastgd.engines.protocol.outcomes import Status
from fastgd.finder.sharpness import Limit, Slopes, stable_limit
from fastgd.network.mlp import MLP
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.problems import Problem
from fastgd.sweeps import SweepResult, sweep

__all__ = ["Descent", "Fits", "Losses", "Subject", "Trainings", "some_rows"]

Reals = NDArray[np.float64]

_CURVED = 2000  # rows of which the curvature is computed
_BATCHES = 16  # of which mean squares of gradients are computed


@dataclass(frozen=True)
class Losses:
    """Losses after the runs, with a row for each rate and a column for each seed.

    Attributes
    ----------
    loss : ndarray of float64, shape (rates, seeds)
        nan where a run diverged.
    interrupted : bool
        Whether runs were broken off, by Ctrl-C for instance.
    engine : str
    """

    loss: Reals
    interrupted: bool
    engine: str

    @classmethod
    def of(cls, out: SweepResult, shape: tuple[int, int]) -> Losses:
        """The losses of a sweep."""
        lost = (out.status == Status.DIVERGED) | ~np.isfinite(out.loss)
        broken = np.isin(out.status, (Status.INTERRUPTED, Status.NOT_RUN)).any()
        return cls(np.where(lost, np.nan, out.loss).reshape(shape), bool(broken), out.engine)


class Subject(Protocol):
    """What short runs are made of.

    Attributes
    ----------
    optimizer : Optimizer
        Its rate is varied.
    steps_of_epoch : int
    noisy : bool
        Whether updates see different functions: batches, or networks with dropout.
    seeded : bool
        Whether runs of one rate with different seeds differ.
    """

    @property
    def optimizer(self) -> Optimizer: ...  # noqa: D102
    @property
    def steps_of_epoch(self) -> int: ...  # noqa: D102
    @property
    def noisy(self) -> bool: ...  # noqa: D102
    @property
    def seeded(self) -> bool: ...  # noqa: D102
    @property
    def start_loss(self) -> float:
        """The loss before the runs."""

    def limit(self) -> Limit:
        """The largest stable rate."""

    def losses(self, rates: Reals, seeds: list[int], steps: int, **running: Any) -> Losses:
        """Run all rates and seeds side by side."""


# --- networks -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trainings:
    """Trainings of a network from its present parameters.

    Attributes
    ----------
    problem : NetworkProblem
    optimizer : Optimizer
    curvature : float or None
        The largest, where it has a closed form.
    """

    problem: NetworkProblem[MLP]
    optimizer: Optimizer
    curvature: float | None = None

    @property
    def steps_of_epoch(self) -> int:
        """Updates of an epoch."""
        return self.problem.batches(self.problem.batch_size, 0).updates

    @property
    def in_batches(self) -> bool:
        """Whether an update sees some of the rows only."""
        return self.problem.batch_size < len(self.problem.rows)

    @property
    def noisy(self) -> bool:
        """Whether updates see batches, or dropout."""
        return self.in_batches or self.problem.network.architecture.dropout > 0

    @property
    def seeded(self) -> bool:
        """Whether seeds make a difference: they order rows, and choose what dropout drops."""
        dropout = self.problem.network.architecture.dropout > 0
        return dropout or (self.in_batches and self.problem.shuffle)

    @property
    def start_loss(self) -> float:
        """The loss before the runs."""
        return self.problem.network.assess(self.problem.judged)[0]

    def limit(self) -> Limit:
        """The largest stable rate."""
        slopes = slopes_of(self.problem, in_batches=self.in_batches)
        return stable_limit(self.optimizer, slopes, self.curvature)

    def losses(self, rates: Reals, seeds: list[int], steps: int, **running: Any) -> Losses:
        """Train all rates and seeds side by side, in lanes where the network is small."""
        axes: dict[str, Any] = {"lr": rates, "rng": seeds}
        start = self.problem.network
        out = sweep(self.problem, self.optimizer, axes, x0=start, max_iter=steps, **running)
        return Losses.of(out, (rates.size, len(seeds)))


def slopes_of(problem: NetworkProblem[MLP], *, in_batches: bool) -> Slopes:
    """The gradients of a network's mean loss, in float64, by a twin of it."""
    network = problem.network
    a = replace(network.architecture, dtype=np.dtype(np.float64))
    twin = type(network).from_architecture(a, n_threads=network.n_threads)
    rng = np.random.default_rng(network.seed)
    rows = some_rows(problem.rows, _CURVED, rng)
    targets = rows.y if rows.y.dtype.kind == "i" else rows.y.astype(np.float64)
    rows = replace(rows, y=targets)
    cuts = np.cumsum([p.size for p in network.params])[:-1]

    def gradient(point: Reals, index: NDArray[np.intp] | None = None) -> Reals:
        for p, values in zip(twin.params, np.split(point, cuts), strict=True):
            p[...] = values.reshape(p.shape)
        found = twin.engine.loss_and_grad(twin.params, rows, index)[2]
        return np.concatenate([g.ravel() for g in found])

    point = np.concatenate([p.ravel() for p in network.params]).astype(np.float64)

    def of_batches() -> Reals:
        size = min(problem.batch_size, len(rows))
        drawn = (rng.choice(len(rows), size, replace=False) for _ in range(_BATCHES))
        return np.stack([gradient(point, index.astype(np.int32)) for index in drawn])

    return Slopes(point, gradient, of_batches if in_batches else None)


def some_rows(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """So many of the rows, drawn at random; all if there are no more."""
    if len(rows) <= most:
        return rows
    index = np.sort(rng.choice(len(rows), most, replace=False))
    weights = None if rows.weights is None else rows.weights[index]
    return Rows(rows.x[index], rows.y[index], weights, rows.scale)


@dataclass(frozen=True)
class Fits(Trainings):
    """Fits that sweeps cannot make, one by one on several threads: those of linear models with penalties by column.

    Attributes
    ----------
    epochs : callable
        ``epochs(network, optimizer, seed)``, as `fastgd.estimators.starting.StartOfFit` has it.
    """

    epochs: Any = None

    def losses(self, rates: Reals, seeds: list[int], steps: int, **running: Any) -> Losses:
        """Train all rates and seeds."""
        epochs = -(-steps // self.steps_of_epoch)

        def train(run: tuple[float, int]) -> float:
            network = deepcopy(self.problem.network)
            training = self.epochs(network, self.optimizer.with_options(lr=run[0]), run[1])
            with np.errstate(all="ignore"):
                try:
                    for epoch in range(epochs):
                        training.run(epoch + 1, None)
                except ValueError:  # it diverged
                    return math.nan
                return network.assess(self.problem.judged)[0]

        threads = config.get_num_threads(running.get("n_threads"))
        with blas.one_thread, ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(train, product(rates.tolist(), seeds)))
        loss = np.array(found).reshape(rates.size, len(seeds))
        return Losses(np.where(np.isfinite(loss), loss, np.nan), False, "one by one")


# --- descents -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Descent:
    """Descents of a problem from a point.

    Attributes
    ----------
    problem : Problem
    optimizer : Optimizer
    x0 : ndarray of shape (n_parameters,), float64
    """

    problem: Problem
    optimizer: Optimizer
    x0: Reals

    @property
    def steps_of_epoch(self) -> int:
        """Updates of an epoch."""
        return self.problem.updates_per_epoch

    @property
    def noisy(self) -> bool:
        """Whether updates see batches."""
        return self.problem.batches is not None

    @property
    def seeded(self) -> bool:
        """Whether seeds make a difference: they order rows."""
        return self.problem.batches is not None and bool(self.problem.batches.shuffle)

    @property
    def start_loss(self) -> float:
        """The loss before the runs."""
        return self.problem.loss(self.x0)

    def limit(self) -> Limit:
        """The largest stable rate, by the curvature's closed form where there is one."""
        known = self.problem.local_curvature(self.x0)
        slopes = Slopes(self.x0, self._gradient)
        return stable_limit(self.optimizer, slopes, None if known is None else known.largest)

    def _gradient(self, x: Reals) -> Reals:
        return np.asarray(self.problem.gradient(x), np.float64)

    def losses(self, rates: Reals, seeds: list[int], steps: int, **running: Any) -> Losses:
        """Descend at all rates, with all seeds."""
        axes: dict[str, Any] = {"lr": rates}
        if self.seeded:
            axes["rng"] = seeds
        out = sweep(
            self.problem, self.optimizer, axes, x0=self.x0, max_iter=steps, tol=0, **running
        )
        return Losses.of(out, (rates.size, len(seeds)))
