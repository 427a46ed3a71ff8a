"""The reference sweep: all runs as columns of NumPy arrays, every iterate tested, one step at a time.

Readable and slow. It shares no loop with the compiled sweeps, only the rules, and gives the same bits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import MEMORY, RUNNING
from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.processor import flushed
from fastgd.engines.protocol.outcomes import (
    SLICE,
    NumpyOutcomes,
    Outcomes,
    Standing,
    Status,
    Watcher,
    standing_of,
)
from fastgd.engines.protocol.sweeps import Descents, Limits, Problem
from fastgd.engines.reference.metrics import summed
from fastgd.engines.reference.steepness import projected, steepest_of
from fastgd.engines.reference.steps import block_sums, tabulated
from fastgd.engines.registry import COEFFICIENTS, PREPARE, STOPS
from fastgd.engines.vocabulary import bound, numpy_vocabulary

Array = NDArray[np.floating[Any]]
_Kept = tuple[Array, NDArray[np.float64]]


def descend(
    problem: Problem,
    runs: Descents,
    limits: Limits,
    out: Outcomes,
    window: int,
    *,
    stopped: Callable[[], int | None],
    flush: bool,
    record: Callable[[int, NDArray[np.int64], Array], None] | None = None,
) -> None:
    """Runs all descents to their ends and writes them into `out`; `stopped` may give a status to end with early.

    `record` gets the number of updates, runs and their points (n_parameters, runs), as `Limits.record` says.
    """
    state = Columns(problem, runs, limits, out, flush=flush)
    begun = 0 if runs.begun is None else runs.begun.n
    with np.errstate(all="ignore"):
        for n in range(begun, limits.max_iter + 1):
            status = stopped()
            if status is not None:
                if n > begun:  # those that have not begun are not run
                    state.leave(np.ones(len(state.run), bool), status, n)
                return
            if limits.waits and n == limits.pause:
                state.wait(n)
                return
            if n == begun or (n < limits.max_iter and (limits.max_iter - n) % window == 0):
                out.before[state.run] = state.x.T
                state.save()
            if record is not None and begun < n < limits.max_iter and n % limits.record == 0:
                record(n, state.run, state.x)
            if n % problem.updates_per_epoch == 0 and (problem.batches is None or limits.tol > 0):
                state.leave(state.converged(), Status.CONVERGED, n)
            if n == limits.max_iter:
                state.leave(np.ones(len(state.run), bool), Status.MAX_ITER, n)
            if not len(state.run):
                return
            state.update(n + 1)
            state.leave(~state.inside(), Status.DIVERGED, n + 1)


class Columns:
    """Runs that have not ended."""

    def __init__(
        self, problem: Problem, runs: Descents, limits: Limits, out: Outcomes, *, flush: bool
    ) -> None:
        self.problem, self.runs, self.limits, self.out = problem, runs, limits, out
        self.kernel = problem.kernel(limits.dtype)
        self.mode = flushed if flush else _unchanged
        vocabulary = numpy_vocabulary()
        self.rule = bound(runs.rule.function, vocabulary)
        self.prepare = bound(PREPARE.function, vocabulary)
        self.run = np.arange(len(runs))
        self.x = np.array(runs.x0, limits.dtype)
        self.state = [np.tile(row.astype(limits.dtype), (len(self.x), 1)) for row in runs.state0]
        self.carry = np.ones(len(self.run))
        if runs.begun is not None:
            self.x, *self.state = np.split(runs.begun.numbers.copy(), 1 + len(self.state))
            self.carry = runs.begun.carry.copy()
        # Numbers and carries of all runs, not of those left: at the start of a window, and of the one before.
        self.saved: _Kept | None = None
        self.older: _Kept | None = None
        self.moved = np.zeros_like(self.x)
        self.turns = np.zeros(self.x.shape, np.uint32)
        self.measure = runs.measure
        self.known: Array | None = None  # the gradients at `x`, where a test has found them

    def slopes(self, x: Array) -> Array:
        if self.kernel.kind == "python":  # a user's code runs in the mode it is used to
            return self.problem.slopes(x)
        with self.mode():
            return self.problem.slopes(x)

    def slopes_of_update(self, x: Array, t: int) -> Array:
        """Gradients by the rows of update number t."""
        if self.problem.batches is None:
            return self.slopes(x) if self.known is None or x is not self.x else self.known
        g = np.empty_like(x)
        seed_of = self.runs.seed_of[self.run] if self.runs.seeds else np.zeros(len(self.run), int)
        for k in np.unique(seed_of):
            mine = seed_of == k
            seed = self.runs.seeds[k] if self.runs.seeds else 0
            rows = self.problem.batches.of_update(seed, t - 1)
            with self.mode():
                g[:, mine] = self.problem.batch_slopes(x[:, mine], rows)
        return g

    def converged(self) -> NDArray[np.bool_]:
        """Which runs have no slope that reaches the tolerance."""
        own = None if self.measure is None else self.measure[:, self.run]
        g = self.known = self.slopes(self.x)
        with self.mode():
            steepest = steepest_of(self.x, g, own)
            tol = np.asarray(self.limits.tol, self.limits.dtype)
            return np.asarray(STOPS["converged"](steepest, tol))

    def inside(self) -> NDArray[np.bool_]:
        """Which runs have all parameters within the bound."""
        return np.asarray(STOPS["inside"](self.x, self.limits.bound).all(axis=0))

    def leave(self, which: NDArray[np.bool_], status: int, n: int) -> None:
        """The runs marked end after n updates; the others close up."""
        if not which.any():
            return
        ended, stay = self.run[which], ~which
        if status == Status.CONVERGED:
            turns = np.bitwise_count(self.turns[:, which]).astype(int)
            self.out.oscillating[ended] = STOPS["oscillating"](turns, n, MEMORY).any(axis=0)
        self.out.x[ended] = self.x[:, which].T
        self.out.status[ended], self.out.iterations[ended] = status, n
        self.run, self.carry = self.run[stay], self.carry[stay]
        self.x, self.moved, self.turns = self.x[:, stay], self.moved[:, stay], self.turns[:, stay]
        self.state = [s[:, stay] for s in self.state]
        if self.known is not None:
            self.known = self.known[:, stay]

    def save(self) -> None:
        """Keep where the runs are at the start of a window, for those that wait; and where they were one before."""
        if not self.limits.waits:
            return
        numbers = np.zeros((len(self.x) * (1 + len(self.state)), len(self.runs)), self.x.dtype)
        carry = np.ones(len(self.runs))
        numbers[:, self.run], carry[self.run] = np.vstack([self.x, *self.state]), self.carry
        self.older, self.saved = self.saved or (numbers, carry), (numbers, carry)

    def wait(self, n: int) -> None:
        """All runs wait after n updates."""
        assert self.older is not None
        numbers, carry = self.older
        self.out.numbers[self.run], self.out.carry[self.run] = numbers.T[self.run], carry[self.run]
        self.leave(np.ones(len(self.run), bool), Status.STOPPED, n)

    def update(self, t: int) -> None:
        """Update number t, counted from 1."""
        hyper = self._hyperparameters(t)
        coefficients = self._tabulate(self.runs.coefficients, t, hyper)
        old, at = self.x.copy(), self.x
        if self.runs.lookahead:
            with self.mode():
                at = self._in_box(self.x - coefficients[0] * self.state[0])
        g, self.known = self.slopes_of_update(at, t), None
        shared = self._shared(t, hyper, g)
        if self.kernel.sequential:
            for i in range(len(self.x)):
                rows = slice(i, i + 1)
                now = self.slopes_of_update(self.x, t)[rows]
                self._apply(rows, self.x[rows], now, coefficients, shared)
        else:
            self._apply(slice(None), at, g, coefficients, shared)
        with self.mode():
            move = self.x - old
            turned = STOPS["turned"](move, self.moved, np.zeros((), self.limits.dtype))
        self.turns = STOPS["remembered"](self.turns, turned)
        self.moved = move

    def _apply(
        self, rows: slice, at: Array, g: Array, coefficients: Array, shared: Array | None
    ) -> None:
        """The rule for some parameters; `g` was taken at the points `at`, and penalties are too."""
        p = self.x[rows]
        with self.mode():
            if shared is not None:
                _, g = self.prepare(at, g, *shared[: len(PREPARE.coefficients)])
                p = shared[-1] * p
            p, *state = self.rule(p, g, *(s[rows] for s in self.state), *coefficients)
            p = self._in_box(p, rows)
        self.x[rows] = p
        for old, new in zip(self.state, state, strict=True):
            old[rows] = new

    def _in_box(self, p: Array, rows: slice = slice(None)) -> Array:
        """Some parameters within their bounds, if they have any."""
        return p if self.runs.box is None else projected(p, self.runs.box[:, rows])

    def _hyperparameters(self, t: int) -> NDArray[np.float64]:
        """The coefficient function's arguments, the rate of update t among them."""
        hyper = self.runs.hyper[:, self.run].copy()
        if self.runs.schedules is not None:
            rates = np.array([s.values(t - 1, t)[0] for s in self.runs.schedules])
            hyper[0] = rates[self.runs.rate_of[self.run]]
        return hyper

    def _shared(self, t: int, hyper: NDArray[np.float64], g: Array) -> Array | None:
        """Coefficients of `prepare`, with the scale that clips the gradient's norm."""
        if self.runs.shared is None:
            return None
        shared = self.runs.shared[:, self.run]
        arguments, clip = shared[:6], shared[6:]
        table = self._tabulate(COEFFICIENTS["prepare"], t, np.vstack([hyper[:1], arguments]))
        if len(clip):
            most, eps = clip
            with self.mode():
                norms = np.sqrt([summed(block_sums(column)) for column in g.T])
                scales = most / (norms + eps)
            table[1] = np.where((scales > 1) | np.isinf(most), 1.0, scales)
        return table

    def _tabulate(self, function: CoefficientFunction, t: int, hyper: NDArray[np.float64]) -> Array:
        """Coefficients by row, runs by column."""
        table: Array = tabulated(function, t, hyper, self.carry).astype(self.limits.dtype)
        return table


@contextmanager
def _unchanged() -> Iterator[None]:
    yield


def run_watched(
    work: Callable[[Callable[[], int | None]], None],
    limits: Limits,
    out: NumpyOutcomes,
    progress: Watcher | None,
) -> None:
    """Runs `work` in a thread, so that Ctrl-C stops it between two updates: `work` asks for the status to end with."""
    stop: list[int] = []
    failure: list[BaseException] = []
    ended = threading.Event()
    steps = 0

    def stopped() -> int | None:
        nonlocal steps
        steps += 1
        if not stop and time.perf_counter() > limits.deadline:
            stop.append(Status.MAX_SECONDS)
        return stop[0] if stop else None

    def guarded() -> None:
        try:
            work(stopped)
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    def standing() -> Standing:
        left = int(np.count_nonzero(out.status == RUNNING))
        return standing_of(out.status, [(left, steps)], limits.max_iter)

    threading.Thread(target=guarded, daemon=True).start()
    while True:
        try:
            while not ended.wait(SLICE):
                if progress is not None:
                    progress.look(standing)
            break
        except KeyboardInterrupt:
            stop.append(Status.INTERRUPTED)
    if failure:
        raise failure[0]
