"""`HeatMapDisplay`: a quantity over two hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import (
    INK,
    NAMES,
    axis_name,
    draw_hatched,
    draw_star,
    increasing,
    is_even,
    is_geometric,
    label_1_2_5,
    legend_above,
    placed_marks,
    spans_decades,
)
from fastgd.plotting.display import Display
from fastgd.plotting.labels import as_drawn, axis_label, is_numeric, shortened
from fastgd.plotting.result import Result, shown, two_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LABELS = 12  # of cells side by side


@dataclass(repr=False)
class HeatMapDisplay(Display):
    """A value for every cell of a grid; the best, the diverged and the unfinished cells are marked.

    Parameters
    ----------
    x, y : sequence
        The axes' values. Numbers at equal distances, or in equal ratios, are drawn to scale; other values side by side,
        in cells of one size, unless there is a `boundary`.
    values : array_like of shape (len(y), len(x))
        The values shown as colours; nan where there is none.
    diverged, unfinished : array_like of bool, same shape, optional
        Cells to hatch, and cells to fill with dots.
    partial : array_like of bool, same shape, optional
        Cells to draw stripes over: some of the runs that were averaged have no value.
    stopped : array_like of bool, same shape, optional
        Where the run was stopped early, so that its value is that of fewer updates.
    best : tuple of int, optional
        (row, column) of the cell to mark with a star.
    x_name, y_name, value_name : str
        Labels of the axes and of the colour bar.
    boundary : tuple of two array_like, optional
        A line (x, y) drawn over the cells, such as the limit of stability.
    boundary_name : str, default "limit of stability"
        Its name in the legend.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = HeatMapDisplay([0.1, 0.2], [0.0, 0.9], [[40, 20], [90, 80]], best=(0, 1))
    >>> display.plot().figure_.savefig("map.png")  # doctest: +SKIP
    """

    size: ClassVar[tuple[float, float]] = (8.4, 5.2)

    x: Sequence[Any]
    y: Sequence[Any]
    values: ArrayLike
    diverged: ArrayLike | None = None
    unfinished: ArrayLike | None = None
    best: tuple[int, int] | None = None
    x_name: str = NAMES["lr"]
    y_name: str = "momentum"
    value_name: str = NAMES["iterations"]
    boundary: tuple[ArrayLike, ArrayLike] | None = None
    boundary_name: str = "limit of stability"
    partial: ArrayLike | None = field(default=None, kw_only=True)
    stopped: ArrayLike | None = field(default=None, kw_only=True)

    def _draw(self, ax: Axes) -> None:
        from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415  (heavy)

        values = np.asarray(self.values, np.float64)
        xs, x_edges = placed_marks(self.x, self._to_scale(self.x))
        ys, y_edges = placed_marks(self.y, self._to_scale(self.y))
        seen = values[np.isfinite(values)]
        norm = LogNorm if spans_decades(seen) else Normalize
        limits = (float(seen.min()), _colour_top(seen)) if seen.size else (0.0, 1.0)
        mesh = ax.pcolormesh(
            x_edges, y_edges, np.ma.masked_invalid(values), cmap="cividis_r", norm=norm(*limits),
            rasterized=True,
        )  # fmt: skip
        marks = (
            ("diverged", self.diverged, "#EDEDED", "xxx"),
            ("not converged in time", self.unfinished, "white", "..."),
            ("some runs have no value", self.partial, "none", "///"),
            ("stopped early", self.stopped, "none", "|||"),
        )
        for name, cells, fill, pattern in marks:
            if cells is not None and np.any(cells):
                draw_hatched(ax, np.asarray(cells, bool), (x_edges, y_edges), (name, fill, pattern))
        if self.boundary is not None:
            ax.plot(*self.boundary, "--", color=INK, linewidth=1.4, label=self.boundary_name)
        if self.best is not None:
            draw_star(ax, xs[self.best[1]], ys[self.best[0]], "best")
        self._label(ax, mesh, (xs, ys), (x_edges, y_edges))

    def _to_scale(self, values: Sequence[Any]) -> bool:
        """Whether the axis is drawn to scale; a boundary has to be."""
        return is_even(values) or (self.boundary is not None and is_numeric(tuple(values)))

    def _label(self, ax: Axes, mesh: Any, places: Any, edges: Any) -> None:
        figure: Figure = ax.figure  # type: ignore[assignment]
        above = np.any(mesh.get_array() > mesh.norm.vmax)
        bar = figure.colorbar(
            mesh, ax=ax, label=self.value_name, extend="max" if above else "neither"
        )
        if "iterations" in self.value_name and bar.ax.get_yscale() == "log":
            label_1_2_5(bar.ax.yaxis)
        for axis, values, place in ((ax.xaxis, self.x, places[0]), (ax.yaxis, self.y, places[1])):
            if not self._to_scale(values):
                kept = slice(None, None, -(-len(values) // _MOST_LABELS))
                labels = [as_drawn(shortened(axis_label(v))) for v in values[kept]]
                axis.set_ticks(place[kept], labels)
        if is_geometric(self.x):
            ax.set_xscale("log")
        if is_geometric(self.y):
            ax.set_yscale("log")
        ax.set_xlim(edges[0][0], edges[0][-1])
        ax.set_ylim(edges[1][0], edges[1][-1])
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        legend_above(ax)

    @classmethod
    def from_sweep(
        cls,
        result: Result,
        *,
        quantity: Literal["iterations", "loss", "metric"] = "iterations",
        x: str | None = None,
        y: str | None = None,
        boundary: tuple[ArrayLike, ArrayLike] | None = None,
        over: str | None = "rng",
        average: Literal["mean", "median"] = "mean",
        ax: Axes | None = None,
    ) -> Self:
        """Draw two axes of a sweep; each cell shows the best over the other axes, on average over the seeds.

        As in `SweepResult.best`, a combination of which a run has no value is worse than any of which all have one.

        Parameters
        ----------
        result : SweepResult
        quantity : {"iterations", "loss", "metric"}, default "iterations"
            The value of a cell: iterations of the runs that converged, or the loss or metric of all
            that did not diverge.
        x, y : str, optional
            The axes to draw; the two longest by default, ``"lr"`` across.
        boundary : tuple of two array_like, optional
            As in the class.
        over : str, optional
            The axis to average over: by default the seeds, "rng", unless they are drawn. None: the best run of all.
        average : {"mean", "median"}, default "mean"
            How to average.
        ax : matplotlib Axes, optional

        Returns
        -------
        HeatMapDisplay

        Raises
        ------
        ValueError
            If the sweep has fewer than two axes, or `x` or `y` is not one of them.
        """
        x, y = two_axes(result, x, y, over)
        what = shown(result, quantity, None if over in (x, y) else over, average)
        sign = -1.0 if quantity == "metric" else 1.0  # the highest metric is the best
        values = _on_cells(what.axes, np.where(what.without < 1, sign * what.values, np.inf), y, x)
        without = _on_cells(what.axes, what.without, y, x)
        # Runs that were stopped made fewer updates than others: they come last, as in `SweepResult.best`.
        rank = np.where(without < 1, without + 2.0 * _on_cells(what.axes, what.stopped, y, x), 4.0)
        first = rank.min(axis=-1)
        cells = np.where(rank == first[..., None], values, np.inf).min(axis=-1)
        diverged = np.asarray(_on_cells(what.axes, what.diverged, y, x).all(axis=-1))
        order = np.ix_(increasing(result.axes[y]), increasing(result.axes[x]))
        cells, first, diverged = (a[order] for a in (cells, first, diverged))
        found = first < 4
        best = None
        if found.any() and over not in (x, y):  # of cells that are single seeds none is the best
            place = np.lexsort([cells.ravel(), first.ravel()])[0]
            row, column = np.unravel_index(place, cells.shape)
            best = int(row), int(column)
        display = cls(
            x=[result.shown_axes[x][k] for k in increasing(result.axes[x])],
            y=[result.shown_axes[y][k] for k in increasing(result.axes[y])],
            values=np.where(found, sign * cells, np.nan),
            diverged=diverged,
            unfinished=~found & ~diverged,
            partial=(first % 2 > 0) & found if over is not None else None,
            stopped=(first >= 2) & found,
            best=best,
            x_name=axis_name(x),
            y_name=axis_name(y),
            value_name=what.name,
            boundary=boundary,
        )
        return display.plot(ax)


def _colour_top(values: NDArray[np.float64]) -> float:
    """Upper end of the colours: the maximum, or the 99 % quantile where a few values are far above it."""
    top, most = float(values.max()), float(np.quantile(values, 0.99))
    return most if top > 3.0 * most > 3.0 * values.min() > 0 else top


def _on_cells(axes: Mapping[str, Any], array: NDArray[Any], y: str, x: str) -> NDArray[Any]:
    """The array with the shape (y, x, product of the other axes)."""
    names = list(axes)
    moved = np.moveaxis(array, (names.index(y), names.index(x)), (0, 1))
    return moved.reshape(*moved.shape[:2], -1)
