"""Which of the networks that a sweep trains are handed over with its result."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.sweeps.best import Values, best_of_combinations
from fastgd.sweeps.seeds import AVERAGES, Combinations

_BY: tuple[Literal["loss", "metric"], ...] = ("loss", "metric")


class KeptNetworks:
    """The networks that `SweepResult.best` may ask for: of the best runs, and of the best combinations of seeds.

    Of each combination whose seeds are not all trained yet, every network is held: so sweeps train one combination
    after the other.

    Parameters
    ----------
    combinations : Combinations
    values : Values
        The sweep's results, which are being filled.
    """

    def __init__(self, combinations: Combinations, values: Values) -> None:
        self.combinations, self.values = combinations, values
        rows = combinations.rows
        self._of = np.zeros(values.loss.size, np.int64)
        self._of[rows[rows >= 0]] = np.repeat(np.arange(len(rows)), (rows >= 0).sum(axis=1))
        self._left = (rows >= 0).sum(axis=1)
        self._waiting: dict[int, dict[int, tuple[MLP, Optimizer]]] = {}
        self._best: dict[tuple[str, str], tuple[tuple[float, ...], int, MLP, Optimizer]] = {}

    def add(self, run: int, network: MLP, optimizer: Optimizer) -> None:
        """Take the network of a run that has ended, and whose results are known."""
        loss, own = float(self.values.loss[run]), int(self._of[run])
        metric = math.nan if self.values.metric is None else float(self.values.metric[run])
        if math.isfinite(loss):
            self._waiting.setdefault(own, {})[run] = network, optimizer
            done = float(self.values.iterations[run])
            self._offer(("loss", "alone"), (loss, done, run), run, (network, optimizer))
            if math.isfinite(metric):
                self._offer(("metric", "alone"), (-metric, loss, run), run, (network, optimizer))
        self._left[own] -= 1
        if not self._left[own]:
            self._close(own)

    def networks(self) -> dict[int, tuple[MLP, Optimizer]]:
        """The networks to hand over, by run; combinations that were broken off count as they are."""
        for own in sorted(self._waiting):
            self._close(own)
        return {run: (network, optimizer) for _, run, network, optimizer in self._best.values()}

    def _close(self, own: int) -> None:
        """Choose among the networks of a combination, all of whose runs have ended."""
        networks = self._waiting.pop(own, {})
        rows = self.combinations.rows[own : own + 1]
        for by in _BY:
            for how in AVERAGES:
                best = best_of_combinations(by, how, rows, self.values)
                if best is not None and best.run in networks:
                    key = (*best.key, own)
                    self._offer((by, how), key, best.run, networks[best.run])

    def _offer(
        self,
        what: tuple[str, str],
        key: tuple[float, ...],
        run: int,
        network: tuple[MLP, Optimizer],
    ) -> None:
        if what not in self._best or key < self._best[what][0]:
            self._best[what] = key, run, *network


def in_order(combinations: Combinations) -> NDArray[Any]:
    """All runs, those of a combination one after the other."""
    rows = combinations.rows
    return rows[rows >= 0]
