"""How runs end and how far they are: statuses, regimes, results, progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SLICE = 0.05  # seconds after which a thread comes back to look whether it should stop


class Outcomes(Protocol):
    """Results by run; see fastgd.engines.native.sweeps.Outcomes."""

    x: NDArray[Any]
    before: NDArray[Any]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    oscillating: NDArray[np.uint8]


@dataclass
class NumpyOutcomes:
    """The same, held by the reference."""

    x: NDArray[Any]
    before: NDArray[Any]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    oscillating: NDArray[np.uint8]


@dataclass(frozen=True)
class Standing:
    """How far a group of runs is; `work` counts runs, those under way by their share of `max_iter`.

    `updates` are those of the run that is furthest.
    """

    ended: int
    running: int
    diverged: int
    work: float
    updates: int = 0


class Watcher(Protocol):
    """Who is told now and then how far the runs are, by the thread that called; see fastgd.progress."""

    def look(self, standing: Callable[[], Standing]) -> None: ...


def standing_of(
    status: NDArray[np.int8], under_way: list[tuple[int, int]], max_iter: int
) -> Standing:
    ended = int(np.count_nonzero(status != -1))
    share = sum(left * min(1.0, n / max(1, max_iter)) for left, n in under_way)
    running = sum(left for left, _ in under_way)
    updates = max((n for _, n in under_way), default=0)
    return Standing(ended, running, int(np.count_nonzero(status == 2)), ended + share, updates)


REGIMES = ("monotone", "oscillating", "slow", "cycling", "diverged")


class Status(IntEnum):
    """How a run ended.

    >>> Status(2), Status(2).label
    (<Status.DIVERGED: 2>, 'diverged')
    """

    NOT_RUN = -1
    CONVERGED = 0
    MAX_ITER = 1
    DIVERGED = 2
    MAX_SECONDS = 3
    INTERRUPTED = 4

    @property
    def label(self) -> str:
        """The name in words: ``"converged"``, ``"max_iter"``, ..."""
        return self.name.lower()
