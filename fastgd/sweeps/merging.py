"""Several sweeps of one problem as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import CheckedAxes, Column, taken
from fastgd.engines.protocol.outcomes import ENDED, Status
from fastgd.sweeps.arrays import in_common
from fastgd.sweeps.axis_values import key_of, numbers_of
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.gathering import Result, gathered, joined, names_of_arrays
from fastgd.sweeps.tables import places_along

Codes = NDArray[np.intp]
_SETTINGS = (
    "problem", "optimizer", "dtype", "tol", "max_iter", "parameter_names", "metric_name", "record",
)  # fmt: skip
_LENGTHS = ("max_iter", "epochs")  # axes that say how long runs are, and `max_iter` no longer


def merged(parts: Sequence[Result]) -> Result:
    """The runs of all parts over the union of their axes; ValueError if they do not belong together."""
    for k, other in enumerate(parts[1:]):
        _check_alike(f"others[{k}]", parts[0], other)
    unions = [_union(name, parts) for name in parts[0].kept_axes]
    same = _numbered(unions, sum(part.size for part in parts))
    runs = _best_informed(parts, same)
    _check_agreement(parts, same, runs)
    values = {union.name: union.values for union in unions}
    paired = len(runs) < math.prod(map(len, values.values()))
    if paired:
        _, first = np.unique(same, return_index=True)
        runs = runs[np.argsort(first)]
        values = {union.name: taken(union.values, union.codes[runs]) for union in unions}
    else:
        runs = runs.reshape(tuple(map(len, values.values())))
    return gathered(parts, CheckedAxes(values), runs, paired=paired, **_summed_up(parts))


def _summed_up(parts: Sequence[Any]) -> dict[str, Any]:
    """What the merged result says of itself where the parts may differ."""
    differing = ("max_iter", "vector_width", "backend", "engine")
    found = {name: in_common(name, [getattr(part, name) for part in parts]) for name in differing}
    return {"seconds": sum(part.seconds for part in parts), **found}


# --- which sweeps belong together -----------------------------------------------------------------------


def _check_alike(name: str, first: Any, other: Any) -> None:
    """Refuse another problem, or other settings, and name all that differs."""
    mine, theirs = list(first.kept_axes), list(other.kept_axes)
    if set(mine) != set(theirs):
        raise ValueError(f"{name} has the axes {theirs}, wanted those of this sweep, {mine}")
    own, others = _settings(first), _settings(other)
    found = [f"{s} is {others[s]:.100}, here {own[s]:.100}" for s in own if own[s] != others[s]]
    if found:
        raise ValueError(f"{name} is a sweep with other settings: {'; '.join(found)}")


def _settings(result: Any) -> dict[str, str]:
    """What sweeps must have in common, as texts, of which two NaNs are equal."""
    found = {name: repr(getattr(result, name)) for name in _SETTINGS} | {
        "tol": repr(float(result.tol))
    }
    if set(_LENGTHS) & set(result.kept_axes):
        del found["max_iter"]
    for name in ("metric", "history"):
        found[name] = "not kept" if getattr(result, name) is None else "kept"
    return found


# --- the union of axes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MergedAxis:
    """The values that an axis has in any part, and where among them that of each run stands."""

    name: str
    values: Column
    codes: Codes


def _union(name: str, parts: Sequence[Contents]) -> MergedAxis:
    columns = [part.kept_axes.columns[name] for part in parts]
    numbers = [array for array in map(numbers_of, columns) if array is not None]
    if len(numbers) == len(parts):
        grids = [array for array, part in zip(numbers, parts, strict=True) if not part.paired]
        values, codes = _union_of_numbers(numbers, grids)
    else:
        values, codes = _union_of_values(name, parts)
    starts = np.cumsum([len(column) for column in columns])[:-1]
    return MergedAxis(name, values, _of_runs(name, parts, np.split(codes, starts)))


def _union_of_numbers(
    columns: Sequence[NDArray[Any]], grids: Sequence[NDArray[Any]]
) -> tuple[Column, Codes]:
    """Rising if all grids' values rise, falling if all fall, else in the order in which they come."""
    values, first, codes = np.unique(
        np.concatenate(columns), return_index=True, return_inverse=True
    )
    if all(np.all(np.diff(grid) >= 0) for grid in grids):
        return values, codes
    falling = all(np.all(np.diff(grid) <= 0) for grid in grids)
    order = np.arange(len(values))[::-1] if falling else np.argsort(first)
    return values[order], np.argsort(order)[codes]


def _union_of_values(name: str, parts: Sequence[Contents]) -> tuple[Column, Codes]:
    """In the order in which they come."""
    place_of: dict[Any, int] = {}
    values: list[Any] = []
    codes = []
    for part in parts:
        for value in part.kept_axes[name]:
            place = place_of.setdefault(key_of(value, part.kept_axes), len(values))
            codes.append(place)
            if place == len(values):
                values.append(value)
    return tuple(values), np.array(codes, np.intp)


def _of_runs(name: str, parts: Sequence[Contents], codes: Sequence[Codes]) -> Codes:
    """The codes of an axis's values as codes of the runs, which are counted through all parts."""
    found = []
    for part, own in zip(parts, codes, strict=True):
        axis = 0 if part.paired else list(part.kept_axes).index(name)
        found.append(own[places_along(part.shape, axis)])
    return np.concatenate(found)


# --- runs of the same combination -----------------------------------------------------------------------


def _numbered(unions: Sequence[MergedAxis], total: int) -> Codes:
    """The number of each run's combination; combinations are counted with the last axis varying fastest."""
    number = np.zeros(total, np.intp)
    for union in unions:
        _, number = np.unique(number * len(union.values) + union.codes, return_inverse=True)
    return number


def _standing(parts: Sequence[Contents]) -> NDArray[np.int8]:
    """2 for runs that have ended by themselves, 1 for those that were stopped, 0 for those that were not begun."""
    status = joined(parts, "status")
    begun = np.where(np.isin(status, ENDED), np.int8(2), np.int8(1))
    return np.where(status == Status.NOT_RUN, np.int8(0), begun)


def _best_informed(parts: Sequence[Contents], same: Codes) -> Codes:
    """Of each combination the first run that has ended, else the one that went furthest."""
    order = np.lexsort((-joined(parts, "iterations"), -_standing(parts), same))
    return order[np.searchsorted(same[order], np.arange(same.max() + 1))]


def _check_agreement(parts: Sequence[Contents], same: Codes, runs: Codes) -> None:
    """Refuse runs of one combination that have ended differently."""
    again = np.flatnonzero((_standing(parts) == 2) & (runs[same] != np.arange(len(same))))
    if not again.size:
        return
    for name in names_of_arrays(parts[0]):
        array = joined(parts, name)
        one, other = array[runs[same[again]]], array[again]
        differ = (one != other) & ~(np.isnan(one) & np.isnan(other))
        rows = np.flatnonzero(differ.reshape(len(again), -1).any(axis=1))
        if rows.size:
            k, run = rows[0], int(again[rows[0]])
            raise ValueError(
                f"{_owner(parts, run)} ended differently: {name} is {other[k].tolist()!r:.60}, "
                f"and {one[k].tolist()!r:.60} in {_owner(parts, int(runs[same[run]]))}"
            )


def _owner(parts: Sequence[Contents], run: int) -> str:
    """A run for a message: the sweep that has it, and its values."""
    ends = np.cumsum([part.size for part in parts])
    k = int(np.searchsorted(ends, run, "right"))
    part = parts[k]
    place = np.unravel_index(run - int(ends[k]) + part.size, part.shape)
    values = part.axes_at(tuple(map(int, place)))
    return f"the run of {f'others[{k - 1}]' if k else 'this sweep'} at {values!r:.200}"
