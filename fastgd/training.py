"""Training a network: epochs in compiled stretches, validation, early stopping, history, limits."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import Batches, checked_batches
from fastgd.engines.networks import Rows, Stretch
from fastgd.optimizers import Adam, Optimizer
from fastgd.results import Status

if TYPE_CHECKING:
    import pandas as pd

    from fastgd.network import MLP

__all__ = ["DivergenceWarning", "Trainer", "TrainingHistory", "fit"]

Array = NDArray[Any]
Callback = Callable[["TrainingHistory"], Any]

_AIM = 0.05  # seconds of a stretch, after which Ctrl-C and time limits are looked at
_MOST = 1 << 16  # updates of a stretch


class DivergenceWarning(RuntimeWarning):
    """Training was ended because loss or parameters had left the numbers."""


@dataclass
class TrainingHistory:
    """What was recorded of a training: arrays of one number per record.

    Attributes
    ----------
    step, epoch : ndarray
        Updates done at the record, and passes over the rows, broken ones in part.
    loss : ndarray
        Mean loss with penalties of the batches since the last record, each before its update.
    lr, grad_norm : ndarray
        Rate of the record's last update; Euclidean norm of its gradient (nan where not asked for).
    seconds : ndarray
        Since training began, validation and callbacks counted in.
    val_loss, val_metric : ndarray
        Of the validation rows, nan without: loss without penalties; accuracy, or R² of values.
    """

    columns: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in _COLUMNS}
    )

    def __getattr__(self, name: str) -> NDArray[np.float64]:
        if name in _COLUMNS:
            return np.array(self.columns[name])
        raise AttributeError(f"'TrainingHistory' object has no attribute {name!r}")

    def __len__(self) -> int:
        return len(self.columns["step"])

    def add(self, **record: float) -> None:
        """One more record; what is not named is nan."""
        for name, column in self.columns.items():
            column.append(float(record.get(name, math.nan)))

    def to_pandas(self) -> pd.DataFrame:
        """A table of one row per record.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame(self.columns)


_COLUMNS = ("step", "epoch", "loss", "lr", "grad_norm", "seconds", "val_loss", "val_metric")


class Trainer:
    """Updates of a network by an optimizer, in stretches: what `fit` and the estimators are made of.

    Parameters
    ----------
    network : MLP
    rows : Rows
    optimizer : Optimizer
        Its state is continued.
    batch_size : int
    norms : bool
        Whether gradients' norms are wanted.
    """

    def __init__(
        self, network: MLP, rows: Rows, optimizer: Optimizer, batch_size: int, norms: bool = False
    ) -> None:
        self.network, self.rows, self.optimizer = network, rows, optimizer
        self.batch_size, self.norms = batch_size, norms
        self.plan = optimizer._bound_to(network.params)
        self._per_second = 0.0  # updates, as measured

    def stretches(
        self, order: NDArray[np.int64], first: int, last: int
    ) -> Iterator[Stretch]:
        """Updates first..last-1 of an epoch, some at a time; ends early where they diverge."""
        while first < last:
            many = min(max(1, int(_AIM * self._per_second)), _MOST, last - first)
            began = time.perf_counter()
            stretch = Stretch(
                order,
                self.batch_size,
                first,
                first + many,
                self.plan,
                self.optimizer._rates_ahead(many),
                self.optimizer.t,
                self.network.seed,
                np.zeros(many) if self.norms else None,
            )
            try:
                self.network._engine.train(self.network.params, self.rows, stretch)
            finally:
                self.optimizer._took(stretch.done)
            self._per_second = many / max(time.perf_counter() - began, 1e-6)
            first += many
            yield stretch
            if stretch.diverged:
                return


def fit(
    network: MLP,
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
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    monitor: str = "val_loss",
    record: int | None = None,
    grad_norm: bool = False,
    callbacks: Sequence[Callback] = (),
    max_seconds: float | None = None,
) -> MLP:
    """Train a network in mini-batches; also the method `fastgd.MLP.fit`.

    A second call continues the first: with the same rows, batch size and optimizer, n calls of one epoch give the
    bits of one call of n epochs. `MLP.reset` begins anew. After Ctrl-C the updates done are kept and `status_` says so.

    Parameters
    ----------
    network : MLP
        It is trained in place.
    X : array_like of shape (n, inputs)
        float32, float64 or uint8 (scaled by 1/255); read row by row, never copied whole, so it may be mapped from a file.
    y : array_like
        Class numbers of shape (n,), or values or labels of shape (n, outputs), (n,) for one output.
    optimizer : Optimizer, optional
        Its state is continued; None continues the last one, or makes an `Adam`.
        After `MLP.load` a new one of the same class and formula continues from the file's state.
    batch_size : int, default 32
        Rows of an update; the last batch of an epoch may be smaller.
    epochs, steps : int, optional
        Passes over all rows (default 10), or updates.
    sample_weight : array_like of shape (n,), optional
        A batch's loss is the mean of its rows' weighted by these.
    shuffle : bool, default True
        A new order of the rows in each epoch.
    drop_last : bool, default False
        Leave out a last batch that is smaller.
    rng : int or numpy.random.Generator, optional
        Of the orders; the network's by default.
    validation : (X, y), optional
        Rows that are not trained on; their loss and metric are recorded.
    patience : int, optional
        Stop after so many records in which `monitor` was not better by more than `min_delta` than its best, and restore
        the parameters of the best.
    min_delta : float, default 0
    monitor : {"val_loss", "val_metric", "loss"}, default "val_loss"
        "val_metric" is better when higher.
    record : int, optional
        Updates from record to record; an epoch by default.
    grad_norm : bool, default False
        Whether gradients' norms are recorded.
    callbacks : sequence of callable
        Each is called with the history after every record; training stops when one returns True.
    max_seconds : float, optional
        Wall-clock time after which training stops, with status `MAX_SECONDS`.

    Returns
    -------
    MLP
        The network, with `history_`, `status_` (`CONVERGED`: stopped by patience or a callback; `MAX_ITER`: all updates
        done; `DIVERGED`: parameters are those of the last record before), `steps_` and `epochs_`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not legal; nothing has changed then.

    Warns
    -----
    DivergenceWarning
        If loss or parameters left the numbers; it names rate and update.

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
    held_out = None if validation is None else _held_out(network, validation)
    seed = network.seed if rng is None else rng
    batches = checked_batches(len(rows), min(batch_size, len(rows)) if _is_count(batch_size) else batch_size, shuffle, drop_last, seed)
    assert batches is not None
    goal = _goal(epochs, steps, batches)
    _check_stopping(patience, monitor, held_out, record)
    used = _optimizer(network, optimizer)
    trainer = Trainer(network, rows, used, batches.size, grad_norm)
    network.optimizer_ = used
    run = _Run(network, trainer, batches, held_out, patience, min_delta, monitor, callbacks)
    run.every = batches.updates if record is None else record
    run.deadline = math.inf if max_seconds is None else time.perf_counter() + max_seconds
    run.go(goal)
    return network


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _held_out(network: MLP, validation: Any) -> Rows:
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation must be a pair (X, y), got {validation!r:.60}")
    return network.rows(*validation, names=("validation[0]", "validation[1]"))


def _goal(epochs: Any, steps: Any, batches: Batches) -> int:
    """How many updates."""
    if epochs is not None and steps is not None:
        raise ValueError("epochs and steps are two ways to say how long: give one of them")
    name, value = ("steps", steps) if steps is not None else ("epochs", 10 if epochs is None else epochs)
    if not _is_count(value):
        raise TypeError(f"{name} must be an integer, got {value!r:.60}")
    if value < 0:
        raise ValueError(f"{name} must be at least 0, got {value}")
    return int(value) * (1 if name == "steps" else batches.updates)


def _check_stopping(patience: Any, monitor: str, held_out: Rows | None, record: Any) -> None:
    for name, value in (("patience", patience), ("record", record)):
        if value is not None and not _is_count(value):
            raise TypeError(f"{name} must be an integer or None, got {value!r:.60}")
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if monitor not in ("val_loss", "val_metric", "loss"):
        raise ValueError(f"monitor must be 'val_loss', 'val_metric' or 'loss', got {monitor!r:.60}")
    if patience is not None and held_out is None and monitor != "loss":
        raise ValueError(f"patience watches {monitor!r}, which needs validation=(X, y)")


def _optimizer(network: MLP, optimizer: Any) -> Optimizer:
    saved = network._saved_state if network.optimizer_ is None else None
    if optimizer is None:
        if saved is not None:
            raise ValueError(
                f"optimizer must be given: the network was loaded from a file, in which its {saved['optimizer']} "
                "has its state, not its hyperparameters"
            )
        return network.optimizer_ or Adam()
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a fastgd.Optimizer, got {type(optimizer).__name__}")
    if saved is not None and _is_new(optimizer) and _could_have(optimizer, saved):
        try:
            optimizer.load_state_dict(saved)
            optimizer._bound_to(network.params)
        except Exception:
            optimizer.reset()
            raise
    return optimizer


def _is_new(optimizer: Optimizer) -> bool:
    return not optimizer.t and optimizer._plan is None and optimizer._pending is None


def _could_have(optimizer: Optimizer, state: Mapping[str, Array]) -> bool:
    rules = list(map(str, state["rules"]))
    return str(state["optimizer"]) == type(optimizer).__name__ and rules == optimizer._rules()


@dataclass
class _Run:
    """One call of `fit` under way."""

    network: MLP
    trainer: Trainer
    batches: Batches
    held_out: Rows | None
    patience: int | None
    min_delta: float
    monitor: str
    callbacks: Sequence[Callback]
    every: int = 1
    deadline: float = math.inf
    pending_updates: int = 0  # since the last record
    pending_loss: float = 0.0
    last_norm: float = math.nan
    last_rate: float = math.nan

    def go(self, goal: int) -> None:
        """Updates until the goal, a limit, or divergence; then the best parameters where that was asked for."""
        network = self.network
        network.history_ = self.history = TrainingHistory()
        self.began = time.perf_counter()
        self.best, self.waited = math.inf, 0
        self.best_params: list[Array] | None = None
        self.kept = [p.copy() for p in network.params]
        network.status_ = Status.MAX_ITER
        if network._within_epoch >= self.batches.updates:
            network._within_epoch = 0
        try:
            while goal > 0 and network.status_ is Status.MAX_ITER:
                goal -= self._part_of_epoch(goal)
        except KeyboardInterrupt:
            network.status_ = Status.INTERRUPTED
        if self.best_params is not None and network.status_ is not Status.INTERRUPTED:
            self._restore(self.best_params)

    def _part_of_epoch(self, goal: int) -> int:
        """Updates up to the next record, the end of the epoch or the goal; how many."""
        network, first = self.network, self.network._within_epoch
        last = min(self.batches.updates, first + goal, first + self.every - self.pending_updates)
        order = self.batches.orders(self.batches.seed, network.epochs_, network.epochs_ + 1)[0]
        done = 0
        for stretch in self.trainer.stretches(order.astype(np.int64), first, last):
            self._count(stretch)
            done += stretch.done
            if stretch.diverged:
                self._diverge(stretch)
                return done
            if time.perf_counter() > self.deadline:
                network.status_ = Status.MAX_SECONDS
                break
        ended = done == goal or network.status_ is not Status.MAX_ITER
        if ended or self.pending_updates >= self.every:
            self._record()
        return done

    def _count(self, stretch: Stretch) -> None:
        network, done = self.network, stretch.done
        losses = stretch.losses[:done] + stretch.penalties[:done]
        self.pending_loss += float(losses.sum())
        self.pending_updates += done
        network.steps_ += done
        network._within_epoch += done
        if network._within_epoch == self.batches.updates:
            network._within_epoch = 0
            network.epochs_ += 1
        if done:
            self.last_rate = float(stretch.rates[done - 1, 0])
            if stretch.norms is not None:
                self.last_norm = float(stretch.norms[done - 1])

    def _record(self) -> None:
        network = self.network
        if not self.pending_updates:
            return
        if not all(np.isfinite(p).all() for p in network.params):
            self._warn(network.steps_ - 1, self.last_rate)
            return
        record = {
            "step": network.steps_,
            "epoch": network.epochs_ + network._within_epoch / self.batches.updates,
            "loss": self.pending_loss / self.pending_updates,
            "lr": self.last_rate,
            "grad_norm": self.last_norm,
        }
        self.pending_loss, self.pending_updates = 0.0, 0
        if self.held_out is not None:
            record["val_loss"], record["val_metric"] = network.assess(self.held_out)
        self.history.add(**record, seconds=time.perf_counter() - self.began)
        for kept, p in zip(self.kept, network.params, strict=True):
            np.copyto(kept, p)
        self._watch(record)
        if any([callback(self.history) is True for callback in self.callbacks]):
            network.status_ = Status.CONVERGED

    def _watch(self, record: dict[str, float]) -> None:
        """Early stopping."""
        if self.patience is None:
            return
        value = -record["val_metric"] if self.monitor == "val_metric" else record[self.monitor]
        if value < self.best - self.min_delta or self.best_params is None:
            self.best, self.waited = value, 0
            self.best_params = [p.copy() for p in self.network.params]
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.network.status_ = Status.CONVERGED

    def _diverge(self, stretch: Stretch) -> None:
        done = stretch.done
        rate = float(stretch.rates[min(done, len(stretch.rates) - 1), 0])
        self._warn(self.network.steps_, rate)

    def _warn(self, step: int, rate: float) -> None:
        self.network.status_ = Status.DIVERGED
        self._restore(self.kept)
        warnings.warn(
            f"training diverged at update {step} with learning rate {rate:g}: loss or parameters are not finite; "
            "the parameters of the last record before are kept",
            DivergenceWarning,
            stacklevel=5,
        )

    def _restore(self, params: list[Array]) -> None:
        for p, kept in zip(self.network.params, params, strict=True):
            np.copyto(p, kept)
