"""Descents of many runs on the GPU: launches that advance all runs by some updates, and the work between them.

Between two launches the host looks at the clock, answers Ctrl-C, drops the runs that have ended from the list, and lays
out what the next updates need: coefficients that move, rates of schedules, rows of batches. These lie in rings, tables
by update modulo their length, so that the last two windows of a run that converged can be gone over once more.

Bits are those of the other backends with ``flush_subnormals=False``: a GPU computes with subnormal numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.cuda import device, sweep_block, sweep_text
from fastgd.engines.cuda.sweep_coefficients import Coefficients
from fastgd.engines.cuda.sweep_slopes import Shape
from fastgd.engines.layout import PENALTIES, RUNNING, SHARED, WINDOW
from fastgd.engines.protocol.outcomes import (
    NumpyOutcomes,
    Standing,
    Status,
    Watcher,
    standing_of,
)
from fastgd.engines.protocol.sweeps import Descents, Kernel, Limits, Problem, numbers_of

LAUNCH = 0.05  # seconds that a launch should take at least
LONG, LONGEST = (
    10,
    0.5,
)  # times as long as the host's work between two; seconds, for Ctrl-C is answered after them
AT_FIRST = 64  # updates of the first launch
MOST = 1 << 24  # updates of a launch
RING = 1 << 12  # updates in a ring, where the memory allows it
BLOCKS = 8  # of threads for each multiprocessor: they take one run after the other
SHARE = 0.4  # of the free memory, for runs; rings get as much


def descend(
    problem: Problem, runs: Descents, limits: Limits, *, progress: Watcher | None = None
) -> NumpyOutcomes:
    """As `fastgd.engines.sweeps.descend`, on the current GPU; returns the outcomes."""
    kernel = problem.kernel(limits.dtype)
    total = len(runs)
    out = NumpyOutcomes.of(total, len(runs.x0), limits.dtype)
    width = _chunk(problem, runs, limits)
    for start in range(0, total, width):
        columns = slice(start, min(start + width, total))
        chunk = _Chunk(problem, kernel, _part(runs, columns), limits, out=out, columns=columns)
        if not chunk.run(progress):
            break
    return out


def _chunk(problem: Problem, runs: Descents, limits: Limits) -> int:
    """Runs that the memory holds at once, with what they need of tables."""
    count, item = problem.n_parameters, limits.dtype.itemsize
    n_rows = count * (1 + len(runs.state0))
    each = item * (3 * n_rows + 2 * count + len(runs.rule.coefficients) + SHARED + PENALTIES) + 64
    others = runs.hyper[1:]
    if not runs.coefficients.steady and others.size and (others != others[:, :1]).any():
        each += 2 * WINDOW * 2 * 8 * len(runs.rule.coefficients)
    return int(np.clip(SHARE * device.free_memory() // each, 1, 1 << 30))


def _part(runs: Descents, columns: slice) -> Descents:
    """Some of the runs."""
    return replace(
        runs,
        x0=runs.x0[:, columns],
        hyper=runs.hyper[:, columns],
        state0=runs.state0[:, columns],
        minimized=runs.minimized[:, columns],
        shared=None if runs.shared is None else runs.shared[:, columns],
        rate_of=runs.rate_of[columns],
        seed_of=runs.seed_of[columns],
    )


class _Ring:
    """A table on the GPU, by update modulo its length."""

    def __init__(self, length: int, columns: tuple[int, ...], dtype: Any) -> None:
        self.length = length
        self.array = device.empty((length, *columns), dtype)
        self.empty = 0 in columns

    def put(self, first: int, values: NDArray[Any]) -> None:
        """Values of the updates from `first` on, no more than there is room for."""
        if self.empty:
            return
        start, stop = 0, len(values)
        while start < stop:
            at = (first + start) % self.length
            many = min(stop - start, self.length - at)
            piece = np.ascontiguousarray(values[start : start + many], self.array.dtype)
            self.array[at : at + many].copy_to_device(piece)
            start += many


class _Ahead:
    """What the host prepares for the next updates."""

    def __init__(self, problem: Problem, runs: Descents, limits: Limits, *, tested: bool) -> None:
        self.runs, self.batches = runs, problem.batches
        self.coefficients = Coefficients(runs)
        layout = self.coefficients.layout
        self.schedules, schedule_of = _used(runs.schedules, runs.rate_of, len(runs))
        self.seeds, seed_of = [0], np.zeros(len(runs), np.int32)
        if self.batches is not None and runs.seeds:
            self.seeds, seed_of = _used(runs.seeds, runs.seed_of, len(runs))
        self.done = 0
        groups, kept = self.coefficients.n_groups, 2 * WINDOW if tested else 0
        columns: dict[str, tuple[tuple[int, ...], Any]] = {
            "terms": ((layout.terms, groups), np.float64),
            "tabled": ((len(layout.tabled), groups), limits.dtype),
            "rates": ((len(self.schedules),), np.float64),
            "picks": ((len(self.seeds), self.batches.size if self.batches else 0), np.int32),
        }
        self.needed = layout.moves or self.batches is not None
        bytes_each = sum(int(np.prod(c)) * np.dtype(d).itemsize for c, d in columns.values())
        length = kept + 1
        while length < min(RING, SHARE * device.free_memory() / max(1, bytes_each)):
            length *= 2
        self.length = 1 << (length - 1).bit_length() if self.needed else 1
        self.steps = self.length - kept if self.needed else MOST
        self.rings = {name: _Ring(self.length, c, d) for name, (c, d) in columns.items()}
        self.of_run = {
            "group": device.to_device(self.coefficients.group),
            "schedule": device.to_device(schedule_of),
            "seed": device.to_device(seed_of),
        }

    def prepare(self, stop: int) -> None:
        """Everything for the updates before `stop`."""
        first = self.done
        if not self.needed or stop <= first:
            return
        rates = None
        if self.schedules:
            rates = np.stack([s.values(first, stop) for s in self.schedules], axis=1)
            self.rings["rates"].put(first, rates)
        terms, tabled = self.coefficients.tables(first, stop, self._rates_of_all(rates))
        self.rings["terms"].put(first, terms)
        with np.errstate(all="ignore"):
            self.rings["tabled"].put(first, tabled.astype(self.rings["tabled"].array.dtype))
        if self.batches is not None:
            self.rings["picks"].put(first, self._picks(first, stop))
        self.done = stop

    def _rates_of_all(self, rates: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """With a column for every schedule of the sweep, as runs count them."""
        if rates is None or self.runs.schedules is None:
            return None
        every = np.zeros((len(rates), len(self.runs.schedules)))
        every[:, np.unique(self.runs.rate_of)] = rates
        return every

    def _picks(self, first: int, stop: int) -> NDArray[np.int32]:
        """Rows of each update's batch, by seed; a short batch's last ones are not read."""
        batches = self.batches
        assert batches is not None
        picks = np.zeros((stop - first, len(self.seeds), batches.size), np.int32)
        for k, seed in enumerate(self.seeds):
            for n in range(first, stop):
                rows = batches.of_update(seed, n)
                picks[n - first, k, : len(rows)] = rows
        return picks


def _used(given: list[Any] | None, which: NDArray[np.int64], total: int) -> tuple[list[Any], Any]:
    """Those that some run has, and which of them each has."""
    if given is None:
        return [], np.zeros(total, np.int32)
    used, mine = np.unique(which, return_inverse=True)
    return [given[k] for k in used], mine.astype(np.int32)


class _Chunk:
    """Runs that lie on the GPU together, from their start to their ends."""

    def __init__(
        self,
        problem: Problem,
        kernel: Kernel,
        runs: Descents,
        limits: Limits,
        *,
        out: NumpyOutcomes,
        columns: slice,
    ) -> None:
        self.limits, self.out, self.columns = limits, out, columns
        self.total = len(runs)
        tested = limits.tol > 0
        self.ahead = _Ahead(problem, runs, limits, tested=tested)
        layout = self.ahead.coefficients.layout
        self.shape = Shape.of(problem, runs, kernel, layout, tested=tested)
        self.in_blocks = sweep_block.fits(self.shape)
        self.kernels = _compiled(self.in_blocks, runs, self.shape, limits, kernel)
        self.blocks = device.gpu().multiprocessors * BLOCKS
        self.arrays = self._arrays(kernel, runs)
        self.numbers = {
            "max_iter": limits.max_iter,
            "runs": self.total,
            "size": kernel.size,
            "mask": self.ahead.length - 1,
            "n_groups": self.ahead.coefficients.n_groups,
            "n_schedules": len(self.ahead.schedules),
            "n_seeds": len(self.ahead.seeds),
            "batch_size": problem.batches.size if problem.batches else 1,
            "updates": problem.updates_per_epoch,
        }
        self.active = np.arange(self.total, dtype=np.int32)
        self.arrays["active"] = device.to_device(self.active)
        self.n = 0
        self.took = 0.0  # seconds of the last launch

    def _arrays(self, kernel: Kernel, runs: Descents) -> dict[str, Any]:
        dtype, shape = self.limits.dtype, self.shape
        rows = np.vstack([runs.x0, np.repeat(runs.state0, shape.count, axis=0)]).astype(dtype)
        if self.in_blocks:
            rows = rows.T
        clip = np.zeros((2, 0)) if runs.shared is None else runs.shared[SHARED:]
        moved = (self.total, 2 * shape.count) if self.in_blocks and shape.tested else 0
        room = self.blocks * sweep_block.room(shape) if self.in_blocks else 0
        with np.errstate(over="ignore"):
            fixed = self.ahead.coefficients.fixed().astype(dtype)
            if shape.measured:
                fixed = np.vstack([fixed, runs.minimized.astype(dtype)])
        return {
            "rows": device.to_device(rows),
            "kept": device.to_device(np.stack([rows, rows])),
            "status": device.to_device(np.full(self.total, RUNNING, np.int8)),
            "iterations": device.to_device(np.zeros(self.total, np.int64)),
            "turned": device.to_device(np.zeros(self.total, np.int8)),
            "data": device.to_device(
                numbers_of(kernel, shape.count, batched=self.ahead.batches is not None)
            ),
            "fixed": device.to_device(fixed),
            "rate": device.to_device(np.ascontiguousarray(runs.hyper[0])),
            "clip": device.to_device(clip),
            "box": device.to_device(
                np.zeros(0, dtype) if runs.box is None else runs.box.ravel().astype(dtype)
            ),
            "moves": device.to_device(np.zeros(moved, dtype)),
            "room": device.empty(room, dtype),
            **self.ahead.of_run,
            **{name: ring.array for name, ring in self.ahead.rings.items()},
        }

    def run(self, progress: Watcher | None) -> bool:
        """To the end, or until it is stopped: then false."""
        status, steps, failure = Status.INTERRUPTED, AT_FIRST, True
        try:
            while len(self.active):
                if time.perf_counter() > self.limits.deadline:
                    status, failure = Status.MAX_SECONDS, False
                    break
                steps = min(steps, self.ahead.steps, max(1, self.limits.max_iter - self.n))
                began = time.perf_counter()
                self.ahead.prepare(min(self.n + steps, self.limits.max_iter))
                self._launch(steps)
                between = time.perf_counter() - began - self.took
                aim = min(max(LAUNCH, LONG * between), LONGEST)
                steps = int(np.clip(steps * aim / max(self.took, 1e-9), steps // 4 + 1, steps * 8))
                if progress is not None:
                    progress.look(self._standing)
            else:
                failure = False
        except KeyboardInterrupt:
            failure = False
        finally:
            if not failure:
                self._finish(status)
        return not len(self.active)

    def _launch(self, steps: int) -> None:
        """Advances all runs that have not ended, and drops those that then have."""
        self.n = min(self.n + steps, self.limits.max_iter)
        first = self.n - min(steps, self.n)
        listed = self.arrays["active"]
        began = time.perf_counter()
        back, ended = self._call(
            self.kernels.sweep, listed, len(self.active), first, self.n - first
        )
        self.took = time.perf_counter() - began
        if back != len(self.active):
            raise RuntimeError(
                "fun raised an exception on the GPU, which stops a thread there; backend='numba' takes what cannot "
                "be evaluated as a slope of NaN"
            )
        if ended:
            self._drop()

    def _drop(self) -> None:
        """Shorten the list by the runs that have ended; those that converged are gone over once more."""
        status = device.to_host(self.arrays["status"])
        self.out.status[self.columns] = status
        here = status[self.active]
        converged = self.active[here == Status.CONVERGED]
        self.active = self.active[here == RUNNING]
        self._observe(converged)
        if len(self.active):
            self.arrays["active"] = device.to_device(self.active)

    def _observe(self, converged: NDArray[np.int32]) -> None:
        """Whether runs that have converged oscillated; blocks of threads have seen that themselves."""
        if len(converged) and not self.in_blocks:
            self._call(self.kernels.observe, device.to_device(converged), len(converged))

    def _call(
        self, kernel: Any, active: Any, many: int, first: int = 0, steps: int = 0
    ) -> tuple[int, int]:
        """Launch and wait; how many runs were given back, and how many of them have ended."""
        numbers = {**self.numbers, "n_active": many, "first": first, "steps": steps}
        places = {name: device.address(array) for name, array in self.arrays.items()}
        at = {**numbers, **places, "active": device.address(active)}
        gpu, real = device.gpu(), self.limits.dtype.type
        threads = min(sweep_block.THREADS, gpu.threads) if self.in_blocks else gpu.threads
        wanted = many if self.in_blocks else -(-many // threads)
        queue = device.to_device(np.zeros(3, np.int32))
        arguments = [at[name] for name in sweep_block.arguments(self.in_blocks)]
        with np.errstate(over="ignore"):
            limits = real(self.limits.tol), real(self.limits.bound)
        blocks = min(wanted, self.blocks)
        with _said_plainly(self.shape.kind):
            device.launch(kernel, blocks, threads, 0, queue, *arguments, *limits)
        _, back, ended = device.to_host(queue).tolist()
        return back, ended

    def _standing(self) -> Standing:
        return standing_of(self.out.status, [(len(self.active), self.n)], self.limits.max_iter)

    def _finish(self, status: int) -> None:
        """Results into `out`; runs under way get the status, those that have not begun keep theirs."""
        count, columns, limits = self.shape.count, self.columns, self.limits
        device.synchronize()
        x, kept = device.to_host(self.arrays["rows"]), device.to_host(self.arrays["kept"])
        x, kept = (x.T, kept.transpose(0, 2, 1)) if not self.in_blocks else (x, kept)
        x, kept = x[:, :count], kept[:, :, :count]
        n = device.to_host(self.arrays["iterations"])
        ended = device.to_host(self.arrays["status"])
        self._observe(
            self.active[ended[self.active] == Status.CONVERGED]
        )  # in a launch that was interrupted
        ended[(ended == RUNNING) & (n > 0)] = status
        begun = ended != RUNNING
        left = limits.max_iter - n
        window = -(-left // WINDOW) + ((left % WINDOW == 0) & (n > 0))
        before = kept[window & 1, np.arange(self.total)]
        at_start = (ended == Status.CONVERGED) & (left % WINDOW == 0) & (left > 0)
        before[at_start] = x[at_start]
        self.out.x[columns][begun], self.out.before[columns][begun] = x[begun], before[begun]
        self.out.iterations[columns][begun] = n[begun]
        self.out.status[columns] = ended
        self.out.oscillating[columns] = device.to_host(self.arrays["turned"])


@contextmanager
def _said_plainly(kind: str) -> Iterator[None]:
    """A user's function is compiled by the first launch; what the compiler says of it is a long story."""
    try:
        yield
    except Exception as error:
        if kind != "function" or not type(error).__module__.startswith("numba"):
            raise
        why = " ".join(line for line in str(error).splitlines() if "Failed in" not in line)
        raise TypeError(
            f"fun cannot be compiled for the GPU, says Numba: {why[:300]}; backend='numba' may take it"
        ) from error


def _compiled(in_blocks: bool, runs: Descents, shape: Shape, limits: Limits, kernel: Kernel) -> Any:
    char = limits.dtype.char
    if in_blocks:
        return sweep_block.kernels(runs.rule, shape, char)
    return sweep_text.kernels(runs.rule, shape, char, kernel.functions)
