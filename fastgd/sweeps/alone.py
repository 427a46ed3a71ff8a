"""Networks of a sweep that train one by one: each thread has one, which is faster than several threads in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Checkpoints
from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.network.trainer import Trainer
from fastgd.optimizers.loops import groups_of, state_of, with_settings
from fastgd.sweeps.kept import Begun, Trained
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.regimes import training_regime
from fastgd.sweeps.trainees import Starts, Trainees


@dataclass(frozen=True)
class Ended:
    """How a run ended; `losses` are those that were asked for, the others nan, also before it went on."""

    begun: int
    iterations: int
    status: Status
    regime: Regime
    trainer: Trainer
    losses: NDArray[np.float64]
    recent: _Recent

    def kept(self) -> Trained:
        """A copy of what is kept of it."""
        network, optimizer = self.trainer.network, self.trainer.optimizer
        return Trained([p.copy() for p in network.params], state_of(optimizer))

    def waiting(self) -> Wait:
        """A copy of what it goes on from."""
        recent = self.recent
        return Wait(Begun(self.iterations, self.kept(), recent.losses, recent.highest))


@dataclass(frozen=True)
class Wait:
    """A run that waits."""

    where: Begun

    def begun(self) -> Begun:
        """What it goes on from."""
        return self.where


class OneByOne:
    """Trains the runs that one thread takes.

    Parameters
    ----------
    runs : NetworkRuns
    starts : Starts
    running : dict
        Settings of the networks in the place of the problem's.
    record : int
        Updates between two losses that are kept; 0: none are.
    early : callable
        The status of a run that must end before its last update, or None.
    """

    def __init__(
        self,
        runs: NetworkRuns,
        starts: Starts,
        running: dict[str, Any],
        record: int,
        early: Callable[[], Status | None],
    ) -> None:
        self.runs, self.starts, self.running = runs, starts, running
        self.record, self.early = record, early
        self.trainees = Trainees(runs.problem.rows)

    def _trainer(self, k: int, begun: Begun | None) -> Trainer:
        """What trains a run, with all as it is at its beginning, or where it waits."""
        runs, optimizer = self.runs, with_settings(self.runs.optimizer(k), n_threads=1)
        if begun is not None:
            network = runs.network(k, n_threads=1, **self.running)
            begun.kept.into(network, optimizer)
            return Trainer(network, runs.problem.rows, optimizer)
        kind = int(runs.architecture_of[k]), type(optimizer), tuple(groups_of(optimizer))
        return self.trainees.trainer(
            kind,
            lambda: runs.network(k, n_threads=1, **self.running),
            self.starts.of(runs, k),
            runs.seed(k),
            optimizer,
        )

    def train(
        self, k: int, look: Callable[[int], None], pause: int = 0, begun: Begun | None = None
    ) -> Ended:
        """Train run k to its end, or until it waits; `look` gets the number of updates made.

        Parameters
        ----------
        k : int
        look : callable
        pause : int
            The updates after which it waits; 0: it does not.
        begun : Begun, optional
            What it goes on from.
        """
        batches = replace(self.runs.batches_at(k), seed=self.runs.seed(k))
        trainer, updates = self._trainer(k, begun), int(self.runs.updates[k])
        done, per_epoch = 0 if begun is None else begun.done, batches.updates
        recent = _Recent(min(per_epoch, updates // 2), begun)
        stop, first_done = min(pause or updates, updates), done
        history = np.full(-(-updates // self.record), np.nan) if self.record else np.empty(0)
        status = Status.MAX_ITER if stop == updates else Status.STOPPED
        # Parameters are tested once per epoch in every run, so that the count does not depend on timing.
        for stretch in trainer.stretches(
            batches, done, stop, Checkpoints(per_epoch, done % per_epoch)
        ):
            losses = (stretch.losses + stretch.penalties)[: stretch.done]
            if self.record:
                every = losses[-done % self.record :: self.record]
                first = -(-done // self.record)
                history[first : first + every.size] = every
            done += stretch.done
            look(done)
            recent.add(losses)
            if stretch.diverged or stretch.overflowed:
                status = Status.DIVERGED
                break
            early = self.early() if done < stop else None
            if early is not None:
                status = early
                break
        else:
            params = trainer.network.params
            if (
                done == updates
                and done % per_epoch
                and not all(np.isfinite(p).all() for p in params)
            ):
                status = Status.DIVERGED
        regime = Regime.DIVERGED if status is Status.DIVERGED else recent.regime()
        return Ended(first_done, done, status, regime, trainer, history, recent)


class _Recent:
    """The losses of the last ``2 * window`` updates, and the highest of the first ``window``."""

    def __init__(self, window: int, begun: Begun | None) -> None:
        self.window, self.losses, self.done = window, np.zeros(0), 0
        self.highest = -np.inf
        if begun is not None:
            self.done, self.highest = begun.done, begun.highest
            self.losses = begun.losses[-2 * max(1, window) :]

    def add(self, losses: NDArray[np.float64]) -> None:
        """Append losses."""
        first = losses[: max(0, self.window - self.done)]
        self.highest = max([self.highest, *first.tolist()])
        self.losses = np.concatenate([self.losses, losses])[-2 * max(1, self.window) :]
        self.done += losses.size

    def regime(self) -> Regime:
        """See `training_regime`."""
        return training_regime(self.losses, self.highest, self.window)
