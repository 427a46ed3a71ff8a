"""Threads that take blocks of runs and advance them until they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import SHARED, WIDTH, WINDOW
from fastgd.engines.protocol.outcomes import SLICE, Standing, Status, Watcher, standing_of
from fastgd.engines.protocol.sweeps import Descents, Limits

_SMALLEST_BLOCK = 64
_AT_FIRST = 1_000_000  # size of the data times parameters times updates in the first slice


def cut_into_blocks(runs: Descents, n_threads: int) -> list[tuple[NDArray[np.int64], bool]]:
    """Columns of each block, and whether its runs share all hyperparameters but the rate."""
    others = runs.hyper[1:]
    if runs.shared is not None:
        others = np.vstack([others, runs.shared])
    total = runs.hyper.shape[1]
    width = int(np.clip(-(-total // (2 * n_threads)), _SMALLEST_BLOCK, WIDTH))
    if runs.seeds:  # each block gathers its batches: as few blocks as there are threads
        width = int(np.clip(-(-total // n_threads) + 15 & -16, 16, WIDTH))
    if len(runs.seeds) < 2:
        return _alike(others, np.arange(total), width)
    return [  # runs with different orders of rows are in different blocks
        block
        for seed in range(len(runs.seeds))
        for block in _alike(others, np.flatnonzero(runs.seed_of == seed), width)
    ]


def _alike(
    others: NDArray[np.float64], columns: NDArray[np.int64], width: int
) -> list[tuple[NDArray[np.int64], bool]]:
    """Blocks of at most `width` of these runs, with equal hyperparameters if there are enough such runs."""
    others, total = others[:, columns], len(columns)
    order = np.lexsort(others) if len(others) else np.arange(total)
    ordered = others[:, order]
    order = columns[order]
    changes = np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [total]])
    if len(starts) - 1 > total // 16:  # hardly any equal ones: mixed blocks
        return [(order[i : i + width], False) for i in range(0, total, width)]
    return [
        (order[i : min(i + width, stop)], True)
        for start, stop in pairwise(starts)
        for i in range(start, stop, width)
    ]


class Crew:
    """Threads that take blocks of runs and advance them until they end."""

    def __init__(
        self,
        kernels: Any,
        outcomes: Any,
        runs: Descents,
        limits: Limits,
        blocks: list[tuple[NDArray[np.int64], bool]],
        *,
        flush: bool,
    ) -> None:
        self.kernels, self.outcomes, self.runs, self.limits = kernels, outcomes, runs, limits
        self.flush = flush
        self.waiting: Iterator[tuple[NDArray[np.int64], bool]] = iter(blocks)
        self.lock = threading.Lock()
        self.under_way: dict[int, tuple[int, int]] = {}  # by thread: unfinished runs and their step
        self.stop: Status | None = None  # how unfinished runs end, if early
        self.failure: BaseException | None = None

    def work(self, n_threads: int, progress: Watcher | None) -> None:
        """Run all blocks in `n_threads` threads, of which the caller's is one."""
        # Events, because until Python 3.12 a thread whose join was interrupted counts as ended.
        others: list[tuple[threading.Thread, threading.Event]] = []
        try:
            for _ in range(n_threads - 1):
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

    def standing(self) -> Standing:
        """The progress so far."""
        at = list(self.under_way.values())
        return standing_of(self.outcomes.status, at, self.limits.max_iter)

    def _guarded(self, ended: threading.Event) -> None:
        try:
            self._run(None)
        except BaseException as failure:
            self.failure, self.stop = failure, Status.INTERRUPTED
        finally:
            ended.set()

    def _run(self, progress: Watcher | None) -> None:
        from fastgd.engines.native.sweeps import Block  # noqa: PLC0415

        updates, me, limits = self._first_slice(), threading.get_ident(), self.limits
        block = Block(
            self.kernels,
            self.outcomes,
            max_iter=limits.max_iter,
            tol=limits.tol,
            limit=limits.bound,
            flush=self.flush,
        )
        while self._going_on():
            with self.lock:
                task = next(self.waiting, None)
            if task is None:
                return
            self._load(block, *task)
            left = len(task[0])
            self.under_way[me] = left, 0
            try:
                while left and self._going_on():
                    start = time.perf_counter()
                    left = block.advance(max(1, updates // WINDOW), min(updates, WINDOW))
                    took = time.perf_counter() - start
                    updates = paced_updates(updates, took)
                    self.under_way[me] = left, block.n + block.part
                    if progress is not None:
                        progress.look(self.standing)
            finally:
                self.under_way.pop(me, None)
                if left:
                    block.stop(Status.INTERRUPTED if self.stop is None else self.stop)

    def _first_slice(self) -> int:
        """Updates before the first look at the clock: few if an update reads much data."""
        kernels = self.kernels
        return int(np.clip(_AT_FIRST // (max(1, kernels.size) * kernels.count), 1, 4 * WINDOW))

    def _going_on(self) -> bool:
        if self.stop is None and time.perf_counter() > self.limits.deadline:
            self.stop = Status.MAX_SECONDS
        return self.stop is None

    def _load(self, block: Any, columns: NDArray[np.int64], uniform: bool) -> None:
        runs, dtype = self.runs, self.limits.dtype
        hyper = runs.hyper[:, columns]
        if runs.shared is not None:
            shared = runs.shared[:, columns]
            clip = [exact_parts(row, dtype) for row in shared[SHARED:]]
            hyper = np.vstack([hyper, hyper[:1], shared[:SHARED], *clip])
        schedules, rate_of = runs.schedules, None
        if schedules is not None:  # only those that occur in this block
            used, rate_of = np.unique(runs.rate_of[columns], return_inverse=True)
            schedules = [schedules[k] for k in used]
        block.load(
            columns,
            runs.x0[:, columns],
            runs.state0[:, columns],
            hyper,
            penalties=runs.minimized[:, columns],
            schedules=schedules,
            rate_of=rate_of,
            uniform=uniform,
            seed=runs.seeds[runs.seed_of[columns[0]]] if runs.seeds else 0,
        )


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
