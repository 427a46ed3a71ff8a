"""The argument `bounds` of `minimize` and `sweep`, in SciPy's forms, as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_bounds, is_bound

_WANTED = (
    "a pair (low, high), one pair for each of the {n} parameters, or scipy.optimize.Bounds; "
    "None stands for no bound"
)


def checked_bounds(bounds: Any, n: int, dtype: np.dtype[Any]) -> NDArray[np.float64] | None:
    """The lowest and the highest parameters, (2, n), rounded to the dtype; None if all of them are free.

    Subnormal bounds are 0: loops that flush such numbers and loops that do not then see the same box.
    """
    if bounds is None:
        return None
    pairs = _pairs(bounds, n)
    box = np.array([as_bounds(f"bounds[{k}]", pair) for k, pair in enumerate(pairs)]).T
    if len(pairs) == 1:
        box = np.repeat(box, n, axis=1)
    with np.errstate(over="ignore"):
        box = np.ascontiguousarray(box.astype(dtype), np.float64)
    box[np.abs(box) < np.finfo(dtype).tiny] = 0.0
    low, high = box
    unreachable = np.flatnonzero((low == np.inf) | (high == -np.inf))
    if unreachable.size:
        k = int(unreachable[0])
        raise ValueError(
            f"bounds[{k}] leaves no finite number in {dtype.name}: ({low[k]:g}, {high[k]:g})"
        )
    return box if np.isfinite(box).any() else None


def _pairs(bounds: Any, n: int) -> Sequence[Any]:
    """A pair for each parameter, or one for all."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # of SciPy, which need not be installed
        return _of_sides(bounds.lb, bounds.ub, n)
    given = bounds.tolist() if isinstance(bounds, np.ndarray) else bounds
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise TypeError(f"bounds must be {_WANTED.format(n=n)}; got {bounds!r:.60}")
    if len(given) == 2 and all(map(is_bound, given)):
        return [given]
    if len(given) != n:
        raise ValueError(
            f"bounds has {len(given)} entries, wanted {_WANTED.format(n=n)}; got {bounds!r:.60}"
        )
    return given


def _of_sides(low: Any, high: Any, n: int) -> Sequence[Any]:
    try:
        sides = [
            np.broadcast_to(np.asarray(side, np.float64), (n,)).tolist() for side in (low, high)
        ]
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must have lb and ub of {n} numbers, or one, got {low!r:.60} and {high!r:.60}"
        ) from None
    return list(zip(*sides, strict=True))
