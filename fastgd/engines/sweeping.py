"""Descents of many runs on one backend: blocks handed to threads, results gathered.

A `Descents` holds runs that share a rule and differ in numbers only. Which kernels it gets is decided here: those
compiled ahead of time where there are any for its rule and problem, else Numba's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.codegen import CoefficientFunction, Rule
from fastgd.engines.descents import (
    SHARED,
    Descents,
    Kernel,
    Limits,
    NumpyOutcomes,
    Outcomes,
    Standing,
    Watcher,
)

if TYPE_CHECKING:
    from fastgd.problem_base import Problem

SLICE = 0.05  # seconds after which a thread comes back to look whether it should stop


@dataclass(frozen=True)
class Chosen:
    """The kernels of a `Descents`: who made them, and how many runs a vector instruction advances."""

    backend: str
    kernels: Any
    vector: int


def choose(problem: Problem, runs: Descents, dtype: np.dtype[Any], backend: str) -> Chosen:
    """The kernels for a rule on a problem; `backend` is "auto", "cython" or "numba"."""
    kernel, char = problem.kernel(dtype), "f" if dtype == np.float32 else "d"
    ahead = _ahead_of_time(kernel, runs, char)
    if backend == "cython" and ahead is None:
        raise ValueError(
            f"backend='cython' has no sweep of {runs.rule.name} on {problem!r}; "
            "use backend='auto' or 'numba', which compile it when it is first needed"
        )
    from fastgd.engines import cython_backend  # noqa: PLC0415

    if ahead is not None and backend != "numba":
        window, observe = ahead
        made_by, vector = "cython", cython_backend.kernels().lanes[char]
    else:
        from fastgd.engines import numba_sweep  # noqa: PLC0415

        window, observe = _just_in_time(kernel, problem.n_parameters, runs, char)
        made_by, vector = "numba", numba_sweep.vector_bytes() // dtype.itemsize
    kernels = bound_kernels(
        window,
        observe,
        kernel,
        problem.n_parameters,
        runs,
        batches=problem.batches,
        features=problem.n_parameters // kernel.outputs,
    )
    return Chosen(made_by, kernels, vector)


def bound_kernels(
    window: int, observe: int, kernel: Kernel, count: int, runs: Descents, **more: Any
) -> Any:
    """Addresses together with a problem's data, the coefficients' functions and the sizes of all that."""
    from fastgd.engines._sweep import Kernels  # noqa: PLC0415

    char = "f" if kernel.data.dtype == np.float32 else "d"
    n_shared = {"plain": 0, "prepared": SHARED, "clipped": SHARED + 6}[runs.mode]
    return Kernels(
        window,
        observe,
        _lanes(runs.coefficients, char),
        shared=_shared_lanes(runs.mode, char),
        n_shared=n_shared,
        data=kernel.data,
        size=kernel.size,
        count=count,
        n_state=len(runs.state0),
        n_coefficients=n_shared + len(runs.rule.coefficients),
        n_hyper=len(runs.hyper) + (1 + n_shared if n_shared else 0),
        steady=runs.coefficients.steady,
        **more,
    )


class NotCompiled(ValueError):
    """A user's coefficient function that runs in Python only."""


def slopes(problem: Problem, x: NDArray[Any]) -> NDArray[Any]:
    """`problem.slopes(x)`, compiled where that goes over rows."""
    from fastgd.engines import cython_backend  # noqa: PLC0415

    kernel = problem.kernel(x.dtype)
    name = f"slopes_{kernel.kind}_{x.dtype.char}"
    if not cython_backend.available() or name not in cython_backend.kernels().addresses:
        return problem.slopes(x)
    from fastgd.engines import _sweep  # noqa: PLC0415

    address = cython_backend.address(name)
    found: NDArray[Any] = _sweep.linear_slopes(address, x, kernel.data, kernel.size, kernel.outputs)
    return found


def _ahead_of_time(kernel: Kernel, runs: Descents, char: str) -> tuple[int, int] | None:
    from fastgd.engines import cython_backend  # noqa: PLC0415

    if (
        runs.mode != "plain"
        or runs.lookahead
        or kernel.sequential
        or _shipped().get(runs.rule.name) != runs.rule  # a user's rule may have the same name
    ):
        return None
    name = f"{runs.rule.name}_{kernel.kind}"
    addresses = cython_backend.kernels().addresses
    observe = addresses.get(f"observe_{name}_{char}")
    window = addresses.get(
        f"window_{name}{kernel.size}_{char}", addresses.get(f"window_{name}_{char}")
    )
    return None if window is None or observe is None else (window, observe)


def _shipped() -> dict[str, Rule]:
    from fastgd.engines.registry import RULES  # noqa: PLC0415

    return RULES


def _just_in_time(kernel: Kernel, count: int, runs: Descents, char: str) -> tuple[int, int]:
    from fastgd.engines import numba_sweep  # noqa: PLC0415

    sizes = numba_sweep.Sizes(
        kernel.kind,
        kernel.sequential,
        runs.lookahead,
        runs.mode,
        count,
        len(runs.state0),
        outputs=kernel.outputs,
    )
    return numba_sweep.window_and_observe(runs.rule, sizes, char, kernel.functions)


def _lanes(function: CoefficientFunction, char: str) -> int:
    from fastgd.engines import cython_backend  # noqa: PLC0415
    from fastgd.engines.registry import COEFFICIENTS  # noqa: PLC0415

    if COEFFICIENTS.get(function.name) == function:
        return int(cython_backend.kernels().addresses[f"lanes_{function.name}_{char}"])
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    from fastgd.engines import numba_sweep  # noqa: PLC0415

    try:
        return numba_sweep.lane_coefficients(function, char)
    except (NumbaError, UnsupportedBytecodeError) as error:
        raise NotCompiled(
            "backend='numba' cannot compile the optimizer's coefficients function, which holds more than "
            "Numba knows; use backend='auto' or 'numpy'"
        ) from error


def _shared_lanes(mode: str, char: str) -> int:
    from fastgd.engines import cython_backend  # noqa: PLC0415

    if mode == "plain":
        return 0
    if mode == "prepared":
        return int(cython_backend.kernels().addresses[f"lanes_prepare_{char}"])
    from fastgd.engines import numba_sweep  # noqa: PLC0415

    return numba_sweep.clipped_coefficients(char)


def engine_of(problem: Problem, backend: str) -> str:
    """The backend that can descend the problem: a Python function is called from NumPy's loop alone."""
    if problem.kernel("float64").kind != "python" or backend == "numpy":
        return backend
    if backend != "auto":
        raise ValueError(
            f"backend={backend!r} cannot call a Python function: {problem!r}; "
            "compile it with numba.njit, or use backend='auto'"
        )
    return "numpy"


def descend(
    problem: Problem,
    runs: Descents,
    limits: Limits,
    *,
    backend: str,
    n_threads: int,
    flush: bool,
    progress: Watcher | None = None,
) -> tuple[Outcomes, str, int]:
    """Runs all descents; returns what came of them, the backend that did it and its vector width in runs.

    A KeyboardInterrupt ends the runs that are under way with status 4 and is answered by returning; those that had
    not begun keep status -1. The deadline does the same with status 3.
    """
    shape = (len(runs.index), problem.n_parameters)
    backend = engine_of(problem, backend)
    if backend == "cuda":
        from fastgd.engines.cuda import sweeping as on_card  # noqa: PLC0415

        return on_card.descend(problem, runs, limits, progress=progress)
    if backend != "numpy":
        from fastgd.engines import _sweep  # noqa: PLC0415

        try:
            chosen = choose(problem, runs, limits.dtype, backend)
        except NotCompiled:
            if backend != "auto":
                raise
            backend = "numpy"
    if backend == "numpy":
        from fastgd.engines import numpy_sweep  # noqa: PLC0415

        out = NumpyOutcomes(
            np.zeros(shape, limits.dtype),
            np.zeros(shape, limits.dtype),
            np.zeros(shape[0], np.int64),
            np.full(shape[0], -1, np.int8),
            np.zeros(shape[0], np.uint8),
        )
        _watched(
            lambda stopped: numpy_sweep.descend(
                problem, runs, limits, out, WINDOW, stopped=stopped, flush=flush
            ),
            limits,
            out,
            progress,
        )
        return out, "numpy", 1
    outcomes = _sweep.Outcomes(*shape, limits.dtype)
    blocks = _blocks(runs, n_threads)
    crew = _Crew(chosen.kernels, outcomes, runs, limits, blocks, flush=flush)
    crew.work(min(n_threads, len(blocks)), progress)
    return outcomes, chosen.backend, chosen.vector


WINDOW = 64  # as in _sweep.pyx
_SMALLEST_BLOCK = 64
_AT_FIRST = 1_000_000  # numbers of the data that a first slice goes over, once for each parameter, run and update


def _blocks(runs: Descents, n_threads: int) -> list[tuple[NDArray[np.int64], bool]]:
    """Columns of each block, and whether its runs share all hyperparameters but the rate."""
    from fastgd.engines._sweep import WIDTH  # noqa: PLC0415

    others = runs.hyper[1:]
    if runs.shared is not None:
        others = np.vstack([others, runs.shared])
    total = runs.hyper.shape[1]
    width = int(np.clip(-(-total // (2 * n_threads)), _SMALLEST_BLOCK, WIDTH))
    if runs.seeds:  # each block gathers its batches, so no more blocks than threads
        width = int(np.clip(-(-total // n_threads) + 15 & -16, 16, WIDTH))
    if len(runs.seeds) < 2:
        return _alike(others, np.arange(total), width)
    return [  # runs that go over the rows in different orders stand in different blocks
        block
        for seed in range(len(runs.seeds))
        for block in _alike(others, np.flatnonzero(runs.seed_of == seed), width)
    ]


def _alike(
    others: NDArray[np.float64], columns: NDArray[np.int64], width: int
) -> list[tuple[NDArray[np.int64], bool]]:
    """Some of the runs in blocks of at most `width`."""
    others, total = others[:, columns], len(columns)
    order = np.lexsort(others) if len(others) else np.arange(total)
    ordered = others[:, order]
    order = columns[order]
    changes = np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [total]])
    if len(starts) - 1 > total // 16:  # hardly any runs alike: blocks of different ones
        return [(order[i : i + width], False) for i in range(0, total, width)]
    return [
        (order[i : min(i + width, stop)], True)
        for start, stop in pairwise(starts)
        for i in range(start, stop, width)
    ]


class _Crew:
    """Threads that take blocks and run them to their ends."""

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
        self.under_way: dict[int, tuple[int, int]] = {}  # by thread: runs left and their step
        self.stop: int | None = None  # the status with which everything ends early
        self.failure: BaseException | None = None

    def work(self, n_threads: int, progress: Watcher | None) -> None:
        """All blocks, by `n_threads` threads of which the caller is one."""
        # Ended by events: a thread whose join was interrupted counts as ended in Python 3.12 and before.
        others: list[tuple[threading.Thread, threading.Event]] = []
        try:
            for _ in range(n_threads - 1):
                ended = threading.Event()
                thread = threading.Thread(target=self._guarded, args=(ended,), daemon=True)
                others.append((thread, ended))
                thread.start()
            self._run(progress)
            for _, ended in others:  # in short naps, so that Ctrl-C is answered meanwhile
                while not ended.wait(SLICE):
                    if progress is not None:
                        progress.look(self.standing)
        except KeyboardInterrupt:
            self.stop = 4
        except BaseException:  # of a user's schedule; the other threads are not to go on
            self.stop = 4
            raise
        finally:
            for thread, ended in others:
                _await(thread, ended)
        if self.failure is not None:
            raise self.failure

    def standing(self) -> Standing:
        """How far it is, as the caller's thread sees it."""
        at = list(self.under_way.values())
        return _standing(self.outcomes.status, at, self.limits.max_iter)

    def _guarded(self, ended: threading.Event) -> None:
        try:
            self._run(None)
        except BaseException as failure:
            self.failure, self.stop = failure, 4
        finally:
            ended.set()

    def _run(self, progress: Watcher | None) -> None:
        from fastgd.engines._sweep import Block  # noqa: PLC0415

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
                    updates = _paced(updates, took)
                    self.under_way[me] = left, block.n + block.part
                    if progress is not None:
                        progress.look(self.standing)
            finally:
                self.under_way.pop(me, None)
                if left:
                    block.stop(4 if self.stop is None else self.stop)

    def _first_slice(self) -> int:
        """Updates before the clock is looked at first: few where an update of a block goes over much data."""
        kernels = self.kernels
        return int(np.clip(_AT_FIRST // (max(1, kernels.size) * kernels.count), 1, 4 * WINDOW))

    def _going_on(self) -> bool:
        if self.stop is None and time.perf_counter() > self.limits.deadline:
            self.stop = 3
        return self.stop is None

    def _load(self, block: Any, columns: NDArray[np.int64], uniform: bool) -> None:
        runs, dtype = self.runs, self.limits.dtype
        hyper = runs.hyper[:, columns]
        if runs.shared is not None:
            shared = runs.shared[:, columns]
            clip = [_parts(row, dtype) for row in shared[SHARED:]]
            hyper = np.vstack([hyper, hyper[:1], shared[:SHARED], *clip])
        schedules, rate_of = runs.schedules, None
        if schedules is not None:  # only those of this block
            used, rate_of = np.unique(runs.rate_of[columns], return_inverse=True)
            schedules = [schedules[k] for k in used]
        block.load(
            columns,
            runs.x0[:, columns],
            runs.state0[:, columns],
            hyper,
            schedules=schedules,
            rate_of=rate_of,
            uniform=uniform,
            seed=runs.seeds[runs.seed_of[columns[0]]] if runs.seeds else 0,
        )


def _parts(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Three rows of numbers of the dtype whose sum in double is exactly the values: 53 = 24 + 24 + 5 bits."""
    parts = np.zeros((3, len(values)))
    with np.errstate(over="ignore"):
        for part in parts:
            part[:] = values.astype(dtype)
            values = np.where(np.isfinite(part), values - part, 0.0)
    return parts


def _watched(
    work: Callable[[Callable[[], int | None]], None],
    limits: Limits,
    out: NumpyOutcomes,
    progress: Watcher | None,
) -> None:
    """Runs `work` in a thread, so that Ctrl-C reaches it between two updates: as the status it is told to end with."""
    stop: list[int] = []
    failure: list[BaseException] = []
    ended = threading.Event()
    steps = 0

    def stopped() -> int | None:
        nonlocal steps
        steps += 1
        if not stop and time.perf_counter() > limits.deadline:
            stop.append(3)
        return stop[0] if stop else None

    def guarded() -> None:
        try:
            work(stopped)
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    def standing() -> Standing:
        left = int(np.count_nonzero(out.status == -1))
        return _standing(out.status, [(left, steps)], limits.max_iter)

    threading.Thread(target=guarded, daemon=True).start()
    while True:
        try:
            while not ended.wait(SLICE):
                if progress is not None:
                    progress.look(standing)
            break
        except KeyboardInterrupt:
            stop.append(4)
    if failure:
        raise failure[0]


def _standing(
    status: NDArray[np.int8], under_way: list[tuple[int, int]], max_iter: int
) -> Standing:
    ended = int(np.count_nonzero(status != -1))
    share = sum(left * min(1.0, n / max(1, max_iter)) for left, n in under_way)
    running = sum(left for left, _ in under_way)
    updates = max((n for _, n in under_way), default=0)
    return Standing(ended, running, int(np.count_nonzero(status == 2)), ended + share, updates)


def _await(thread: threading.Thread, ended: threading.Event) -> None:
    """Until a thread has ended: an impatient second Ctrl-C must not lose what it brings home."""
    while True:
        try:
            while not ended.wait(SLICE):
                if thread.ident is None:  # the first Ctrl-C came before it began
                    return
            return
        except KeyboardInterrupt:
            continue


def _paced(updates: int, took: float) -> int:
    """How many updates fill a slice, by what the last ones took."""
    if took < SLICE / 2:
        return min(updates * 2, 1 << 26)
    return max(1, updates // 2) if took > SLICE * 2 else updates
