"""What is known of runs that have ended: losses, slopes, regimes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Runs
from fastgd.descent.request import Request
from fastgd.engines import sweeps
from fastgd.engines.layout import (
    CONVERGED,
    DIVERGED,
    INTERRUPTED,
    MAX_ITER,
    MAX_SECONDS,
    RUNNING,
)
from fastgd.engines.protocol.outcomes import Outcomes, Regime
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.reference.steepness import minimized_at, steepest_of
from fastgd.problems import LeastSquares, Quadratic
from fastgd.sweeps.regimes import unfinished_regimes

Which = slice | NDArray[np.bool_]
Numbers = NDArray[np.float64]
_ALL, _NONE = slice(None), slice(0)
_MOST_ROWS = 20_000_000  # rows x runs up to which the last gradients are summed row by row
_BROKEN_OFF = (MAX_SECONDS, INTERRUPTED)
_MONOTONE, _OSCILLATING = np.uint8(Regime.MONOTONE), np.uint8(Regime.OSCILLATING)


class Ends(NamedTuple):
    """Of each run its loss and slope at the end, the code of its regime; whether some were broken off."""

    loss: Numbers
    slope: Numbers
    regime: NDArray[np.uint8]
    early: bool


class Judge:
    """Tells how the runs of a request ended; it may be asked from several threads."""

    def __init__(self, request: Request) -> None:
        self.problem, self.starts = request.problem, request.starts
        kernel = self.problem.kernel(request.limits.dtype)
        self.in_python = kernel.kind == "python"
        rows = (
            kernel.size * request.places.sweep_total
        )  # of all runs, so that the bits are those of one sweep
        self.by_matrix = rows > _MOST_ROWS and isinstance(self.problem, LeastSquares | Quadratic)
        self.first_losses: Numbers | None = None  # at the starting points

    def ends(self, index: Runs, runs: Descents, outcomes: Outcomes) -> Ends:
        """How these runs ended.

        Those that did not begin stand at their starts. One that came to rest where loss or slope are not finite has
        diverged, and `outcomes` says so afterwards.
        """
        status = outcomes.status
        lowest, highest = int(np.minimum.reduce(status)), int(np.maximum.reduce(status))
        if lowest == RUNNING:
            waiting = status == RUNNING
            outcomes.x[waiting] = runs.x0.T[waiting]
        unfinished = _ALL if lowest == MAX_ITER == highest else _unfinished(status)
        known = self._known(outcomes)
        loss, before = self._losses(outcomes.x.T[:, known], outcomes.before.T[:, unfinished])
        slope = self._slopes(outcomes.x.T[:, known], runs.measure, known)
        if known is not _ALL:
            loss, slope = (_spread(values, known) for values in (loss, slope))
        if lowest <= CONVERGED:
            lost = (status == CONVERGED) & ~(np.isfinite(loss) & np.isfinite(slope))
            status[lost] = DIVERGED
        regime = _of_finished(outcomes) if unfinished is not _ALL else np.empty(len(loss), np.uint8)
        if unfinished is not _NONE:
            now = loss[unfinished]
            regime[unfinished] = self._of_unfinished(
                index, runs, outcomes, (unfinished, before, now)
            )
        early = lowest == RUNNING or highest in _BROKEN_OFF
        if highest > max(_BROKEN_OFF):  # runs that wait
            early = early or bool(np.isin(status, _BROKEN_OFF).any())
        return Ends(loss, slope, regime, early)

    def _known(self, outcomes: Outcomes) -> Which:
        """Runs that have values: after divergence a Python function is not called outside its domain, perhaps."""
        if not self.in_python:
            return _ALL
        which: Which = (outcomes.status != DIVERGED) | (outcomes.iterations == 0)
        return which

    def _losses(self, now: NDArray[Any], before: NDArray[Any]) -> tuple[Numbers, Numbers]:
        """Losses at the last points and at those before, (n_parameters, runs); once, at the starts too."""
        points = [now, before]
        if self.first_losses is None and before.shape[1]:
            points.append(self.starts.points)
        own, both = now.shape[1], now.shape[1] + before.shape[1]
        together = np.empty((len(now), sum(each.shape[1] for each in points)), now.dtype)
        np.concatenate(points, axis=1, out=together)
        losses = self.problem.losses(together)
        if len(points) > 2:
            self.first_losses = losses[both:]
        return losses[:own], losses[own:both]

    def _slopes(self, x: NDArray[Any], measure: Numbers | None, known: Which) -> Numbers:
        """The largest slopes at the last points (n_parameters, runs)."""
        problem: Any = self.problem
        if self.by_matrix:
            with np.errstate(all="ignore"):
                g = problem.hessian @ x.astype(np.float64) - problem.linear[:, None]
        else:
            g = sweeps.slopes(problem, np.ascontiguousarray(x))
        own = None if measure is None else measure[:, known]
        return np.asarray(steepest_of(x, g, own), np.float64)

    def _of_unfinished(
        self,
        index: Runs,
        runs: Descents,
        outcomes: Outcomes,
        found: tuple[Which, Numbers, Numbers],
    ) -> NDArray[np.uint8]:
        """Regimes by what the runs minimize, and minimized some updates before and at their starts."""
        which, before, now = found
        assert self.first_losses is not None
        first = self.first_losses[self.starts.which(index)]
        first = first[which] if len(first) == len(runs) else first
        if not runs.objective_changed:
            return unfinished_regimes(first, before, now)
        own = runs.minimized[:, which]
        points = runs.x0[:, which], outcomes.before.T[:, which], outcomes.x.T[:, which]
        losses = first, before, now
        minimized = [minimized_at(x, loss, own) for x, loss in zip(points, losses, strict=True)]
        return unfinished_regimes(*minimized)


def _unfinished(status: NDArray[np.int8]) -> Which:
    """Runs that did not come to an end of their own."""
    which = (status == MAX_ITER) | (status >= MAX_SECONDS)
    return which if which.any() else _NONE


def _of_finished(outcomes: Outcomes) -> NDArray[np.uint8]:
    """Regimes of runs that converged, diverged or did not begin."""
    regimes = np.where(outcomes.oscillating, _OSCILLATING, _MONOTONE)
    regimes[outcomes.status == DIVERGED] = Regime.DIVERGED
    regimes[outcomes.status == RUNNING] = Regime.NONE
    return regimes


def _spread(values: Numbers, known: Which) -> Numbers:
    """Values of the runs that have one, NaN for the others."""
    spread = np.full(len(known), np.nan)  # type: ignore[arg-type]
    spread[known] = values
    return spread
