"""How networks that trained side by side ended, or wait: rows of numbers as a platoon has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.platoons import Waiting
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import bound_to
from fastgd.sweeps.kept import Begun


@dataclass(frozen=True)
class Row:
    """What is kept of a run: its numbers as a platoon has them."""

    numbers: NDArray[Any]
    carries: NDArray[np.float64]  # of the optimizer without any group, then of each array
    iterations: int

    def into(self, network: MLP, optimizer: Optimizer) -> None:
        """Give a new network the parameters, and a new optimizer the state."""
        plan = bound_to(optimizer, network.params)
        arrays = [*network.params, *(state for slot in plan.slots for state in slot.state)]
        cuts = np.cumsum([array.size for array in arrays])[:-1]
        for array, values in zip(arrays, np.split(self.numbers, cuts), strict=True):
            array[...] = values.reshape(array.shape)
        plan.groups[0].carry[0] = self.carries[0]
        for slot, carry in zip(plan.slots, self.carries[1:], strict=True):
            plan.groups[slot.group].carry[0] = carry
        plan.t = self.iterations
        plan.write_rates()


@dataclass(frozen=True)
class Ended:
    """How the runs of a task ended, in its order; `worth` has their losses and metrics, nan where they diverged.

    `begun` is the number of updates from which they went on, and from which `history` is theirs. Of runs that wait,
    `recent` and `highest` are those of the platoon.
    """

    begun: int
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    regime: NDArray[np.uint8]
    worth: NDArray[np.float64]
    numbers: NDArray[Any]  # parameters and optimizer's state
    carries: NDArray[np.float64]
    history: NDArray[np.float64]
    recent: NDArray[np.float64]
    highest: NDArray[np.float64]

    def row(self, k: int) -> Row:
        """A copy of what is kept of the k-th run."""
        return Row(self.numbers[k].copy(), self.carries[k].copy(), int(self.iterations[k]))


@dataclass(frozen=True)
class Place:
    """A run that waits, among those that it trained with."""

    ended: Ended
    k: int

    @property
    def done(self) -> int:
        """Updates made."""
        return int(self.ended.iterations[self.k])

    @property
    def losses(self) -> NDArray[np.float64]:
        """Of the last updates, in their order."""
        ring = self.ended.recent[self.k]
        found: NDArray[np.float64] = np.roll(ring, -(self.done % ring.size))
        return found[max(0, ring.size - self.done) :]

    def begun(self) -> Begun:
        """What it goes on from."""
        return Begun(self.done, self.ended.row(self.k), self.losses, self.ended.highest[self.k])


def waiting_of(places: list[Place], group_of: Sequence[int], window: int) -> Waiting:
    """Runs that go on together, as a platoon takes them that keeps the losses of `window` updates."""
    done = places[0].done
    recent = np.zeros((len(places), window))
    for ring, place in zip(recent, places, strict=True):
        losses = place.losses[-window:]
        ring[np.arange(done - losses.size, done) % window] = losses
    groups = [0, *group_of]
    carries = np.ones((len(places), max(groups) + 1))
    carries[:, groups] = [place.ended.carries[place.k] for place in places]
    numbers = np.stack([place.ended.numbers[place.k] for place in places])
    return Waiting(done, numbers, carries, recent, np.array([p.ended.highest[p.k] for p in places]))
