"""Threads that take parts of many runs, each of several blocks, and advance them until they end."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import DIVERGED, SHARED, WIDTH, WINDOW
from fastgd.engines.protocol.outcomes import SLICE, Standing, Status, Watcher, standing_of
from fastgd.engines.protocol.sweeps import Descents, Limits, Supply

_LARGEST_PART = 1 << 14  # runs whose numbers fit into a second-level cache
_PARTS = 16  # that each thread takes of many runs, so that all threads end at about the same time
_SMALLEST_PART = 64  # runs, of more than that: fewer fill the vectors of a small problem badly
_VECTOR = 16  # runs that take no longer than one or two of them less; a quarter of them reads a matrix by its rows
_LEAST_WORK = 4_000_000  # size of the data times parameters times updates that a part is worth
_AT_FIRST = 1_000_000  # the same of the first slice


def part_length(total: int, n_threads: int, work: int, *, batched: bool) -> int:
    """How many runs a thread takes at once, if one run is so much work as `_LEAST_WORK` counts it."""
    each = -(-total // n_threads)
    if batched:  # a block gathers its batches: as few blocks as there are threads
        return min(max(each + 15 & -16, 16), WIDTH)
    if n_threads > 1 and each <= _VECTOR:
        length = next(few for few in (_VECTOR // 4, _VECTOR // 2, _VECTOR) if each <= few)
    elif n_threads > 1 and total <= _SMALLEST_PART:
        length = each + _VECTOR - 1 & -_VECTOR
    elif total <= 2 * n_threads * WIDTH:
        length = max(_SMALLEST_PART, -(-total // (2 * n_threads)))
    else:
        length = min(-(-total // (_PARTS * n_threads * WIDTH)) * WIDTH, _LARGEST_PART)
    return max(length, min(_LEAST_WORK // max(1, work), _LARGEST_PART))


def queue_of(kernels: Any, runs: Descents) -> Any:
    """The runs in blocks that share all hyperparameters but the rate, where that saves work."""
    from fastgd.engines.native.sweeps import Queue  # noqa: PLC0415

    hyper = _hyperparameters(runs, kernels.dtype)
    if len(runs.seeds) < 2:
        return Queue(kernels, runs, hyper, *_cut(runs, np.arange(len(runs))))
    orders, cuts, uniform = [], [np.zeros(1, np.int64)], []
    for seed in np.unique(
        runs.seed_of
    ):  # runs with different orders of rows are in different blocks
        order, own, alike = _cut(runs, np.flatnonzero(runs.seed_of == seed))
        orders.append(order)
        cuts.append(own[1:] + cuts[-1][-1])
        uniform.append(alike)
    return Queue(
        kernels, runs, hyper, np.concatenate(orders), np.concatenate(cuts), np.concatenate(uniform)
    )


def _hyperparameters(runs: Descents, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Arguments of the coefficient functions: first the rule's, then those of `prepare` and clipping."""
    if runs.shared is None:
        return runs.hyper
    clip = [exact_parts(row, dtype) for row in runs.shared[SHARED:]]
    return np.vstack([runs.hyper, runs.hyper[:1], runs.shared[:SHARED], *clip])


def _cut(
    runs: Descents, columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Blocks of these runs: their order, the ends of the blocks, and whether each is uniform.

    Blocks are uniform if there are enough runs with the same hyperparameters. Where coefficients do not change from
    update to update, that saves next to nothing.
    """
    total, order = len(columns), columns
    others = [row for row in _others(runs) if _differs(row)]
    if not others and total <= WIDTH:
        return columns, np.array([0, total]), np.ones(1, np.uint8)
    starts = np.array([0, total])
    if others:
        starts = np.zeros(1, np.int64)
        if not runs.coefficients.steady or runs.schedules is not None:
            ordered = np.array([row[columns] for row in others])
            sorting = np.lexsort(ordered)
            order, ordered = columns[sorting], ordered[:, sorting]
            changes = np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)
            starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [total]])
    if len(starts) == 1 or len(starts) - 1 > max(
        1, total // 16
    ):  # hardly any equal ones: mixed blocks
        cuts = np.append(np.arange(0, total, WIDTH), total)
        return columns, cuts, np.zeros(len(cuts) - 1, np.uint8)
    within = [np.arange(start, stop, WIDTH) for start, stop in pairwise(starts)]
    cuts = np.concatenate([*within, [total]])
    return order, cuts, np.ones(len(cuts) - 1, np.uint8)


def _others(runs: Descents) -> list[NDArray[np.float64]]:
    """All hyperparameters but the rate."""
    return [*runs.hyper[1:], *(() if runs.shared is None else runs.shared)]


def _differs(row: NDArray[np.float64]) -> bool:
    """Whether a number is not the same for all runs."""
    return bool(row.strides[0] and len(row) > 1 and (row[1:] != row[:-1]).any())


class _Part:
    """Runs that a thread has taken."""

    def __init__(self, start: int, runs: Descents, outcomes: Any) -> None:
        self.start, self.runs, self.outcomes = start, runs, outcomes


class Crew:
    """Threads that take parts of many runs and advance them until they end.

    Parameters
    ----------
    kernels : Kernels
    supply : Supply
        The runs.
    first : Descents
        The first part of them.
    """

    def __init__(
        self,
        kernels: Any,
        supply: Supply,
        first: Descents,
        limits: Limits,
        n_threads: int,
        *,
        flush: bool,
    ) -> None:
        self.kernels, self.supply, self.limits, self.flush = kernels, supply, limits, flush
        self.first, self.length = first, len(first)
        self.n_threads = min(n_threads, -(-supply.total // self.length))
        self.starts = iter(range(0, supply.total, self.length))
        self.lock = threading.Lock()
        self.ended = self.diverged = 0  # runs that were handed back
        self.under_way: dict[int, tuple[_Part, int, int]] = {}  # by thread: unfinished runs, step
        self.stop: Status | None = None  # how unfinished runs end, if early
        self.failure: BaseException | None = None

    def work(self, progress: Watcher | None) -> None:
        """Run all parts in several threads, of which the caller's is one."""
        # Events, because until Python 3.12 a thread whose join was interrupted counts as ended.
        others: list[tuple[threading.Thread, threading.Event]] = []
        try:
            for _ in range(self.n_threads - 1):
                ended = threading.Event()
                thread = threading.Thread(target=self._guarded, args=(ended,), daemon=True)
                others.append((thread, ended))
                thread.start()
            self._run(progress)
            for _, ended in others:  # with a timeout, so that Ctrl-C is answered
                while not ended.wait(SLICE):
                    if progress is not None:
                        progress.look(self.standing)
        except KeyboardInterrupt:
            self.stop = Status.INTERRUPTED
        except BaseException:  # raised by a user's schedule: the other threads must stop
            self.stop = Status.INTERRUPTED
            raise
        finally:
            for thread, ended in others:
                _await(thread, ended)
        if self.failure is not None:
            raise self.failure
        for part, *_ in self.under_way.values():  # interrupted as they were handed back
            self.supply.take(part.start, part.runs, part.outcomes)

    def standing(self) -> Standing:
        """The progress so far."""
        at = list(self.under_way.values())
        status = np.concatenate([np.zeros(0, np.int8), *(part.outcomes.status for part, *_ in at)])
        under_way = [(left, step) for _, left, step in at]
        found = standing_of(status, under_way, self.limits.max_iter)
        return replace(
            found,
            ended=found.ended + self.ended,
            diverged=found.diverged + self.diverged,
            work=found.work + self.ended,
        )

    def _guarded(self, ended: threading.Event) -> None:
        try:
            self._run(None)
        except BaseException as failure:
            self.failure, self.stop = failure, Status.INTERRUPTED
        finally:
            ended.set()

    def _run(self, progress: Watcher | None) -> None:
        from fastgd.engines.native.sweeps import Block  # noqa: PLC0415

        me, limits, updates = threading.get_ident(), self.limits, self._first_slice()
        block = Block(
            self.kernels,
            max_iter=limits.max_iter,
            tol=limits.tol,
            limit=limits.bound,
            flush=self.flush,
            pause=limits.pause,
            one_by_one=limits.record > 0,
        )
        while self._going_on():
            with self.lock:
                start = next(self.starts, None)
            if start is None:
                return
            part = self._part(start)
            self.under_way[me] = part, len(part.runs), 0
            updates = self._advance(block, part, updates, progress)
            self._hand_back(me, part)

    def _part(self, start: int) -> _Part:
        from fastgd.engines.native.sweeps import Outcomes  # noqa: PLC0415

        stop = min(start + self.length, self.supply.total)
        runs = self.supply.part(start, stop) if start else self.first
        limits = self.limits
        return _Part(
            start, runs, Outcomes(len(runs), len(runs.x0), limits.dtype, limits.rows(runs))
        )

    def _advance(self, block: Any, part: _Part, updates: int, progress: Watcher | None) -> int:
        """Advance a part to its end, in slices of so many updates; returns how many the next may have."""
        me, runs, limits = threading.get_ident(), part.runs, self.limits
        block.take(queue_of(self.kernels, runs), part.outcomes)
        left, begun = len(runs), 0 if runs.begun is None else runs.begun.n
        try:
            while left and self._going_on():
                start, n = time.perf_counter(), block.n + block.part if block.lanes else begun
                many = min(updates, limits.until_record(n)) if limits.record else updates
                left = block.advance(max(1, many // WINDOW), min(many, WINDOW))
                updates = paced_updates(updates, time.perf_counter() - start)
                self.under_way[me] = part, left, block.n + block.part
                self._record(block, part.start)
                if progress is not None:
                    progress.look(self.standing)
        finally:
            if left:
                block.stop(Status.INTERRUPTED if self.stop is None else self.stop)
        return updates

    def _record(self, block: Any, start: int) -> None:
        """Let the supply see where the runs of a block are, if it wants to."""
        n, every = block.n + block.part, self.limits.record
        if every and block.lanes and n % every == 0:
            self.supply.record(start, n, *block.points())

    def _hand_back(self, me: int, part: _Part) -> None:
        """Give a part's outcomes to the supply."""
        self.supply.take(part.start, part.runs, part.outcomes)
        self.under_way.pop(me, None)
        diverged = int(np.count_nonzero(part.outcomes.status == DIVERGED))
        with self.lock:
            self.ended += len(part.runs)
            self.diverged += diverged

    def _first_slice(self) -> int:
        """Updates before the first look at the clock: few if an update reads much data."""
        kernels = self.kernels
        first = _AT_FIRST // (max(1, kernels.size) * kernels.count)
        return int(min(max(first, 1), 4 * WINDOW))

    def _going_on(self) -> bool:
        if self.stop is None and time.perf_counter() > self.limits.deadline:
            self.stop = Status.MAX_SECONDS
        return self.stop is None


def exact_parts(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Three rows in the dtype whose sum in double is exactly `values`: 53 = 24 + 24 + 5 bits."""
    parts = np.zeros((3, len(values)))
    with np.errstate(over="ignore"):
        for part in parts:
            part[:] = values.astype(dtype)
            values = np.where(np.isfinite(part), values - part, 0.0)
    return parts


def _await(thread: threading.Thread, ended: threading.Event) -> None:
    """Wait for a thread; ignore further Ctrl-C, so that its results are kept."""
    while True:
        try:
            while not ended.wait(SLICE):
                if thread.ident is None:  # Ctrl-C came before it was started
                    return
            return
        except KeyboardInterrupt:
            continue


def paced_updates(updates: int, took: float) -> int:
    """How many updates fill a slice, from the time of the last ones."""
    if took < SLICE / 2:
        return min(updates * 2, 1 << 26)
    return max(1, updates // 2) if took > SLICE * 2 else updates
