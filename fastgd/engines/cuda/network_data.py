"""Copies between host and GPU: the rows of a data set, and arrays that go there and back."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastgd.engines.cuda import device
from fastgd.engines.protocol.networks import Array, Rows

_ALIGNED = 256  # bytes
_SHARE = 0.7  # the part of the free memory that a data set may take


def send(place: Any, host: NDArray[Any], stream: Any, at: int = 0) -> None:
    """Copy an array's bytes into a device array of bytes, from byte `at` on."""
    if host.nbytes:
        flat = np.ascontiguousarray(host).reshape(-1).view(np.uint8)
        place[at : at + flat.size].copy_to_device(flat, stream=stream)


class Mirror:
    """Host arrays with counterparts on the GPU, in one piece of memory: a copy is one transfer.

    Parameters
    ----------
    forms : sequence of (shape, dtype)

    Attributes
    ----------
    addresses : list of int
    """

    def __init__(self, forms: Sequence[tuple[tuple[int, ...], DTypeLike]]) -> None:
        sizes = [int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in forms]
        starts = np.cumsum([0, *(-(-size // _ALIGNED) * _ALIGNED for size in sizes)]).tolist()
        self._bytes = max(starts[-1], _ALIGNED)
        self._device = device.empty(self._bytes, np.uint8)
        self._host = _pinned(self._bytes)
        self._views = [
            self._host[start : start + size].view(dtype).reshape(shape)
            for start, size, (shape, dtype) in zip(starts, sizes, forms, strict=False)
        ]
        begin = device.address(self._device)
        self.addresses = [begin + start for start in starts[:-1]]

    def send(self, arrays: Sequence[Array], stream: Any) -> None:
        """Copy the arrays to the GPU."""
        for view, array in zip(self._views, arrays, strict=True):
            view[...] = array
        self._device.copy_to_device(self._host, stream=stream)

    def fetch(self, arrays: Sequence[Array], stream: Any) -> None:
        """Copy back into the arrays when all work on the stream is done."""
        self._device.copy_to_host(self._host, stream=stream)
        device.synchronize(stream)
        for view, array in zip(self._views, arrays, strict=True):
            array[...] = view


def _pinned(size: int) -> NDArray[np.uint8]:
    """Pinned host memory, or plain memory if none can be had."""
    from numba import cuda  # noqa: PLC0415

    try:
        return np.asarray(cuda.pinned_array(size, np.uint8))
    except Exception:  # from the driver
        return np.empty(size, np.uint8)


class Data:
    """A data set on the GPU, or room for some of its rows at a time.

    One data set is kept as long as its `Rows` are the same object. Another of the same form replaces it without new
    memory, so that addresses do not change.

    Attributes
    ----------
    capacity : int
        How many rows fit.
    resident : bool
        Whether all rows are there.
    """

    def __init__(self) -> None:
        self._owner: Callable[[], Rows | None] = lambda: None
        self._form: tuple[Any, ...] = ()
        self._rooms: list[Any] = []
        self.capacity, self.resident, self.kind = 0, False, "f"

    def place(self, rows: Rows, stream: Any) -> None:
        """Copy all rows to the GPU if they fit, else allocate room for as many as do."""
        if self._owner() is rows:
            return
        per_row = sum(array.nbytes for array in _parts(rows)) // max(1, len(rows))
        free = device.free_memory() + sum(room.size for room in self._rooms)
        fitting = int(_SHARE * free) // max(1, per_row)
        self._owner, self.resident = lambda: None, False
        self.reserve(rows, min(fitting, len(rows)))
        if len(rows) <= self.capacity:
            self.send(rows, None, stream)
            self.resident = True
        self._owner = weakref.ref(rows)  # last, so that an interrupted copy does not count

    def reserve(self, rows: Rows, capacity: int) -> None:
        """Allocate room for some rows of this kind."""
        parts = _parts(rows)
        form = (capacity, *((part.dtype, part.shape[1:]) for part in parts))
        if form == self._form:
            return
        self._rooms, self._form = [], form  # frees what there was
        for part in parts:
            size = capacity * part.itemsize * int(np.prod(part.shape[1:]))
            self._rooms.append(device.empty(max(1, size), np.uint8))
        self.capacity, self.kind = capacity, rows.x.dtype.char

    def send(self, rows: Rows, index: NDArray[np.integer[Any]] | slice | None, stream: Any) -> None:
        """Copy some rows into the room, or all."""
        for room, part in zip(self._rooms, _parts(rows), strict=True):
            send(room, part if index is None else part[index], stream)

    @property
    def addresses(self) -> tuple[int, int, int]:
        """Addresses of inputs, targets and weights; 0 where there are none."""
        x, y, *weights = map(device.address, self._rooms)
        return x, y, weights[0] if weights else 0


def _parts(rows: Rows) -> list[Array]:
    return [rows.x, rows.y] if rows.weights is None else [rows.x, rows.y, rows.weights]
