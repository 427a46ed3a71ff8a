"""Training a network: epochs, validation, early stopping, history, limits."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import Batches
from fastgd.checks import as_count, as_flag, as_nonnegative, as_seed, is_flag
from fastgd.engines.protocol.networks import Checkpoints, Rows, Stretch
from fastgd.engines.protocol.outcomes import Standing, Status
from fastgd.network.history import (
    DivergenceWarning,
    EarlyStopping,
    TrainingHistory,
    sums_of_records,
)
from fastgd.network.limits import Callback, checked_callbacks, checked_early_stopping, goal_of
from fastgd.network.rows import checked_validation
from fastgd.network.trainable import Trainable
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Adam, Optimizer
from fastgd.optimizers.loops import bound_to, resumes
from fastgd.optimizers.named import not_optimizer
from fastgd.progress import Progress
from fastgd.signals import interruptible

Array = NDArray[Any]
Net = TypeVar("Net", bound=Trainable)


def fit(
    network: Net,
    X: ArrayLike,
    y: ArrayLike,
    *,
    optimizer: Optimizer | None = None,
    batch_size: int = 32,
    epochs: int | None = None,
    steps: int | None = None,
    sample_weight: ArrayLike | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
    rng: int | np.random.Generator | None = None,
    validation: tuple[ArrayLike, ...] | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    monitor: str = "val_loss",
    record: int | None = None,
    grad_norm: bool = False,
    callbacks: Sequence[Callback] = (),
    max_seconds: float | None = None,
    progress: bool | None = None,
) -> Net:
    """Train a network in mini-batches; also the method `fastgd.MLP.fit`.

    A second call continues the first: with the same rows, batch size and optimizer, n calls of one epoch and one call
    of n epochs give the same bits. `MLP.reset` starts again. Ctrl-C, or SIGTERM or SIGHUP as in
    `fastgd.sweep`, ends training; the updates made are kept, and `status_` is `INTERRUPTED`.

    Parameters
    ----------
    network : MLP
        It is trained in place.
    X : array_like of shape (n, inputs)
        float32, float64 or uint8 (scaled by 1/255) are read row by row and never copied as a whole, so X may be a
        memory-mapped file. Other real numbers are copied into the network's dtype.
    y : array_like
        Class numbers of shape (n,), or values or labels of shape (n, outputs), (n,) for one output.
    optimizer : Optimizer, optional
        Its state is continued. None continues with the last optimizer, or makes an `Adam`. After `MLP.load`, a new
        optimizer of the same class and formula continues from the file's state.
    batch_size : int, default 32
        Rows of an update, at most all of them; the last batch of an epoch may be smaller.
    epochs, steps : int, optional
        Passes over all rows (default 10), or updates.
    sample_weight : array_like of shape (n,), optional
        Weights of the rows in the mean loss of a batch.
    shuffle : bool, default True
        Draw a new order of the rows for each epoch.
    drop_last : bool, default False
        Leave out a last batch that is smaller.
    rng : int or numpy.random.Generator, optional
        Seed of the orders; the network's by default.
    validation : (X, y) or (X, y, sample_weight), optional
        Rows that are not trained on; their loss and metric are recorded.
    patience : int, optional
        Stop after this many records without an improvement of `monitor` by more than `min_delta`, and restore the
        parameters of the best record.
    min_delta : float, default 0
        Smallest improvement that counts.
    monitor : {"val_loss", "val_metric", "loss"}, default "val_loss"
        The quantity that `patience` watches. "val_metric" is better when higher.
    record : int, optional
        Updates between two records; those of an epoch by default.
    grad_norm : bool, default False
        Record the norms of the gradients.
    callbacks : sequence of callable
        Each is called with the history after every record; training stops when one returns True.
    max_seconds : float, optional
        Wall-clock time after which training stops, with status `MAX_SECONDS`.
    progress : bool, optional
        Whether to show progress after one second: updates done, epochs, the last loss, and the time left. As for
        `fastgd.sweep`: by default a bar on a terminal and in a notebook.

    Returns
    -------
    MLP
        The network, with `history_`, `steps_`, `epochs_` and `status_`: `CONVERGED` (stopped by patience or a
        callback), `MAX_ITER` (all updates made), `MAX_SECONDS`, `INTERRUPTED`, or `DIVERGED` (the parameters are those
        of the last record before, and the optimizer's state is reset).

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; nothing has changed then.

    Warns
    -----
    DivergenceWarning
        If the loss or a parameter became NaN or infinite; it names the rate and the update, counted from 0.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> net = gd.MLP([1, 16, 1], activation="tanh", loss="mse")
    >>> net = net.fit(X, X[:, 0] ** 2, optimizer=gd.Adam(lr=0.01), epochs=3, validation=(X, X[:, 0] ** 2))
    >>> len(net.history_), net.status_.label
    (3, 'max_iter')
    """
    rows = network.rows(X, y, sample_weight)
    held_out = None if validation is None else checked_validation(network.architecture, validation)
    shuffle, drop_last = as_flag("shuffle", shuffle), as_flag("drop_last", drop_last)
    grad_norm = as_flag("grad_norm", grad_norm)
    stopping = checked_early_stopping(patience, min_delta, monitor, held_out)
    size = min(as_count("batch_size", batch_size, 1), len(rows))
    seed = network.seed if rng is None else rng
    if not isinstance(seed, np.random.Generator):
        seed = as_seed("rng", seed)
    batches = Batches(len(rows), size, shuffle, drop_last, 0)
    goal = goal_of(epochs, steps, batches)
    every = batches.updates if record is None else as_count("record", record, 1)
    seconds = math.inf if max_seconds is None else as_nonnegative("max_seconds", max_seconds)
    called = checked_callbacks(callbacks)
    used = _optimizer(network, optimizer)
    shown = None if progress is None else as_flag("progress", progress)
    trainer = Trainer(network, rows, used, grad_norm)
    network.optimizer_ = used
    batches = replace(
        batches, seed=as_seed("rng", seed)
    )  # a generator is drawn from only when all arguments are valid
    deadline = time.perf_counter() + seconds
    with interruptible(), Progress(1, shown, deadline=deadline, max_iter=goal) as watcher:
        run = _Run(trainer, batches, goal, every, seconds, held_out, stopping, called, watcher)
        run.go()
    if run.warning:
        warnings.warn(run.warning, DivergenceWarning, stacklevel=2)
    return network


def _optimizer(network: Trainable, optimizer: Any) -> Optimizer:
    """The optimizer to train with, which continues from the state of a file where it can."""
    saved = network.loaded_state_ if network.optimizer_ is None else None
    if optimizer is None:
        if saved is not None:
            raise ValueError(
                f"optimizer must be given: the network was loaded from a file, which holds the state of its "
                f"{saved['optimizer']}, not the optimizer itself"
            )
        return network.optimizer_ or Adam()
    if not isinstance(optimizer, Optimizer):
        raise not_optimizer("optimizer", optimizer)
    if saved is not None and resumes(optimizer, saved):
        try:
            optimizer.load_state_dict(saved)
            bound_to(optimizer, network.params)
        except ValueError as error:
            optimizer.reset()
            raise ValueError(f"optimizer: {error} (the state is loaded_state_)") from None
        except Exception:
            optimizer.reset()
            raise
    return optimizer


@dataclass
class _Run:
    """One call of `fit` under way."""

    trainer: Trainer
    batches: Batches
    goal: int  # updates
    every: int  # updates from record to record
    max_seconds: float
    held_out: Rows | None
    stopping: EarlyStopping | None
    callbacks: Sequence[Callback]
    watcher: Progress
    warning: str = ""  # of divergence

    def __post_init__(self) -> None:
        self.network = self.trainer.network
        self.network.history_ = self.history = TrainingHistory()
        self.kept = [p.copy() for p in self.network.params]  # at the last record
        self.began = time.perf_counter()
        self.counted = 0  # of the trainer's updates
        self.status: Status | None = None  # None while under way
        self.noted: Stretch | None = None  # the last one whose losses are recorded
        self.noted_at = 0.0  # seconds since training began
        self.pending_updates = 0  # since the last record
        self.pending_loss = 0.0
        self.rate = self.norm = math.nan  # of the last update
        if self.network.steps_in_epoch_ >= self.batches.updates:
            self.network.steps_in_epoch_ = 0

    @property
    def looked_at(self) -> bool:
        """Whether there is something to do at each record, which ends a stretch of updates."""
        return bool(self.held_out is not None or self.stopping is not None or self.callbacks)

    def go(self) -> None:
        """Update until the goal, a limit or divergence; then restore the best parameters if `patience` is set."""
        self.network.status_ = Status.INTERRUPTED  # if an error ends it
        if self.goal == 0:
            self.status = Status.MAX_ITER
        try:
            while self.status is None:
                self._some_updates()
        except KeyboardInterrupt:
            self._count_updates()
            if self.trainer.stretch is not None and self.trainer.stretch is not self.noted:
                self._note(self.trainer.stretch)
            self.status = Status.INTERRUPTED
            if not self._is_finite():
                self._diverge(self.network.steps_ - 1, self.rate)
        finally:
            self._count_updates()
        if self.stopping and self.stopping.params and self.status is not Status.INTERRUPTED:
            self._restore(self.stopping.params)
        assert self.status is not None
        self.network.status_ = self.status

    # --- updates ----------------------------------------------------------------------------------

    def _some_updates(self) -> None:
        """Update until the goal, or the next record if that is looked at."""
        network, left = self.network, self.goal - self.counted
        if self.looked_at:
            left = min(left, self.every - self.pending_updates)
        first = network.epochs_ * self.batches.updates + network.steps_in_epoch_
        checkpoints = Checkpoints(self.every, self.pending_updates, self.kept)
        for stretch in self.trainer.stretches(self.batches, first, first + left, checkpoints):
            self._note(stretch)
            self.watcher.look(self._standing)
            if stretch.diverged:
                self._diverge(network.steps_, float(stretch.rates[stretch.done, 0]))
            elif stretch.overflowed:
                self._diverge(network.steps_ - 1, self.rate)
            elif time.perf_counter() - self.began > self.max_seconds:
                self.status = Status.MAX_SECONDS
            if self.status is not None:
                break
        if self.status is Status.DIVERGED:
            return
        if self.counted == self.goal:
            self.status = Status.MAX_ITER
        if self.pending_updates and (self.looked_at or self.status is not None):
            self._last_record()

    def _standing(self) -> Standing:
        """How far training is, for whoever waits for it; the loss is that of the last update."""
        network, noted = self.network, self.noted
        epochs = network.epochs_ + network.steps_in_epoch_ / self.batches.updates
        loss = noted.losses[noted.done - 1] if noted is not None and noted.done else math.nan
        self.watcher.best = lambda: f"epoch {epochs:.2f}, loss {loss:.4g}"
        return Standing(0, 1, 0, self.counted / max(1, self.goal), self.counted)

    def _count_updates(self) -> None:
        network, done = self.network, self.trainer.done - self.counted
        passed, within = divmod(network.steps_in_epoch_ + done, self.batches.updates)
        # No calls from here on: Python handles Ctrl-C at calls, which would leave the counters inconsistent.
        self.counted += done
        network.steps_ += done
        network.epochs_ += passed
        network.steps_in_epoch_ = within

    # --- records ----------------------------------------------------------------------------------

    def _note(self, stretch: Stretch) -> None:
        """Count a stretch and make its records, but for one that is looked at."""
        self._count_updates()
        self.noted, done = stretch, stretch.done
        losses = (stretch.losses + stretch.penalties)[:done]
        ends = self._ends(stretch)
        sums, self.pending_loss = sums_of_records(losses, ends, self.every, self.pending_loss)
        if len(ends):
            self._records(stretch, ends, sums)
            self.pending_updates = done - int(ends[-1])
        else:
            self.pending_updates += done
        if done:
            self.rate = float(stretch.rates[done - 1, 0])
            if stretch.norms is not None:
                self.norm = float(stretch.norms[done - 1])

    def _records(self, stretch: Stretch, ends: Array, sums: Array) -> None:
        """Records after some of a stretch's updates, counted from 1; `sums` are those of their losses."""
        network, updates, done = self.network, self.batches.updates, stretch.done
        now, began = time.perf_counter() - self.began, self.noted_at
        position = network.epochs_ * updates + network.steps_in_epoch_ - done + ends
        none = np.full(len(ends), math.nan)
        self.history.extend(
            step=network.steps_ - done + ends,
            epoch=position // updates + position % updates / updates,
            loss=sums / self.every,
            lr=stretch.rates[ends - 1, 0],
            grad_norm=none if stretch.norms is None else stretch.norms[ends - 1],
            seconds=began + (now - began) * ends / done,
        )
        self.noted_at = now

    def _ends(self, stretch: Stretch) -> NDArray[np.int64]:
        """After which of a stretch's updates, counted from 1, there is a record to make of it alone."""
        if self.looked_at:
            return np.empty(0, np.int64)
        ends = np.arange(self.every - self.pending_updates, stretch.done + 1, self.every)
        return ends[:-1] if stretch.overflowed else ends

    def _last_record(self) -> None:
        """The record of the updates since the one before: one that is looked at, or that ends training."""
        network = self.network
        if (
            self.pending_updates < self.every and not self._is_finite()
        ):  # else the engine has tested it
            self._diverge(network.steps_ - 1, self.rate)
            return
        record = {
            "step": network.steps_,
            "epoch": network.epochs_ + network.steps_in_epoch_ / self.batches.updates,
            "loss": self.pending_loss / self.pending_updates,
            "lr": self.rate,
            "grad_norm": self.norm,
        }
        self.pending_loss, self.pending_updates = 0.0, 0
        if self.held_out is not None:
            record["val_loss"], record["val_metric"] = network.assess(self.held_out)
        self.history.add(**record, seconds=time.perf_counter() - self.began)
        if self.stopping and self.stopping.is_over(record, network.params):
            self.status = Status.CONVERGED
        self._call_back()

    def _call_back(self) -> None:
        answers = [callback(self.history) for callback in self.callbacks]
        if any(is_flag(answer) and answer for answer in answers):
            self.status = Status.CONVERGED

    # --- divergence -------------------------------------------------------------------------------

    def _is_finite(self) -> bool:
        return all(np.isfinite(p).all() for p in self.network.params)

    def _diverge(self, update: int, rate: float) -> None:
        """Restore finite parameters, and reset the optimizer, whose state belongs to the diverged ones."""
        self.status = Status.DIVERGED
        self._restore(self.kept)
        self.trainer.optimizer.reset()
        which = "best record" if self.stopping and self.stopping.params else "last record before"
        self.warning = (
            f"training diverged at update {update} with learning rate {rate:g}: loss or parameters are not finite; "
            f"the parameters are those of the {which}, and the optimizer is reset"
        )

    def _restore(self, params: list[Array]) -> None:
        for p, kept in zip(self.network.params, params, strict=True):
            np.copyto(p, kept)
