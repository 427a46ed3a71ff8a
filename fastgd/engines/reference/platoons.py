"""Networks side by side in plain NumPy: arrays that have one dimension more than those of a single network, in front.

The twin of `fastgd.engines.native.platoons`. Each network has the bits that it has alone on this backend.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import RUNNING
from fastgd.engines.parse import Rule
from fastgd.engines.processor import flushed
from fastgd.engines.protocol.networks import SEEDS, Array, Rows
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.platoons import Numbers, Trainings, Waiting
from fastgd.engines.reference.metrics import summed
from fastgd.engines.reference.networks import Reference
from fastgd.engines.reference.steps import block_sums, tabulated
from fastgd.engines.registry import COEFFICIENTS, PREPARE
from fastgd.engines.vocabulary import bound, numpy_vocabulary

_TOGETHER = 1 << 20  # bytes of activations that are in use together: a share of a cache


@dataclass
class Networks:
    """Those that have not ended; every array has a place for each of them in front."""

    place: NDArray[np.intp]  # among the results
    end: NDArray[np.int64]  # the last update
    seed_of: NDArray[np.intp]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]
    carries: list[NDArray[np.float64]]  # of each parameter group, as the next two
    numbers: list[Numbers]
    params: list[Array]
    state: list[list[Array]]  # of each parameter array

    def __len__(self) -> int:
        return len(self.place)

    def of(self, which: Any) -> Networks:
        """Some of them."""

        def part(values: Any) -> Any:
            if isinstance(values, list):
                return [part(value) for value in values]
            return values.of(which) if isinstance(values, Numbers) else values[which]

        return Networks(*(part(getattr(self, field.name)) for field in fields(self)))

    def by_seed(self, values: dict[int, Array]) -> Array:
        """Each network's of the values of the seeds; those of the seed if there is but one."""
        if len(values) == 1:
            return next(iter(values.values()))
        return np.stack([values[k] for k in self.seed_of.tolist()])

    @property
    def arrays(self) -> list[Array]:
        """Parameters and then state, array by array."""
        return [*self.params, *(s for state in self.state for s in state)]

    def flat(self) -> Array:
        """The same, a row for each network."""
        return np.concatenate([a.reshape(len(self), -1) for a in self.arrays], axis=1)


class Platoon:
    """See `fastgd.engines.protocol.platoons.Platoon`; the attributes are those of the compiled one."""

    def __init__(self, trainings: Trainings, capacity: int) -> None:
        self.trainings, self.capacity, self.n = trainings, capacity, 0
        t, a, group_of = trainings, trainings.architecture, trainings.group_of
        self.engine, self.n_parameters = Reference(a), a.n_parameters
        self.rules = [numbers.method.rule for numbers in t.numbers]
        most = int(t.updates.max(initial=0))
        self.per_epoch = t.batches.updates
        self.window = 2 * max(1, min(self.per_epoch, most // 2))
        numbers = [1 + len(self.rules[k].state) for k in group_of] @ np.array(
            [np.prod(shape, dtype=int) for shape in a.shapes]
        )
        self.iterations, self.status = np.zeros(capacity, np.int64), np.zeros(capacity, np.int8)
        self.final = np.zeros((capacity, numbers), a.dtype)
        self.carries = np.zeros((capacity, len(t.numbers)))
        self.recent, self.highest = np.zeros((capacity, self.window)), np.zeros(capacity)
        self.windows = np.zeros(capacity, np.int64)
        records = -(-most // t.history) if t.history else 0
        self.history = np.zeros((capacity, records))

    def load(
        self, runs: NDArray[np.intp], starts: NDArray[Any], start_of: NDArray[np.intp]
    ) -> None:
        """Take networks that have not begun; `starts` has the different initial parameters in rows."""
        t, a, count = self.trainings, self.trainings.architecture, len(runs)
        numbers = [column.of(runs) for column in t.numbers]
        cuts = np.cumsum([np.prod(shape, dtype=int) for shape in a.shapes])[:-1]
        params = [
            part.reshape(count, *shape).copy()
            for part, shape in zip(np.split(starts[start_of], cuts, axis=1), a.shapes, strict=True)
        ]
        state = [_state(numbers[k], p) for k, p in zip(t.group_of, params, strict=True)]
        carries = [np.ones(count) for _ in numbers]
        columns = t.updates[runs], t.seed_of[runs], t.l1[runs], t.l2[runs]
        self.networks = Networks(np.arange(count), *columns, carries, numbers, params, state)
        self.in_turn = {k: t.batches.in_turn(t.seeds[k]) for k in np.unique(columns[1])}
        self.n, self.loaded = 0, count
        self.status[:count] = RUNNING
        self.recent[:count], self.highest[:count], self.history[:count] = 0, -np.inf, np.nan
        self.windows[:count] = np.minimum(self.per_epoch, columns[0] // 2)
        self._leave(columns[0] == 0, Status.MAX_ITER)

    def go_on_from(self, begun: Waiting) -> None:
        """Let the networks that were loaded stand where they waited, after ``begun.n`` updates."""
        now, count = self.networks, self.loaded
        self.n, self.recent[:count], self.highest[:count] = begun.n, begun.recent, begun.highest
        arrays = now.arrays
        cuts = np.cumsum([a[0].size for a in arrays])[:-1]
        for array, values in zip(arrays, np.split(begun.numbers, cuts, axis=1), strict=True):
            array[...] = values.reshape(array.shape)
        for carry, values in zip(now.carries, begun.carries.T, strict=True):
            carry[...] = values

    @property
    def live(self) -> int:
        """How many networks have not ended."""
        return len(self.networks)

    # --- training -------------------------------------------------------------------------------------

    def advance(self, stop: int) -> int:
        """Make the updates before number `stop`; returns how many networks have not ended."""
        first = self.n // self.per_epoch
        last = (stop - 1) // self.per_epoch + 1
        orders = {}
        if self.trainings.batches.shuffle:
            orders = {k: in_turn.orders(first, last) for k, in_turn in self.in_turn.items()}
        with np.errstate(all="ignore"):
            while self.n < stop and self.live:
                epoch = self.n // self.per_epoch - first
                self._update({k: of_seed[epoch] for k, of_seed in orders.items()})
        return self.live

    def _update(self, orders: dict[int, NDArray[np.int32]]) -> None:
        """The next update of all networks, and what becomes of them; `orders` are those of each seed's rows."""
        u, a = self.n, self.trainings.architecture
        batches = self.trainings.batches
        start = u % self.per_epoch * batches.size
        index = np.arange(start, min(start + batches.size, batches.rows))
        each = max(1, _TOGETHER // (index.size * sum(a.sizes) * a.dtype.itemsize))
        parts = [
            self._gradients(self.networks.of(slice(k, k + each)), index, orders)
            for k in range(0, self.live, each)
        ]
        loss = np.concatenate([loss for loss, _ in parts])
        grads = [np.concatenate(g) for g in zip(*(own for _, own in parts), strict=True)]
        finite = np.isfinite(loss)
        self._leave(~finite, Status.DIVERGED)
        self.n = u + 1
        if not self.live:
            return
        self._step([g[finite] for g in grads])
        self._record(u, loss[finite])
        broken = np.zeros(self.live, bool)
        for p in self.networks.params:
            broken |= ~np.isfinite(p).reshape(self.live, -1).all(axis=1)
        over = self.networks.end == self.n
        self._leave(broken & (over | (self.n % self.per_epoch == 0)), Status.DIVERGED)
        self._leave(self.networks.end == self.n, Status.MAX_ITER)

    def _gradients(
        self, part: Networks, index: NDArray[Any], orders: dict[int, NDArray[np.int32]]
    ) -> tuple[Array, list[Array]]:
        """Losses with penalties of some networks, and their gradients; `index` is where the rows are in an order."""
        rows = self.trainings.rows
        if orders:
            index = part.by_seed({k: order[index] for k, order in orders.items()})
        w = np.ones(index.shape) if rows.weights is None else rows.weights[index]
        loss, penalty, grads = self.engine.batch(
            part.params,
            self.engine.inputs(rows.x[index], rows.scale),
            rows.y[index],
            w,
            (part.l1, part.l2),
            self._masks(part, index.shape[-1]),
        )
        return loss + penalty, grads

    def _masks(self, part: Networks, rows: int) -> list[Array] | None:
        """Zeros and 1 / (1 - dropout) for the hidden units."""
        if not self.trainings.architecture.dropout:
            return None
        of_seed = {
            int(k): self.engine.masks(self.trainings.seeds[k] % SEEDS, self.n + 1, rows) or []
            for k in np.unique(part.seed_of)
        }
        layers = zip(*of_seed.values(), strict=True)
        return [part.by_seed(dict(zip(of_seed, layer, strict=True))) for layer in layers]

    def _step(self, grads: list[Array]) -> None:
        """The rules on the parameters."""
        now, t = self.networks, self.trainings
        with flushed() if t.flush else nullcontext():
            squares = self._squares(grads)
            tables = [
                _coefficients(numbers, self.n, carry, squares)
                for numbers, carry in zip(now.numbers, now.carries, strict=True)
            ]
            for k, (p, g, state) in enumerate(zip(now.params, grads, now.state, strict=True)):
                own, table = now.numbers[t.group_of[k]], tables[t.group_of[k]]
                _apply(own.method.rule, p, g, state, table.astype(p.dtype))

    def _squares(self, grads: list[Array]) -> NDArray[np.float64]:
        """Of all gradients, in the order of a step; zeros if no group limits their norm."""
        if all(np.isinf(numbers.method.clip_norm).all() for numbers in self.networks.numbers):
            return np.zeros(self.live)
        each = zip(*grads, strict=True)
        return np.array([summed(np.concatenate([block_sums(g) for g in own])) for own in each])

    # --- results --------------------------------------------------------------------------------------

    def _record(self, u: int, losses: NDArray[np.float64]) -> None:
        """Keep the losses of update u, with penalties."""
        place = self.networks.place
        self.recent[place, u % self.window] = losses
        early = u < self.windows[place]
        self.highest[place[early]] = np.maximum(self.highest[place[early]], losses[early])
        if self.trainings.history and u % self.trainings.history == 0:
            self.history[place, u // self.trainings.history] = losses

    def stop(self, status: int, runs: NDArray[np.intp] | None = None) -> None:
        """End all networks where they are, or those at some places of what was loaded."""
        place = self.networks.place
        self._leave(np.isin(place, place if runs is None else runs), status)

    def _leave(self, which: NDArray[np.bool_], status: int) -> None:
        """The networks marked end after the updates made; the others close ranks."""
        if not which.any():
            return
        ended = self.networks.of(which)
        self.iterations[ended.place], self.status[ended.place] = self.n, status
        self.final[ended.place] = ended.flat()
        self.carries[ended.place] = np.stack(ended.carries, axis=1)
        self.networks = self.networks.of(~which)

    def assess(self, rows: Rows) -> NDArray[np.float64]:
        """Loss and metric of each network that was loaded, at its end."""
        shapes = self.trainings.architecture.shapes
        cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
        worth = np.empty((self.loaded, 2))
        for k, numbers in enumerate(self.final[: self.loaded]):
            parts = zip(np.split(numbers, cuts), shapes, strict=False)
            worth[k] = self.engine.assess([p.reshape(shape) for p, shape in parts], rows)
        return worth


def _state(numbers: Numbers, p: Array) -> list[Array]:
    """The state of a parameter array as it begins."""
    state = []
    for name in numbers.method.rule.state:
        first = np.asarray(numbers.method.initial.get(name, 0.0), p.dtype)
        state.append(np.empty_like(p))
        state[-1][...] = first.reshape(-1, *[1] * (p.ndim - 1))
    return state


def _coefficients(
    numbers: Numbers, t: int, carry: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of update t, a column for each network: those of `prepare` if it is needed, then the rule's; writes the carry."""
    m = numbers.method
    hyper = np.array(m.hyper)
    if numbers.schedules is not None:
        rates = np.array([s.values(t - 1, t)[0] for s in numbers.schedules])
        hyper[0] = rates[numbers.rate_of]
    own = tabulated(m.coefficients, t, hyper, carry)
    if not m.prepared:
        return own
    shared = np.array(m.shared)
    scale = m.clip_norm / (np.sqrt(squares) + m.norm_eps)
    shared[1] *= np.where((scale > 1) | np.isinf(m.clip_norm), 1.0, scale)
    prepare = COEFFICIENTS["prepare"]
    before = tabulated(prepare, t, np.vstack([hyper[:1], shared]), np.ones(len(carry)))
    return np.vstack([before, own])


def _apply(rule: Rule, p: Array, g: Array, state: list[Array], table: Array) -> None:
    """The rule on a parameter array and its state, in place; `table` has the coefficients in rows."""
    coefficients = list(table.reshape(len(table), -1, *[1] * (p.ndim - 1)))
    shared = len(coefficients) - len(rule.coefficients)
    at = p
    if shared:
        at, g = _in_numpy(PREPARE.function)(p, g, *coefficients[:shared])
    p[...], *new = _in_numpy(rule.function)(at, g, *state, *coefficients[shared:])
    for old, value in zip(state, new, strict=True):
        old[...] = value


@cache
def _in_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    return bound(function, numpy_vocabulary())
