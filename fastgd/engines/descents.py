"""What a sweep's engines are told and what they answer: runs and their limits, a problem's kernel, outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.codegen import CoefficientFunction, Rule

SHARED = 6  # rows of Descents.shared that are arguments of `prepare`; two more where gradients are clipped by norm


@dataclass(frozen=True)
class Kernel:
    """Which compiled gradient a problem uses, and its data as one flat array of the dtype."""

    kind: Literal["quadratic", "polynomial", "rows", "logistic", "softmax", "function", "python"]
    size: int  # parameters, coefficients of the derivative, or rows
    data: NDArray[np.floating[Any]]
    sequential: bool = False
    outputs: int = 1  # of a linear model: a row times the parameters gives so many numbers
    functions: tuple[Any, ...] = ()  # a user's, for Numba: fun(x, grad), or fun(x) and jac(x)

    @cached_property
    def finite(self) -> bool:
        """Whether all of the data is representable in the dtype."""
        return bool(np.isfinite(self.data).all())


class Schedule(Protocol):
    """A learning rate as a table over steps."""

    def values(self, start: int, stop: int) -> NDArray[np.float64]:
        """Rates of steps start..stop-1."""


@dataclass
class Descents:
    """Runs of one rule: numbers by row, runs by column.

    `index` says where each run belongs in the sweep, `x0` (n_parameters, runs) where it starts, `state0` the first
    value of each state array; `hyper` are the coefficient function's arguments after the step, the rate first;
    `shared` those of `prepare` after the rate, or None where nothing stands before the rule.
    """

    rule: Rule
    coefficients: CoefficientFunction
    index: NDArray[np.int64]
    x0: NDArray[Any]
    hyper: NDArray[np.float64]
    state0: NDArray[np.float64]
    shared: NDArray[np.float64] | None = None
    schedules: list[Schedule] | None = None
    rate_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lookahead: bool = False
    seeds: list[int] = field(default_factory=list)  # of the order of rows, where there are batches
    seed_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def mode(self) -> Literal["plain", "prepared", "clipped"]:
        """What stands before the rule: nothing, `prepare`, or that and clipping by norm."""
        if self.shared is None:
            return "plain"
        return "prepared" if len(self.shared) == SHARED else "clipped"


@dataclass(frozen=True)
class Limits:
    """When a run ends; `bound` is the |x| beyond which it counts as diverged."""

    max_iter: int
    tol: float
    bound: float
    dtype: np.dtype[Any]
    deadline: float = np.inf  # on time.perf_counter's clock


class Outcomes(Protocol):
    """Results by run; see fastgd.engines._sweep.Outcomes."""

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
