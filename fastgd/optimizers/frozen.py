"""Steps in which some arrays have no gradient: they and their state stay as they are, and miss the step.

An array that missed steps counts only those that it made, as in PyTorch, so that coefficients of the step number
(Adam's bias corrections) differ between arrays of one group. Arrays that have made and missed the same steps are a
cohort: they share a `Group` with a running product and a count of missed steps of its own, and with the numbers of
the plan's group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.arrays import check_counts
from fastgd.engines.protocol.steps import Group, Slot

Update = Callable[[list[Any], list[Any], int], None]
_MOST_KEPT = 64  # ways to make a step


class _Way(NamedTuple):
    """How a step is made in which certain arrays have gradients."""

    update: Update  # of these arrays
    missing: list[Group]  # the cohorts of all others


class Cohorts:
    """Makes the steps of arrays some of which have missed steps.

    Parameters
    ----------
    slots, groups : sequences of Slot and Group
        Those of the plan. State, hyperparameters and rates remain theirs.
    stepper : callable
        ``stepper(slots, groups)`` makes what updates these arrays.
    behind, carries : ndarrays, optional
        For each array the steps that it missed, and its running product. By default none are missed.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        groups: Sequence[Group],
        stepper: Callable[[Sequence[Slot], Sequence[Group]], Any],
        behind: NDArray[np.int64] | None = None,
        carries: NDArray[np.float64] | None = None,
    ) -> None:
        self._slots, self._stepper = slots, stepper
        self._every = tuple(range(len(slots)))
        self._ways: dict[tuple[int, ...], _Way] = {}  # by the places of arrays with gradients
        begun: dict[tuple[int, float, float], Group] = {}
        self._of: list[Group] = []  # the cohort of each array
        for k, slot in enumerate(slots):
            group = groups[slot.group]
            missed = 0.0 if behind is None else float(behind[k])
            carry = float(group.carry[0] if carries is None else carries[k])
            cohort = begun.setdefault((slot.group, missed, carry), _cohort(group, missed, carry))
            self._of.append(cohort)

    @property
    def behind(self) -> NDArray[np.int64]:
        """How many steps each array missed."""
        return np.array([cohort.behind[0] for cohort in self._of], np.int64)

    @property
    def carries(self) -> NDArray[np.float64]:
        """The running product of each array."""
        return np.array([cohort.carry[0] for cohort in self._of])

    def step(self, params: list[Any], grads: list[Any], t: int) -> None:
        """Step number `t` of all arrays."""
        check_counts(len(self._slots), params=len(params), grads=len(grads))
        self._way(self._every).update(params, grads, t)

    def skip(self, params: list[Any], grads: list[Any], t: int) -> None:
        """Step number `t` of the arrays that have a gradient; those with None miss it."""
        check_counts(len(self._slots), params=len(params), grads=len(grads))
        places = tuple([k for k, gradient in enumerate(grads) if gradient is not None])
        way = self._way(places)
        way.update([params[k] for k in places], [grads[k] for k in places], t)
        for cohort in way.missing:
            cohort.behind[0] += 1.0

    def _way(self, places: tuple[int, ...]) -> _Way:
        """How the arrays at some places are updated; it is kept."""
        found = self._ways.get(places)
        if found is None:
            self._split(set(places))
            if len(self._ways) >= _MOST_KEPT:
                self._ways.pop(next(iter(self._ways)))
            found = self._ways[places] = self._new_way(places)
        return found

    def _split(self, present: set[int]) -> None:
        """Give the arrays without gradient cohorts of their own."""
        made = {id(self._of[k]) for k in present}
        parted: dict[int, Group] = {}
        for k, cohort in enumerate(self._of):
            if k not in present and id(cohort) in made:
                if id(cohort) not in parted:
                    parted[id(cohort)] = _cohort(cohort, cohort.behind[0], cohort.carry[0])
                self._of[k] = parted[id(cohort)]
        if parted:
            self._ways.clear()

    def _new_way(self, places: tuple[int, ...]) -> _Way:
        cohorts = {id(self._of[k]): self._of[k] for k in places}
        number = {key: n for n, key in enumerate(cohorts)}
        slots = [replace(self._slots[k], group=number[id(self._of[k])]) for k in places]
        update = self._stepper(slots, list(cohorts.values())).step if slots else _nothing
        others = {id(cohort): cohort for cohort in self._of if id(cohort) not in cohorts}
        return _Way(update, list(others.values()))


def _cohort(group: Group, behind: float, carry: float) -> Group:
    return replace(group, carry=np.array([carry]), behind=np.array([behind]))


def _nothing(params: list[Any], grads: list[Any], t: int) -> None:
    """The step of no arrays."""
