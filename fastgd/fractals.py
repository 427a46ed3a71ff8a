"""Maps of where descent converges: what a run's losses say, and the boundary between convergence and divergence.

`trainability` turns the losses of runs into the measure of Sohl-Dickstein [1]_: whether a run converges, and how fast
it converges or diverges. `boundary` finds where neighbours on a map differ, `box_dimension` estimates the dimension of
such a set; `busiest` and `typical` say where to look closer. `fastgd.plotting.fractal` draws maps.

References
----------
.. [1] Sohl-Dickstein (2024), The boundary of neural network trainability is fractal, arXiv:2402.06184.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_count

__all__ = [
    "BoxDimension",
    "Trainability",
    "boundary",
    "box_dimension",
    "busiest",
    "trainability",
    "typical",
]

_FEWEST_BOXES = 8  # along the shorter side, of the largest boxes that are counted


# --- runs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trainability:
    """What the losses of runs say.

    Attributes
    ----------
    converged : ndarray of bool
        Whether each run converges.
    measure : ndarray of float64
        Of runs that converge the sum of their losses, of the others the sum of their reciprocals, both as multiples of
        the first loss: small where a run converges or diverges fast, large where slowly. nan for a run without losses.
    """

    converged: NDArray[np.bool_]
    measure: NDArray[np.float64]


def trainability(
    losses: ArrayLike, first: ArrayLike | None = None, *, last: int = 20, most: float = 1e6
) -> Trainability:
    """Whether runs converge, and how fast, as [1]_ measures it.

    With v the losses as multiples of the first one, at most `most`, a run converges if the mean of its `last` values of
    v is below 1. Its measure is then the sum of v, and otherwise the sum of 1 / v.

    Parameters
    ----------
    losses : array_like of float, shape (..., updates)
        The loss before each update, as `fastgd.SweepResult.history` of a sweep with ``record=1`` has it. What is not
        finite, from the end of a run that diverged on, counts as `most`.
    first : array_like of float, optional
        What the losses are divided by; the first of each run by default. For losses of batches, that of all rows is
        better.
    last : int, default 20
        Losses at the end whose mean decides; all of them, if there are fewer.
    most : float, default 1e6
        The largest multiple of the first loss.

    Returns
    -------
    Trainability

    Raises
    ------
    ValueError
        If there are no losses, or a first one is not above 0.

    Notes
    -----
    The author's code replaces losses that are not finite by 1e6 before it divides by the first one, so that these alone
    count as 1e6 over the first loss where that is above 1.

    References
    ----------
    .. [1] Sohl-Dickstein (2024), The boundary of neural network trainability is fractal, arXiv:2402.06184; and its
       code.

    Examples
    --------
    >>> import numpy as np
    >>> found = trainability([[4.0, 2.0, 1.0], [4.0, 8.0, np.inf]], last=1)
    >>> found.converged.tolist(), found.measure.tolist()
    ([True, False], [1.75, 1.500001])
    """
    v = np.array(losses, np.float64)
    if v.ndim < 1 or not v.shape[-1]:
        raise ValueError(f"losses must have a last axis of updates, got shape {v.shape}")
    start = v[..., 0] if first is None else np.broadcast_to(np.asarray(first, float), v.shape[:-1])
    missing = np.isnan(v).all(axis=-1)
    if not np.all((start > 0) | missing | ~np.isfinite(start)):
        raise ValueError(f"the first loss of a run must be above 0, got {np.nanmin(start):g}")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        v /= start[..., None]
        v[~np.isfinite(v)] = most
        np.minimum(v, most, out=v)
        converged = v[..., -as_count("last", last, 1) :].mean(axis=-1) < 1.0
        total = v.sum(axis=-1)
        measure = np.where(converged, total, np.divide(1.0, v, out=v).sum(axis=-1))
    measure[missing] = np.nan
    return Trainability(converged & ~missing, measure)


# --- sets -----------------------------------------------------------------------------------------------


def boundary(inside: ArrayLike) -> NDArray[np.bool_]:
    """Where a set and the rest meet: the squares of 2 x 2 neighbours that are not all inside or all outside.

    Parameters
    ----------
    inside : array_like of bool, shape (rows, columns)

    Returns
    -------
    ndarray of bool, shape (rows - 1, columns - 1)

    Examples
    --------
    >>> boundary([[1, 1, 0], [1, 1, 0]])
    array([[False,  True]])
    """
    cells = _as_cells("inside", inside)
    a, b, c, d = cells[1:, 1:], cells[:-1, 1:], cells[1:, :-1], cells[:-1, :-1]
    return np.asarray((a | b | c | d) & ~(a & b & c & d))


@dataclass(frozen=True, eq=False)
class BoxDimension:
    """An estimate of a box-counting dimension.

    Attributes
    ----------
    dimension : float
        The slope of the line through log(counts) against log(1 / sizes); nan for a set that is empty.
    standard_error : float
        Of the slope, by the scatter about the line.
    sizes : ndarray of int
        Sides of the boxes, in cells.
    counts : ndarray of int
        Boxes that hold part of the set.
    """

    dimension: float
    standard_error: float
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def slopes(self) -> NDArray[np.float64]:
        """The slope between each size and the next: all alike, where the set looks the same at all scales."""
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.diff(np.log(self.counts)) / np.diff(np.log(self.sizes))
        return np.asarray(-steps)


def box_dimension(cells: ArrayLike, sizes: Sequence[int] | None = None) -> BoxDimension:
    """Estimate the box-counting dimension of a set of cells, with its standard error [1]_.

    A grid of boxes of side s covers the set with N(s) boxes that hold a part of it; the dimension is the limit of
    log N(s) / log(1/s), estimated by the slope of the least-squares line of log N(s) against log(1/s).

    Parameters
    ----------
    cells : array_like of bool, shape (rows, columns)
        The cells of the set, such as a `boundary`.
    sizes : sequence of int, optional
        At least three different sides of boxes, in cells. By default the powers of two up to an eighth of the shorter
        side. What the largest does not divide is left out at the margins, so that none of these is cut off.

    Returns
    -------
    BoxDimension

    Raises
    ------
    ValueError
        If there are fewer than three sizes, or one is below 1 or larger than the map.

    Notes
    -----
    The standard error measures how far the counts lie from one line, for the sizes that a map of so many cells has. It
    says nothing of finer scales, and counts of neighbouring sizes are not independent, so that the estimate may be off
    by several standard errors: by 0.03 for a Koch curve of 2,048 x 2,048 cells, and by 0.05 for Sierpinski's carpet of
    243 x 243, whose holes do not fit boxes of powers of two.

    References
    ----------
    .. [1] Falconer (2014), Fractal Geometry, 3rd edition, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> round(box_dimension(np.eye(64)).dimension, 6), round(box_dimension(np.ones((64, 64))).dimension, 6)
    (1.0, 2.0)
    """
    cells = _as_cells("cells", cells)
    shorter = min(cells.shape)
    if sizes is None:
        sizes = [2**k for k in range(shorter.bit_length()) if _FEWEST_BOXES * 2**k <= shorter]
    sides = np.unique([as_count("sizes", size, 1) for size in sizes]).astype(np.int64)
    if sides.size < 3 or sides[-1] > shorter:
        raise ValueError(
            f"sizes must be three or more sides of boxes within {cells.shape[0]} x {cells.shape[1]} cells, "
            f"got {sides.tolist()}"
        )
    used = _cropped(cells, int(sides[-1]))
    counts = np.array([_occupied(used, int(side)) for side in sides], np.int64)
    if not counts[0]:
        return BoxDimension(float("nan"), float("nan"), sides, counts)
    x, y = -np.log(sides), np.log(counts)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    error = float(np.sqrt(rest @ rest / (sides.size - 2) / (x @ x)))
    return BoxDimension(slope, error, sides, counts)


def busiest(cells: ArrayLike, side: int) -> tuple[int, int]:
    """The square of a given side that holds most of a set: the first row and column of its cells.

    Parameters
    ----------
    cells : array_like of bool, shape (rows, columns)
        The cells of the set, such as a `boundary`.
    side : int
        Of the square, in cells; at most that of the map.

    Returns
    -------
    row, column : int
        Of several such squares the one nearest to the centre.

    Raises
    ------
    ValueError
        If the map is smaller than the square.

    Examples
    --------
    >>> import numpy as np
    >>> cells = np.zeros((9, 9))
    >>> cells[2:5, 5:8] = 1
    >>> busiest(cells, 3)
    (2, 5)
    """
    cells, side = _cells_and_side(cells, side)
    sums = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), np.int64)
    sums[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    held = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return _most_central(held == held.max())


def typical(cells: ArrayLike, side: int) -> tuple[int, int]:
    """A square that holds as much of a set as most that hold any: the first row and column of its cells.

    The squares lie side by side; of those that hold a part of the set, it is the middle one by how much they hold.

    Parameters
    ----------
    cells : array_like of bool, shape (rows, columns)
        The cells of the set, such as a `boundary`; not empty.
    side : int
        Of the square, in cells; at most that of the map.

    Returns
    -------
    row, column : int
        Of several such squares the one nearest to the centre.

    Raises
    ------
    ValueError
        If the map is smaller than the square, or the set is empty.

    Examples
    --------
    >>> import numpy as np
    >>> cells = np.zeros((9, 9))
    >>> cells[0, 0] = cells[3:6, 4] = cells[6:, 6:] = 1
    >>> typical(cells, 3)
    (3, 3)
    """
    cells, side = _cells_and_side(cells, side)
    rows, columns = (length // side for length in cells.shape)
    whole = cells[: rows * side, : columns * side].reshape(rows, side, columns, side)
    held = whole.sum(axis=(1, 3))
    if not held.any():
        raise ValueError("cells must hold a part of a set, and all are empty")
    wanted = np.sort(held[held > 0])[np.count_nonzero(held) // 2]
    row, column = _most_central(held == wanted)
    return row * side, column * side


def _cells_and_side(given: ArrayLike, side: int) -> tuple[NDArray[np.bool_], int]:
    """A map, and the side of a square within it."""
    cells, side = _as_cells("cells", given), as_count("side", side, 1)
    if side > min(cells.shape):
        raise ValueError(f"side must be at most {min(cells.shape)}, that of the map, got {side}")
    return cells, side


def _most_central(places: NDArray[np.bool_]) -> tuple[int, int]:
    """Of the places that are marked, the one nearest to the centre."""
    rows, columns = np.nonzero(places)
    middle = (np.array(places.shape) - 1) / 2
    k = int(np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2))
    return int(rows[k]), int(columns[k])


def _as_cells(name: str, value: ArrayLike) -> NDArray[np.bool_]:
    cells = np.asarray(value)
    if cells.ndim != 2 or min(cells.shape) < 1:
        raise ValueError(f"{name} must be a map of rows and columns, got shape {cells.shape}")
    return cells.astype(bool)


def _cropped(cells: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """The middle of the map, as far as whole boxes of a side reach."""
    rows, columns = (
        slice(rest // 2, length - rest + rest // 2)
        for length, rest in ((length, length % side) for length in cells.shape)
    )
    return cells[rows, columns]


def _occupied(cells: NDArray[np.bool_], side: int) -> int:
    """How many boxes of a side hold a cell of the set."""
    rows, columns = (np.arange(0, length, side) for length in cells.shape)
    held = np.logical_or.reduceat(np.logical_or.reduceat(cells, rows, axis=0), columns, axis=1)
    return int(held.sum())
