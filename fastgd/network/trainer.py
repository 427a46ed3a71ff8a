"""`Trainer`: updates of a network by an optimizer, a stretch of them in each call of the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.arrays import check_mapping
from fastgd.engines.protocol.networks import Rows, Stretch
from fastgd.network.rows import checked_parameters
from fastgd.network.trainable import Trainable
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import bound_to, is_bound_by

_AIM = 0.05  # seconds of a stretch: Ctrl-C and time limits are looked at between stretches
_MOST = 1 << 16  # updates of a stretch
_SEEDS = 1 << 64  # dropout takes a seed below this


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
    batch_size : int
        Rows of an update.
    norms : bool, default False
        Whether to compute the norms of the gradients.

    Attributes
    ----------
    done : int
        Updates made, including those of a stretch that Ctrl-C or an error interrupted.
    """

    def __init__(
        self,
        network: Trainable,
        rows: Rows,
        optimizer: Optimizer,
        batch_size: int,
        norms: bool = False,
    ) -> None:
        self.network, self.rows, self.optimizer = network, rows, optimizer
        self.batch_size, self.norms = batch_size, norms
        self.plan = bound_to(optimizer, checked_parameters(network.params, network.architecture))
        self.done = 0
        # An engine may want longer stretches than _AIM.
        self._aim: float = getattr(network.engine, "seconds_of_stretch", _AIM)
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
            Some updates with their losses. A stretch that diverged is the last.
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
        check_mapping("X", self.rows.x)
        if not is_bound_by(optimizer, self.plan):  # a callback may have reset it
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
            network.engine.train(params, self.rows, stretch)
        finally:  # Python handles Ctrl-C after the engine's call and at later calls: count before the next one
            self.done += stretch.done
            plan.t += stretch.done
            plan.write_rates()  # of the next step
        return stretch
