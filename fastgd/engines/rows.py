"""Rows of data that come in parts: work on the parts in order, and gradients of linear models over them.

The compiled loops of sweeps want all rows side by side in memory. Where rows stay in a file, this module hands the same
kernels some blocks of rows at a time. One pass over the rows serves all points, and the sums are those of one call, in
the same order: `ROW_BLOCK` rows each, from first to last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import config
from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.native import kernels

if TYPE_CHECKING:
    from concurrent.futures import Future

Array = NDArray[np.floating[Any]]
Part = Callable[[slice], tuple[Array, Array]]  # inputs and targets of some rows
_BLOCKS = 32  # of rows that are read together
_MOST_SUMS = 1 << 20  # numbers in the sums of the blocks that are read together

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` on all items, in their order, by several threads of which none runs far ahead.

    The threads inherit the mode for subnormal numbers from the one that asks.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (not part of the import's time)

    threads = config.get_num_threads(None)
    if threads == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def has_slopes(kind: str, dtype: np.dtype[Any]) -> bool:
    """Whether `row_slopes` can be asked for a model."""
    return kernels.available() and f"slopes_{kind}_{dtype.char}" in kernels.kernels().addresses


def row_slopes(kind: str, outputs: int, part: Part, rows: int, x: Array) -> Array:
    """Sums of residual times input over all rows, at the points `x` (parameters, runs), by the compiled kernels.

    `kind` is the name of the residual, `part` reads some rows. The bits are those of the kernels over all rows at once.
    """
    from fastgd.engines.native.linear import BlockSums  # noqa: PLC0415

    sums = BlockSums(kernels.address(f"slopes_{kind}_{x.dtype.char}"), x, outputs)
    many = ROW_BLOCK * max(1, min(_BLOCKS, _MOST_SUMS // x.size))
    starts = range(0, rows, many)

    def of_part(start: int) -> Array:
        return sums.of(*part(slice(start, min(start + many, rows))))

    total = np.zeros_like(x)
    found = map(of_part, starts) if len(starts) == 1 else in_order(of_part, starts)
    for blocks in found:
        for block in blocks:
            total += block
    return total
