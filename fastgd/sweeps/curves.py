"""The recorded losses of a sweep's runs as curves: each alone, or the average over an axis with a band."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status
from fastgd.plotting.common import axis_name
from fastgd.plotting.labels import axis_label, is_numeric, shortened
from fastgd.plotting.losses import MOST_NAMED, LossCurveDisplay
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.seeds import Combinations, combinations

Numbers = NDArray[np.float64]
Band = Literal["standard error", "quantiles"]

BANDS = ("standard error", "quantiles", None)
_MOST_COLOURED = 500  # curves that a colour bar explains


@dataclass(frozen=True)
class _Curve:
    """A line and its band, at all recorded updates."""

    middle: Numbers
    low: Numbers
    high: Numbers
    lost: int  # runs that diverged, of `runs`
    runs: int


def curves_of(
    result: Contents, over: str | None, band: Band | None, scale: Any
) -> LossCurveDisplay:
    """The curves of a sweep, not yet drawn."""
    if result.history is None:
        raise ValueError(
            "plot_curves needs the losses on the way, which this sweep does not have; give it record=, "
            "as in sweep(..., record=10)"
        )
    groups = combinations(result.axes, over or "", paired=result.paired)
    averaged = over in result.axes
    names = _names(result, groups)
    levels = _levels(result, groups, names)
    losses = np.asarray(result.history, np.float64).reshape(-1, result.history.shape[-1])
    status = np.ravel(result.status)
    updates = np.arange(losses.shape[1]) * result.record
    curves, bands = {}, {}
    for name, row in zip(names, groups.rows, strict=True):
        own = row[row >= 0]
        curve = _average(losses[own], status[own], band) if averaged else _alone(losses[own[0]])
        told = f"{name} ({curve.lost} of {curve.runs} diverged)" if curve.lost else name
        curves[told] = updates, curve.middle
        if averaged and band is not None and curve.runs - curve.lost > 1 and levels is None:
            bands[told] = curve.low, curve.high
    count = int((groups.rows >= 0).sum(axis=1).max())
    middle, edges = _words(band, f"{count} {axis_name(str(over))}s")
    return LossCurveDisplay(
        curves,
        x_name="update",
        y_name=f"loss, {middle}" if averaged else "loss",
        scale=scale,
        bands=bands,
        band_name=edges if bands else "",
        levels=None if levels is None else dict(zip(curves, levels[1], strict=True)),
        level_name="" if levels is None else axis_name(levels[0]),
    )


def _words(band: Band | None, over: str) -> tuple[str, str]:
    """What the lines and the bands are."""
    if band == "quantiles":
        return f"median over {over}", "25 % to 75 % of the runs"
    return f"mean over {over}", "mean ± standard error"


def _names(result: Contents, groups: Combinations) -> list[str]:
    """Of each curve the values on all axes that vary."""
    varied = [name for name, values in groups.axes.items() if len(set(map(axis_label, values))) > 1]
    names = []
    for row in groups.rows:
        index = tuple(int(k) for k in np.unravel_index(row[0], result.shape))
        at = dict(
            zip(result.axes, index * len(result.axes) if result.paired else index, strict=True)
        )
        labels = [
            f"{name} {shortened(axis_label(result.shown_axes[name][at[name]]))}" for name in varied
        ]
        names.append(", ".join(labels) or "run")
    return [f"{name} [{k}]" if names.count(name) > 1 else name for k, name in enumerate(names)]


def _levels(
    result: Contents, groups: Combinations, names: list[str]
) -> tuple[str, list[float]] | None:
    """For more curves than a legend can name: the one axis that tells them apart, and its values."""
    if len(names) <= MOST_NAMED:
        return None
    varied = {
        name: values
        for name, values in groups.axes.items()
        if len(set(map(axis_label, values))) > 1
    }
    numeric = [name for name, values in varied.items() if is_numeric(values)]
    if len(names) > _MOST_COLOURED or len(varied) > 1 or not numeric:
        raise ValueError(
            f"plot_curves draws at most {MOST_NAMED} curves, or {_MOST_COLOURED} that one axis of numbers tells "
            f"apart, and this sweep has {len(names)}; choose some with sel"
        )
    (axis,) = numeric
    return axis, [float(value) for value in varied[axis]]


def _alone(losses: Numbers) -> _Curve:
    return _Curve(losses, losses, losses, 0, 1)


def _average(losses: Numbers, status: NDArray[np.int8], band: Band | None) -> _Curve:
    """The average over runs at each update.

    A run that has converged keeps its last loss: else the average would jump where it ends. Runs that diverged have no
    part, and are counted.
    """
    lost = np.isin(status, (Status.DIVERGED, Status.NOT_RUN, Status.ERROR))
    kept = np.array([_held(row, code) for row, code in zip(losses, status, strict=True)])[~lost]
    if not len(kept):
        none = np.full(losses.shape[1], np.nan)
        return _Curve(none, none, none, int(lost.sum()), len(lost))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # no run goes on at some updates
        if band == "quantiles":
            low, middle, high = np.nanquantile(kept, [0.25, 0.5, 0.75], axis=0)
        else:
            middle = np.nanmean(kept, axis=0)
            count = np.isfinite(kept).sum(axis=0)
            error = np.nanstd(kept, axis=0, ddof=1) / np.sqrt(count) if len(kept) > 1 else 0.0
            low, high = middle - error, middle + error
    return _Curve(middle, low, high, int(lost.sum()), len(lost))


def _held(losses: Numbers, status: int) -> Numbers:
    """The losses of a run, that of its last record kept on if it converged."""
    known = np.flatnonzero(np.isfinite(losses))
    if status != Status.CONVERGED or not known.size:
        return losses
    held = losses.copy()
    held[known[-1] :] = losses[known[-1]]
    return held
