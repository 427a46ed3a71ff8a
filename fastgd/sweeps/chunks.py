"""Sweeps in chunks: runs that are kept in a store as they end, and that other processes may run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.request import Options
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.problem import NetworkProblem
from fastgd.progress import Progress
from fastgd.sweeps.job import Job
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.run_table import Arrays, RunTable, about, arrays_of, ended
from fastgd.sweeps.store import StoreWriter

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

AIM = 1.0  # seconds of a chunk
_FIRST = 256  # runs of the first
_GROWTH = 8.0  # from one chunk to the next
_MOST = 1 << 20  # runs
_SMALLEST = 8  # towards the end chunks become shorter, down to this part


def sweep_in_chunks(
    job: Job, options: Options, store: Path | None, run: Runner | None = None
) -> SweepResult:
    """Run what a store does not have yet, chunk by chunk; see `fastgd.sweep`.

    Parameters
    ----------
    job : Job
    options : Options
    store : Path, optional
    run : callable, optional
        Runs the chunks; without it they run here, one after the other.
    """
    table = RunTable(job.axes, job.places.shape, paired=job.paired)
    keeper: AbstractContextManager[StoreWriter | None] = nullcontext()
    if store is not None:
        keeper = StoreWriter(store, job, table)
    with keeper as kept:
        missing = np.flatnonzero(table.status == Status.NOT_RUN)
        watcher = Progress(
            table.total, options.show, deadline=options.deadline, max_iter=options.most_updates
        )
        watcher.had_ended(table.total - missing.size, table.count(Status.DIVERGED))
        watcher.best = table.best_so_far
        with watcher:
            (run or _run_here)(job, options, Ends(job, table, kept), missing, watcher)
    more: dict[str, Any] = {}
    if isinstance(job.problem, NetworkProblem):
        more = {"networks": TrainedAgain(job, table), "template": job.problem.network.fresh()}
    return table.result(time.perf_counter() - options.started, **more)


class Ends:
    """Takes chunks that have ended: into the table, and into the store.

    Parameters
    ----------
    job : Job
    table : RunTable
    kept : StoreWriter, optional
    """

    def __init__(self, job: Job, table: RunTable, kept: StoreWriter | None) -> None:
        self.job, self.table, self.kept = job, table, kept

    def take(self, index: NDArray[np.intp], part: SweepResult) -> bool:
        """Take the results of some runs; returns whether all came to an end of their own."""
        keep = self.job.keep
        return self.put(index, arrays_of(keep, part), about(keep, part))

    def put(self, index: NDArray[np.intp], arrays: Arrays, told: Mapping[str, Any]) -> bool:
        """The same for results as arrays, and what the runs have in common."""
        self.table.put(index, arrays, told)
        there = ended(arrays)
        whole = bool(there.all())
        if self.kept is not None:
            own = arrays if whole else {name: a[there] for name, a in arrays.items()}
            self.kept.add(index if whole else index[there], own, told)
            self.kept.beat()
        return whole

    def mark(self, index: NDArray[np.intp], status: Status) -> None:
        """Runs of which no more is known than how they ended; they are not stored."""
        self.table.put(index, {"status": np.full(index.size, status, np.int8)}, {})

    def beat(self) -> None:
        """Show others who look at the store that the sweep is alive."""
        if self.kept is not None:
            self.kept.beat()


Runner = Callable[[Job, Options, Ends, NDArray[np.intp], Progress], None]


def _run_here(
    job: Job, options: Options, ends: Ends, missing: NDArray[np.intp], watcher: Progress
) -> None:
    """Run chunks one after the other, each on all threads."""
    size = Size()
    try:
        for index in size.cut(missing):
            left = options.deadline - time.perf_counter()
            if left <= 0:
                return
            begun = time.perf_counter()
            part = job.run(
                index,
                n_threads=options.n_threads,
                max_seconds=None if math.isinf(left) else left,
                watcher=watcher,
            )
            size.took(index.size, time.perf_counter() - begun)
            if not ends.take(index, part):
                return
    except KeyboardInterrupt:  # between two chunks; within one, the engines handle it
        pass


class Size:
    """How many runs a chunk has, by the time that the last ones took.

    Parameters
    ----------
    first : int, optional
        Runs of a chunk before any was timed.
    workers : int, default 1
        How many chunks run at once.
    """

    def __init__(self, first: int | None = None, workers: int = 1) -> None:
        self.runs, self.workers = first or _FIRST, workers

    def took(self, runs: int, seconds: float) -> None:
        """Take note of a chunk."""
        wanted = runs * AIM / max(seconds, 1e-6)
        self.runs = int(min(max(wanted, 1.0), _GROWTH * runs, _MOST))

    def cut(self, missing: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """The runs in chunks, whose sizes are chosen as they are asked for."""
        start = 0
        while start < missing.size:
            runs = self._of(missing.size - start)
            yield missing[start : start + runs]
            start += runs

    def _of(self, left: int) -> int:
        """The next size: no small rest, and with several workers what lets them end together."""
        if self.workers > 1:
            share = -(-left // (2 * self.workers))
            return min(self.runs, max(share, self.runs // _SMALLEST, 1))
        return left if left - self.runs < self.runs // 4 else self.runs


class TrainedAgain(Mapping[tuple[int, ...], "MLP"]):
    """The networks of all runs that ended well, each of which is trained again when it is asked for."""

    def __init__(self, job: Job, table: RunTable) -> None:
        self.job = job
        self.status = table.status.reshape(table.shape)
        self.iterations = table.arrays["iterations"].reshape(table.shape)
        self.made: dict[tuple[int, ...], MLP] = {}

    @property
    def _there(self) -> NDArray[np.bool_]:
        return ~np.isin(self.status, (Status.DIVERGED, Status.NOT_RUN, Status.ERROR))

    def __getitem__(self, index: tuple[int, ...]) -> MLP:
        if index not in self.made:
            if not self._there[index]:
                raise KeyError(index)
            k = int(np.ravel_multi_index(index, self.status.shape))
            self.made[index] = self.job.network(k, int(self.iterations[index]))
        return self.made[index]

    def __contains__(self, index: Any) -> bool:
        known = isinstance(index, tuple) and len(index) == self.status.ndim
        return known and bool(self._there[index])

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return (tuple(map(int, index)) for index in np.argwhere(self._there))

    def __len__(self) -> int:
        return int(np.count_nonzero(self._there))
