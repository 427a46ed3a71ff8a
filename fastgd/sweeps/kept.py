"""What is kept of the networks that a sweep trains: those handed over with its result, and those that wait."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.sweeps.best import Values, best_of_combinations
from fastgd.sweeps.seeds import AVERAGES, Combinations

_BY: tuple[Literal["loss", "metric"], ...] = ("loss", "metric")


@dataclass(frozen=True)
class Trained:
    """What is kept of a run: the parameters of its network and the state of its optimizer.

    Attributes
    ----------
    params : list of ndarray
    state : mapping of str to ndarray
        As `Optimizer.state_dict` gives it.
    """

    params: list[Array]
    state: Mapping[str, Array]

    def into(self, network: MLP, optimizer: Optimizer) -> None:
        """Give a new network the parameters, and a new optimizer the state."""
        for target, source in zip(network.params, self.params, strict=True):
            target[...] = source
        optimizer.load_state_dict(self.state)


class Kept(Protocol):
    """What is kept of a run, in whatever form the engine has it."""

    def into(self, network: MLP, optimizer: Optimizer) -> None:
        """Give a new network the parameters, and a new optimizer the state."""


@dataclass(frozen=True)
class Begun:
    """A training that waits, and goes on from here.

    Attributes
    ----------
    done : int
        Updates made.
    kept : Kept
    losses : ndarray of float64
        Of the last updates, in their order.
    highest : float
        The highest loss of the first window; see `fastgd.sweeps.regimes.training_regimes`.
    """

    done: int
    kept: Kept
    losses: NDArray[np.float64]
    highest: float


class Waiting(Protocol):
    """A run that waits, in whatever form the engine has it."""

    def begun(self) -> Begun:
        """What it goes on from."""


@dataclass(frozen=True)
class Stage:
    """Runs of a sweep that are taken on, from where they wait or from their beginning.

    Attributes
    ----------
    order : ndarray of int
        The runs, those of a combination one after the other.
    pause : ndarray of int64, shape (runs of the sweep,)
        The updates after which each waits; 0: it goes on to its end.
    waiting : mapping of int to Waiting
        Those that do not begin.
    """

    order: NDArray[np.intp]
    pause: NDArray[np.int64]
    waiting: Mapping[int, Waiting]

    @classmethod
    def whole(cls, order: NDArray[np.intp]) -> Stage:
        """All runs, from the beginning to the end."""
        return cls(order, np.zeros(order.size, np.int64), {})


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
        self._runs = (rows >= 0).sum(axis=1)
        self._left = self._runs.copy()
        self._waiting: dict[int, dict[int, Kept]] = {}
        self._best: dict[tuple[str, str], tuple[tuple[float, ...], int, Kept]] = {}

    def add(self, run: int, trained: Callable[[], Kept]) -> None:
        """Take note of a run that has ended and whose results are known; `trained` copies what is kept of it."""
        loss, own = float(self.values.loss[run]), int(self._of[run])
        stopped = float(self.values.status[run] == Status.STOPPED)
        metric = math.nan if self.values.metric is None else float(self.values.metric[run])
        self._left[own] -= 1
        if math.isfinite(loss):
            copied = _once(trained)
            keys = {"loss": (loss, float(self.values.iterations[run]))}
            if math.isfinite(metric):
                keys["metric"] = (-metric, loss)
            averages = AVERAGES if self._runs[own] == 1 else ()
            for by, key in keys.items():
                self._offer((by, "alone"), (stopped, *key, run), run, copied)
                for how in averages:  # 0: no share of runs is without a value
                    self._offer((by, how), (stopped, 0.0, *key, own), run, copied)
            if self._runs[own] > 1:
                self._waiting.setdefault(own, {})[run] = copied()
        if not self._left[own]:
            self._close(own)

    def add_all(self, runs: NDArray[np.intp], kept: Callable[[int], Kept]) -> None:
        """Take note of several runs; ``kept(i)`` copies what is kept of the i-th."""
        v, own = self.values, self._of[runs]
        if (self._runs[own] > 1).any():
            chosen = set(range(len(runs)))
        else:  # each is a combination by itself: only the best of them can be the best of all
            loss, metric = v.loss[runs], (v.loss if v.metric is None else v.metric)[runs]
            stopped = v.status[runs] == Status.STOPPED
            keys = (v.iterations[runs], loss, stopped), (loss, -metric, stopped)
            finite = np.isfinite(loss), np.isfinite(loss) & np.isfinite(metric)
            orders = [
                order[known[order]]
                for order, known in zip(map(np.lexsort, keys), finite, strict=True)
            ]
            chosen = {int(order[0]) for order in orders if order.size}
        for i in sorted(chosen):
            self.add(int(runs[i]), partial(kept, i))

    def networks(self) -> dict[int, Kept]:
        """The networks to hand over, by run; combinations that were broken off count as they are."""
        for own in sorted(self._waiting):
            self._close(own)
        return {run: trained for _, run, trained in self._best.values()}

    def _close(self, own: int) -> None:
        """Choose among the networks of a combination of several runs, all of which have ended."""
        networks = self._waiting.pop(own, {})
        if not networks:
            return
        runs = self.combinations.rows[own]
        runs = runs[runs >= 0]
        v = self.values
        metric = None if v.metric is None else v.metric[runs]
        values = Values(v.loss[runs], v.iterations[runs], v.status[runs], metric)
        for by in _BY:
            for how in AVERAGES:
                best = best_of_combinations(by, how, np.arange(len(runs))[None], values)
                run = -1 if best is None else int(runs[best.run])
                if best is not None and run in networks:
                    self._offer(
                        (by, how), (*best.key, own), run, partial(networks.__getitem__, run)
                    )

    def _offer(
        self,
        what: tuple[str, str],
        key: tuple[float, ...],
        run: int,
        trained: Callable[[], Kept],
    ) -> None:
        if what not in self._best or key < self._best[what][0]:
            self._best[what] = key, run, trained()


def _once(kept: Callable[[], Kept]) -> Callable[[], Kept]:
    """The same copy whenever it is asked for; functools.cache costs more than most runs have to offer."""
    made: list[Kept] = []

    def copied() -> Kept:
        if not made:
            made.append(kept())
        return made[0]

    return copied


def in_order(combinations: Combinations) -> NDArray[Any]:
    """All runs, those of a combination one after the other."""
    rows = combinations.rows
    return rows[rows >= 0]
