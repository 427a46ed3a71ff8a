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
from fastgd.engines.layout import MATRIX, ROW_BLOCK
from fastgd.engines.native import kernels

if TYPE_CHECKING:
    from concurrent.futures import Future

Array = NDArray[np.floating[Any]]
Part = Callable[[slice], tuple[Array, Array]]  # inputs and targets of some rows
_BLOCKS = 32  # of rows that are read together
_MOST_SUMS = 1 << 20  # numbers in the sums of the blocks that are read together
_POINTS = 256  # whose losses or products are computed together, at least

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


def has_losses(kind: str) -> bool:
    """Whether `row_losses` can be asked for a model."""
    return kernels.available() and f"losses_{kind}_d" in kernels.kernels().addresses


def row_losses(kind: str, outputs: int, part: Part, rows: int, x: Array) -> Array:
    """Sums (runs,) of the losses of all rows, at the float64 points `x` (parameters, runs), by compiled kernels.

    Few rows are read once, and the points are taken some at a time: a sweep's threads each ask for those of their
    runs. Of many rows each thread reads some, for all points.
    """
    from fastgd.engines.native.linear import BlockSums  # noqa: PLC0415

    kernel, width = kernels.address(f"losses_{kind}_d"), max(1, len(x) // outputs)
    many = ROW_BLOCK * max(1, min(_BLOCKS, _MOST_SUMS // (ROW_BLOCK * width)))
    if rows <= many:
        read = part(slice(0, rows))

        def of_few_rows(points: Array) -> Array:
            return _total([BlockSums(kernel, points, outputs, 1).of(*read)])

        return np.concatenate(list(map(of_few_rows, _columns(x, _POINTS))))

    def of_many_rows(points: Array) -> Array:
        sums, starts = BlockSums(kernel, points, outputs, 1), range(0, rows, many)
        return _total(in_order(lambda k: sums.of(*part(slice(k, min(k + many, rows)))), starts))

    several = max(_POINTS, 4 * _MOST_SUMS // len(x))
    return np.concatenate([of_many_rows(points) for points in _columns(x, several)])


def _total(found: Iterable[Array]) -> Array:
    """The sum of blocks (blocks, 1, runs), one after the other."""
    blocks = (block for several in found for block in several[:, 0])
    total: Array = next(blocks).copy()
    for block in blocks:
        total += block
    return total


def _columns(x: Array, many: int) -> Iterator[Array]:
    """So many points at a time, side by side."""
    for start in range(0, max(1, x.shape[1]), many):
        yield np.ascontiguousarray(x[:, start : start + many])


def matrix_products(kind: str, data: Array, x: Array) -> Array | None:
    """The gradients at the points `x` of a problem that is a matrix, if there are many parameters and a kernel.

    `data` are the kernel's numbers; see `fastgd.engines.parse_problems.Gradient.matrix`.
    """
    name = f"slopes_{kind}_{x.dtype.char}"
    if len(x) < MATRIX or not kernels.available() or name not in kernels.kernels().addresses:
        return None
    from fastgd.engines.native.linear import linear_slopes  # noqa: PLC0415

    def of_points(points: Array) -> Array:
        return linear_slopes(kernels.address(name), points, data, len(points), 1)

    return np.concatenate(list(map(of_points, _columns(x, _POINTS))), axis=1)


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
