"""Runs of networks that one compiled loop can train side by side: one architecture, the same rules, other numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Places
from fastgd.engines.protocol.networks import Architecture
from fastgd.engines.protocol.steps import Method
from fastgd.engines.protocol.sweeps import Schedule
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import check_column, methods, options_of, schedule_of
from fastgd.schedules import as_schedule
from fastgd.sweeps.network_axes import Axis


@dataclass(frozen=True)
class Numbers:
    """The optimizer's update of the arrays of one parameter group, for all runs of a `RunGroup`.

    Attributes
    ----------
    method : Method
        Rule, coefficient function and their numbers, with a column for each run: `hyper` of shape (nh, n), the rate
        first (of a schedule: at the first step), `shared` of shape (6, n); `clip_norm` and the values of `initial` are
        one number, or one for each run.
    schedules : list of schedule, or None
        Learning rates as functions of the step, if there is one among them.
    rate_of : ndarray of int, shape (n,)
        Which of the schedules each run has.
    """

    method: Method
    schedules: list[Schedule] | None
    rate_of: NDArray[np.intp]


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
    varied = [_Varied(optimizer, part, every, places) for part in parts]
    code = np.zeros(index.size, np.intp)
    for one in varied:
        _, code = np.unique(code * index.size + one.batches(index), return_inverse=True)
    for k in range(code.max() + 1):
        own = index[code.reshape(-1) == k]
        group_of = tuple(parts.index(part) for part in arrays)
        yield RunGroup(own, a, group_of, tuple(one.numbers(own) for one in varied))


class _Varied:
    """The hyperparameters of one parameter group, some of which axes vary."""

    def __init__(
        self, optimizer: Optimizer, part: Part, every: Sequence[Axis], places: Places
    ) -> None:
        self.optimizer, self.places = optimizer.with_options(**part.options), places
        self.axes = {axis.option: axis for axis in every if axis.option not in part.options}
        self.axes |= {axis.option: axis for axis in part.axes}
        self.columns = {
            option: self._checked(axis, _entries(places.values[axis.name]))
            for option, axis in self.axes.items()
        }

    def _checked(self, axis: Axis, column: NDArray[Any]) -> NDArray[Any]:
        try:
            check_column(self.optimizer, axis.option, column)
        except (TypeError, ValueError) as error:
            if axis.part == "all":
                raise
            raise type(error)(f"axes[{axis.name!r}]: {error}") from None
        return column

    def _methods(self, index: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], Method]]:
        of = self.places.of
        columns = {
            option: column[of[self.axes[option].name][index]]
            for option, column in self.columns.items()
        }
        return methods(self.optimizer, columns or {"lr": np.full(index.size, self.optimizer.lr)})

    def batches(self, index: NDArray[np.intp]) -> NDArray[np.intp]:
        """Numbers of runs that are the same where these hyperparameters select one rule."""
        found = np.empty(index.size, np.intp)
        for k, (own, _) in enumerate(self._methods(index)):
            found[own] = k
        return found

    def numbers(self, index: NDArray[np.intp]) -> Numbers:
        """The numbers of runs that have one rule."""
        ((_, method),) = self._methods(index)
        axis = self.axes.get("lr")
        if axis is None:
            rates = (schedule_of(self.optimizer) or self.optimizer.lr,)
            of = np.zeros(index.size, np.intp)
        else:
            rates = self.places.values[axis.name]
            of = self.places.of[axis.name][index]
        moving = any(map(callable, rates))
        return Numbers(method, [as_schedule(rate) for rate in rates] if moving else None, of)


def _entries(values: Sequence[Any]) -> NDArray[Any]:
    """The values of an axis as an array, of objects where they are not numbers; the optimizer's fields check them."""
    try:
        column = np.asarray(values)
    except (TypeError, ValueError):  # pairs mixed with other values
        column = np.empty(0)
    if len(column) != len(values) or column.dtype.kind not in "fiub":
        column = np.empty(len(values), object)
        for k, value in enumerate(values):
            column[k] = value
    return column
