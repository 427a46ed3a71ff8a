"""The norm of the gradients on the GPU, summed in the order that `fastgd.engines.layout` states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.cuda import device, source
from fastgd.engines.layout import BLOCK, PARTIALS
from fastgd.engines.protocol.steps import Slot

_WORDS = 4  # of a slot in the table: its first partial sum among those of its dtype, size, first block, gradient
_WAVES = 32  # blocks per multiprocessor, at most


class Norm:
    """The sum of squares of the gradients of some slots, block by block in the slots' order.

    Parameters
    ----------
    slots : sequence of Slot

    Attributes
    ----------
    table_bytes : int
        Size of its table of pointers.
    squares : device array of one float64
        The result of `sum`.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._sizes = [math.prod(slot.shape) for slot in slots]
        self._first_block = np.cumsum([0, *(-(-size // BLOCK) for size in self._sizes)]).tolist()
        self._of_dtype = {
            char: [k for k, slot in enumerate(slots) if slot.dtype.char == char and self._sizes[k]]
            for char in sorted({slot.dtype.char for slot in slots})
        }
        self.table_bytes = 8 * _WORDS * len(self._sizes)
        self._partials = device.empty(self._first_block[-1] * PARTIALS, np.float64)
        self.squares = device.empty(1, np.float64)

    def _sums(self, chosen: Sequence[int]) -> list[int]:
        """The number of the first partial sum of each of these slots; at the end, how many there are."""
        many = [-(-self._sizes[k] // BLOCK) * PARTIALS for k in chosen]
        return [int(first) for first in np.cumsum([0, *many])]

    def table(self, grads: Sequence[int]) -> NDArray[np.int64]:
        """The table of pointers, from the gradients' addresses; slots are grouped by dtype."""
        table = np.zeros(self.table_bytes // 8, np.int64)
        rows = table.reshape(-1, _WORDS)
        at = 0
        for chosen in self._of_dtype.values():
            for first, k in zip(self._sums(chosen), chosen, strict=False):
                rows[at] = first, self._sizes[k], self._first_block[k], grads[k]
                at += 1
        return table

    def sum(self, table: int, stream: Any = 0) -> None:
        """Compute the sum into `squares`; `table` is the address of the table on the GPU."""
        gpu, partials = device.gpu(), device.address(self._partials)
        for char, chosen in self._of_dtype.items():
            sums = self._sums(chosen)[-1]
            if sums:
                blocks = min(-(-sums // gpu.threads), gpu.multiprocessors * _WAVES)
                kernel = kernels(char).partials
                device.launch(
                    kernel, blocks, gpu.threads, stream, table, len(chosen), sums, partials
                )
            table += 8 * _WORDS * len(chosen)
        total, blocks = kernels("d").total, self._first_block[-1]
        squares = device.address(self.squares)
        device.launch(total, 1, gpu.threads, stream, partials, blocks, squares)


_KERNELS = f"""
from numba import float64 as DOUBLE

from fastgd.engines.cuda.vocabulary import vocabulary as vocabulary_of

exactly = vocabulary_of("d").mul
THREADS = {{threads}}


@cuda.jit(cache=CACHE)
def partials(table, slots, sums, out):
    for unit in range(cuda.grid(1), sums, cuda.gridsize(1)):
        slot = table + {8 * _WORDS} * holder(table, {_WORDS}, slots, unit)
        size, g = word(slot, 1), word(slot, 3)
        k = unit - word(slot, 0)
        start = k // {PARTIALS} * {BLOCK}
        total = 0.0
        for i in range(start + k % {PARTIALS}, min(start + {BLOCK}, size), {PARTIALS}):
            x = float(load(g, i))
            total += exactly(x, x)
        store_double(out, word(slot, 2) * {PARTIALS} + k, total)


@cuda.jit(cache=CACHE)
def total(sums, blocks, out):
    tile = cuda.shared.array(THREADS, DOUBLE)
    me = cuda.threadIdx.x
    squares = 0.0
    for start in range(0, blocks, THREADS):
        block = start + me
        if block < blocks:
            own = load_double(sums, block * {PARTIALS})
            for k in range(1, {PARTIALS}):
                own += load_double(sums, block * {PARTIALS} + k)
            tile[me] = own
        cuda.syncthreads()
        if me == 0:
            for k in range(min(THREADS, blocks - start)):
                squares += tile[k]
        cuda.syncthreads()
    if me == 0:
        store_double(out, 0, squares)


@cuda.jit(cache=CACHE)
def scale(squares, limits, groups, numbers, n_numbers, clock, stride):
    if clock != 0:
        numbers += word(clock, 0) * stride
    norm = math.sqrt(load_double(squares, 0))
    for g in range(groups):
        most = load_double(limits, 2 * g)
        divisor = norm + load_double(limits, 2 * g + 1)
        factor = 1.0
        if most != math.inf:
            factor = most / divisor if divisor != 0.0 else math.inf
            factor = 1.0 if factor > 1.0 else factor
        store(numbers, g * n_numbers + 1, REAL(factor))
"""


@cache
def kernels(char: str) -> Any:
    """Sums of squares of gradients of one dtype, their total, and the factor that clips the norm."""
    text = _KERNELS.format(threads=device.gpu().threads)
    return source.kernel_module(char, source.HOLDER + text)
