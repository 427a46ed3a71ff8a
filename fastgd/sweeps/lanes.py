"""Networks of a sweep that train side by side: which of its runs do, dealt out to platoons, and how they end.

A small network does not fill the vectors of a processor: there, each lane of a vector is a network of its own. Networks
whose products fill vectors by themselves train one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.batches import Batches
from fastgd.engines.networks import Lanes, lane_width, lanes_for
from fastgd.engines.protocol.networks import Rows
from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.engines.protocol.platoons import Platoon, Trainings, joined
from fastgd.optimizers.loops import settings_of
from fastgd.sweeps.kept import Stage
from fastgd.sweeps.lane_ends import Ended, Place, waiting_of
from fastgd.sweeps.network_groups import RunGroup, alike
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.regimes import training_regimes
from fastgd.sweeps.trainees import Starts

_AIM = 0.05  # seconds of a call: Ctrl-C and time limits are looked at between calls
_PER_SECOND = 1e10  # multiply-adds of a core, before it is measured: four times that with AVX-512, half with SSE2
_AT_FIRST = 64  # most updates of the first call
_LONGEST = 2.0  # seconds of one update of a block; networks that would need more train one by one
_BLOCKS = 16  # of a platoon: those that are left when some have ended close ranks
_BYTES = 1 << 27  # of a platoon
_HELD = 1 << 28  # bytes of networks that wait for the other seeds of their combinations
_ORDERS = 1 << 20  # numbers of rows in the orders of a call
# Measured on one core with AVX-512, batches of 64: 16 networks of 161 parameters side by side took a tenth of the time
# that they take one by one, of 2,410 a third, of 7,510 two thirds, and of 17,000 as long.
_MOST_PARAMETERS = 12_000
_GAIN, _GAIN_AT, _FALLS = 10.0, 160.0, 0.45


def worth_it(parameters: int, runs: int, lanes: int) -> bool:
    """Whether so many networks of so many parameters train faster side by side."""
    gain = _GAIN * (_GAIN_AT / max(parameters, 1)) ** _FALLS
    return parameters <= _MOST_PARAMETERS and gain * min(1.0, runs / lanes) > 1


# --- which runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """Runs of a sweep for one platoon: their positions among the trainings, and in the sweep.

    They wait after `pause` updates, if it is not 0. Those that have waited go on from `places`.
    """

    lanes: Lanes
    trainings: Trainings
    own: NDArray[np.intp]
    runs: NDArray[np.intp]
    pause: int = 0
    places: list[Place] = field(default_factory=list)


def dealt_out(
    runs: NetworkRuns, stage: Stage, backend: str | None, threads: int, record: int
) -> tuple[list[Task], NDArray[np.intp]]:
    """Tasks for the runs of a stage that train side by side, and all others of them."""
    tasks: list[Task] = []
    alone = []
    place = np.full(runs.total, -1)
    place[stage.order] = np.arange(stage.order.size)
    done = _done_in_lanes(runs.total, stage)
    for group in _but_for_penalties(runs):
        # An update whose gradients are clipped adds penalties in another order: such runs are apart. All networks of
        # a platoon are at one update, and wait after one.
        index = group.index
        keys = runs.batches_of[index], _clipped(group), done[index], stage.pause[index]
        for mine in _together(np.flatnonzero(place[index] >= 0), keys):
            own = mine[np.argsort(place[index[mine]])]
            first, found = index[own[0]], None
            batches = runs.batches[runs.batches_of[first]]
            if done[first] >= 0:
                found = _tasks_of(runs, group, own, stage, batches, record, backend, threads)
            if found is None:
                alone.append(index[own])
            else:
                tasks += found
    return tasks, np.concatenate([np.zeros(0, np.intp), *alone])


def _together(
    places: NDArray[np.intp], keys: Sequence[NDArray[np.integer[Any] | np.bool_]]
) -> Iterator[NDArray[np.intp]]:
    """Sets of these places at which all keys are equal."""
    own = [key[places] for key in keys] if places.size else []
    differing = [key for key in own if (key != key[0]).any()]
    numbered = [np.unique(key, return_inverse=True)[1] for key in differing]
    return alike(places, numbered) if places.size else iter(())


def _done_in_lanes(total: int, stage: Stage) -> NDArray[np.int64]:
    """The updates that runs made side by side; -1 for those that wait after they trained alone."""
    done = np.zeros(total, np.int64)
    for run, where in stage.waiting.items():
        done[run] = where.done if isinstance(where, Place) else -1
    return done


def _but_for_penalties(runs: NetworkRuns) -> Iterator[RunGroup]:
    """The groups of the runs; those that differ only in how strong their penalties are become one."""
    alike: dict[Any, list[RunGroup]] = {}
    for group in runs.groups:
        a, settings = group.architecture, settings_of(runs.optimizer(int(group.index[0])))
        methods = [numbers.method for numbers in group.numbers]
        key = (
            replace(a, l1=0.0, l2=0.0),
            a.l1 != 0 or a.l2 != 0,
            group.group_of,
            *(settings[name] for name in ("backend", "flush_subnormals")),
            *((m.rule, m.coefficients, m.prepared, m.norm_eps) for m in methods),
            *(numbers.schedules is None for numbers in group.numbers),
        )
        alike.setdefault(key, []).append(group)
    for groups in alike.values():
        index = np.concatenate([group.index for group in groups])
        numbers = tuple(joined(of) for of in zip(*(g.numbers for g in groups), strict=True))
        yield replace(groups[0], index=index, numbers=numbers)


def _clipped(group: RunGroup) -> NDArray[np.bool_]:
    """Whether each run of a group limits the norm of some gradients."""
    limits = [numbers.method.clip_norm for numbers in group.numbers]
    finite = [np.isfinite(np.broadcast_to(limit, group.index.size)) for limit in limits]
    clipped: NDArray[np.bool_] = np.logical_or.reduce(finite, axis=0)
    return clipped


def _tasks_of(  # noqa: PLR0917
    runs: NetworkRuns,
    group: RunGroup,
    own: NDArray[np.intp],
    stage: Stage,
    batches: Batches,
    record: int,
    backend: str | None,
    threads: int,
) -> Iterator[Task] | None:
    """Tasks for runs of a group that have one size of batches; None if they train one by one."""
    index, a = group.index[own], group.architecture
    settings = settings_of(runs.optimizer(int(index[0])))
    trainings = Trainings(
        a,
        runs.problem.rows,
        batches,
        tuple(numbers.of(own) for numbers in group.numbers),
        group.group_of,
        runs.seeds,
        runs.seed_of[index],
        runs.updates[index],
        *runs.penalties(index),
        settings["flush_subnormals"],
        record,
    )
    tasks = tasks_for(trainings, index, backend, settings["backend"], threads)
    return None if tasks is None else (_staged(task, stage) for task in tasks)


def _staged(task: Task, stage: Stage) -> Task:
    """A task with what a stage says of its runs."""
    waiting = [stage.waiting.get(run) for run in task.runs.tolist()]
    places = [where for where in waiting if isinstance(where, Place)]
    return replace(task, pause=int(stage.pause[task.runs[0]]), places=places)


def tasks_for(
    trainings: Trainings,
    index: NDArray[np.intp],
    backend: str | None,
    updates: str,
    threads: int,
) -> Iterator[Task] | None:
    """Tasks for trainings, which have the places `index` in a sweep; None if they train faster one by one.

    `updates` is the backend of their optimizers.
    """
    width = lane_width(trainings, backend)
    if not width or not worth_it(trainings.architecture.n_parameters, index.size, width):
        return None
    if width * _seconds(trainings) > _LONGEST:
        return None
    lanes = lanes_for(trainings, backend, updates)
    return None if lanes is None else _tasks(lanes, trainings, index, threads)


def _seconds(t: Trainings) -> float:
    """About how long an update of a network takes."""
    return 3.0 * t.architecture.n_parameters * t.batches.size / _PER_SECOND


def _kept_bytes(t: Trainings) -> int:
    """Of what is kept of a network: its parameters and its optimizer's state."""
    arrays = 1 + max(len(numbers.method.rule.state) for numbers in t.numbers)
    return arrays * t.architecture.n_parameters * t.architecture.dtype.itemsize


def _blocks(t: Trainings, width: int) -> int:
    """Blocks of a platoon: few where an update of each takes long, or where they would fill the memory."""
    most = int(t.updates.max())
    losses = min(2 * t.batches.updates, most) + (most // t.history if t.history else 0)
    room = _BYTES // (width * (2 * _kept_bytes(t) + 8 * losses))
    return max(1, min(_BLOCKS, room, int(_AIM / (width * _seconds(t)))))


def _tasks(
    lanes: Lanes, trainings: Trainings, index: NDArray[np.intp], threads: int
) -> Iterator[Task]:
    """Platoons of as many runs as advance well together, and as many platoons as there are threads.

    Runs that share the order of rows also share the reading of them: where there are enough, they are together. Then
    all networks wait for the last seed, so runs stay in the order of combinations if these are too many to hold.
    """
    order = np.arange(index.size)
    parts = [order]
    if trainings.batches.shuffle and index.size * _kept_bytes(trainings) <= _HELD:
        order = np.argsort(trainings.seed_of, kind="stable")
        cuts = np.flatnonzero(np.diff(trainings.seed_of[order])) + 1
        enough = index.size >= lanes.width // 2 * (cuts.size + 1)
        parts = np.split(order, cuts) if enough else [order]
    least = 1 if index.size <= lanes.width else -(-threads // len(parts))
    most = lanes.width * _blocks(trainings, lanes.width)
    for part in parts:
        platoons = max(-(-part.size // most), least)
        for own in np.array_split(part, min(platoons, part.size)):
            yield Task(lanes, trainings, own, index[own])


# --- how they train -----------------------------------------------------------------------------------


class SideBySide:
    """Trains the runs of tasks; threads share it.

    Parameters
    ----------
    runs : NetworkRuns
    starts : Starts
    early : callable
        The status of runs that must end now, or None.
    threads : int
    """

    def __init__(
        self, runs: NetworkRuns, starts: Starts, early: Callable[[], Status | None], threads: int
    ) -> None:
        self.runs, self.starts, self.early, self.threads = runs, starts, early, threads
        self._spare: list[tuple[Trainings, Platoon]] = []  # the last ones that were used
        self._per_second: dict[int, float] = {}  # by identity of the trainings
        self._lock = threading.Lock()

    def train(self, task: Task, judged: Rows, look: Callable[[int, int], None]) -> Ended:
        """Train the runs of a task to their ends; `look` gets how many have not ended, and at which update they are."""
        platoon = self._loaded(task)
        begun = platoon.n
        while platoon.live:
            status = Status.STOPPED if platoon.n == task.pause > 0 else self.early()
            if status is not None:
                platoon.stop(status)
                break
            began, before = time.perf_counter(), platoon.n
            stop = before + self._stretch(task)
            look(platoon.advance(min(stop, task.pause or stop)), platoon.n)
            took = max(time.perf_counter() - began, 1e-6)
            self._per_second[id(task.trainings)] = (platoon.n - before) / took
        ended = self._ended(task, platoon, begun, judged)
        with self._lock:
            self._spare.append((task.trainings, platoon))
            del self._spare[: -self.threads]
        return ended

    def _platoon(self, task: Task) -> Platoon:
        with self._lock:
            for k, (trainings, platoon) in enumerate(self._spare):
                if trainings is task.trainings and platoon.capacity >= task.own.size:
                    return self._spare.pop(k)[1]
        return task.lanes.platoon(task.trainings, task.own.size)

    def _loaded(self, task: Task) -> Platoon:
        """A platoon with the runs of a task, as they begin or where they wait."""
        platoon = self._platoon(task)
        if not task.places:
            platoon.load(task.own, *self._starts_of(task.runs))
            return platoon
        a, n = task.trainings.architecture, task.own.size
        platoon.load(task.own, np.zeros((1, a.n_parameters), a.dtype), np.zeros(n, np.intp))
        window = platoon.recent.shape[1]
        platoon.go_on_from(waiting_of(task.places, task.trainings.group_of, window))
        return platoon

    def _starts_of(self, index: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """The different initial parameters of some runs, in rows, and which of them each run has."""
        _, first, of = np.unique(
            self.runs.start_keys(index), axis=1, return_index=True, return_inverse=True
        )
        found = [self.starts.of(self.runs, int(index[k])) for k in first]
        return np.array([np.concatenate([p.ravel() for p in s]) for s in found]), of.reshape(-1)

    def _stretch(self, task: Task) -> int:
        """Updates of the next call."""
        t = task.trainings
        guessed = min(_AT_FIRST / _AIM, 1.0 / (task.own.size * _seconds(t)))
        many = int(self._per_second.get(id(t), guessed) * _AIM)
        if t.batches.shuffle:
            seeds = len(np.unique(t.seed_of[task.own]))
            epochs = max(1, _ORDERS // (t.batches.rows * seeds))
            many = min(many, epochs * t.batches.updates)
        return max(1, many)

    def _ended(self, task: Task, platoon: Platoon, begun: int, judged: Rows) -> Ended:
        n = task.own.size
        held = n if (platoon.status[:n] == Status.STOPPED).any() else 0
        status = platoon.status[:n].copy()
        worth = platoon.assess(judged)
        diverged = status == Status.DIVERGED
        worth[diverged] = np.nan
        regime = training_regimes(
            platoon.recent[:n], platoon.highest[:n], platoon.windows[:n], platoon.iterations[:n]
        )
        regime[diverged] = Regime.DIVERGED
        return Ended(
            begun,
            platoon.iterations[:n].copy(),
            status,
            regime,
            worth,
            platoon.final[:n].copy(),
            platoon.carries[:n, [0, *task.trainings.group_of]],
            platoon.history[:n].copy(),
            platoon.recent[:held].copy(),
            platoon.highest[:held].copy(),
        )
