"""The chunks of a sweep on the workers of an executor.

About two chunks per worker are under way, so that a worker that has ended one finds the next. What comes back goes the
way that it goes without an executor, and has the same bits. The chunks of a worker that was lost are run again. Those
that were there at two losses are run alone, one after the other: one that kills its worker alone is halved until the
run is found that does, and that run is given up. (Dask runs a chunk on four workers before it tells of their loss, and
a cluster has only so many; there the chunk is given up as a whole.)
"""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count
from fastgd.descent.request import Options
from fastgd.engines.protocol.outcomes import Standing, Status
from fastgd.network.problem import NetworkProblem
from fastgd.progress import Progress
from fastgd.sweeps.chunks import Ends, Size
from fastgd.sweeps.job import Job
from fastgd.sweeps.parcel import Parcel, Part, run_part
from fastgd.sweeps.pools import Pool, is_loss, is_repeated_loss

_AHEAD = 2  # chunks per worker
_LOOK_EVERY = 0.1  # seconds between two looks at the progress
_COUNT_EVERY = 1.0  # seconds after which workers are counted again
_PATIENCE = 3.0  # seconds for chunks that are under way when the sweep ends early
_SUSPECT = 2  # losses of a worker after which a chunk is run alone
_MOST_KILLS = 64  # workers that are spent to find single runs
_CANCELLED_OFTEN = 4
_FIRST = 16  # networks of the first chunk
_LARGE = 12_000  # parameters of a network from which its first chunk is that network alone


class LostRuns(UserWarning):
    """Runs of a sweep killed the process that ran them: their status is ``Status.ERROR``."""


def run_on(  # noqa: PLR0917  (its first argument makes a `Runner`)
    executor: Any,
    job: Job,
    options: Options,
    ends: Ends,
    missing: NDArray[np.intp],
    watcher: Progress,
) -> None:
    """Run chunks on the workers of an executor; see `fastgd.sweep`."""
    threads = as_count("n_threads", 1 if options.n_threads is None else options.n_threads, 1)
    with Pool(executor) as pool, Parcel(job, written=not pool.in_process) as parcel:
        work = Dispatcher(pool, parcel, ends, watcher)
        try:
            work.go(missing, threads, options.deadline)
        finally:
            if work.given_up:
                warnings.warn(
                    f"{work.given_up:,} runs killed the worker that ran them; their status is Status.ERROR, and "
                    "they are not stored",
                    LostRuns,
                    stacklevel=5,
                )


def _first_size(job: Job) -> int | None:
    """How many networks may be given to a worker before it is known how long they take."""
    if not isinstance(job.problem, NetworkProblem):
        return None
    return _FIRST if sum(p.size for p in job.problem.network.params) < _LARGE else 1


@dataclass(eq=False)
class Chunk:
    """Runs that a worker gets.

    Attributes
    ----------
    runs : ndarray of int
    losses : int
        Workers that were lost while it was under way.
    alone : bool
        Whether it is run alone, since it may be the cause.
    sent : bool
        Whether the job's content goes with it.
    cancelled : int
        How often somebody else cancelled it.
    """

    runs: NDArray[np.intp]
    losses: int = 0
    alone: bool = False
    sent: bool = False
    cancelled: int = 0

    def places(self) -> range | NDArray[np.intp]:
        """Its runs in few bytes."""
        first, last = int(self.runs[0]), int(self.runs[-1])
        if last - first + 1 == self.runs.size:  # they are in order
            return range(first, last + 1)
        return self.runs

    def halves(self) -> list[Chunk]:
        """The same runs in two chunks."""
        middle = self.runs.size // 2
        return [Chunk(runs, self.losses, True) for runs in (self.runs[:middle], self.runs[middle:])]


class Dispatcher:
    """Hands out chunks, and takes what comes back.

    Parameters
    ----------
    pool : Pool
    parcel : Parcel
    ends : Ends
    watcher : Progress

    Attributes
    ----------
    given_up : int
        Runs that killed their workers.
    """

    def __init__(self, pool: Pool, parcel: Parcel, ends: Ends, watcher: Progress) -> None:
        self.pool, self.parcel, self.ends, self.watcher = pool, parcel, ends, watcher
        self.again: deque[Chunk] = deque()  # to be run once more, as the first
        self.suspects: deque[Chunk] = deque()  # to be run alone
        self.under_way: dict[Future[Part | None], Chunk] = {}  # the oldest first
        self.ended: SimpleQueue[Future[Part | None]] = SimpleQueue()
        self.broken: BaseException | None = None
        self.kills = self.given_up = 0
        self.stopped = False  # a worker was interrupted

    def go(self, missing: NDArray[np.intp], threads: int, deadline: float) -> None:
        """Run chunks of these runs: all, or those that end before Ctrl-C or the deadline."""
        left = deadline - time.perf_counter()
        self.arguments = threads, math.inf if math.isinf(left) else time.time() + left
        self.size = Size(_first_size(self.parcel.job), self.pool.workers())
        self.counted = time.perf_counter()
        self.fresh = map(Chunk, self.size.cut(missing))
        try:
            while self._fill():
                left = deadline - time.perf_counter()
                if left <= 0 or self.stopped:
                    self._wind_up(Status.INTERRUPTED if self.stopped else Status.MAX_SECONDS)
                    return
                self._take_some(min(left, _LOOK_EVERY))
                self.watcher.look(self._standing)
                self.ends.beat()
        except KeyboardInterrupt:
            self._wind_up(Status.INTERRUPTED)
        except BaseException:
            self._wind_up(Status.NOT_RUN)
            raise

    # --- handing out ----------------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Hand out as many chunks as may be under way; returns whether any is."""
        if self.broken is not None:
            if self.under_way:  # they come back with the error
                return True
            self.pool.replace(self.broken)
            self.broken = None
        self._count_workers()
        while self._may_hand_out():
            chunk = self._next()
            if chunk is None or not self._hand_out(chunk):
                break
        return bool(self.under_way) or self.broken is not None

    def _may_hand_out(self) -> bool:
        if self.suspects or any(chunk.alone for chunk in self.under_way.values()):
            return not self.under_way
        return len(self.under_way) < _AHEAD * self.size.workers

    def _next(self) -> Chunk | None:
        for waiting in (self.suspects, self.again):
            if waiting:
                return waiting.popleft()
        return next(self.fresh, None)

    def _hand_out(self, chunk: Chunk) -> bool:
        content = [self.pool.spread(self.parcel.content())] if chunk.sent else []
        try:
            future = self.pool.submit(
                run_part, self.parcel.ticket, chunk.places(), *self.arguments, *content
            )
        except BrokenExecutor as error:  # by chunks before this one
            (self.suspects if chunk.alone else self.again).appendleft(chunk)
            self.broken = error
            return False
        self.under_way[future] = chunk
        future.add_done_callback(self.ended.put)
        return True

    def _count_workers(self) -> None:
        now = time.perf_counter()
        if now - self.counted > _COUNT_EVERY:
            self.size.workers, self.counted = self.pool.workers(), now

    # --- taking ---------------------------------------------------------------------------------------

    def _take_some(self, seconds: float) -> None:
        """Take what has come back, or comes back within some seconds."""
        with suppress(Empty):
            self._take(self.ended.get(timeout=seconds))
            while True:
                self._take(self.ended.get_nowait())

    def _take(self, future: Future[Part | None]) -> None:
        chunk = self.under_way[future]
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            self._take_part(chunk, future.result())
        elif isinstance(error, CancelledError):
            self._take_cancelled(chunk)
        elif is_loss(error):
            self._take_loss(chunk, error)
        else:
            raise error
        del self.under_way[future]

    def _take_part(self, chunk: Chunk, part: Part | None) -> None:
        if part is None:
            chunk.sent = True
            self.again.append(chunk)
            return
        runs = chunk.runs
        self.size.took(runs.size, part.seconds)
        status = part.arrays["status"]
        self.ends.put(runs, part.arrays, part.about)
        self.watcher.close_group(runs.size, int(np.count_nonzero(status == Status.DIVERGED)))
        if (status == Status.INTERRUPTED).any():
            self.stopped = True

    def _take_cancelled(self, chunk: Chunk) -> None:
        """Dask cancels tasks whose data were lost with the workers that had them."""
        chunk.cancelled += 1
        if chunk.cancelled >= _CANCELLED_OFTEN:
            raise RuntimeError("executor was shut down, or cancels what it is given")
        self.again.append(chunk)

    def _take_loss(self, chunk: Chunk, error: BaseException) -> None:
        if isinstance(error, BrokenExecutor):
            self.broken = error
        repeated = is_repeated_loss(error)
        chunk.losses += _SUSPECT if repeated else 1
        if not chunk.alone:
            chunk.alone = chunk.losses >= _SUSPECT
            (self.suspects if chunk.alone else self.again).append(chunk)
            return
        self.kills += 1
        if chunk.runs.size > 1 and self.kills < _MOST_KILLS and not repeated:
            self.suspects.extendleft(reversed(chunk.halves()))
            return
        self.given_up += chunk.runs.size
        self.ends.mark(chunk.runs, Status.ERROR)
        self.watcher.close_group(chunk.runs.size, 0)

    # --- the end --------------------------------------------------------------------------------------

    def _wind_up(self, status: Status) -> None:
        """Wait a little for what is under way, take it, and give the rest this status."""
        with suppress(KeyboardInterrupt):
            for future in list(self.under_way)[self.size.workers :]:  # they did not begin
                if future.cancel():
                    del self.under_way[future]
            until = time.perf_counter() + _PATIENCE
            while not all(future.done() for future in self.under_way):
                with suppress(Empty):
                    self.ended.get(timeout=max(0.0, until - time.perf_counter()))
                if time.perf_counter() > until:
                    break
            for future, chunk in list(self.under_way.items()):
                if future.done() and not future.cancelled() and future.exception() is None:
                    part = future.result()
                    if part is not None:
                        self.ends.put(chunk.runs, part.arrays, part.about)
                        del self.under_way[future]
        for future, chunk in self.under_way.items():
            future.cancel()
            self.ends.mark(chunk.runs, status)

    def _standing(self) -> Standing:
        """Of the chunks under way only those run that workers have begun."""
        begun = list(self.under_way.values())[: self.size.workers]
        return Standing(0, sum(chunk.runs.size for chunk in begun), 0, 0.0)
