"""A sweep's result made of runs of other results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import CheckedAxes
from fastgd.sweeps.arrays import ARRAYS
from fastgd.sweeps.contents import Contents

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

Result = TypeVar("Result", bound=Contents)
Runs = NDArray[np.intp]


def gathered(parts: Sequence[Result], axes: CheckedAxes, runs: Runs, **changes: Any) -> Result:
    """The result of some runs of all parts, with networks, histories and parameters.

    Parameters
    ----------
    parts : sequence of SweepResult
        Results with the same arrays. What nothing else says is as in the first.
    axes : CheckedAxes
        The axes of the new result.
    runs : ndarray of intp
        Shaped like the new result: which runs it has, counted through the parts one after the other.
    **changes
        Other fields of the new result.
    """
    arrays = {name: joined(parts, name)[runs] for name in names_of_arrays(parts[0])}
    templates = [part.template for part in parts if part.template is not None]
    first: Any = parts[0]
    new: Result = replace(
        first,
        axes=axes,
        networks=_Networks(parts, runs),
        template=templates[0] if templates else None,
        **arrays,
        **changes,
    )
    return new


def names_of_arrays(result: Contents) -> list[str]:
    """The arrays with an entry, or a row, for each run."""
    given = [name for name in ("metric", "history") if getattr(result, name) is not None]
    return [*ARRAYS, "regime", "x", *given]


def joined(parts: Sequence[Contents], name: str) -> NDArray[Any]:
    """An array of all parts, with the runs one after the other; regimes as codes."""
    arrays = [part.regime_codes if name == "regime" else getattr(part, name) for part in parts]
    rows = [
        array.reshape(part.size, *array.shape[len(part.shape) :])
        for array, part in zip(arrays, parts, strict=True)
    ]
    if len(rows) == 1:
        return rows[0]
    if name == "history":
        longest = max(row.shape[1] for row in rows)
        rows = [_padded(row, longest) for row in rows]
    return np.concatenate(rows)


def _padded(history: NDArray[Any], records: int) -> NDArray[Any]:
    """A history of so many records, nan where its runs had ended."""
    more = records - history.shape[1]
    return np.pad(history, ((0, 0), (0, more)), constant_values=np.nan)


class _Networks(Mapping[tuple[int, ...], "MLP"]):
    """The networks of some runs, by their places in the new result.

    They are asked for where they were: those of a stored sweep are trained again as they are asked for.
    """

    def __init__(self, parts: Sequence[Contents], runs: Runs) -> None:
        found: dict[int, tuple[Mapping[tuple[int, ...], MLP], tuple[int, ...]]] = {}
        start = 0
        for part in parts:
            place = np.arange(start, start + part.size).reshape(part.shape)
            found.update({int(place[index]): (part.networks, index) for index in part.networks})
            start += part.size
        kept = np.flatnonzero(np.isin(runs, list(found)))
        places = (tuple(map(int, np.unravel_index(k, runs.shape))) for k in kept)
        self._found = {place: found[int(runs[place])] for place in places}

    def __getitem__(self, place: tuple[int, ...]) -> MLP:
        networks, index = self._found[place]
        return networks[index]

    def __contains__(self, place: object) -> bool:
        return place in self._found

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
