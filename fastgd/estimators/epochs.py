"""`Epochs`: training of an estimator's network, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastgd.batches import GivenOrders
from fastgd.engines.protocol.networks import Rows, Stretch
from fastgd.network.mlp import MLP
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Optimizer

__all__ = ["Diverged", "Epochs", "diverged"]


class Diverged(ValueError):
    """The loss or the weights of a fit became NaN or infinite."""


class Epochs:
    """Training of a network, one epoch over some rows of the data at each call of `run`, or several short ones.

    Parameters
    ----------
    network : MLP
    rows : Rows
    optimizer : Optimizer
    batch_size : int
    order : ndarray of int64
        Indices of the training rows.
    rng : numpy.random.RandomState, optional
        Permutes the order before each epoch; None keeps it.
    loss_scale : float
        Factor of the network's loss, without penalties, in the reported loss.
    past_divergence : bool
        Make the updates too whose loss is not finite, which an engine refuses.
    per_second : float
        Updates per second, if they are known, as in `Trainer`.

    Attributes
    ----------
    divergence : Diverged or None
        The first loss that was not finite.
    """

    def __init__(
        self,
        network: MLP,
        rows: Rows,
        optimizer: Optimizer,
        *,
        batch_size: int,
        order: NDArray[np.int64],
        rng: np.random.RandomState | None,
        loss_scale: float = 1.0,
        past_divergence: bool = False,
        per_second: float = 0.0,
    ) -> None:
        self.network, self.rng, self.loss_scale = network, rng, loss_scale
        self.order, self.batch_size = np.asarray(order, np.int32), batch_size
        self.past_divergence = past_divergence
        self.divergence: Diverged | None = None
        self.trainer = Trainer(network, rows, optimizer, per_second=per_second)
        self.updates = -(-len(order) // batch_size)
        self.counts = np.full(self.updates, float(batch_size))
        self.counts[-1] = len(order) - batch_size * (self.updates - 1)

    def run(self) -> float:
        """One epoch; its loss, see `several`."""
        (loss,) = self.several(1)
        return loss

    def several(self, most: int) -> Iterator[float]:
        """Epochs, one or at most so many if they are short: the engine makes their updates in one call.

        Yields
        ------
        float
            Of each epoch the mean loss of its batches, weighted by their rows, penalties included, each before its
            update. Ctrl-C comes after the losses of the epochs that were complete.

        Raises
        ------
        Diverged
            If the loss became NaN or infinite, unless `past_divergence` is set; the update that saw it was not made.
        """
        trainer = self.trainer
        epochs = 1 if self.past_divergence else max(1, min(most, trainer.ahead // self.updates))
        orders = np.empty((epochs, len(self.order)), np.int32)
        for own in orders:
            if self.rng is not None:
                self.order = self.order[self.rng.permutation(len(self.order))]
            own[:] = self.order
        # One sum over an epoch: where a stretch ends depends on the time, and its rounding would be reported.
        losses, done, seen = np.empty((epochs, self.updates)), 0, trainer.stretch
        try:
            for seen in trainer.stretches(GivenOrders(orders, self.batch_size), 0, losses.size):
                before, done = done, self._take(seen, losses.reshape(-1), done)
                yield from self._means(losses[before // self.updates : done // self.updates])
                if seen.diverged:
                    self._note_divergence(seen)
                    losses[0, done:] = self._forced(done)
                    yield from self._means(losses)
        except KeyboardInterrupt:
            if trainer.stretch is not None and trainer.stretch is not seen:
                before, done = done, self._take(trainer.stretch, losses.reshape(-1), done)
                yield from self._means(losses[before // self.updates : done // self.updates])
            raise

    def _take(self, stretch: Stretch, losses: NDArray[np.float64], done: int) -> int:
        """Put the losses of a stretch behind those of the updates done before; returns how many there are now."""
        found = self.loss_scale * stretch.losses + stretch.penalties
        losses[done : done + stretch.done] = found[: stretch.done]
        return done + stretch.done

    def _means(self, losses: NDArray[np.float64]) -> Iterator[float]:
        """The mean losses of whole epochs, (epochs, updates)."""
        with np.errstate(invalid="ignore"):
            yield from [float(epoch @ self.counts) / len(self.order) for epoch in losses]

    def _note_divergence(self, stretch: Stretch) -> None:
        """Raise an error, or go on with it in mind."""
        error = diverged(self.trainer.optimizer, float(stretch.rates[stretch.done, 0]))
        if not self.past_divergence:
            raise error
        self.divergence = self.divergence or error

    def _forced(self, first: int) -> list[float]:
        """Make the epoch's updates from one on, whatever their losses, which are returned."""
        network, trainer, losses = self.network, self.trainer, []
        for update in range(first, self.updates):
            index = self.order[update * self.batch_size : (update + 1) * self.batch_size]
            loss, penalty, gradients = network.engine.loss_and_grad(
                network.params, trainer.rows, index
            )
            with np.errstate(all="ignore"):
                trainer.optimizer.step(network.params, gradients)
            losses.append(self.loss_scale * loss + penalty)
        return losses

    def check_finite(self) -> None:
        """Raise `Diverged` where parameters are NaN or infinite after the last update."""
        if not all(np.isfinite(p).all() for p in self.network.params):
            raise diverged(self.trainer.optimizer, self.trainer.optimizer.lr)


def diverged(optimizer: Optimizer, rate: float) -> Diverged:
    """The error of a fit that diverged."""
    return Diverged(
        f"{type(optimizer).__name__} produced a non-finite loss or weights at update {optimizer.t} with learning "
        f"rate {rate:g}: scale the inputs and targets, or lower the rate"
    )
