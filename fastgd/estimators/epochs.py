"""`Epochs`: training of an estimator's network, epoch by epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Rows
from fastgd.network.mlp import MLP
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Optimizer

__all__ = ["Epochs"]


class Epochs:
    """Training of a network, one epoch over some rows of the data at each call of `run`.

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
    ) -> None:
        self.network, self.order, self.rng, self.loss_scale = network, order, rng, loss_scale
        self.trainer = Trainer(network, rows, optimizer, batch_size)
        self.updates = -(-len(order) // batch_size)
        self.counts = np.full(self.updates, float(batch_size))
        self.counts[-1] = len(order) - batch_size * (self.updates - 1)

    def run(self) -> float:
        """One epoch; the mean loss of its batches, weighted by their rows, penalties included, each before its update.

        Raises
        ------
        ValueError
            If the loss became NaN or infinite; the update that saw it was not made.
        """
        if self.rng is not None:
            self.order = self.order[self.rng.permutation(len(self.order))]
        losses = []
        for stretch in self.trainer.stretches(self.order, 0, self.updates):
            if stretch.diverged:
                self._refuse(float(stretch.rates[stretch.done, 0]))
            losses.append(self.loss_scale * stretch.losses + stretch.penalties)
        # One sum over the epoch: where a stretch ends depends on the time, and its rounding would be reported.
        return float(np.concatenate(losses) @ self.counts) / len(self.order)

    def check_finite(self) -> None:
        """Refuse parameters that are NaN or infinite after the last update."""
        if not all(np.isfinite(p).all() for p in self.network.params):
            self._refuse(self.trainer.optimizer.lr)

    def _refuse(self, rate: float) -> None:
        """Raise the error of a fit that diverged."""
        optimizer = self.trainer.optimizer
        raise ValueError(
            f"{type(optimizer).__name__} produced a non-finite loss or weights at update {optimizer.t} with learning "
            f"rate {rate:g}: scale the inputs and targets, or lower the rate"
        )
