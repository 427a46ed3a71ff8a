"""A few rows with the same least squares as many: what one pass over the rows leaves.

Many rows A are replaced by the triangle R of their QR decomposition, A = QR. Since Q'Q is 1, R'R equals A'A, and a
linear model leaves the same sum of squares on the rows of R. Unlike the products A'A, the triangle keeps the digits of
columns that are nearly collinear and of targets that are nearly reproduced. The triangles of blocks of rows are
decomposed together again (the "tall and skinny" QR), which needs memory for some blocks and no more.

The blocks have a fixed number of rows, so that the bits depend on the rows and not on the pieces in which they came.

Reference: Demmel, Grigori, Hoemmen and Langou (2012), Communication-optimal parallel and sequential QR and LU
factorizations, SIAM Journal on Scientific Computing 34.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.blas import one_thread
from fastgd.engines.rows import in_order

Numbers = NDArray[np.float64]
AS_THEY_ARE = 1 << 20  # numbers in rows that are few already
_BLOCK = 1 << 14  # numbers in a block: its copies stay in a cache, and in memory that malloc keeps
_TOGETHER = 16  # triangles that are decomposed together


@dataclass(frozen=True)
class Condensed:
    """Rows, or the triangle in their place.

    Attributes
    ----------
    X : ndarray of shape (k, width)
        With the column of ones, if there is an intercept.
    y : ndarray of shape (k,)
    rows : int
        How many rows they stand for.
    """

    X: Numbers
    y: Numbers
    rows: int

    @property
    def largest(self) -> float:
        """At least the largest absolute value of a number in the rows: the largest norm of a column."""
        norms = [float(np.abs(table).max() * np.sqrt(len(table))) for table in (self.X, self.y)]
        return max(norms)


def are_few(rows: int, width: int) -> bool:
    """Whether rows of `width` numbers, the target among them, are kept as they are."""
    return rows * width <= AS_THEY_ARE


def block_rows(width: int) -> int:
    """Rows of a block: many more than a triangle has."""
    return max(4 * width, _BLOCK // width)


def condensed(
    rows: int, width: int, part: Callable[[slice], Numbers], refuse: Callable[[slice], None]
) -> Condensed:
    """The triangle of many rows, the target in the last of `width` columns; `part` reads some of them.

    The parts are read by several threads. A triangle is finite if its rows are, so that they need no other look;
    `refuse` is told of rows that may not be.
    """
    many = block_rows(width)

    def triangle(start: int) -> Numbers:
        which = slice(start, min(start + many, rows))
        found = _triangle(part(which))
        if not np.isfinite(found).all():
            refuse(which)
        return found

    x, y = _joined(in_order(triangle, range(0, rows, many)), width)
    return Condensed(x, y, rows)


def condensed_pieces(pieces: Iterable[Numbers]) -> Condensed:
    """The same of rows that come once, in pieces of any length."""
    kept: list[Numbers] = []
    pieces, count = iter(pieces), 0
    for piece in pieces:
        kept.append(piece)
        count += len(piece)
        if not are_few(count, piece.shape[1]):
            break
    else:
        table = np.concatenate(kept)
        return Condensed(np.ascontiguousarray(table[:, :-1]), table[:, -1].copy(), count)
    width, counted = kept[0].shape[1], _Counted()
    blocks = _blocks(counted.all(kept, pieces), block_rows(width))
    x, y = _joined(in_order(_triangle, blocks), width)
    return Condensed(x, y, counted.rows)


class _Counted:
    """Counts the rows of pieces that pass."""

    rows = 0

    def all(self, *pieces: Iterable[Numbers]) -> Iterator[Numbers]:
        for group in pieces:
            for piece in group:
                self.rows += len(piece)
                yield piece


def _blocks(pieces: Iterable[Numbers], many: int) -> Iterator[Numbers]:
    """Pieces of any length as blocks of `many` rows; the last may be shorter."""
    held: list[Numbers] = []
    count = 0
    for piece in pieces:
        rest = piece
        while count + len(rest) >= many:
            held.append(rest[: many - count])
            rest = rest[many - count :]
            yield np.concatenate(held)
            held, count = [], 0
        if len(rest):
            held.append(rest)
            count += len(rest)
    if held:
        yield np.concatenate(held)


def _triangle(block: Numbers) -> Numbers:
    with np.errstate(all="ignore"):
        return np.asarray(np.linalg.qr(block, mode="r"))


def _joined(triangles: Iterator[Numbers], width: int) -> tuple[Numbers, Numbers]:
    """The triangle of triangles, and its last column."""
    waiting = [np.zeros((0, width))]
    with one_thread:
        for triangle in triangles:
            waiting.append(triangle)
            if len(waiting) > _TOGETHER:
                waiting = [_triangle(np.concatenate(waiting))]
        whole = _triangle(np.concatenate(waiting))
    return np.ascontiguousarray(whole[:, :-1]), whole[:, -1].copy()


def least_squares(rows: Condensed, cut: float | None = None) -> tuple[Any, Any, Any]:
    """Solution of least norm, rank and singular values; those below `cut` times the largest count as zero."""
    if cut is None:
        cut = float(np.finfo(np.float64).eps) * max(rows.rows, rows.X.shape[1])
    solution, _, rank, singular = np.linalg.lstsq(rows.X, rows.y, rcond=cut)
    return solution, rank, singular
