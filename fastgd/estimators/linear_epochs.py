"""`LinearEpochs`: training of a linear network, epoch by epoch, with its objective on all rows."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array, Averages, Rows
from fastgd.estimators.averaging import Averaging
from fastgd.estimators.epochs import Diverged, Epochs, diverged
from fastgd.estimators.least_squares import ProductsOfColumns
from fastgd.estimators.penalties import Penalties
from fastgd.estimators.secant import SecantRate
from fastgd.estimators.stopping import Stopping
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer

__all__ = ["LinearEpochs"]

# Of batches, the objective of all rows is computed every k + 1 epochs after so many times k epochs; and where it takes
# so many multiplications, every second epoch, up to every eighth.
_RARER, _WORK, _RAREST = 20, 1e6, 8
_MULTIPLICATIONS = 1e8  # per second, at least: so few rows are one call of the engine


class LinearEpochs:
    """Training of a linear network, one epoch at each call of `run`.

    Where every update sees all rows, their objective and its gradients serve the update and the stopping rule alike.
    Where it sees a batch, the objective of all rows is computed after an epoch, more rarely as training goes on.

    Parameters
    ----------
    network : MLP
        It is trained in place. Its architecture has the penalties if these are the same for all columns.
    rows : Rows
    optimizer : Optimizer
    penalties : Penalties
    batch_size : int
    rng : numpy.random.RandomState, optional
        Permutes the rows before each epoch; None keeps their order.
    secant : SecantRate, optional
        Where every update sees all rows: the rates of the updates.
    products : ProductsOfColumns, optional
        Of least squares, likewise: the objective without the rows.
    averaging : Averaging, optional
        The model is its average, and the stopping rule looks at that.
    """

    def __init__(
        self,
        network: MLP,
        rows: Rows,
        optimizer: Optimizer,
        penalties: Penalties,
        *,
        batch_size: int,
        rng: np.random.RandomState | None,
        secant: SecantRate | None = None,
        products: ProductsOfColumns | None = None,
        averaging: Averaging | None = None,
    ) -> None:
        self.averaging = averaging
        averages: Averages | None = None
        if averaging is not None:
            averages = averaging.begin(network.params, len(rows), batch_size)
        self.secant, self.products = secant, products
        self.network, self.rows, self.optimizer, self.rng = network, rows, optimizer, rng
        self.batch_size, self.whole = batch_size, batch_size >= len(rows)
        self.order = np.arange(len(rows), dtype=np.int64)
        built_in = network.architecture.l1 or network.architecture.l2
        self.penalties = penalties if penalties and not built_in else None
        work = 2.0 * len(rows) * network.params[0].size
        self._apart = max(1, int(min(_RAREST, work / _WORK)))
        self._next_look, self.ended = self._apart, False
        self._epochs: Epochs | None = None
        if not self.whole and self.penalties is None:
            self._epochs = Epochs(
                network,
                rows,
                optimizer,
                batch_size=batch_size,
                order=self.order,
                rng=rng,
                per_second=_MULTIPLICATIONS / (batch_size * network.params[0].size),
            )
            self._epochs.trainer.averages = averages

    def run(self, epoch: int, stopping: Stopping | None) -> float:
        """Epoch number `epoch`, from 1; `ended` says whether the stopping rule ends training.

        Returns
        -------
        float
            The mean loss of the batches, weighted by their rows, penalties included, each before its update.

        Raises
        ------
        Diverged
            If the loss became NaN or infinite.
        """
        if self.averaging is not None:
            self.averaging.seen += len(self.rows)
        if self.whole:
            loss, gradients = self._objective(None)
            if stopping is not None and self.averaging is None:
                self.ended = stopping.look(epoch, loss, self.network.params, gradients)
            if self.secant is not None and not self.ended:
                self.optimizer.lr = self.secant.next(loss, self.network.params, gradients)
            self._step(gradients)
            if self.averaging is None:
                return loss
        else:
            loss = self._in_batches() if self._epochs is None else self._epochs.run()
        if stopping is not None and epoch >= self._next_look:
            self._next_look = epoch + max(self._apart, 1 + epoch // _RARER)
            with self.shown():
                value, gradients = self._objective(None)
                self.ended = stopping.look(epoch, value, self.network.params, gradients)
        return loss

    def shown(self) -> AbstractContextManager[None]:
        """A context in which the network has the parameters of the model: the averages, if these are wanted."""
        return (
            nullcontext() if self.averaging is None else self.averaging.shown(self.network.params)
        )

    def finish(self, epoch: int, stopping: Stopping) -> None:
        """Look at the last parameters, and return to the best; of averages the last one is the model."""
        average = self.averaging is not None
        if self.averaging is not None:
            self.averaging.end(self.network.params)
            stopping.best = math.inf
        try:
            if average or not (self.whole and self.ended):  # then a look at the best has ended it
                value, gradients = self._objective(None)
                stopping.look(epoch, value, self.network.params, gradients, final=True)
        except Diverged:
            if not stopping.kept:
                raise
        self.back_to(stopping.kept)
        stopping.conclude(epoch)

    def back_to(self, kept: list[Array]) -> None:
        """Return to earlier parameters."""
        for p, old in zip(self.network.params, kept, strict=True):
            np.copyto(p, old)

    def _in_batches(self) -> float:
        """Updates by all batches, with penalties that the engine does not know."""
        if self.rng is not None:
            self.order = self.order[self.rng.permutation(len(self.order))]
        total = 0.0
        for start in range(0, len(self.order), self.batch_size):
            index = self.order[start : start + self.batch_size]
            loss, gradients = self._objective(index)
            self._step(gradients)
            total += len(index) * loss
        return total / len(self.order)

    def _objective(self, index: NDArray[np.int64] | None) -> tuple[float, list[Array]]:
        """Loss and penalties, and the gradients of their sum, of all rows or some."""
        params = self.network.params
        found = self.products.loss_and_grad(params) if self.products and index is None else None
        if found is not None:
            (loss, gradients), penalty = found, 0.0
        else:
            loss, penalty, gradients = self.network.engine.loss_and_grad(params, self.rows, index)
        if self.penalties is not None:
            with np.errstate(all="ignore"):
                penalty = float(self.penalties.values(params[0]).sum())
                self.penalties.add_gradient(params[0], gradients[0])
        if not math.isfinite(loss + penalty):
            raise diverged(self.optimizer, self.optimizer.lr)
        return loss + penalty, gradients

    def _step(self, gradients: list[Array]) -> None:
        w = self.network.params[0]
        before = w.copy() if self.penalties is not None and self.penalties.l1.any() else None
        self.optimizer.step(self.network.params, gradients)
        if before is not None and self.penalties is not None:
            self.penalties.hold(before, gradients[0], w)
        if self.averaging is not None:
            self.averaging.add(self.network.params)
