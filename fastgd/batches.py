"""Batches of a problem's rows, in a new order each epoch.

The order of epoch e is a function of a seed and e alone. It does not depend on which thread asks first, a run's updates
can be repeated, and runs that share a seed share their batches.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_flag, as_seed, is_flag

_TOGETHER = 1 << 16  # numbers drawn from one generator: several short epochs share one
_KEPT = 1 << 23  # numbers in the cached orders
BLOCK = 1 << 12  # rows that lie side by side and stay together where blocks are shuffled
WINDOW = 1 << 6  # blocks whose rows are shuffled together
Order = NDArray[np.int32]


@dataclass(frozen=True)
class Batches:
    """Rows in batches of `size`; with `drop_last` an epoch's last batch is left out if it is short.

    With ``shuffle="blocks"`` blocks of rows get a new order each epoch, and so do the rows of some blocks at a time:
    what is read lies together, and the order of one update does not take that of all rows.
    """

    rows: int
    size: int
    shuffle: bool | str
    drop_last: bool
    seed: int

    @property
    def updates(self) -> int:
        """Updates of one epoch."""
        return self.rows // self.size if self.drop_last else -(-self.rows // self.size)

    def orders(self, seed: int, first: int, last: int) -> Order:
        """The orders of the rows in epochs first..last-1, shape (last - first, rows)."""
        if not self.shuffle:
            return np.broadcast_to(np.arange(self.rows, dtype=np.int32), (last - first, self.rows))
        if self.shuffle == "blocks":
            each = [_rows_of_blocks(seed, self.rows, k, 0, self.rows) for k in range(first, last)]
            return np.stack(each) if each else np.empty((0, self.rows), np.int32)
        many = _together(self.rows)
        drawn = [
            _ORDERS.get(seed, self.rows, k, min(last - k * many, many))
            for k in range(first // many, -(-last // many))
        ]
        whole = drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
        offset = first // many * many
        return whole[first - offset : last - offset]

    def in_turn(self, seed: int) -> InTurn:
        """The orders of a seed for one that asks for epoch after epoch, of many seeds at a time."""
        return InTurn(self.rows, seed)

    def of_update(self, seed: int, update: int) -> Order:
        """The rows of an update, counted from 0."""
        epoch, k = divmod(update, self.updates)
        start, stop = k * self.size, min((k + 1) * self.size, self.rows)
        if not self.shuffle:
            return np.arange(start, stop, dtype=_index_type(self.rows))
        if self.shuffle == "blocks":
            return _rows_of_blocks(seed, self.rows, epoch, start, stop)
        order: Order = self.orders(seed, epoch, epoch + 1)[0]
        return order[start:stop]

    def ahead(self, update: int, most: int) -> tuple[Order | None, int, int]:
        """The orders of at most `most` updates from one on, without a copy; which of their updates these are."""
        epoch, first = divmod(update, self.updates)
        if not self.shuffle:
            return None, first, first + most
        many = 1 if self.shuffle == "blocks" else _together(self.rows)
        end = min(epoch + -(-(first + most) // self.updates), (epoch // many + 1) * many)
        orders = self.orders(self.seed, epoch, end)
        return orders, first, min(first + most, (end - epoch) * self.updates)


@dataclass(frozen=True)
class GivenOrders:
    """Epochs in given orders of the rows, (epochs, rows), in batches of `size`; see `Batches`."""

    orders: Order
    size: int

    @property
    def rows(self) -> int:
        """Rows of an epoch."""
        return int(self.orders.shape[1])

    @property
    def updates(self) -> int:
        """Updates of an epoch."""
        return -(-self.rows // self.size)

    def ahead(self, update: int, most: int) -> tuple[Order, int, int]:
        """The orders, and which updates are the next, at most `most`."""
        return self.orders, update, min(update + most, len(self.orders) * self.updates)


def _together(rows: int) -> int:
    """How many epochs are drawn from one generator."""
    return max(1, _TOGETHER // rows)


def _index_type(rows: int) -> Any:
    """Numbers of 4 bytes where they can count the rows."""
    return np.int32 if rows <= np.iinfo(np.int32).max else np.int64


def _rows_of_blocks(seed: int, rows: int, epoch: int, start: int, stop: int) -> Order:
    """Rows start..stop-1 in the order of an epoch whose blocks are shuffled."""
    _, starts = _blocks(seed, rows, epoch)
    first, last = np.searchsorted(starts, [start, stop - 1], side="right") - 1
    windows = [_window(seed, rows, epoch, int(w)) for w in range(first, last + 1)]
    together = windows[0] if len(windows) == 1 else np.concatenate(windows)
    return together[start - starts[first] : stop - starts[first]]


@lru_cache(maxsize=64)
def _blocks(seed: int, rows: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of the blocks in an epoch, and where in it each window of rows starts."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch, 0)))
    blocks = rng.permutation(-(-rows // BLOCK))
    sizes = np.minimum(BLOCK, rows - blocks * BLOCK)
    starts = np.add.reduceat(sizes, range(0, len(blocks), WINDOW)).cumsum()
    return blocks, np.concatenate([[0], starts[:-1]])


@lru_cache(maxsize=32)
def _window(seed: int, rows: int, epoch: int, window: int) -> Order:
    """The rows of some blocks, shuffled together."""
    blocks, _ = _blocks(seed, rows, epoch)
    kind, own = _index_type(rows), blocks[window * WINDOW : (window + 1) * WINDOW] * BLOCK
    order = np.concatenate([np.arange(b, min(b + BLOCK, rows), dtype=kind) for b in own.tolist()])
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch, 1 + window)))
    rng.shuffle(order)
    order.flags.writeable = False
    return order


class _Orders:
    """A cache of the orders drawn last, shared by all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: OrderedDict[tuple[int, int, int], _Drawn] = OrderedDict()

    def get(self, seed: int, rows: int, k: int, many: int) -> Order:
        """The orders of the first `many` of the epochs that generator k draws."""
        key = (seed, rows, k)
        with self.lock:
            if key not in self.known:
                self.known[key] = _Drawn(seed, rows, k)
                while len(self.known) > 1 and sum(o.size for o in self.known.values()) > _KEPT:
                    self.known.popitem(last=False)
            self.known.move_to_end(key)
            return self.known[key].first(many)


_ORDERS = _Orders()


class _Drawn:
    """The orders of some epochs from one generator, drawn as they are asked for."""

    def __init__(self, seed: int, rows: int, k: int) -> None:
        self.rng = _generator(seed, k)
        self.orders = np.empty((_together(rows), rows), np.int32)
        self.size, self.drawn = self.orders.size, 0

    def first(self, many: int) -> Order:
        """The first `many` orders, which nobody can write to."""
        if many > self.drawn:
            many = min(max(many, 2 * self.drawn), len(self.orders))
            _draw(self.rng, self.orders[self.drawn : many])
            self.drawn = many
        found = self.orders[:many]
        found.flags.writeable = False
        return found


class InTurn:
    """The orders of one seed, epoch after epoch: each is drawn once, and only those of the last call are held.

    The cache of `Batches.orders` would draw them again and again for more seeds at a time than it has room for.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self.seed, self.first = seed, 0
        self.held: Order = np.empty((0, rows), np.int32)
        self.rng = _generator(seed, 0)

    def orders(self, first: int, last: int) -> Order:
        """The orders of epochs first..last-1; `first` is not before that of the last call."""
        if first > self.first + len(self.held):
            self._skip(first)
        kept = self.held[first - self.first : last - self.first]
        many = _together(kept.shape[1])
        held = np.empty((last - first, kept.shape[1]), np.int32)
        held[: len(kept)] = kept
        epoch = first + len(kept)
        while epoch < last:
            k, drawn = divmod(epoch, many)
            if not drawn:
                self.rng = _generator(self.seed, k)
            end = min(last, (k + 1) * many)
            _draw(self.rng, held[epoch - first : end - first])
            epoch = end
        self.first, self.held = first, held
        return held

    def _skip(self, first: int) -> None:
        """Go on to an epoch; those before it that its generator draws are drawn and left."""
        k, drawn = divmod(first, _together(self.held.shape[1]))
        self.rng = _generator(self.seed, k)
        self.first, self.held = first, self.held[:0]
        if drawn:
            _draw(self.rng, np.empty((drawn, self.held.shape[1]), np.int32))


def _generator(seed: int, k: int) -> np.random.Generator:
    """The k-th generator of a seed, which draws the orders of `_together` epochs."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))


def _draw(rng: np.random.Generator, orders: Order) -> None:
    """Write the next orders that a generator draws."""
    rows = orders.shape[1]
    if _together(rows) == 1:  # NumPy shuffles 64-bit integers faster
        orders[0] = rng.permutation(rows)
    else:
        orders[:] = np.arange(rows, dtype=np.int32)
        rng.permuted(orders, axis=1, out=orders)


def checked_batches(
    rows: int, batch_size: Any, shuffle: Any, drop_last: Any, rng: Any
) -> Batches | None:
    """Batches from a problem's arguments; None if every update uses all rows."""
    if not isinstance(shuffle, str) or shuffle != "blocks":
        if not is_flag(shuffle):
            raise TypeError(f"shuffle must be True, False or 'blocks', got {shuffle!r:.60}")
        shuffle = bool(shuffle)
    drop_last = as_flag("drop_last", drop_last)
    seed = as_seed("rng", rng)
    if batch_size is None:
        return None
    wanted = f"an integer from 1 to {rows}, the number of rows of X, or None"
    size = as_count("batch_size", batch_size, 1, rows, wanted)
    return Batches(rows, size, shuffle, drop_last, seed)
