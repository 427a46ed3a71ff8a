"""Where the runs of one sweep stand in another, whose axes have some of the same values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.sweeps.tables import places_along

Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Grid:
    """The axes of a sweep as keys: entries, or rows, that are equal where the values decide the same.

    Attributes
    ----------
    keys : mapping of str to ndarray
    paired : bool
        Whether run k has the k-th value of every axis.
    """

    keys: Mapping[str, NDArray[Any]]
    paired: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the results."""
        lengths = tuple(map(len, self.keys.values()))
        return lengths[:1] if self.paired else lengths

    @property
    def total(self) -> int:
        """The number of runs."""
        return math.prod(self.shape)

    def same_as(self, other: Grid) -> bool:
        """Whether every run stands at the same place."""
        return (
            self.paired == other.paired
            and list(self.keys) == list(other.keys)
            and all(np.array_equal(self.keys[name], other.keys[name]) for name in self.keys)
        )


def places_in(other: Grid, grid: Grid) -> Places | None:
    """For each run of a grid its place in another of the same axes, -1 where it is not; None if all stand alike."""
    if grid.same_as(other):
        return None
    codes = {name: _codes(other.keys[name], grid.keys[name]) for name in grid.keys}
    if grid.paired or other.paired:
        return _by_run(other, grid, codes)
    places = np.zeros(grid.shape, np.intp)
    there = np.ones(grid.shape, bool)
    names = list(other.keys)
    for axis, name in enumerate(grid.keys):
        found = _first(*codes[name])
        found = found.reshape([-1 if k == axis else 1 for k in range(len(grid.shape))])
        places += found * math.prod(other.shape[names.index(name) + 1 :])
        there &= found >= 0
    places[~there] = -1
    return places.ravel()


def _by_run(other: Grid, grid: Grid, codes: Mapping[str, tuple[Places, Places]]) -> Places:
    """The same where runs are combinations: by a code of all values of each run."""
    both = np.zeros(other.total + grid.total, np.intp)
    for name, (theirs, ours) in codes.items():
        own = np.concatenate([_of_runs(other, name, theirs), _of_runs(grid, name, ours)])
        _, both = np.unique(both * (int(own.max()) + 1) + own, return_inverse=True)
    return _first(both[: other.total], both[other.total :])


def _of_runs(grid: Grid, name: str, codes: Places) -> Places:
    """The code of an axis for every run."""
    if grid.paired:
        return codes
    return codes[places_along(grid.shape, list(grid.keys).index(name))]


def _codes(theirs: NDArray[Any], ours: NDArray[Any]) -> tuple[Places, Places]:
    """Numbers that are equal where keys are equal."""
    if (theirs.dtype.kind in "US") != (ours.dtype.kind in "US") or theirs.shape[1:] != ours.shape[
        1:
    ]:
        return np.zeros(len(theirs), np.intp), np.ones(len(ours), np.intp)
    _, codes = np.unique(np.concatenate([theirs, ours]), axis=0, return_inverse=True)
    codes = codes.ravel()
    return codes[: len(theirs)], codes[len(theirs) :]


def _first(theirs: Places, ours: Places) -> Places:
    """For each of our codes the first place where it stands among theirs, or -1."""
    most = max(int(theirs.max()), int(ours.max())) + 1
    place = np.full(most, -1, np.intp)
    place[theirs[::-1]] = np.arange(len(theirs))[::-1]
    return place[ours]


class Inverse:
    """The way back: where in a grid the runs of another stand.

    Parameters
    ----------
    places : ndarray of int or None
        As `places_in` returns them.
    """

    def __init__(self, places: Places | None) -> None:
        self.order: Places | None = None
        if places is not None:
            self.order = np.argsort(places, kind="stable")
            self.sorted = places[self.order]

    def of(self, runs: Places) -> tuple[Places, Places]:
        """Which of these runs of the other grid are in this one, and at which places; one may be at several."""
        if self.order is None:
            return np.arange(len(runs)), runs
        low = np.searchsorted(self.sorted, runs, "left")
        count = np.searchsorted(self.sorted, runs, "right") - low
        which = np.repeat(np.arange(len(runs)), count)
        behind = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        return which, self.order[low[which] + behind]
