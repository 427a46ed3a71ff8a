"""The interface of sweep engines: problems and their kernels, runs, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastgd.checks import shown
from fastgd.engines.layout import PENALTIES, SHARED, WINDOW
from fastgd.engines.parse import CoefficientFunction, Rule
from fastgd.engines.protocol.outcomes import Outcomes
from fastgd.engines.registry import GRADIENTS, RESIDUALS


@dataclass(frozen=True)
class Kernel:
    """The compiled gradient of a problem, and its data as one flat array of the dtype.

    The kind is the name of a gradient or residual of `fastgd.rules`, "function" or "python" for a user's function that
    Numba compiles or that is called as it is, "mapped" for rows in a file, which the problem reads itself, or "called"
    where the data are numbers of `fastgd.engines.called`.
    """

    kind: str
    size: int  # parameters, coefficients of the derivative, or rows
    data: NDArray[np.floating[Any]]
    sequential: bool = False
    outputs: int = 1  # of a linear model
    functions: tuple[Any, ...] = ()  # for Numba, of a user: fun(x, grad), or fun(x) and jac(x)
    name: str = ""  # of one of the library's own functions

    @cached_property
    def finite(self) -> bool:
        """Whether all of the data is representable in the dtype."""
        return bool(np.isfinite(self.data).all())


def numbers_of(kernel: Kernel, count: int, *, batched: bool) -> NDArray[Any]:
    """The kernel's data for loops that read as many numbers as the kind, size and `count` parameters need.

    Raises
    ------
    ValueError
        If a problem's class, perhaps a user's own, made fewer numbers, or of another form.
    """
    if kernel.kind in RESIDUALS:
        features, left = divmod(count, kernel.outputs) if kernel.outputs > 0 else (0, 1)
        wanted = kernel.size * (features + 1) + (3 if batched else 1)  # rows, and scales of sums
        fits = not left
    elif kernel.kind in GRADIENTS:
        gradient = GRADIENTS[kernel.kind]
        wanted = gradient.length(kernel.size)
        fits = count == (kernel.size if gradient.each else 1)
    else:  # a function, which reads none, or a gradient by its address
        wanted, fits = 0, kernel.kind == "called" or count == kernel.size
    data = np.ascontiguousarray(kernel.data)
    if (
        kernel.size < 1
        or not fits
        or data.ndim != 1
        or data.dtype.char not in "fd"
        or data.size < wanted
    ):
        raise ValueError(
            f"problem has a kernel {kernel.kind!r} of size {kernel.size} for {count} parameters with "
            f"{shown(kernel.data)}, wanted {wanted} numbers of float32 or float64"
        )
    return data


class Batches(Protocol):
    """The rows of each update; see `fastgd.batches.Batches`."""

    @property
    def size(self) -> int: ...

    @property
    def updates(self) -> int:
        """Updates of an epoch."""

    def orders(self, seed: int, first: int, last: int) -> NDArray[np.integer[Any]]:
        """The order of the rows in epochs first..last-1."""

    def of_update(self, seed: int, update: int) -> NDArray[np.integer[Any]]:
        """The rows of one update."""


class Problem(Protocol):
    """What engines need of a problem; see `fastgd.problems.Problem`."""

    @property
    def batches(self) -> Batches | None:
        """How the rows of an update are chosen; None if it uses all."""

    @property
    def n_parameters(self) -> int: ...

    @property
    def updates_per_epoch(self) -> int: ...

    def kernel(self, dtype: DTypeLike) -> Kernel:
        """The compiled gradient's name and data."""

    def slopes(self, x: NDArray[Any]) -> NDArray[Any]:
        """Gradients at the points `x` (n_parameters, runs)."""

    def batch_slopes(self, x: NDArray[Any], rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Gradients at the points `x` from some of the rows."""


class Schedule(Protocol):
    """A learning rate as a table over steps."""

    def values(self, start: int, stop: int) -> NDArray[np.float64]:
        """Rates of steps start..stop-1."""


@dataclass(frozen=True)
class Snapshot:
    """Where runs stood after `n` updates, from which they can go on: numbers by row, runs by column.

    `numbers` are the parameters and then each state array, in the runs' dtype; `carry` is the coefficient function's.
    """

    n: int
    numbers: NDArray[Any]
    carry: NDArray[np.float64]

    def of(self, columns: slice | NDArray[Any]) -> Snapshot:
        """The same of some of the runs."""
        return Snapshot(self.n, self.numbers[:, columns], self.carry[columns])


def snapshot_at(max_iter: int, pause: int) -> int:
    """After how many updates the snapshot of a run is taken that waits after `pause` updates.

    It is the start of a window before the one under way: a run that ends soon after the pause is then looked at over
    as many moves as one that did not wait. So the last updates are made again, at most two windows of them.
    """
    first = min(max_iter, max_iter % WINDOW or WINDOW)
    started = 0 if pause <= first else first + (pause - first - 1) // WINDOW * WINDOW
    return max(0, started - WINDOW)


@dataclass
class Descents:
    """Runs of one rule: numbers by row, runs by column.

    `x0` (n_parameters, runs) are their starts, `state0` the first value of each state array; `hyper` are the arguments
    of the coefficient function after the step, the rate first; `shared` those of `prepare` after the rate, and limit
    and eps of clipping by norm; None if neither is used; `minimized` those of `steepness` after (p, g). Numbers that
    are the same for all runs may be broadcast. `penalized` says whether a run minimizes more than the objective, so
    that the objective's slope alone does not end it. `box` (2, n_parameters) are the lowest and highest parameters, to
    which every update is followed by a projection; None if they are free. Runs that have waited go on from `begun`.
    """

    rule: Rule
    coefficients: CoefficientFunction
    x0: NDArray[Any]
    hyper: NDArray[np.float64]
    state0: NDArray[np.float64]
    minimized: NDArray[np.float64]
    shared: NDArray[np.float64] | None = None
    schedules: list[Schedule] | None = None
    rate_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lookahead: bool = False
    penalized: bool = False
    box: NDArray[np.float64] | None = None
    seeds: list[int] = field(default_factory=list)  # of the order of rows, if there are batches
    seed_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    begun: Snapshot | None = None

    def __len__(self) -> int:
        """The number of runs."""
        return int(self.x0.shape[1])

    @property
    def mode(self) -> Literal["plain", "prepared", "clipped"]:
        """What precedes the rule: nothing, `prepare`, or `prepare` and clipping by norm."""
        if self.shared is None:
            return "plain"
        return "prepared" if len(self.shared) == SHARED else "clipped"

    @property
    def objective_changed(self) -> bool:
        """Whether the runs minimize something else than the objective: its negative, or a sum with penalties."""
        return self.penalized or bool((self.minimized[0] != 1).any())

    @property
    def measured(self) -> bool:
        """Whether something else than the size of the objective's slope ends a run."""
        return self.penalized or self.box is not None

    @property
    def measure(self) -> NDArray[np.float64] | None:
        """By what the slopes of `measured` runs are judged: `minimized`, and below it the box, low and high."""
        if self.box is None:
            return self.minimized if self.penalized else None
        sides = np.broadcast_to(self.box.reshape(-1, 1), (self.box.size, len(self)))
        return np.concatenate([np.broadcast_to(self.minimized, (PENALTIES, len(self))), sides])

    @property
    def n_measures(self) -> int:
        """Rows of `measure`."""
        return PENALTIES * self.measured + (0 if self.box is None else self.box.size)


class Supply(Protocol):
    """Runs that share a rule, handed out in parts, which come back when they have ended.

    Parts that are not begun, because a sweep ends early, do not come back.
    """

    @property
    def total(self) -> int:
        """The number of runs."""

    def part(self, start: int, stop: int) -> Descents:
        """Runs from `start` on, up to `stop`."""

    def take(self, start: int, runs: Descents, outcomes: Outcomes) -> None:
        """A part that began at `start`, and how its runs ended."""

    def record(self, start: int, n: int, columns: NDArray[np.int64], x: NDArray[Any]) -> None:
        """Points (n_parameters, runs) after n updates of these runs of the part that began at `start`."""


@dataclass(frozen=True)
class Limits:
    """When a run ends; `bound` is the |x| beyond which it counts as diverged.

    After `pause` updates a run waits: it ends as `Status.STOPPED`, and the outcomes say how it goes on. After each
    `record`-th update, but the last, the supply gets the points of all runs. 0: none of these.
    """

    max_iter: int
    tol: float
    bound: float
    dtype: np.dtype[Any]
    deadline: float = np.inf  # on time.perf_counter's clock
    pause: int = 0
    record: int = 0

    @property
    def waits(self) -> bool:
        """Whether runs wait before their last update."""
        return 0 < self.pause < self.max_iter

    def rows(self, runs: Descents) -> int:
        """How many numbers the outcomes have of a run that waits."""
        return len(runs.x0) * (1 + len(runs.state0)) if self.waits else 0

    def until_record(self, n: int) -> int:
        """How many updates runs that made n go on until their points are recorded, or they end."""
        return min((n // self.record + 1) * self.record, self.max_iter) - n
