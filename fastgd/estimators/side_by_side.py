"""Fits of networks that train side by side, as runs of a sweep do: many for the time of a few.

After each epoch the estimators are told their losses, as in `fit`, and say which runs end; the others go on in lanes.
Each has the weights that it has when it is fitted alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Rows
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.platoons import Trainings, joined
from fastgd.estimators.begun import Begun, OrdersOfFit
from fastgd.optimizers.loops import settings_of
from fastgd.sweeps.lanes import Task, tasks_for

__all__ = ["Together", "dealt_out"]

_JOINED = 1 << 28  # bytes of the rows of several folds that are put together
_FEW = 8  # fits to the same rows: as many as fill a vector, more or less
# Threads have about so many platoons each, the last of which end at about the same time, if these are large enough: the
# more networks one has, the longer its vectors are full.
_ROUNDS, _ENOUGH = 4, 32


@dataclass(frozen=True)
class Together:
    """Fits that one thread trains side by side."""

    fits: list[Begun]
    task: Task

    def train(self, stopped: Callable[[], bool]) -> list[bool]:
        """Train all to their ends, or until `stopped` says so; which of them have ended as `fit` does."""
        task, trainings = self.task, self.task.trainings
        platoon = task.lanes.platoon(trainings, task.own.size)
        starts = [np.concatenate([p.ravel() for p in fit.net.params]) for fit in self.fits]
        platoon.load(task.own, np.array(starts), np.arange(task.own.size))
        updates, rows = trainings.batches.updates, trainings.batches.rows
        counts = np.full(updates, float(trainings.batches.size))
        counts[-1] = rows - trainings.batches.size * (updates - 1)
        live = np.arange(task.own.size)
        while live.size and not stopped():
            place = platoon.n % platoon.recent.shape[1]
            platoon.advance(platoon.n + updates)
            live = live[platoon.status[live] != Status.DIVERGED]
            losses = platoon.recent[:, place : place + updates]
            ended = [k for k in live if self.fits[k].record(float(losses[k] @ counts) / rows)]
            if ended:
                platoon.stop(Status.CONVERGED, np.array(ended))
                live = np.setdiff1d(live, ended, assume_unique=True)
        platoon.stop(Status.INTERRUPTED)
        well = platoon.status[: task.own.size] == Status.CONVERGED
        for k in np.flatnonzero(well):
            self.fits[k].end(platoon.final[k, : trainings.architecture.n_parameters])
        return [bool(one) for one in well]


def dealt_out(fits: Sequence[Begun], threads: int) -> list[Together]:
    """The fits that train side by side, dealt out to threads; those that are in none are faster alone."""
    kinds: dict[Hashable, list[Begun]] = defaultdict(list)
    for fit in fits:
        kinds[fit.kind].append(fit)
    groups = [own for alike in kinds.values() for own in _by_rows(alike)]
    together = []
    for own in groups:
        updates = settings_of(own[0].estimator._optimizer)["backend"]
        pieces = min(-(-_ROUNDS * threads // len(groups)), len(own) // _ENOUGH)
        pieces = max(pieces, -(-threads // len(groups)))
        tasks = tasks_for(_trainings(own), np.arange(len(own)), None, updates, pieces)
        together += [Together([own[k] for k in task.own], task) for task in tasks or ()]
    return sorted(together, key=lambda one: -len(one.fits))


def _by_rows(fits: list[Begun]) -> Iterator[list[Begun]]:
    """Fits of one kind; those to the same rows by themselves where they are enough, or the rows too many to join."""
    by_rows: dict[int, list[Begun]] = defaultdict(list)
    for fit in fits:
        by_rows[id(fit.rows)].append(fit)
    total = sum(own[0].rows.x.nbytes for own in by_rows.values())
    few = [own for own in by_rows.values() if len(own) < _FEW and total <= _JOINED]
    yield from (own for own in by_rows.values() if own not in few)
    if few:
        yield [fit for own in few for fit in own]


@dataclass(frozen=True)
class _Batches:
    """The batches of fits that have as many rows each; see `fastgd.engines.protocol.platoons.EpochBatches`."""

    rows: int
    size: int
    shuffle: bool
    streams: Sequence[tuple[int, tuple[bytes, int] | None]]

    @property
    def updates(self) -> int:
        """Updates of an epoch."""
        return -(-self.rows // self.size)

    def in_turn(self, seed: int) -> OrdersOfFit:
        """The orders of one of the streams."""
        return OrdersOfFit(self.rows, *self.streams[seed])


def _trainings(fits: list[Begun]) -> Trainings:
    """Fits of one kind as runs; the rows of different folds are put one after the other."""
    first, n = fits[0], len(fits[0].rows)
    parts = list({id(fit.rows): fit.rows for fit in fits}.values())
    offsets = {id(rows): k * n for k, rows in enumerate(parts)}
    streams = [(offsets[id(fit.rows)], fit.order) for fit in fits]
    seeds = {stream: k for k, stream in enumerate(dict.fromkeys(streams))}
    shuffled = len(parts) > 1 or any(order is not None for _, order in streams)
    epochs = np.array([fit.estimator.max_iter for fit in fits], np.int64)
    batches = _Batches(n, first.batch, shuffled, list(seeds))
    return Trainings(
        first.net.architecture,
        _joined_rows(parts),
        batches,
        (joined([fit.numbers for fit in fits]),),
        (0,) * len(first.net.params),
        list(range(len(seeds))),
        np.array([seeds[stream] for stream in streams]),
        # More than any fit makes: `record` ends it. A platoon of two epochs or more keeps the losses of one.
        (epochs + 1) * batches.updates,
        np.zeros(len(fits)),
        np.array([fit.l2 for fit in fits]),
        settings_of(first.estimator._optimizer)["flush_subnormals"],
    )


def _joined_rows(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    weights: NDArray[np.float64] | None = None
    if parts[0].weights is not None:
        weights = np.concatenate([rows.weights for rows in parts if rows.weights is not None])
    x, y = (np.concatenate([getattr(rows, name) for rows in parts]) for name in ("x", "y"))
    return Rows(x, y, weights, parts[0].scale)
