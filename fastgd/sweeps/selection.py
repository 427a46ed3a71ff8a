"""The runs of a sweep with some values of its axes: by value, by list of values, by range, or the nearest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_number, shown
from fastgd.descent.axes import CheckedAxes, taken
from fastgd.plotting.labels import axis_label
from fastgd.sweeps.axis_values import key_of, numbers_of, plain_value, shown_axes
from fastgd.sweeps.gathering import Result, gathered

Places = NDArray[np.intp]
_SHOWN = 8  # values in a message


def selected(result: Result, wanted: Mapping[str, Any], reach: float | None) -> Result:
    """The runs with these values; numbers may be off by `reach`, with None they must be equal."""
    axes = result.kept_axes
    for name in wanted:
        if name not in axes:
            raise ValueError(f"{name!r} is not an axis of the sweep, which has {list(axes)}")
    places = {name: places_on(axes, name, value, reach) for name, value in wanted.items()}
    if result.paired:
        runs = _common(result.size, places)
        if not runs.size:
            raise ValueError(f"no run has all of {dict(wanted)!r:.200}")
        columns = {name: taken(column, runs) for name, column in axes.columns.items()}
    else:
        own = [places.get(n, np.arange(len(c))) for n, c in axes.columns.items()]
        runs = np.arange(result.size).reshape(result.shape)[np.ix_(*own)]
        columns = {n: taken(c, p) for (n, c), p in zip(axes.columns.items(), own, strict=True)}
    return gathered([result], CheckedAxes(columns), runs)


def _common(total: int, places: Mapping[str, Places]) -> Places:
    """The runs that are among those of every axis."""
    wanted = np.ones(total, np.bool_)
    for of_axis in places.values():
        own = np.zeros(total, np.bool_)
        own[of_axis] = True
        wanted &= own
    return np.flatnonzero(wanted)


def places_on(axes: CheckedAxes, name: str, wanted: Any, reach: float | None) -> Places:
    """Where on an axis the wanted values stand, in the order in which they are wanted; ValueError if one does not."""
    numbers = numbers_of(axes.columns[name])
    if numbers is None:
        return _of_values(axes, name, wanted)
    if isinstance(wanted, slice):
        return _within(name, numbers, wanted)
    given = np.asarray(wanted)
    if given.dtype.kind not in "fiu" or given.ndim > 1 or not given.size:
        raise TypeError(
            f"{name} must be a number, a list of numbers or a slice, got {shown(wanted)}"
        )
    return _of_numbers(name, numbers, np.atleast_1d(given), reach)


# --- numbers --------------------------------------------------------------------------------------------


def _within(name: str, numbers: NDArray[Any], wanted: slice) -> Places:
    """The places of all values from `start` to `stop`, both included."""
    if wanted.step is not None:
        raise ValueError(f"{name} must be a slice without a step, got {wanted!r}")
    low = -math.inf if wanted.start is None else as_number(f"{name}.start", wanted.start)
    high = math.inf if wanted.stop is None else as_number(f"{name}.stop", wanted.stop)
    found = np.flatnonzero((numbers >= low) & (numbers <= high))
    if not found.size:
        span = f"{numbers.min().item()!r} to {numbers.max().item()!r}"
        raise ValueError(f"{name} has no value from {low!r} to {high!r}; its values go from {span}")
    return found


def _of_numbers(
    name: str, numbers: NDArray[Any], wanted: NDArray[Any], reach: float | None
) -> Places:
    """The places of all values that are equal to the wanted ones, or the nearest to them."""
    order = np.argsort(numbers, kind="stable")
    ranked = numbers[order]
    near = _nearest(ranked, wanted)
    limit = -1.0 if reach is None else reach  # unequal integers may round to a distance of 0
    missing = np.flatnonzero((near != wanted) & ~(_distance(near, wanted) <= limit))
    if missing.size:
        one, other = wanted[missing[0]].item(), near[missing[0]].item()
        within = "" if reach is None else f" within {reach!r}"
        hint = '; method="nearest" takes it' if reach is None else ""
        raise ValueError(f"{name} has no value {one!r}{within}; the nearest is {other!r}{hint}")
    first, last = (np.searchsorted(ranked, near, side) for side in ("left", "right"))
    if np.all(last - first == 1):
        return order[first]
    return np.concatenate([order[i:j] for i, j in zip(first, last, strict=True)])


def _nearest(ranked: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """For each wanted number the nearest of the ranked ones, of two the smaller."""
    above = np.minimum(np.searchsorted(ranked, wanted), len(ranked) - 1)
    high, low = ranked[above], ranked[np.maximum(above - 1, 0)]
    lower = (high != wanted) & (_distance(low, wanted) <= _distance(high, wanted))
    return np.where(lower, low, high)


def _distance(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """How far numbers are apart; integers are taken as floats, which do not overflow."""
    with np.errstate(invalid="ignore"):  # between infinities
        return np.abs(one.astype(np.float64) - other.astype(np.float64))


# --- other values ---------------------------------------------------------------------------------------


def _of_values(axes: CheckedAxes, name: str, wanted: Any) -> Places:
    """A list is one value where the axis has it as a value, as a point or a pair; otherwise it is several."""
    if isinstance(wanted, slice):
        raise TypeError(f"{name} is not an axis of numbers, which alone take slices, got {wanted}")
    keys = [key_of(value, axes) for value in axes[name]]
    texts = [axis_label(value) for value in shown_axes(axes)[name]]

    def places(one: Any) -> list[int]:
        key = key_of(one, axes)
        text = one if isinstance(one, str) else None
        return [k for k in range(len(keys)) if keys[k] == key or texts[k] == text]

    one = plain_value(wanted.tolist() if isinstance(wanted, np.ndarray) else wanted)
    several = isinstance(one, tuple) and len(one) > 0 and not places(one)
    each = [(value, places(value)) for value in (one if several else (one,))]
    for value, found in each:
        if not found:
            known = [*dict.fromkeys(texts)]
            listed = ", ".join(known[:_SHOWN]) + ", ..." * (len(known) > _SHOWN)
            raise ValueError(f"{name} has no value {value!r:.60}; it has {listed}")
    return np.array([k for _, found in each for k in found], np.intp)
