"""`Trainer`: updates of a network by an optimizer, in compiled stretches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Rows, Stretch
from fastgd.network.rows import checked_parameters
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import bound_to, is_bound_by

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


_AIM = 0.05  # seconds of a stretch, after which Ctrl-C and time limits are looked at; an engine may want others
_MOST = 1 << 16  # updates of a stretch
_SEEDS = 1 << 64  # as many as dropout knows


class Trainer:
    """Updates of a network by an optimizer, in stretches: what `fit` and the estimators are made of.

    Parameters
    ----------
    network : MLP
        It is trained in place.
    rows : Rows
        What it is trained on.
    optimizer : Optimizer
        Its state is continued.
    batch_size : int
        Rows of an update.
    norms : bool, default False
        Whether gradients' norms are wanted.

    Attributes
    ----------
    done : int
        Updates made, those of a stretch that was broken off by Ctrl-C or an error counted in.
    """

    def __init__(
        self, network: MLP, rows: Rows, optimizer: Optimizer, batch_size: int, norms: bool = False
    ) -> None:
        self.network, self.rows, self.optimizer = network, rows, optimizer
        self.batch_size, self.norms = batch_size, norms
        self.plan = bound_to(optimizer, checked_parameters(network.params, network.architecture))
        self.done = 0
        self._aim: float = getattr(network._engine, "seconds_of_stretch", _AIM)
        self._per_second = 0.0  # updates, as measured

    def stretches(self, order: NDArray[np.int64], first: int, last: int) -> Iterator[Stretch]:
        """Updates first..last-1 of an epoch, some at a time.

        Parameters
        ----------
        order : ndarray of int64
            The rows in the order in which the epoch uses them.
        first, last : int
            Update k uses ``order[k * batch_size:(k + 1) * batch_size]``.

        Yields
        ------
        Stretch
            What came of some updates. One that diverged is the last.
        """
        while first < last:
            many = min(max(1, int(self._aim * self._per_second)), _MOST, last - first)
            began = time.perf_counter()
            stretch = self._train(order, first, first + many)
            self._per_second = many / max(time.perf_counter() - began, 1e-6)
            first += many
            yield stretch
            if stretch.diverged:
                return

    def _train(self, order: NDArray[np.int64], first: int, last: int) -> Stretch:
        network, optimizer = self.network, self.optimizer
        params = checked_parameters(network.params, network.architecture)
        if not is_bound_by(optimizer, self.plan):  # it was reset meanwhile, perhaps by a callback
            self.plan = bound_to(optimizer, params)
        plan = self.plan
        stretch = Stretch(
            order,
            self.batch_size,
            first,
            last,
            plan,
            plan.rates_ahead(last - first),
            plan.t,
            network.seed % _SEEDS,
            np.zeros(last - first) if self.norms else None,
        )
        try:
            network._engine.train(params, self.rows, stretch)
        finally:  # Ctrl-C is answered when the call returns, and then at calls: both counters change before the next
            self.done += stretch.done
            plan.t += stretch.done
            plan.write_rates()  # of the next step
        return stretch
