"""What threads of a sweep of networks use again for run after run: networks, optimizers' memory, initial weights."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from fastgd.engines.protocol.networks import Array, Rows
from fastgd.network.mlp import MLP
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Optimizer
from fastgd.sweeps.network_runs import NetworkRuns

_TRAINERS = 16  # of a thread: a sweep may have many architectures
_KEPT = 1 << 24  # bytes of initial weights


class Trainees:
    """The networks and trainers of one thread, one for each kind of run.

    Parameters
    ----------
    rows : Rows
        The training rows.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._trainers: OrderedDict[Hashable, Trainer] = OrderedDict()

    def trainer(
        self,
        kind: Hashable,
        new: Callable[[], MLP],
        start: Sequence[Array],
        seed: int,
        optimizer: Optimizer,
    ) -> Trainer:
        """A trainer for a run, as if it were new.

        Parameters
        ----------
        kind : hashable
            Equal for runs of one architecture; optimizers of one kind had better have the same rules.
        new : callable
            Makes the network if there is none of the kind.
        start : sequence of ndarray
            The initial parameters.
        seed : int
            The network's.
        optimizer : Optimizer
            Without a state.

        Returns
        -------
        Trainer
        """
        found = self._trainers.get(kind)
        if found is None:
            found = self._trainers[kind] = Trainer(new(), self.rows, optimizer)
            if len(self._trainers) > _TRAINERS:
                self._trainers.popitem(last=False)
        else:
            found.restart(optimizer)
        for p, value in zip(found.network.params, start, strict=True):
            np.copyto(p, value)
        found.network.seed = seed
        return found


class Starts:
    """Initial weights, drawn once for all runs that share a seed and an architecture."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, list[Array]] = OrderedDict()
        self._bytes = 0

    def of(self, runs: NetworkRuns, k: int) -> list[Array]:
        """The initial weights of a run; nobody writes to them."""
        key = runs.start_key(k)
        with self._lock:
            if key not in self._known:
                self._known[key] = params = runs.start(k)
                self._bytes += sum(p.nbytes for p in params)
                while len(self._known) > 1 and self._bytes > _KEPT:
                    self._bytes -= sum(p.nbytes for p in self._known.popitem(last=False)[1])
            self._known.move_to_end(key)
            return self._known[key]
