"""What a display reads from the result of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.plotting.common import NAMES, axis_name
from fastgd.plotting.labels import as_drawn, axis_label, is_numeric, shortened


class Result(Protocol):
    """The attributes of a `fastgd.SweepResult` that displays read."""

    @property
    def axes(self) -> Mapping[str, tuple[Any, ...]]:
        """Values of each axis, by its name."""

    @property
    def shown_axes(self) -> Mapping[str, tuple[Any, ...]]:
        """The same as figures show them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Runs along each axis."""

    @property
    def paired(self) -> bool:
        """Whether the axes form pairs, not a grid."""

    @property
    def tol(self) -> float:
        """Tolerance of the gradient."""

    @property
    def status(self) -> NDArray[Any]:
        """`Status` of each run."""

    @property
    def regime(self) -> NDArray[Any]:
        """Regime of each run, a text."""

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which runs converged."""

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Which runs diverged."""

    @property
    def iterations(self) -> NDArray[Any]:
        """Updates of each run."""

    @property
    def loss(self) -> NDArray[Any]:
        """Loss at the end of each run."""

    @property
    def metric(self) -> NDArray[Any] | None:
        """Accuracy or R² of each run, of networks only."""

    @property
    def metric_name(self) -> str:
        """Which metric."""

    @property
    def history(self) -> NDArray[Any] | None:
        """Losses of every run at every `record`-th update."""

    @property
    def record(self) -> int:
        """Updates between two entries of `history`."""

    def averages(self, quantity: Any, *, over: str, average: Any) -> Averages:
        """The quantity over the runs that differ in one axis alone."""


class Averages(Protocol):
    """What displays read of a `fastgd.sweeps.seeds.SeedAverages`: arrays shaped like the axes that are left."""

    @property
    def axes(self) -> Mapping[str, tuple[Any, ...]]:
        """The axes that are left."""

    @property
    def average(self) -> NDArray[np.float64]:
        """The average of the runs that have a value, nan if none has."""

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Its standard error."""

    @property
    def runs(self) -> NDArray[np.int64]:
        """Runs of each combination."""

    @property
    def without(self) -> NDArray[np.int64]:
        """Those of them without a value."""

    @property
    def diverged(self) -> NDArray[np.float64]:
        """The share of them that diverged."""

    @property
    def stopped(self) -> NDArray[np.float64]:
        """The share of them that were stopped at a rung."""


@dataclass(frozen=True)
class Shown:
    """What a display shows of each combination: one run, or the average of several.

    Attributes
    ----------
    axes : dict of str to tuple
    values : ndarray of float64, shaped like the axes
        nan where there is nothing to show.
    error : ndarray of float64, optional
        Standard errors.
    without : ndarray of float64
        The share of runs that have no value.
    diverged : ndarray of bool
        Where every run diverged.
    growing : ndarray of bool
        Where the run grew until it was ended; of averages nowhere.
    stopped : ndarray of bool
        Where a run was stopped at a rung: its value is that of fewer updates.
    name : str
        The label of the values' axis.
    """

    axes: Mapping[str, tuple[Any, ...]]
    values: NDArray[np.float64]
    error: NDArray[np.float64] | None
    without: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    growing: NDArray[np.bool_]
    stopped: NDArray[np.bool_]
    name: str

    @property
    def partial(self) -> NDArray[np.bool_]:
        """Where some of the runs have a value and others have none."""
        return np.asarray((self.without > 0) & (self.without < 1))


def shown(result: Result, quantity: str, over: str | None, average: str) -> Shown:
    """A quantity of each run, or averaged over the axis `over`, where the sweep has it."""
    name = quantity_name(result, quantity)
    if over is None or over not in result.axes:
        values = quantity_values(result, quantity)
        without = np.isnan(values).astype(np.float64)
        stopped = np.asarray(result.status == Status.STOPPED)
        growing = np.asarray(result.regime == Regime.GROWING.label)
        return Shown(result.axes, values, None, without, result.diverged, growing, stopped, name)
    found = result.averages(quantity, over=over, average=average)
    return Shown(
        found.axes,
        found.average,
        found.standard_error,
        found.without / found.runs,
        np.asarray(found.diverged == 1),
        np.zeros(found.average.shape, bool),
        np.asarray(found.stopped > 0),
        f"{name}, {average} over {axis_name(over)}s",
    )


def quantity_values(result: Result, quantity: str) -> NDArray[np.float64]:
    """Iterations, loss or metric of each run; nan where the run has none to show.

    Only converged runs have iterations to show; only runs that did not diverge have a loss or a metric.
    """
    values = np.asarray(getattr(result, quantity), np.float64)
    usable = result.converged if quantity == "iterations" else np.isfinite(values)
    usable = usable & ~np.isin(result.status, (Status.DIVERGED, Status.NOT_RUN))
    return np.where(usable, values, np.nan)


def quantity_name(result: Result, quantity: str) -> str:
    """The label of the quantity's axis."""
    if quantity == "iterations" and np.isfinite(result.tol):
        return f"iterations until max |slope| < {result.tol:g}"
    if quantity == "metric":
        return as_drawn(f"{result.metric_name or 'metric'} at the end")
    return NAMES[quantity]


def numeric_axis(result: Result, name: str | None, over: str | None) -> str:
    """The axis to draw to scale; by default the longest numeric one, but not `over` if there is another."""
    numeric = [n for n, values in result.axes.items() if is_numeric(values)]
    if name is None:
        if not numeric:
            raise ValueError(f"the sweep has no numeric axis to draw, only {list(result.axes)}")
        return max(numeric, key=lambda n: (n != over, len(result.axes[n])))
    if name not in numeric:
        raise ValueError(f"x must be a numeric axis, one of {numeric}, got {name!r}")
    return name


def two_axes(result: Result, x: str | None, y: str | None, over: str | None) -> tuple[str, str]:
    """The axes of a heat map; by default the learning rate and the longest others, `over` the last of them."""
    names = list(result.axes)
    if result.paired:
        raise ValueError(
            "a heat map needs a grid; the axes of this sweep are paired, see kind='loss'"
        )
    for argument, name in (("x", x), ("y", y)):
        if name is not None and name not in names:
            raise ValueError(
                f"{argument} must be an axis of the sweep, one of {names}, got {name!r}"
            )
    if len(names) < 2 or (x is not None and x == y):
        raise ValueError(f"a heat map needs two different axes, got {[x, y]} of {names}")
    lengths = {name: len(values) for name, values in result.axes.items()}
    longest = sorted(names, key=lambda n: (n == over, lengths[n] == 1, n != "lr", -lengths[n]))
    longest = [name for name in longest if name not in (x, y)]
    x = x or longest.pop(0)
    return x, y or longest.pop(0)


def combinations(axes: Mapping[str, tuple[Any, ...]], without: str) -> list[str]:
    """One legend entry for each combination of the other axes."""
    names = [""]
    for axis, values in axes.items():
        if axis != without and len(values) > 1:
            labels = [as_drawn(f"{axis} {shortened(axis_label(v))}") for v in values]
            names = [f"{name}, {label}" if name else label for name in names for label in labels]
    return names
