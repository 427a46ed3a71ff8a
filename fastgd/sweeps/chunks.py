"""Sweeps in chunks: runs that are kept in a store as they end, and that other processes may run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
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
from fastgd.sweeps.run_table import RunTable, about, arrays_of, ended
from fastgd.sweeps.store import StoreWriter

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

AIM = 1.0  # seconds of a chunk
_FIRST = 256  # runs of the first
_GROWTH = 8.0  # from one chunk to the next
_MOST = 1 << 20  # runs


def sweep_in_chunks(job: Job, options: Options, store: Path | None) -> SweepResult:
    """Run what a store does not have yet, a chunk after the other; see `fastgd.sweep`."""
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
        with watcher:
            _run_here(job, options, _Ends(job, table, kept), missing, watcher)
    more: dict[str, Any] = {}
    if isinstance(job.problem, NetworkProblem):
        more = {"networks": TrainedAgain(job, table), "template": job.problem.network.fresh()}
    return table.result(time.perf_counter() - options.started, **more)


class _Ends:
    """Takes chunks that have ended: into the table, and into the store."""

    def __init__(self, job: Job, table: RunTable, kept: StoreWriter | None) -> None:
        self.job, self.table, self.kept = job, table, kept

    def take(self, index: NDArray[np.intp], part: SweepResult) -> bool:
        """Take the results of some runs; returns whether all came to an end of their own."""
        arrays, told = arrays_of(self.job.keep, part), about(self.job.keep, part)
        self.table.put(index, arrays, told)
        there = ended(arrays)
        if self.kept is not None:
            whole = bool(there.all())
            own = arrays if whole else {name: a[there] for name, a in arrays.items()}
            self.kept.add(index if whole else index[there], own, told)
            self.kept.beat()
        return bool(there.all())


def _run_here(
    job: Job, options: Options, ends: _Ends, missing: NDArray[np.intp], watcher: Progress
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
    """How many runs a chunk has, by the time that the last ones took."""

    def __init__(self) -> None:
        self.runs = _FIRST

    def took(self, runs: int, seconds: float) -> None:
        """Take note of a chunk."""
        wanted = runs * AIM / max(seconds, 1e-6)
        self.runs = int(min(max(wanted, 1.0), _GROWTH * runs, _MOST))

    def cut(self, missing: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """The runs in chunks, whose sizes are chosen as they are asked for."""
        start = 0
        while start < missing.size:
            stop = min(start + self.runs, missing.size)
            if missing.size - stop < self.runs // 4:  # no small rest
                stop = missing.size
            yield missing[start:stop]
            start = stop


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
