"""The runs of a request as an engine takes them: in groups that share a rule and differ in numbers only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_number
from fastgd.descent.axes import Column, Places
from fastgd.descent.starts import Starts
from fastgd.engines.layout import PENALTIES
from fastgd.engines.protocol.steps import Method, table_of
from fastgd.engines.protocol.sweeps import Descents, Schedule
from fastgd.engines.registry import RULES
from fastgd.optimizers import NAG, Optimizer
from fastgd.optimizers.kind import Varied
from fastgd.optimizers.loops import schedule_of, varied
from fastgd.schedules import as_schedule

_NO_HYPERPARAMETERS = ("optimizer", "x0", "rng")
_PENALTIES = ("l1", "l2", "weight_decay")


@dataclass(frozen=True)
class Group:
    """Runs that share a rule.

    Attributes
    ----------
    index : range or ndarray of int
        The places of the runs in the sweep.
    places : Places
    starts : Starts
    varied : Varied
        Their numbers.
    flags : mapping of str to object
        The hyperparameters of one of them, by which the rule is chosen.
    schedules : list of schedule, optional
        Those of the axis "lr".
    lookahead : bool
        Whether gradients are taken ahead of the point, as `fastgd.NAG` does.
    box : ndarray of shape (2, n_parameters), optional
        The lowest and the highest parameters.
    """

    index: range | NDArray[np.intp]
    places: Places
    starts: Starts
    varied: Varied
    flags: Mapping[str, Any]
    schedules: list[Schedule] | None
    lookahead: bool
    box: NDArray[np.float64] | None = None

    @property
    def total(self) -> int:
        """The number of runs."""
        return len(self.index)

    def part(self, start: int, stop: int) -> Descents:
        """Runs from `start` on, up to `stop`."""
        index = self.index[start:stop]
        count, places = len(index), self.places
        at = {name: places.positions(name, index) for name in self.varied.columns}
        method = self.varied.method(self.flags, at, count)
        runs = self._descents(method, self.starts.of(index))
        runs.seeds, runs.seed_of = self.starts.seeds, self.starts.seed_of(index)
        if self.schedules is not None:
            scheduled = "lr" in places.values
            runs.rate_of = places.numbered("lr", index) if scheduled else np.zeros(count, np.int64)
        return runs

    def _descents(self, method: Method, x0: NDArray[Any]) -> Descents:
        """A method with its numbers as rows, one column per run."""
        count = x0.shape[1]
        rule = RULES["momentum"] if self.lookahead else method.rule
        shared, minimized = None, method.minimized
        if method.prepared:
            clips = np.isfinite(self.varied.every("clip_norm")).any()
            clip = [method.clip_norm, method.norm_eps] if clips else []
            shared = table_of([*method.shared, *clip], count)
            if self.lookahead:
                minimized = _beside(method.minimized, shared[5])
        return Descents(
            rule,
            method.coefficients,
            x0,
            method.hyper,
            table_of([method.initial.get(name, 0.0) for name in rule.state], count),
            minimized,
            shared,
            schedules=self.schedules,
            lookahead=self.lookahead,
            penalized=method.prepared and any(np.any(self.varied.every(n)) for n in _PENALTIES),
            box=self.box,
        )


def _beside(minimized: NDArray[np.float64], decay: NDArray[np.float64]) -> NDArray[np.float64]:
    """What runs that look ahead minimize.

    One whose weights decay apart from the gradient rests beside the point where that is taken: no slope tells.
    """
    table = np.array(np.broadcast_to(minimized, (PENALTIES, len(decay))))
    table[3] = np.where(decay > 0, np.nan, 0.0)
    return table


def groups_of(
    optimizer: Optimizer, places: Places, starts: Starts, begin: NDArray[np.bool_] | None
) -> Iterator[Group]:
    """Groups of runs, of all or of those that `begin`."""
    if "optimizer" not in places.values:
        own = range(places.total) if begin is None else np.flatnonzero(begin)
        yield from _of_one(optimizer, places, starts, own)
        return
    which = places.numbered("optimizer", range(places.total))
    for k, one in enumerate(places.values["optimizer"]):
        mine = which == k if begin is None else (which == k) & begin
        yield from _of_one(one, places, starts, np.flatnonzero(mine))


def _of_one(
    given: Optimizer, places: Places, starts: Starts, own: range | NDArray[np.intp]
) -> Iterator[Group]:
    """Groups of one optimizer's runs."""
    if not len(own):
        return
    optimizer = given.fresh()  # a used optimizer's schedule would start at its last step
    columns = {
        name: numbers_of(name, column)
        for name, column in places.values.columns.items()
        if name not in _NO_HYPERPARAMETERS
    }
    numbers = varied(optimizer, columns)
    schedules = schedules_of(places.values.columns.get("lr", (schedule_of(optimizer),)))
    for chosen in numbers.alike(len(own), lambda name: places.positions(name, own)):
        index = own if isinstance(chosen, range) else np.asarray(own)[chosen]
        flags = numbers.flags({name: places.numbered(name, index[:1])[0] for name in columns})
        if len(starts.seeds) > 1:  # runs with one order of rows belong together
            index = np.asarray(index)[np.argsort(starts.seed_of(index), kind="stable")]
        elif len(columns) > 1 and not numbers.steady(flags):
            index = places.by_rate(index)  # those that differ in nothing else share coefficients
        yield Group(index, places, starts, numbers, flags, schedules, isinstance(optimizer, NAG))


def schedules_of(rates: Column) -> list[Schedule] | None:
    """The learning rates as schedules, if there is one among them."""
    if isinstance(rates, np.ndarray) or not any(map(callable, rates)):
        return None
    return [as_schedule(rate) for rate in rates]


def numbers_of(option: str, values: Column) -> NDArray[Any]:
    """One entry for each value of a hyperparameter, of any kind, which the optimizer's fields check.

    A schedule counts with its rate at the first step; engines follow it from there.
    """
    if option == "lr" and not isinstance(values, np.ndarray):
        if set(map(type, values)) == {float}:
            return np.array(values, np.float64)
        return np.array([_first_rate(rate) for rate in values], np.float64)
    try:
        return np.asarray(values)
    except (TypeError, ValueError):  # pairs mixed with other values
        column = np.empty(len(values), object)
        for k, value in enumerate(values):
            column[k] = value
        return column


def _first_rate(rate: Any) -> float:
    if callable(rate) and not isinstance(rate, Optimizer):  # which SciPy may call
        return as_schedule(rate)(0)
    return as_number("lr", rate)
