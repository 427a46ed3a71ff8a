"""Trainings of networks: what `fastgd train` does once and `fastgd compare` for each optimizer."""

from __future__ import annotations

import math
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.cli import task as tasks
from fastgd.cli.files import out_folder
from fastgd.cli.optimizers import trainers
from fastgd.cli.options import (
    FitOptions,
    NetworkOptions,
    Split,
    choice,
    hyperparameters,
    picked,
    source,
)
from fastgd.cli.splits import TRAINED, VALIDATED, Trial
from fastgd.cli.task import Question, Task
from fastgd.cli.words import ENDED, count
from fastgd.engines.protocol.outcomes import Standing, Status
from fastgd.progress import Progress

if TYPE_CHECKING:
    from fastgd.network.history import TrainingHistory
    from fastgd.network.mlp import MLP
    from fastgd.optimizers import Optimizer


REMEDY = "try a smaller --rate, or --clip-norm 1."


@dataclass(frozen=True)
class Training:
    """A training that has ended."""

    name: str
    task: Task
    optimizer: Optimizer
    network: MLP
    history: TrainingHistory
    status: Status
    seconds: float
    watched: str | None  # the record that early stopping watched

    @property
    def usable(self) -> bool:
        """Whether the network can predict."""
        return self.status != Status.DIVERGED and self.network.steps_ > 0

    @property
    def kept(self) -> int:
        """The record of the parameters that the network has; -1, the last, also without records."""
        stopped = self.watched is not None and self.status != Status.INTERRUPTED
        return int(np.argmin(getattr(self.history, self.watched or ""))) if stopped else -1

    def at(self, quantity: str) -> float:
        """A recorded quantity of the parameters that were kept."""
        return float(getattr(self.history, quantity)[self.kept]) if len(self.history) else math.nan

    @property
    def epochs(self) -> float:
        """Epochs done."""
        return float(self.history.epoch[-1]) if len(self.history) else 0.0

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        return {Status.CONVERGED: "stopped early", Status.MAX_ITER: "all epochs done"}.get(
            self.status, ENDED[self.status]
        )

    def key(self, name: str) -> Any:
        """What tells it from others: its optimizer, seed or fold."""
        trial = self.task.trial
        return {"optimizer": self.name, "seed": trial.seed, "fold": trial.fold}[name]

    def summary(self) -> str:
        """The line that describes it."""
        line = (
            f"{self.optimizer.fresh()!r}: {self.outcome} after {count(self.epochs, 'epoch')} "
            f"({self.network.steps_:,} updates), {self.seconds:.3g} s"
        )
        if self.usable and self.kept >= 0 and self.at("epoch") < self.epochs:
            which = "validation" if self.watched == "val_loss" else "training"
            epoch = f"{self.at('epoch'):g}"
            line += f"; parameters of epoch {epoch} kept, where the {which} loss was lowest"
        return line


# --- training ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What to train on what, and where to write the results."""

    optimizers: Mapping[str, Optimizer]
    question: Question
    options: FitOptions
    folder: Path | None

    @property
    def several(self) -> bool:
        """Whether each optimizer trains several networks, for seeds or folds."""
        return len(self.question.trials) > 1

    def summary(self, task: Task) -> list[str]:
        """The lines that describe a task."""
        return task.summary(task.network(self.question.options), self.options.batch_size)


def planned(options: Namespace) -> Plan:
    """Check the options and read the file."""
    fit, split = picked(FitOptions, options), picked(Split, options)
    network = picked(NetworkOptions, options)
    optimizers = trainers(options.optimizer, options.rate or (), hyperparameters(options))
    question = tasks.posed(source(options), choice(options), split, options.scale, network)
    question.task(question.trials[0]).network(network)  # checks the options before a folder is made
    return Plan(optimizers, question, fit, out_folder(options.out, options.command))


def train_all(plan: Plan, trials: Sequence[Trial]) -> list[Training]:
    """Train a network by each optimizer, from the same weights through the same batches; Ctrl-C ends it early.

    Parameters
    ----------
    plan : Plan
    trials : sequence of Trial

    Returns
    -------
    list of Training
        Trial by trial, the optimizers in order.
    """
    done: list[Training] = []
    updates = plan.options.updates(max(len(trial.parts[TRAINED]) for trial in trials))
    with Progress(len(plan.optimizers) * len(trials), max_iter=updates) as progress:
        for trial in trials:
            task = plan.question.task(trial)
            for name in plan.optimizers:
                network = task.network(plan.question.options)
                teller = _teller(progress, network, updates)
                try:
                    done.append(_train(plan, task, name, network, teller))
                except KeyboardInterrupt:
                    if not done:
                        raise
                    return done
                status = done[-1].status
                progress.close_group(1, status == Status.DIVERGED)
                if status == Status.INTERRUPTED:
                    return done
    return done


def is_finished(plan: Plan, done: Sequence[Training], trials: int) -> bool:
    """Whether all trainings were done."""
    return len(done) == trials * len(plan.optimizers) and done[-1].status != Status.INTERRUPTED


def _train(
    plan: Plan,
    task: Task,
    name: str,
    network: MLP,
    teller: Callable[..., None],
) -> Training:
    from fastgd.network.history import DivergenceWarning  # noqa: PLC0415  (imports the engines)

    options, optimizer = plan.options, plan.optimizers[name].fresh()
    watched = task.watched[0] if options.patience else None
    x, y, *weights = task.rows(TRAINED)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # the summary says it
        network.fit(
            x,
            y,
            optimizer=optimizer,
            sample_weight=weights[0] if weights else None,
            batch_size=options.batch_size,
            epochs=options.epochs,
            validation=task.rows(VALIDATED) if VALIDATED in task.parts else None,
            patience=options.patience or None,
            monitor=watched or "val_loss",
            callbacks=[teller],
            max_seconds=options.max_seconds,
        )
    took = time.perf_counter() - began
    status = Status(network.status_)
    return Training(name, task, optimizer, network, network.history_, status, took, watched)


def _teller(progress: Progress, network: MLP, updates: int) -> Callable[..., None]:
    """A callback that updates the progress bar after each epoch."""

    def tell(_: TrainingHistory) -> None:
        done = network.steps_
        progress.look(lambda: Standing(0, 1, 0, done / updates, done))

    return tell
