"""Stretches of updates on the GPU: the same launches for each update, without communication with the host.

What differs from update to update is looked up on the GPU by a clock: the rows, the optimizer's coefficients, where the
loss is written. So an update is one CUDA graph.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.cuda import device, network_kernels
from fastgd.engines.cuda.launches import Clock, Launches
from fastgd.engines.cuda.network_data import Data, Mirror, send
from fastgd.engines.cuda.network_graph import Replay
from fastgd.engines.cuda.network_kernels import BEFORE, NEXT, ROWS, SEED, STOPPED
from fastgd.engines.cuda.network_pass import Feed, Pass, Settings
from fastgd.engines.cuda.norm import Norm
from fastgd.engines.cuda.products import Products
from fastgd.engines.protocol.networks import Architecture, Array, Plan, Rows, Stretch
from fastgd.engines.protocol.steps import Group
from fastgd.engines.reference import networks as reference_networks
from fastgd.engines.reference import steps as reference_steps
from fastgd.engines.registry import COEFFICIENTS

_PIECE = 64  # updates whose coefficients are computed while the GPU works on those before
_MOST = 1 << 16  # updates between two readings of results


@dataclass(frozen=True)
class Task:
    """What the memory and launches of a training depend on; equal tasks share them.

    Attributes
    ----------
    plan : Plan
        Groups and slots of the optimizer.
    batch, updates : int
        Rows of an update; updates between two readings of results.
    norms : bool
        Whether the gradients' norms are recorded.
    scale : float
        Factor of the inputs.
    kind : str
        Their dtype, as a character.
    data : tuple of int
        Addresses of inputs, targets and weights.
    resident : bool
        Whether all rows are on the GPU.
    """

    plan: Plan
    batch: int
    updates: int
    norms: bool
    scale: float
    kind: str
    data: tuple[int, int, int]
    resident: bool

    @classmethod
    def of(cls, rows: Rows, stretch: Stretch, data: Data) -> Task:
        """The task of a stretch whose data are placed."""
        batch = min(stretch.batch_size, stretch.rows)
        updates = stretch.updates
        if not data.resident:
            updates = min(updates, data.capacity // batch)
            if not updates:
                raise MemoryError(f"the GPU has no room for a batch of {batch} rows")
        return cls(
            stretch.plan,
            batch,
            min(updates, _MOST),
            stretch.norms is not None,
            rows.scale,
            data.kind,
            data.addresses,
            data.resident,
        )


class Training:
    """Memory and launches of a network's updates.

    Parameters
    ----------
    architecture : Architecture
    products : Products
    task : Task
    stream : numba.cuda stream
    """

    def __init__(
        self, architecture: Architecture, products: Products, task: Task, stream: Any
    ) -> None:
        self.architecture, self.task, self._stream = architecture, task, stream
        self._slots, self._groups = task.plan.slots, task.plan.groups
        forms = [(slot.shape, slot.dtype) for slot in self._slots]
        states = [(a.shape, a.dtype) for slot in self._slots for a in slot.state]
        self._arrays, self._grads = Mirror([*forms, *states]), Mirror(forms)
        params = self._arrays.addresses[: len(forms)]
        self._pass = Pass(architecture, products, task.batch, params, self._grads.addresses)
        self._settings = Settings(architecture, task.scale)
        self._take_memory()
        self._prepare_updates(params)
        self.replay = Replay(stream)

    def _take_memory(self) -> None:
        """Allocate what the host writes before the updates and reads after them."""
        task, n = self.task, self.task.updates
        self._clock = device.empty(5, np.int64)
        self._order = device.empty(8 * n * task.batch, np.uint8)
        self._totals = device.empty(8 * n, np.uint8)
        self._results = device.empty((3, n), np.float64)  # losses, penalties, norms
        self._feed = Feed(
            *task.data,
            task.kind,
            device.address(self._order),
            device.address(self._clock),
            device.address(self._totals),
        )

    def _prepare_updates(self, params: list[int]) -> None:
        state, places = [], self._arrays.addresses[len(params) :]
        for slot in self._slots:
            state.append(places[: len(slot.state)])
            places = places[len(slot.state) :]
        self._updates = Launches(self._slots, self._groups)
        self._table = device.to_device(self._updates.table(params, self._grads.addresses, state))
        self._row = self._updates.numbers_bytes
        self._numbers = device.empty(self._row * self.task.updates, np.uint8)
        self._norm = self._updates.norm  # where a group clips by norm, its sum is known anyway
        if self.task.norms and self._norm is None:
            self._norm = Norm(self._slots)
            self._norm_table = device.to_device(self._norm.table(self._grads.addresses))

    # --- one update -------------------------------------------------------------------------------

    def _launch(self) -> None:
        losses = device.address(self._results)
        norms = losses + 16 * self.task.updates
        penalties = losses + 8 * self.task.updates
        self._pass.loss_and_gradients(
            self._feed,
            self._settings,
            (losses, penalties),
            self._stream,
            dropout=self.architecture.dropout,
        )
        clock = device.address(self._clock)
        self._updates.go(
            device.address(self._table),
            device.address(self._numbers),
            self._stream,
            Clock(clock, self._row),
        )
        squares = 0
        if self.task.norms and self._norm is not None:
            if self._updates.norm is None:
                self._norm.sum(device.address(self._norm_table), self._stream)
            squares = device.address(self._norm.squares)
        advance = network_kernels.rest(self.architecture.dtype.char).advance
        device.launch(advance, 1, 1, self._stream, clock, squares, norms if self.task.norms else 0)

    # --- a stretch --------------------------------------------------------------------------------

    def go(self, params: list[Array], rows: Rows, data: Data, stretch: Stretch) -> None:
        """Make the updates; those made are kept, whatever ends them."""
        arrays = [*params, *(array for slot in self._slots for array in slot.state)]
        numbers = _Numbers(self._updates, self._groups, stretch)
        with _Deferred() as ctrl_c:
            self._arrays.send(arrays, self._stream)
            try:
                first = stretch.first
                while first < stretch.last and not (stretch.diverged or ctrl_c.pending):
                    last = min(first + self.task.updates, stretch.break_after(first))
                    self._some_updates(
                        rows, data, stretch, first, last, numbers=numbers, ctrl_c=ctrl_c
                    )
                    if stretch.done == last - stretch.first and stretch.checkpoints is not None:
                        self._arrays.fetch(arrays, self._stream)
                        if not stretch.goes_on(params):
                            break
                    first = last
            finally:
                if stretch.done:
                    self._arrays.fetch(arrays, self._stream)
                    numbers.write_carries(stretch.done)

    def _some_updates(
        self,
        rows: Rows,
        data: Data,
        stretch: Stretch,
        first: int,
        last: int,
        *,
        numbers: _Numbers,
        ctrl_c: _Deferred,
    ) -> None:
        """As many updates as there is room for; waits for them."""
        before = first - stretch.first
        self._set_out(rows, data, stretch, first, last)
        try:
            for k in range(before, last - stretch.first, _PIECE):
                piece = numbers.rows(k, min(k + _PIECE, last - stretch.first))
                send(self._numbers, piece, self._stream, (k - before) * self._row)
                for _ in range(len(piece)):
                    if ctrl_c.pending:
                        return
                    self.replay.go(self._launch)
                numbers.complain()
        finally:
            self._look(stretch, before)

    def _set_out(self, rows: Rows, data: Data, stretch: Stretch, first: int, last: int) -> None:
        """The rows of the updates, their sums of weights, and the clock at their first."""
        task = self.task
        index = stretch.rows_of(first, last - first)
        if task.resident:
            send(self._order, index.astype(np.int64, copy=False), self._stream)
        else:
            data.send(rows, index, self._stream)
            send(self._order, np.arange(len(index)), self._stream)
        send(self._totals, weight_sums(rows, index, task.batch), self._stream)
        clock = np.zeros(5, np.int64)
        clock[BEFORE] = stretch.t + first - stretch.first
        clock[ROWS] = len(index)
        clock[SEED] = mixed_seed(stretch.seed)
        self._clock.copy_to_device(clock, stream=self._stream)

    def _look(self, stretch: Stretch, before: int) -> None:
        """Wait for the GPU and read the results of its updates."""
        clock = device.to_host(self._clock, self._stream)
        done, stopped = int(clock[NEXT]), bool(clock[STOPPED])
        results = device.to_host(self._results, self._stream)[:, : done + stopped]
        part = slice(before, before + done + stopped)
        stretch.losses[part], stretch.penalties[part] = results[:2]
        if stretch.norms is not None:
            stretch.norms[before : before + done] = results[2, :done]
        stretch.done, stretch.diverged = before + done, stopped


def weight_sums(rows: Rows, index: NDArray[np.integer[Any]], batch: int) -> NDArray[np.float64]:
    """The sum of weights of each batch of the rows in `index`."""
    starts = np.arange(0, len(index), batch)
    if rows.weights is None:
        return np.diff([*starts, len(index)]).astype(np.float64)
    return np.add.reduceat(rows.weights[index], starts)


def mixed_seed(seed: int) -> int:
    """The mixed seed of dropout as a signed integer of 64 bits."""
    mixed = reference_networks.mixed_seed(np.array([seed], np.uint64))
    return int(mixed.view(np.int64)[0])


class _Numbers:
    """The coefficients of the updates to come, as the launches read them."""

    def __init__(self, launches: Launches, groups: Sequence[Group], stretch: Stretch) -> None:
        self._launches, self._groups, self._stretch = launches, groups, stretch
        self._carries = [group.carry.copy() for group in groups]
        self._carried = np.empty((stretch.last - stretch.first, len(groups)))
        self._steady = [_is_steady(group) for group in groups]
        self._last: list[tuple[float, list[float]] | None] = [None] * len(groups)
        self._error: Exception | None = None

    def rows(self, first: int, last: int) -> NDArray[np.uint8]:
        """Coefficients of some updates of the stretch; of fewer if a user's function raises (see `complain`)."""
        found = []
        try:
            for k in range(first, last):
                found.append(self._of(k))
                self._carried[k] = [carry[0] for carry in self._carries]
        except Exception as error:
            self._error = error
        return self._launches.packed(found)

    def _of(self, k: int) -> list[list[float]]:
        t = float(self._stretch.t + k + 1)
        return [
            self._of_group(g, t, float(self._stretch.rates[k, g])) for g in range(len(self._groups))
        ]

    def _of_group(self, g: int, t: float, rate: float) -> list[float]:
        last = self._last[g]
        if self._steady[g] and last is not None and last[0] == rate:
            return last[1]
        numbers = reference_steps.coefficients(self._groups[g], t, rate, self._carries[g], 1.0)
        self._last[g] = rate, numbers
        return numbers

    def complain(self) -> None:
        """Raise the error of a user's function, after the updates before it."""
        if self._error is not None:
            raise self._error

    def write_carries(self, done: int) -> None:
        """Write the carries after this many updates into the groups."""
        for group, carry in zip(self._groups, self._carried[done - 1], strict=True):
            group.carry[0] = carry


def _is_steady(group: Group) -> bool:
    """Whether the coefficients depend on the rate only."""
    known = group.coefficients.name in COEFFICIENTS
    return known and group.coefficients.steady and COEFFICIENTS["prepare"].steady


class _Deferred:
    """Defers Ctrl-C, SIGTERM and SIGHUP to the end of the block, so that no update is interrupted."""

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._before: dict[int, Any] = {}

    @property
    def pending(self) -> bool:
        """Whether one has come."""
        return bool(self._pending)

    def __enter__(self) -> _Deferred:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                before = None if number is None else signal.getsignal(number)
                if number is not None and callable(before):
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: Any) -> None:
        self._pending.append(number)

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        for number in self._pending[:1]:
            self._before[number](number, None)
