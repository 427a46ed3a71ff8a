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
from fastgd.sweeps.kept import Trained
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.regimes import training_regime
from fastgd.sweeps.trainees import Starts, Trainees


@dataclass(frozen=True)
class Ended:
    """How a run ended; `losses` are those that were asked for, the others nan."""

    iterations: int
    status: Status
    regime: Regime
    trainer: Trainer
    losses: NDArray[np.float64]

    def kept(self) -> Trained:
        """A copy of what is kept of it."""
        network, optimizer = self.trainer.network, self.trainer.optimizer
        return Trained([p.copy() for p in network.params], state_of(optimizer))


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

    def _trainer(self, k: int) -> Trainer:
        """What trains a run, with all as it is at its beginning."""
        runs, optimizer = self.runs, with_settings(self.runs.optimizer(k), n_threads=1)
        kind = int(runs.architecture_of[k]), type(optimizer), tuple(groups_of(optimizer))
        return self.trainees.trainer(
            kind,
            lambda: runs.network(k, n_threads=1, **self.running),
            self.starts.of(runs, k),
            runs.seed(k),
            optimizer,
        )

    def train(self, k: int, look: Callable[[int], None]) -> Ended:
        """Train run k to its end; `look` gets the number of updates made."""
        batches = replace(self.runs.batches_at(k), seed=self.runs.seed(k))
        trainer, updates = self._trainer(k), int(self.runs.updates[k])
        done, per_epoch = 0, batches.updates
        recent = _Recent(min(per_epoch, updates // 2))
        history = np.full(-(-updates // self.record), np.nan) if self.record else np.empty(0)
        status = Status.MAX_ITER
        # Parameters are tested once per epoch in every run, so that the count does not depend on timing.
        for stretch in trainer.stretches(batches, 0, updates, Checkpoints(per_epoch)):
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
            early = self.early() if done < updates else None
            if early is not None:
                status = early
                break
        else:
            params = trainer.network.params
            if done % per_epoch and not all(np.isfinite(p).all() for p in params):
                status = Status.DIVERGED
        regime = Regime.DIVERGED if status is Status.DIVERGED else recent.regime()
        return Ended(done, status, regime, trainer, history)


class _Recent:
    """The losses of the last ``2 * window`` updates, and the highest of the first ``window``."""

    def __init__(self, window: int) -> None:
        self.window, self.losses, self.done = window, np.zeros(0), 0
        self.highest = -np.inf

    def add(self, losses: NDArray[np.float64]) -> None:
        """Append losses."""
        first = losses[: max(0, self.window - self.done)]
        self.highest = max([self.highest, *first.tolist()])
        self.losses = np.concatenate([self.losses, losses])[-2 * max(1, self.window) :]
        self.done += losses.size

    def regime(self) -> Regime:
        """See `training_regime`."""
        return training_regime(self.losses, self.highest, self.window)
