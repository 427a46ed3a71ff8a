"""`RunTable`: the outcomes of the runs of a sweep, which arrive in parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import ENDED, Status
from fastgd.sweeps.arrays import ARRAYS, SCALARS, in_common
from fastgd.sweeps.best import Values, best_so_far
from fastgd.sweeps.results import SweepResult

Arrays = Mapping[str, NDArray[Any]]
_DTYPES: dict[str, Any] = {**ARRAYS, "regime": np.uint8, "metric": np.float64}
_EMPTY = {
    "iterations": 0,
    "status": Status.NOT_RUN,
    "regime": 0,
}  # of a run that has not come back; of others nan
_ABOUT = tuple(name for name in SCALARS if name not in {"seconds", "paired"})


def arrays_of(keep: str, result: SweepResult) -> dict[str, NDArray[Any]]:
    """The arrays of a result that are kept of its runs, each with one row per run."""
    names = ["iterations", "status", "regime_codes"]
    if keep != "outcome":
        names += ["loss", "slope" if result.metric is None else "metric"]
    if keep == "all" and result.x.shape[-1]:
        names.append("x")
    if result.history is not None:
        names.append("history")
    axes = len(result.shape)
    arrays = {name.removesuffix("_codes"): getattr(result, name) for name in names}
    return {name: a.reshape(result.size, *a.shape[axes:]) for name, a in arrays.items()}


def about(keep: str, result: SweepResult) -> dict[str, Any]:
    """What all runs of a result have in common, as plain values."""
    names = result.parameter_names if keep == "all" else ()
    return {name: getattr(result, name) for name in _ABOUT} | {"parameter_names": list(names)}


def ended(arrays: Arrays) -> NDArray[np.bool_]:
    """Which runs came to an end of their own: what was broken off could go on."""
    return np.isin(arrays["status"], ENDED)


class RunTable:
    """Outcomes of runs by their positions.

    Parameters
    ----------
    axes : mapping of str to sequence
    paired : bool
    shape : tuple of int
        Of the results.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Each with one row for every run.
    """

    def __init__(self, axes: Mapping[str, Any], shape: tuple[int, ...], *, paired: bool) -> None:
        self.axes, self.shape, self.paired = axes, shape, paired
        self.total = math.prod(shape)
        self.arrays: dict[str, NDArray[Any]] = {}
        self._told: dict[str, tuple[int, Mapping[str, Any]]] = {}  # few differ
        for name in ("iterations", "status", "regime"):
            self._make(name)

    def _make(self, name: str, shape: tuple[int, ...] = (), dtype: Any = None) -> None:
        """Room for an array, filled with what runs have that are not there."""
        empty, own = _EMPTY.get(name, math.nan), _DTYPES.get(name, dtype)
        self.arrays[name] = np.full((self.total, *shape), empty, own)

    def put(self, index: NDArray[np.intp], arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Take the outcomes of some runs; those that were broken off before they began are as if they had not come."""
        began = arrays["status"] != Status.NOT_RUN
        if not began.all():
            index, arrays = index[began], {name: values[began] for name, values in arrays.items()}
        for name, values in arrays.items():
            if name not in self.arrays:
                self._make(name, values.shape[1:], values.dtype)
            if values.ndim > 1:  # the history of shorter runs is shorter
                self._widen(name, values.shape[1])
                self.arrays[name][index, : values.shape[1]] = values
            else:
                self.arrays[name][index] = values
        if about and len(index):
            first, text = int(np.min(index)), repr(about)
            self._told[text] = min(first, self._told.get(text, (first, about))[0]), about

    @property
    def about(self) -> dict[str, Any]:
        """What the runs have in common, in the order of the runs, whatever the order in which they arrived."""
        found: dict[str, Any] = {}
        for _, about in sorted(self._told.values(), key=lambda told: told[0]):
            for name, value in about.items():
                found[name] = in_common(name, [found.get(name, value), value])
        return found

    def _widen(self, name: str, width: int) -> None:
        """Make room for rows of so many numbers."""
        narrow = self.arrays[name]
        if width > narrow.shape[1]:
            self._make(name, (width,), narrow.dtype)
            self.arrays[name][:, : narrow.shape[1]] = narrow

    @property
    def status(self) -> NDArray[np.int8]:
        """How the runs ended."""
        return self.arrays["status"]

    def count(self, *statuses: Status) -> int:
        """How many runs ended so."""
        return int(np.count_nonzero(np.isin(self.status, statuses)))

    def best_so_far(self) -> str:
        """The lowest loss, in words; empty if there is none."""
        if "loss" not in self.arrays:
            return ""
        return best_so_far(Values(self.arrays["loss"], self.arrays["iterations"], self.status))

    def result(self, seconds: float, **more: Any) -> SweepResult:
        """The result of the sweep."""
        told = self.about
        for name in ("loss", "slope", *(["metric"] if told.get("metric_name") else [])):
            if name not in self.arrays:
                self._make(name)
        if "x" not in self.arrays:
            self._make("x", (0,), told.get("dtype", "float64"))
        shape = self.shape
        arrays: dict[str, Any] = {
            n: a.reshape(*shape, *a.shape[1:]) for n, a in self.arrays.items()
        }
        about = {**told, "parameter_names": tuple(told.get("parameter_names", ()))}
        return SweepResult(
            axes=self.axes, paired=self.paired, seconds=seconds, **arrays, **about, **more
        )
