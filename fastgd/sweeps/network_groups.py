"""Runs of networks that one compiled loop can train side by side: one architecture, the same rules, other numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Places
from fastgd.descent.grouping import numbers_of, schedules_of
from fastgd.engines.protocol.networks import Architecture
from fastgd.engines.protocol.platoons import Numbers
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import options_of, schedule_of, varied
from fastgd.sweeps.network_axes import Axis


@dataclass(frozen=True)
class RunGroup:
    """Runs of one architecture whose optimizers have the same rules: they differ in numbers alone.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        The places of the runs in the sweep, in order; columns of `NetworkRuns` are read there: ``seed_of[index]``.
    architecture : Architecture
    group_of : tuple of int
        The parameter group of each array of the network.
    numbers : tuple of Numbers
        Of each parameter group; the first is the optimizer without any group, and may have no array.
    """

    index: NDArray[np.intp]
    architecture: Architecture
    group_of: tuple[int, ...]
    numbers: tuple[Numbers, ...]


# --- which options an array has ---------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """What an array has of its own: options of a group of the optimizer, and axes that replace some of them."""

    options: dict[str, Any]
    axes: tuple[Axis, ...]


def parts_of(optimizer: Optimizer, a: Architecture, axes: Sequence[Axis]) -> list[Part]:
    """Of each array of a network; an axis of the array wins over one of its layer, that over the optimizer's group."""
    own: list[dict[str, Axis]] = [{} for _ in a.shapes]
    for part in ("layers", "groups"):
        for axis in axes:
            for k in axis.arrays(a) if axis.part == part else ():
                other = own[k].get(axis.option)
                if other is not None and other.part == part:
                    raise ValueError(
                        f"axes[{other.name!r}] and axes[{axis.name!r}] both say {axis.option} of array {k}; "
                        "give one of them"
                    )
                own[k][axis.option] = axis
    given = options_of(optimizer, [(k,) for k in range(len(own))])
    return [
        Part({n: v for n, v in options.items() if n not in mine}, tuple(mine.values()))
        for options, mine in zip(given, own, strict=True)
    ]


# --- runs with the same rules -----------------------------------------------------------------------


def groups_of_runs(
    optimizer: Optimizer,
    a: Architecture,
    axes: Sequence[Axis],
    places: Places,
    index: NDArray[np.intp],
) -> Iterator[RunGroup]:
    """The groups of some runs of a sweep, which have one optimizer and one architecture."""
    every = [axis for axis in axes if axis.part == "all"]
    arrays = parts_of(optimizer, a, axes)
    parts = [Part({}, ())]
    parts += [part for k, part in enumerate(arrays) if part not in [*parts, *arrays[:k]]]
    several = [_Varied(optimizer, part, every, places) for part in parts]
    group_of = tuple(parts.index(part) for part in arrays)
    for own in alike(index, [one.rules(index) for one in several]):
        yield RunGroup(own, a, group_of, tuple(one.numbers(own) for one in several))


def alike(
    index: NDArray[np.intp], keys: Sequence[NDArray[np.intp] | None]
) -> Iterator[NDArray[np.intp]]:
    """Sets of runs that are equal in all keys; None is equal for all runs."""
    code = np.zeros(index.size, np.intp)
    differing = [key for key in keys if key is not None]
    for key in differing:
        code = np.unique(code * index.size + key, return_inverse=True)[1].reshape(-1)
    for k in range(int(code.max()) + 1):
        yield index[code == k] if differing else index


class _Varied:
    """The hyperparameters of one parameter group, some of which axes vary."""

    def __init__(
        self, optimizer: Optimizer, part: Part, every: Sequence[Axis], places: Places
    ) -> None:
        self.optimizer, self.places = optimizer.with_options(**part.options), places
        self.axes = {axis.option: axis for axis in every if axis.option not in part.options}
        self.axes |= {axis.option: axis for axis in part.axes}
        columns = {option: self._column(axis) for option, axis in self.axes.items()}
        self.varied = varied(self.optimizer, columns)

    def _column(self, axis: Axis) -> NDArray[Any]:
        """The values of an axis, checked."""
        try:
            column = numbers_of(axis.option, self.places.values.columns[axis.name])
            varied(self.optimizer, {axis.option: column})
        except (TypeError, ValueError) as error:
            if axis.part == "all":
                raise
            raise type(error)(f"axes[{axis.name!r}]: {error}") from None
        return column

    def _places(self, option: str, index: NDArray[np.intp]) -> NDArray[np.intp]:
        return self.places.numbered(self.axes[option].name, index)

    def rules(self, index: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """A number for each run, the same where the hyperparameters select one rule; None where they always do."""
        sets = self.varied.alike(index.size, lambda option: self._places(option, index))
        if len(sets) == 1:
            return None
        found = np.empty(index.size, np.intp)
        for k, own in enumerate(sets):
            found[np.asarray(own)] = k
        return found

    def numbers(self, index: NDArray[np.intp]) -> Numbers:
        """The numbers of runs that have one rule."""
        at = {option: self._places(option, index) for option in self.axes}
        flags = self.varied.flags({option: int(places[0]) for option, places in at.items()})
        method = self.varied.method(flags, at, index.size)
        if "lr" not in at:
            schedules = schedules_of((schedule_of(self.optimizer),))
            return Numbers(method, schedules, np.zeros(index.size, np.intp))
        rates = self.places.values.columns[self.axes["lr"].name]
        return Numbers(method, schedules_of(rates), at["lr"])
