"""Batches of a problem's rows, in a new order each epoch.

The order of epoch e is a function of a seed and e alone. It does not depend on which thread asks first, a run's updates
can be repeated, and runs that share a seed share their batches.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_flag, as_seed

_TOGETHER = 1 << 16  # numbers drawn from one generator: several short epochs share one
_KEPT = 1 << 23  # numbers in the cached orders
Order = NDArray[np.int32]


@dataclass(frozen=True)
class Batches:
    """Rows in batches of `size`; with `drop_last` an epoch's last batch is left out if it is short."""

    rows: int
    size: int
    shuffle: bool
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
        many = max(1, _TOGETHER // self.rows)
        drawn = [
            _ORDERS.get(seed, self.rows, k, many) for k in range(first // many, -(-last // many))
        ]
        whole = drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
        offset = first // many * many
        return whole[first - offset : last - offset]

    def of_update(self, seed: int, update: int) -> Order:
        """The rows of an update, counted from 0."""
        epoch, k = divmod(update, self.updates)
        order: Order = self.orders(seed, epoch, epoch + 1)[0]
        return order[k * self.size : (k + 1) * self.size]


class _Orders:
    """A cache of the orders drawn last, shared by all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: OrderedDict[tuple[int, int, int], Order] = OrderedDict()

    def get(self, seed: int, rows: int, k: int, many: int) -> Order:
        """The orders of epochs many * k to many * (k + 1) - 1."""
        key = (seed, rows, k)
        with self.lock:
            if key not in self.known:
                self.known[key] = _draw(seed, rows, k, many)
                while len(self.known) > 1 and sum(o.size for o in self.known.values()) > _KEPT:
                    self.known.popitem(last=False)
            self.known.move_to_end(key)
            return self.known[key]


_ORDERS = _Orders()


def _draw(seed: int, rows: int, k: int, many: int) -> Order:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
    if many == 1:  # NumPy shuffles 64-bit integers faster
        order = rng.permutation(rows).astype(np.int32)[None]
    else:
        order = rng.permuted(np.tile(np.arange(rows, dtype=np.int32), (many, 1)), axis=1)
    order.flags.writeable = False
    return order


def checked_batches(
    rows: int, batch_size: Any, shuffle: Any, drop_last: Any, rng: Any
) -> Batches | None:
    """Batches from a problem's arguments; None if every update uses all rows."""
    shuffle, drop_last = as_flag("shuffle", shuffle), as_flag("drop_last", drop_last)
    seed = as_seed("rng", rng)
    if batch_size is None:
        return None
    wanted = f"an integer from 1 to {rows}, the number of rows of X, or None"
    size = as_count("batch_size", batch_size, 1, rows, wanted)
    return Batches(rows, size, shuffle, drop_last, seed)
