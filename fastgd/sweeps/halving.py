"""Runs of a sweep in rungs: which of them go on, judged at the end of each rung.

Sweeps of descents and of networks are `Runners` here: they take runs on from where they stand, and nothing else.
"""

from __future__ import annotations

import math
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Places
from fastgd.engines.protocol.outcomes import ENDED, Status
from fastgd.sweeps.axis_values import plain_axes
from fastgd.sweeps.best import Values, compared, sign_of
from fastgd.sweeps.rungs import Rung, Rungs
from fastgd.sweeps.seeds import Combinations, combinations
from fastgd.sweeps.stopping import Bracket, SuccessiveHalving, budget

Index = NDArray[np.intp]


class Runners(Protocol):
    """The runs of a sweep, which go on from where they stand.

    Attributes
    ----------
    values : Values
        Of all runs, as they stand.
    updates : ndarray of int64
        The most updates of each run.
    """

    values: Values
    updates: NDArray[np.int64]

    def go_on(self, runs: Index, pause: NDArray[np.int64]) -> None:
        """Take runs on; each waits after `pause` updates with the status `STOPPED`, unless these are all."""

    def leave(self, runs: Index) -> None:
        """These stay where they wait."""

    def close(self) -> None:
        """Runs that wait and were not stopped were broken off: by a time limit, or by Ctrl-C."""


def in_rungs(runners: Runners, stopping: SuccessiveHalving, taken: Combinations) -> Rungs:
    """Take all runs on, rung by rung, until they have ended or were broken off."""
    if stopping.by == "metric" and runners.values.metric is None:
        raise ValueError(
            "by='metric' is for sweeps of networks; compare the runs of other problems by 'loss'"
        )
    contest = _Contest(runners, stopping, taken.rows)
    try:
        for number, bracket in enumerate(
            stopping.brackets(len(taken.rows), int(runners.updates.min()))
        ):
            if not contest.hold(number, bracket):
                break
    except KeyboardInterrupt:  # between two rungs; within one, `go_on` handles it
        pass
    runners.close()
    return Rungs(contest.rungs, stopping.by)


def judged_together(places: Places, stopping: SuccessiveHalving) -> Combinations:
    """The runs of each combination of the axes but the one that is averaged over."""
    over, axes = stopping.over, plain_axes(places.given)
    if over is None:
        every = np.arange(places.total)[:, None]
        return Combinations(dict(axes), places.shape, every)
    if over != "rng" and over not in axes:
        raise ValueError(f"over must be an axis of the sweep, one of {list(axes)}, got {over!r}")
    return combinations(axes, over, paired=places.paired)


class _Contest:
    """The rungs so far; the runs of each combination are the rows of positions, -1 for none."""

    def __init__(
        self, runners: Runners, stopping: SuccessiveHalving, rows: NDArray[np.int64]
    ) -> None:
        self.runners, self.stopping, self.rows = runners, stopping, rows
        self.rungs: list[Rung] = []
        self.best = math.nan

    def hold(self, number: int, bracket: Bracket) -> bool:
        """Halve the combinations of a bracket until none goes on; whether all runs went as far as they should."""
        runners, factor, alive = self.runners, self.stopping.factor, bracket.combinations
        for k in range(bracket.rungs + 1):
            began, left = time.perf_counter(), bracket.rungs - k
            runs = self._running(alive)
            pause = budget(runners.updates[runs], factor, left)
            runners.go_on(runs, pause)
            whole = self._went(runs, pause)
            most = len(bracket.combinations) // factor ** (k + 1) if left and whole else 0
            alive, threshold = self._chosen(alive, most)
            runs_on = self._running(alive)
            if whole:
                runners.leave(np.setdiff1d(runs, runs_on))
            seconds = time.perf_counter() - began
            updates, counts = int(pause.max(initial=0)), (runs.size, runs_on.size)
            self.rungs.append(Rung(number, k, updates, *counts, threshold, self.best, seconds))
            if not runs_on.size:
                return whole
        return True

    def _running(self, combinations: Index) -> Index:
        """The runs of some combinations that have not come to an end of their own."""
        runs = self.rows[combinations].ravel()
        runs = runs[runs >= 0]
        return runs[~np.isin(self.runners.values.status[runs], ENDED)]

    def _went(self, runs: Index, pause: NDArray[np.int64]) -> bool:
        """Whether all of these runs ended, or wait where they should."""
        values = self.runners.values
        status = values.status[runs]
        waits = (status == Status.STOPPED) & (values.iterations[runs] == pause)
        return bool((waits | np.isin(status, ENDED)).all())

    def _chosen(self, combinations: Index, most: int) -> tuple[Index, float]:
        """The best combinations, and the average of the worst of them."""
        how = self.stopping
        found = compared(how.by, how.average, self.rows[combinations], self.runners.values)
        order = found.order()
        self._note(found.average[order])
        chosen = order[:most]
        threshold = float(found.average[chosen[-1]]) if chosen.size else math.nan
        return combinations[chosen], threshold

    def _note(self, averages: NDArray[np.float64]) -> None:
        """The best average so far."""
        sign = sign_of(self.stopping.by)
        self.best = sign * float(np.fmin.reduce(sign * np.append(averages, self.best)))
