"""Results and progress of runs: statuses, regimes, arrays of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import layout

SLICE = 0.05  # seconds between two checks of a thread whether it should stop


class Outcomes(Protocol):
    """Results by run; see `fastgd.engines.native.sweeps.Outcomes`.

    Of runs that wait (`Status.STOPPED`) `numbers` and `carry` are those of a `fastgd.engines.protocol.sweeps.Snapshot`,
    a run in each row.
    """

    x: NDArray[Any]
    before: NDArray[Any]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    oscillating: NDArray[np.uint8]
    numbers: NDArray[Any]
    carry: NDArray[np.float64]


@dataclass
class NumpyOutcomes:
    """Results by run, in NumPy arrays."""

    x: NDArray[Any]
    before: NDArray[Any]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    oscillating: NDArray[np.uint8]
    numbers: NDArray[Any]
    carry: NDArray[np.float64]

    @classmethod
    def of(cls, runs: int, count: int, dtype: np.dtype[Any], rows: int = 0) -> NumpyOutcomes:
        """Room for runs of `count` parameters, none of which has begun, and for `rows` numbers of their state."""
        return cls(
            np.zeros((runs, count), dtype),
            np.zeros((runs, count), dtype),
            np.zeros(runs, np.int64),
            np.full(runs, Status.NOT_RUN, np.int8),
            np.zeros(runs, np.uint8),
            np.zeros((runs, rows), dtype),
            np.ones(runs if rows else 0),
        )


@dataclass(frozen=True)
class Standing:
    """Progress of a group of runs; `work` counts runs, unfinished ones by their fraction of `max_iter`.

    `updates` is the largest number of updates among unfinished runs.
    """

    ended: int
    running: int
    diverged: int
    work: float
    updates: int = 0


class Watcher(Protocol):
    """Displays progress; called now and then by the caller's thread. See `fastgd.progress`."""

    def look(self, standing: Callable[[], Standing]) -> None: ...


def standing_of(
    status: NDArray[np.int8], under_way: list[tuple[int, int]], max_iter: int
) -> Standing:
    """The standing of runs with these statuses; of those under way, how many and at which update."""
    ended = int(np.count_nonzero(status != Status.NOT_RUN))
    share = sum(left * min(1.0, n / max(1, max_iter)) for left, n in under_way)
    running = sum(left for left, _ in under_way)
    updates = max((n for _, n in under_way), default=0)
    diverged = int(np.count_nonzero(status == Status.DIVERGED))
    return Standing(ended, running, diverged, ended + share, updates)


class Regime(IntEnum):
    """How a run went, from what ends best to what ends worst; NONE of a run that was not started.

    >>> Regime(3), Regime(3).label, Regime.NONE.label
    (<Regime.SLOW: 3>, 'slow', '')
    """

    NONE = 0
    MONOTONE = 1
    OSCILLATING = 2
    SLOW = 3
    CYCLING = 4
    GROWING = 5
    DIVERGED = 6

    @property
    def label(self) -> str:
        """The name in words: ``"monotone"``, ...; empty for NONE."""
        return self.name.lower() if self else ""


class Status(IntEnum):
    """How a run ended.

    >>> Status(2), Status(2).label
    (<Status.DIVERGED: 2>, 'diverged')
    """

    NOT_RUN = layout.RUNNING
    CONVERGED = layout.CONVERGED
    MAX_ITER = layout.MAX_ITER
    DIVERGED = layout.DIVERGED
    MAX_SECONDS = layout.MAX_SECONDS
    INTERRUPTED = layout.INTERRUPTED
    ERROR = layout.ERROR
    STOPPED = layout.STOPPED

    @property
    def label(self) -> str:
        """The name in words: ``"converged"``, ``"max_iter"``, ..."""
        return self.name.lower()


ENDED = (
    Status.CONVERGED,
    Status.MAX_ITER,
    Status.DIVERGED,
)  # of their own: no run goes on from there


def status_constants() -> str:
    """Python text that defines the statuses under their names, for generated modules."""
    own = {"RUNNING": layout.RUNNING, "SMALL_STEP": layout.SMALL_STEP}
    statuses = {status.name: int(status) for status in Status if status is not Status.NOT_RUN}
    return "".join(f"{name} = {value}\n" for name, value in (own | statuses).items())
