"""`Trainer`: updates of a network by an optimizer, a stretch of them in each call of the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from fastgd.batches import Order
from fastgd.engines.protocol.arrays import check_mapping
from fastgd.engines.protocol.networks import SEEDS, Averages, Checkpoints, Rows, Stretch
from fastgd.network.rows import checked_parameters
from fastgd.network.trainable import Trainable
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import bound_to, is_bound_by, taken_over

_AIM = 0.05  # seconds of a stretch: Ctrl-C and time limits are looked at between stretches
_MOST = 1 << 16  # updates of a stretch


class BatchSource(Protocol):
    """Which rows the updates use; `fastgd.batches.Batches` and `GivenOrders` have it.

    Attributes
    ----------
    rows, size, updates : int
        Rows of an epoch, rows of an update, updates of an epoch.
    """

    @property
    def rows(self) -> int: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    @property
    def updates(self) -> int: ...  # noqa: D102

    def ahead(self, update: int, most: int) -> tuple[Order | None, int, int]:
        """The orders of at most `most` updates from one on; which of their updates these are."""


class Trainer:
    """Updates of a network by an optimizer, in stretches; `fit`, estimators and sweeps train with it.

    Parameters
    ----------
    network : MLP
        It is trained in place.
    rows : Rows
        The training rows.
    optimizer : Optimizer
        Its state is continued.
    norms : bool, default False
        Whether to compute the norms of the gradients.
    per_second : float, default 0
        Updates per second, if they are known: the first stretch is as long as they allow, else one update.

    Attributes
    ----------
    done : int
        Updates made, including those of a stretch that Ctrl-C or an error interrupted.
    stretch : Stretch or None
        The last one, which Ctrl-C or an error may have kept from being yielded.
    per_second : float
        Updates per second, as last measured.
    averages : Averages or None
        What the parameters are added to after each update.
    """

    def __init__(
        self,
        network: Trainable,
        rows: Rows,
        optimizer: Optimizer,
        norms: bool = False,
        per_second: float = 0.0,
    ) -> None:
        self.network, self.rows, self.optimizer, self.norms = network, rows, optimizer, norms
        self.plan = bound_to(optimizer, checked_parameters(network.params, network.architecture))
        self.done = 0
        self.stretch: Stretch | None = None
        # An engine may want longer stretches than _AIM.
        self._aim: float = getattr(network.engine, "seconds_of_stretch", _AIM)
        self.per_second = per_second
        self.averages: Averages | None = None

    def restart(self, optimizer: Optimizer) -> None:
        """Begin another training of the network, from the parameters as they are now.

        The optimizer has no state yet; it takes over the memory of the one before where their rules are the same.
        """
        plan = taken_over(optimizer, self.optimizer)
        self.plan = bound_to(optimizer, self.network.params) if plan is None else plan
        self.optimizer, self.done, self.stretch = optimizer, 0, None

    @property
    def ahead(self) -> int:
        """How many updates the next stretch may have."""
        return min(max(1, int(self._aim * self.per_second)), _MOST)

    def stretches(
        self, batches: BatchSource, first: int, last: int, checkpoints: Checkpoints | None = None
    ) -> Iterator[Stretch]:
        """Updates first..last-1 of a training, some at a time.

        Parameters
        ----------
        batches : BatchSource
            The rows of each update.
        first, last : int
            Counted from the first update of the first epoch.
        checkpoints : Checkpoints, optional
            Where the parameters are tested and kept, as seen from the first update.

        Yields
        ------
        Stretch
            Some updates with their losses. One that diverged or overflowed is the last.
        """
        while first < last:
            many = min(self.ahead, last - first)
            began = time.perf_counter()
            stretch = self._train(batches, first, many, checkpoints)
            self.per_second = stretch.done / max(time.perf_counter() - began, 1e-6)
            first += stretch.done
            yield stretch
            if stretch.diverged or stretch.overflowed:
                return
            if checkpoints is not None and first < last:
                checkpoints = checkpoints.after(stretch.done)

    def _train(
        self, batches: BatchSource, update: int, most: int, checkpoints: Checkpoints | None
    ) -> Stretch:
        network, optimizer = self.network, self.optimizer
        params = checked_parameters(network.params, network.architecture)
        check_mapping("X", self.rows.x)
        if not is_bound_by(optimizer, self.plan):  # a callback may have reset it
            self.plan = bound_to(optimizer, params)
        plan = self.plan
        orders, first, last = batches.ahead(update, most)
        self.stretch = stretch = Stretch(
            orders,
            batches.rows,
            batches.size,
            batches.updates,
            first,
            last,
            plan,
            plan.rates_ahead(last - first),
            plan.t,
            network.seed % SEEDS,
            np.zeros(last - first) if self.norms else None,
            checkpoints,
            self.averages,
        )
        try:
            network.engine.train(params, self.rows, stretch)
        finally:  # Python handles Ctrl-C after the engine's call and at later calls: count before the next one
            self.done += stretch.done
            if self.averages is not None:
                self.averages.advance(stretch.done)
            plan.t += stretch.done
            plan.write_rates()  # of the next step
        return stretch
