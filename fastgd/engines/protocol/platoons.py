"""The interface of engines that train small networks side by side: which runs, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Architecture, Rows
from fastgd.engines.protocol.steps import Method
from fastgd.engines.protocol.sweeps import Schedule


@dataclass(frozen=True)
class Numbers:
    """How runs update the arrays of one parameter group.

    Attributes
    ----------
    method : Method
        Rule, coefficient function and their numbers, with a column for each run: `hyper` of shape (nh, n), the rate
        first (of a schedule: at the first step), `shared` of shape (6, n); `clip_norm` and the values of `initial` are
        one number, or one for each run. A row that is the same for all runs may have a stride of 0.
    schedules : list of Schedule, or None
        Learning rates as functions of the step, if there is one among them.
    rate_of : ndarray of int, shape (n,)
        Which of the schedules each run has.
    """

    method: Method
    schedules: list[Schedule] | None
    rate_of: NDArray[np.intp]

    def of(self, runs: NDArray[np.intp]) -> Numbers:
        """The same for some of the runs."""
        m = self.method

        def part(values: Any) -> Any:
            return values[runs] if np.ndim(values) else values

        method = replace(
            m,
            hyper=m.hyper[:, runs],
            shared=m.shared[:, runs],
            initial={name: part(values) for name, values in m.initial.items()},
            clip_norm=part(m.clip_norm),
            minimized=m.minimized[:, runs],
        )
        return Numbers(method, self.schedules, self.rate_of[runs])


def joined(parts: Sequence[Numbers]) -> Numbers:
    """The numbers of several sets of runs with one rule, one after the other; all have schedules, or none."""
    first, methods = parts[0], [part.method for part in parts]
    if len(parts) == 1:
        return first

    def columns(values: Sequence[Any]) -> NDArray[Any]:
        each = [
            np.broadcast_to(value, m.hyper.shape[1])
            for value, m in zip(values, methods, strict=True)
        ]
        return np.concatenate(each)

    method = replace(
        first.method,
        hyper=np.concatenate([m.hyper for m in methods], axis=1),
        shared=np.concatenate([m.shared for m in methods], axis=1),
        initial={name: columns([m.initial[name] for m in methods]) for name in methods[0].initial},
        clip_norm=columns([m.clip_norm for m in methods]),
        minimized=np.concatenate([m.minimized for m in methods], axis=1),
    )
    schedules, rate_of = [s for part in parts for s in part.schedules or ()], []
    before = 0
    for part in parts:
        rate_of.append(part.rate_of + before)
        before += len(part.schedules or ())
    return Numbers(method, schedules or None, np.concatenate(rate_of))


class OrdersInTurn(Protocol):
    """The orders of the rows in epoch after epoch; see `fastgd.batches.InTurn`."""

    def orders(self, first: int, last: int) -> NDArray[np.int32]:
        """Those of epochs first..last-1, shape (last - first, rows)."""


class EpochBatches(Protocol):
    """The rows of each update of an epoch; see `fastgd.batches.Batches`."""

    @property
    def rows(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def updates(self) -> int:
        """Updates of an epoch."""

    @property
    def shuffle(self) -> bool | str:
        """Whether each epoch has an order of its own."""

    def in_turn(self, seed: int) -> OrdersInTurn:
        """The orders of a seed, for one that asks for epoch after epoch."""


@dataclass(frozen=True)
class Trainings:
    """Runs of one architecture whose updates differ in numbers only.

    Attributes
    ----------
    architecture : Architecture
    rows : Rows
        The training rows.
    batches : EpochBatches
        How the rows of an update are chosen.
    numbers : sequence of Numbers
        One for each parameter group.
    group_of : tuple of int
        The parameter group of each array.
    seeds : sequence of int
        The different seeds, of the rows' order and of dropout.
    seed_of : ndarray of int, shape (runs,)
        Which of them each run has.
    updates : ndarray of int64, shape (runs,)
    l1, l2 : ndarray of float64, shape (runs,)
        Penalties on the weights, in the place of the architecture's.
    flush : bool
        Whether subnormal numbers count as zero.
    history : int
        Updates between two losses that are kept; 0: none are.
    """

    architecture: Architecture
    rows: Rows
    batches: EpochBatches
    numbers: Sequence[Numbers]
    group_of: tuple[int, ...]
    seeds: Sequence[int]
    seed_of: NDArray[np.intp]
    updates: NDArray[np.int64]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]
    flush: bool = True
    history: int = 0

    def __len__(self) -> int:
        return len(self.updates)


@dataclass(frozen=True)
class Loops:
    """The compiled loops of a parameter group, for vectors with a number for each network.

    Attributes
    ----------
    update : int
        Address of ``void loop(T** arrays, const T* coefficients, Py_ssize_t lo, Py_ssize_t hi)`` as of an optimizer's
        step, where each number and each coefficient is a vector.
    coefficients : int
        Address of the function that computes the vectors of coefficients, as in sweeps of descents.
    """

    update: int
    coefficients: int


@dataclass(frozen=True)
class Waiting:
    """Where networks of a platoon stood after `n` updates; arrays are as in `Platoon`, a network in each row."""

    n: int
    numbers: NDArray[Any]
    carries: NDArray[np.float64]
    recent: NDArray[np.float64]
    highest: NDArray[np.float64]


class Platoon(Protocol):
    """Memory for networks of some trainings, and what trains them; see `fastgd.engines.native.platoons.Platoon`."""

    capacity: int
    n: int
    n_parameters: int
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    final: NDArray[Any]
    carries: NDArray[np.float64]
    recent: NDArray[np.float64]
    highest: NDArray[np.float64]
    windows: NDArray[np.int64]
    history: NDArray[np.float64]

    @property
    def live(self) -> int:
        """How many networks have not ended."""

    def load(
        self, runs: NDArray[np.intp], starts: NDArray[Any], start_of: NDArray[np.intp]
    ) -> None:
        """Take networks that have not begun; `starts` has the different initial parameters in rows."""

    def go_on_from(self, begun: Waiting) -> None:
        """Let the networks that were loaded stand where they waited."""

    def advance(self, stop: int) -> int:
        """Make the updates before number `stop`; returns how many networks have not ended."""

    def stop(self, status: int, runs: NDArray[np.intp] | None = None) -> None:
        """End all networks where they are, or those at some places of what was loaded."""

    def assess(self, rows: Rows) -> NDArray[np.float64]:
        """Loss and metric of each network."""
