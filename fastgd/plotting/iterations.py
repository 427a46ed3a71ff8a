"""`IterationsDisplay`: iterations, loss or metric against one hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import (
    COLOURS,
    INK,
    MARKERS,
    MOST_LINES,
    NAMES,
    axis_name,
    cell_edges,
    dress,
    is_geometric,
    label_1_2_5,
    legend_above,
    spans_decades,
    stretches_of,
)
from fastgd.plotting.display import Display
from fastgd.plotting.result import (
    Result,
    combinations,
    numeric_axis,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(repr=False)
class IterationsDisplay(Display):
    """Iterations, loss or metric of each run against one varied number.

    Parameters
    ----------
    x : array_like of shape (n,)
        The values of the varied number.
    lines : dict of str to array_like of shape (n,)
        The values of each line, by its name in the legend; nan where a run has none.
    failed : array_like of bool of shape (n,), optional
        Where every run diverged: drawn as a hatched band.
    growing : array_like of bool of shape (n,), optional
        Where every run diverged or grew until it was ended: drawn as a band hatched the other way.
    unfinished : dict of str to array_like of bool of shape (n,), optional
        By line, where its run neither converged nor diverged: a pale band where this holds for all lines, else a cross
        at the top in the line's colour.
    errors : dict of str to array_like of shape (n,), optional
        By line, standard errors: drawn as bars.
    partial : dict of str to array_like of bool of shape (n,), optional
        By line, where some of the runs that were averaged have no value: a ring around the point.
    stopped : dict of str to array_like of bool of shape (n,), optional
        By line, where a run was stopped early, so that its value is that of fewer updates: a square around the point.
    curve : tuple of two array_like, optional
        A closed form, (x, y), drawn as a line behind the points.
    unstable_from : float, optional
        Where the hatched band begins; from `failed` by default.
    x_name, y_name : str
        Axis labels.
    curve_name : str, default "closed form"
        Its name in the legend.
    connected : bool, default True
        Whether few points are joined by lines.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = IterationsDisplay([0.1, 0.2, 0.4], {"counted": [40, 19, 8]})
    >>> display.plot().ax_.get_xlabel()  # doctest: +SKIP
    'learning rate'
    """

    x: ArrayLike
    lines: Mapping[str, ArrayLike]
    failed: ArrayLike | None = None
    unfinished: Mapping[str, ArrayLike] | None = None
    curve: tuple[ArrayLike, ArrayLike] | None = None
    unstable_from: float | None = None
    x_name: str = NAMES["lr"]
    y_name: str = NAMES["iterations"]
    curve_name: str = "closed form"
    connected: bool = True
    growing: ArrayLike | None = field(default=None, kw_only=True)
    errors: Mapping[str, ArrayLike] | None = field(default=None, kw_only=True)
    partial: Mapping[str, ArrayLike] | None = field(default=None, kw_only=True)
    stopped: Mapping[str, ArrayLike] | None = field(default=None, kw_only=True)

    def _draw(self, ax: Axes) -> None:
        x = np.asarray(self.x, np.float64)
        lines = {name: np.asarray(y, np.float64) for name, y in self.lines.items()}
        self._draw_curve(ax)
        joined = self.connected and self.curve is None
        for k, (name, y) in enumerate(lines.items()):
            style = MARKERS[k % len(MARKERS)]
            # Later markers are smaller, so that equal points show as one inside the other.
            size = max(3.0, 7.5 - 3.0 * k) if self.curve is not None else 5.0
            size = size if x.size <= 200 else 2.0
            ax.plot(
                x, y, style, color=COLOURS[k % len(COLOURS)], markersize=size,
                label=name if np.isfinite(y).any() or len(lines) > 1 else "_",
                markerfacecolor="white" if k == 0 and len(lines) > 1 else None, zorder=3,
                linestyle="-" if joined and x.size <= 60 else "none", linewidth=1,
            )  # fmt: skip
        self._draw_errors(ax, x, lines)
        self._scale(ax, x, np.concatenate([y[np.isfinite(y)] for y in lines.values()] or [x]))
        self._draw_bands(ax, x)
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        dress(ax)
        legend_above(ax)

    def _draw_curve(self, ax: Axes) -> None:
        if self.curve is not None:
            cx, cy = (np.asarray(values, np.float64) for values in self.curve)
            cy = np.where(np.isfinite(cy), cy, np.nan)
            ax.plot(cx, cy, "-", color=INK, linewidth=1.1, label=self.curve_name, zorder=2)

    def _draw_errors(self, ax: Axes, x: NDArray[np.float64], lines: Mapping[str, Any]) -> None:
        """Bars of standard errors, and marks around points that not all runs have a part in, or not to their ends."""
        for k, (name, y) in enumerate(lines.items()):
            error = (self.errors or {}).get(name)
            if error is not None:
                bars, colour = np.asarray(error, np.float64), COLOURS[k % len(COLOURS)]
                ax.errorbar(x, y, bars, fmt="none", ecolor=colour, elinewidth=1, capsize=2)
        self._surround(ax, x, lines, self.partial, ("o", "some runs have no value"))
        self._surround(ax, x, lines, self.stopped, ("s", "stopped early"))

    def _surround(
        self,
        ax: Axes,
        x: NDArray[np.float64],
        lines: Mapping[str, Any],
        which: Mapping[str, ArrayLike] | None,
        mark: tuple[str, str],
    ) -> None:
        """Draw a mark around some points of each line; its name stands once in the legend."""
        form, label = mark
        for k, (name, y) in enumerate(lines.items()):
            mask = np.asarray((which or {}).get(name, False), bool) & np.isfinite(y)
            if mask.any():
                ax.plot(
                    x[mask], y[mask], form, markersize=11 if form == "o" else 8,
                    color=COLOURS[k % len(COLOURS)], markerfacecolor="none", linestyle="none",
                    label=label, zorder=4,
                )  # fmt: skip
                label = "_"

    def _scale(self, ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        # All that was tried is on the axis, whether it has a value or not.
        if is_geometric(x.tolist()) or spans_decades(x, 50.0):
            ax.set_xscale("log")
            margin = (x.max() / x.min()) ** 0.03
            ax.set_xlim(x.min() / margin, x.max() * margin)
        else:
            margin = 0.03 * (np.ptp(x) or 1.0)
            ax.set_xlim(x.min() - margin, x.max() + margin)
        if not y.size:
            ax.set_ylim(0.0, 1.0)
            ax.set_yticks([])
            ax.text(0.5, 0.5, "no run converged", transform=ax.transAxes, ha="center", color=INK)
        elif spans_decades(y):
            ax.set_yscale("log")
            ax.set_ylim(0.8 * y.min(), 1.35 * y.max())
            if y.max() < 1e6 and y.min() >= 1:
                label_1_2_5(ax.yaxis)
        elif np.abs(y).max() > 1e6 * np.median(np.abs(y)) > 0:
            # Diverging runs leave the frame instead of flattening the others.
            y = y[np.abs(y) <= 1e6 * np.median(np.abs(y))]
            margin = 0.06 * (np.ptp(y) or 1.0)
            ax.set_ylim(y.min() - margin, y.max() + margin)
        if ax.get_yscale() == "linear":
            ax.ticklabel_format(axis="y", useOffset=False)
            ax.yaxis.get_offset_text().set_horizontalalignment("right")

    def _draw_bands(self, ax: Axes, x: NDArray[np.float64]) -> None:
        """Say of each part of the axis where all runs failed how they did, and of the other failures one by one."""
        none = np.zeros(x.shape, bool)
        failed = none if self.failed is None else np.asarray(self.failed, bool)
        growing = none if self.growing is None else np.asarray(self.growing, bool) & ~failed
        open_ends = {n: np.asarray(m, bool) & ~growing for n, m in (self.unfinished or {}).items()}
        unfinished = np.logical_and.reduce(list(open_ends.values())) if open_ends else none
        unfinished = unfinished & ~failed
        edge = self.unstable_from
        stretches = [(edge, np.inf)] if edge is not None else _around(x, failed)
        name = "not converged in time" if len(self.lines) == 1 else "none converged in time"
        _draw_band(ax, _around(x, unfinished), name, ("#E4EFF7", None))
        _draw_band(ax, _around(x, growing), "growing", ("#FBEFE3", "\\\\\\"))
        _draw_band(ax, stretches, "diverged", ("#F1F1F1", "///"))
        label = "not converged in time"
        for k, line in enumerate(self.lines):
            mask = np.asarray(open_ends.get(line, none)) & ~unfinished
            if mask.any():
                ax.plot(
                    x[mask], np.full(mask.sum(), 0.97 - 0.035 * k), "x", markersize=5,
                    color=COLOURS[k % len(COLOURS)], transform=ax.get_xaxis_transform(),
                    label=label,
                )  # fmt: skip
                label = "_"

    @classmethod
    def from_sweep(
        cls,
        result: Result,
        *,
        quantity: Literal["iterations", "loss", "metric"] = "iterations",
        x: str | None = None,
        predicted: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
        over: str | None = "rng",
        average: Literal["mean", "median"] = "mean",
        ax: Axes | None = None,
    ) -> Self:
        """Draw one axis of a sweep to scale, with a line for each combination of the others, averaged over the seeds.

        Parameters
        ----------
        result : SweepResult
        quantity : {"iterations", "loss", "metric"}, default "iterations"
            Only converged runs show iterations; diverged runs show neither loss nor metric.
        x : str, optional
            The axis drawn to scale; the longest numeric one by default.
        predicted : array_like, or a pair of them, optional
            A closed form: values at the points of the axis, or (x, y).
        over : str, optional
            The axis to average over: by default the seeds, "rng", unless they are drawn. Bars are standard errors.
            None: a line for each seed.
        average : {"mean", "median"}, default "mean"
            How to average.
        ax : matplotlib Axes, optional

        Returns
        -------
        IterationsDisplay

        Raises
        ------
        ValueError
            If no axis is numeric, `x` is not one of them, or more than six lines would result.
        """
        x = numeric_axis(result, x, over)
        what = shown(result, quantity, None if over == x else over, average)
        values = np.asarray(what.axes[x], np.float64)
        position = 0 if result.paired else list(what.axes).index(x)

        def in_rows(array: NDArray[Any]) -> NDArray[Any]:
            return np.moveaxis(array, position, -1).reshape(-1, values.size)[:, order]

        order = np.argsort(values)
        rows, diverged, growing = map(in_rows, (what.values, what.diverged, what.growing))
        if len(rows) > MOST_LINES:
            raise ValueError(
                f'kind="{quantity}" draws at most {MOST_LINES} lines and this sweep has '
                f'{len(rows)}; use kind="heatmap", or sweep fewer values'
            )
        only = "counted" if result.metric is None and not result.paired else "runs"
        told = {name: result.shown_axes[name] for name in what.axes}
        names = [only] if result.paired else [name or only for name in combinations(told, x)]
        if result.paired and diverged.any():  # diverged runs lie between others: no band
            names = [f"{only}; {int(diverged.sum())} more diverged"]

        def by_line(array: NDArray[Any]) -> dict[str, NDArray[Any]]:
            return dict(zip(names, array, strict=True))

        if predicted is not None and not isinstance(predicted, tuple):
            predicted = (
                values,
                np.broadcast_to(np.asarray(predicted, np.float64), values.shape),
            )
        display = cls(
            x=values[order],
            lines=by_line(rows),
            failed=None if result.paired else np.asarray(diverged.all(axis=0)),
            growing=None if result.paired else np.asarray((diverged | growing).all(axis=0)),
            unfinished=by_line(np.isnan(rows) & ~diverged),
            errors=None if what.error is None else by_line(in_rows(what.error)),
            partial=None if what.error is None else by_line(in_rows(what.partial)),
            stopped=by_line(in_rows(what.stopped)),
            curve=predicted,
            x_name=axis_name(x),
            y_name=what.name,
            connected=not result.paired,
        )
        return display.plot(ax)


def _around(x: NDArray[np.float64], marked: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Intervals around marked runs, half way to their neighbours; those at the ends have none on one side."""
    order = np.argsort(x)
    edges = cell_edges(x[order])
    edges[0], edges[-1] = -np.inf, np.inf
    return [(float(edges[i]), float(edges[j])) for i, j in stretches_of(marked[order])]


def _draw_band(
    ax: Axes, stretches: Sequence[tuple[float, float]], name: str, look: tuple[str, str | None]
) -> None:
    """Fill parts of the axis from bottom to top; `look` is the colour and the hatch."""
    left, right = ax.get_xlim()
    inside = [(max(start, left), min(stop, right)) for start, stop in stretches]
    bands = [(start, stop - start) for start, stop in inside if start < stop]
    if bands:
        ax.broken_barh(
            bands, (0.0, 1.0), transform=ax.get_xaxis_transform(), facecolor=look[0],
            edgecolor="#C4C4C4", hatch=look[1], linewidth=0, zorder=0, label=name,
        )  # fmt: skip
    ax.set_xlim(left, right)
