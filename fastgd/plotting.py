"""Pictures of sweeps and descents, as objects that can be drawn again on other axes.

Each display holds its data and has a ``plot(ax=None)`` that draws it and keeps what it drew
(``ax_``, ``figure_``). Colours are told apart by people who see fewer of them (Okabe and Ito's
palette, cividis), and nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.results import REGIMES, Status, axis_label, is_numeric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastgd.results import SweepResult

__all__ = ["HeatMapDisplay", "IterationsDisplay", "LossCurveDisplay", "PhaseDiagramDisplay"]

# Okabe & Ito (2008), without yellow (too pale for a line) and black (kept for reference lines).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
GREY, INK = "#8A8A8A", "#222222"

_NAMES = {
    "lr": "learning rate",
    "x0": "starting point",
    "rng": "seed",
    "iterations": "iterations until the slope is below the tolerance",
    "loss": "loss at the end",
    "batch_size": "batch size",
}
_MOST_LINES = len(COLOURS)


def _new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # noqa: PLC0415  (heavy)

    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def _dress(ax: Axes) -> None:
    """Quiet frame and grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)


def _legend_above(ax: Axes) -> None:
    """Outside the frame, where it can hide nothing; in one row if there is room."""
    names = ax.get_legend_handles_labels()[1]
    if not names:
        return
    room = 14.0 * ax.figure.get_figwidth() * ax.get_position().width  # type: ignore[union-attr]
    widths = [len(name) + 7 for name in names]
    columns = len(names) if sum(widths) <= room else max(1, int(room // max(widths)))
    ax.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=columns, frameon=False,
        borderaxespad=0.0, handlelength=2.2, columnspacing=1.6,
    )  # fmt: skip


def _label_1_2_5(axis: Any) -> None:
    """Plain numbers at 1, 2, 5, 10, 20, ... of a logarithmic axis of counts."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415  (heavy)

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _spans_decades(values: NDArray[np.float64], ratio: float = 10.0) -> bool:
    """Whether a logarithmic scale shows more: all positive, largest over smallest > `ratio`."""
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > ratio * values.min())


# --- iterations against the rate ------------------------------------------------------------------


@dataclass
class IterationsDisplay:
    """What came out of each run, against one number that was varied.

    Parameters
    ----------
    x : array_like of shape (n,)
        The values of the varied number.
    lines : dict of str to array_like of shape (n,)
        What is drawn for each, by the name in the legend; nan where a run gave no value.
    failed : array_like of bool of shape (n,), optional
        Where every run diverged: drawn as a hatched band.
    unfinished : dict of str to array_like of bool of shape (n,), optional
        By line, where its run neither converged nor diverged: a cross at the top, in its colour.
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
        What `plot` drew on.

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
    x_name: str = _NAMES["lr"]
    y_name: str = _NAMES["iterations"]
    curve_name: str = "closed form"
    connected: bool = True
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        IterationsDisplay
            Itself, with ``ax_`` and ``figure_`` set.
        """
        ax = _new_axes(ax, (8.0, 4.8))
        x = np.asarray(self.x, np.float64)
        lines = {name: np.asarray(y, np.float64) for name, y in self.lines.items()}
        self._draw_curve(ax)
        joined = self.connected and self.curve is None
        for k, (name, y) in enumerate(lines.items()):
            style = MARKERS[k % len(MARKERS)]
            # Later lines are smaller, so that an equal point shows as one inside the other.
            size = max(3.0, 7.5 - 3.0 * k) if self.curve is not None else 5.0
            size = size if x.size <= 200 else 2.0
            ax.plot(
                x, y, style, color=COLOURS[k % len(COLOURS)], markersize=size, label=name,
                markerfacecolor="white" if k == 0 and len(lines) > 1 else None, zorder=3,
                linestyle="-" if joined and x.size <= 60 else "none", linewidth=1,
            )  # fmt: skip
        self._scale(ax, x, np.concatenate([y[np.isfinite(y)] for y in lines.values()] or [x]))
        self._draw_band(ax, x)
        self._draw_unfinished(ax, x)
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        _dress(ax)
        _legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_curve(self, ax: Axes) -> None:
        if self.curve is not None:
            cx, cy = (np.asarray(values, np.float64) for values in self.curve)
            cy = np.where(np.isfinite(cy), cy, np.nan)
            ax.plot(cx, cy, "-", color=INK, linewidth=1.1, label=self.curve_name, zorder=2)

    def _scale(self, ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        if _is_geometric(x.tolist()) or _spans_decades(x, 50.0):
            ax.set_xscale("log")
        else:
            margin = 0.03 * (np.ptp(x) or 1.0)
            ax.set_xlim(x.min() - margin, x.max() + margin)
        if _spans_decades(y):
            ax.set_yscale("log")
            ax.set_ylim(0.8 * y.min(), 1.35 * y.max())
            if y.max() < 1e6 and y.min() >= 1:
                _label_1_2_5(ax.yaxis)
        elif y.size and np.abs(y).max() > 1e6 * np.median(np.abs(y)) > 0:
            # Runs on their way to infinity leave the frame instead of flattening the others.
            y = y[np.abs(y) <= 1e6 * np.median(np.abs(y))]
            margin = 0.06 * (np.ptp(y) or 1.0)
            ax.set_ylim(y.min() - margin, y.max() + margin)
        if ax.get_yscale() == "linear":
            ax.ticklabel_format(axis="y", useOffset=False)
            ax.yaxis.get_offset_text().set_horizontalalignment("right")

    def _draw_band(self, ax: Axes, x: NDArray[np.float64]) -> None:
        left, right = ax.get_xlim()
        bands = [(max(start, left), min(stop, right)) for start, stop in self._bands(x)]
        bands = [(start, stop - start) for start, stop in bands if start < stop]
        if bands:
            ax.broken_barh(
                bands, (0.0, 1.0), transform=ax.get_xaxis_transform(), facecolor="#F1F1F1",
                edgecolor="#C4C4C4", hatch="///", linewidth=0, zorder=0, label="diverged",
            )  # fmt: skip
        ax.set_xlim(left, right)

    def _draw_unfinished(self, ax: Axes, x: NDArray[np.float64]) -> None:
        label = "not converged in time"
        for k, name in enumerate(self.lines):
            mask = np.asarray((self.unfinished or {}).get(name, False), bool)
            if mask.any():
                ax.plot(
                    x[mask], np.full(mask.sum(), 0.97 - 0.035 * k), "x", markersize=5,
                    color=COLOURS[k % len(COLOURS)], transform=ax.get_xaxis_transform(),
                    label=label,
                )  # fmt: skip
                label = "_"

    def _bands(self, x: NDArray[np.float64]) -> list[tuple[float, float]]:
        """Intervals around the failed runs, half way to their neighbours."""
        if self.unstable_from is not None:
            return [(self.unstable_from, np.inf)]
        if self.failed is None:
            return []
        failed: NDArray[np.bool_] = np.asarray(self.failed, bool)
        order = np.argsort(x)
        edges = cell_edges(x[order])
        edges[0], edges[-1] = -np.inf, np.inf
        return [(edges[i], edges[j]) for i, j in _stretches(failed[order])]

    @classmethod
    def from_sweep(
        cls,
        result: SweepResult,
        *,
        quantity: Literal["iterations", "loss", "metric"] = "iterations",
        x: str | None = None,
        predicted: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw one axis of a sweep to scale, with a line for each combination of the others.

        Parameters
        ----------
        result : SweepResult
        quantity : {"iterations", "loss", "metric"}, default "iterations"
            Runs that did not converge have no iterations to show; those that diverged, no loss or metric.
        x : str, optional
            The axis drawn to scale; the longest numeric one by default.
        predicted : array_like, or a pair of them, optional
            A closed form: values at the axis' own points, or (x, y).
        ax : matplotlib Axes, optional

        Returns
        -------
        IterationsDisplay

        Raises
        ------
        ValueError
            If no axis is numeric, `x` is not one of them, or more than six lines would result.
        """
        x = _numeric_axis(result, x)
        values = np.asarray(result.axes[x], np.float64)
        position = 0 if result.paired else list(result.axes).index(x)
        y = np.where(_usable(result, quantity), getattr(result, quantity), np.nan)
        rows = np.moveaxis(y, position, -1).reshape(-1, values.size)
        only = "counted" if result.metric is None and not result.paired else "runs"
        names = [name or only for name in _combinations(result, without=x)]
        if len(rows) > _MOST_LINES:
            raise ValueError(
                f'kind="{quantity}" draws at most {_MOST_LINES} lines and this sweep has '
                f'{len(rows)}; use kind="heatmap", or sweep fewer values'
            )
        order = np.argsort(values)
        diverged = np.moveaxis(result.diverged, position, -1).reshape(-1, values.size)
        unfinished = np.isnan(rows) & ~diverged
        if result.paired and diverged.any():  # between others, where no band can be
            names = [f"{only}; {int(diverged.sum())} more diverged"]
        if predicted is not None and not isinstance(predicted, tuple):
            predicted = (values, np.broadcast_to(np.asarray(predicted, np.float64), values.shape))
        display = cls(
            x=values[order],
            lines=dict(zip(names, rows[:, order], strict=True)),
            failed=None if result.paired else np.asarray(diverged.all(axis=0))[order],
            unfinished=dict(zip(names, unfinished[:, order], strict=True)),
            curve=predicted,
            x_name=_NAMES.get(x, x),
            y_name=_quantity_name(result, quantity),
            connected=not result.paired,
        )
        return display.plot(ax)


# --- loss against the step ------------------------------------------------------------------------


@dataclass
class LossCurveDisplay:
    """Loss against the step, for several descents.

    Parameters
    ----------
    curves : dict of str to array_like or pair of array_like
        By the name in the legend: the loss at steps 0, 1, 2, ..., or (steps, losses).
    x_name, y_name : str
        Axis labels, with units where there are any.
    marked : dict of str to float, optional
        By curve, a step at which it has a point: that of the parameters that were kept, say.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What `plot` drew on.

    Examples
    --------
    >>> display = LossCurveDisplay({"SGD": [4.0, 2.0, 1.0], "Adam": ([0, 2], [4.0, 0.5])})
    >>> display.plot().figure_.savefig("loss.png")  # doctest: +SKIP
    """

    curves: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]]
    x_name: str = "iteration"
    y_name: str = "loss"
    marked: Mapping[str, float] | None = None
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        LossCurveDisplay
            Itself, with ``ax_`` and ``figure_`` set.
        """
        ax = _new_axes(ax, (8.0, 4.8))
        drawn = []
        for k, (name, curve) in enumerate(self.curves.items()):
            steps, loss = _steps_and_loss(curve)
            round_, colour = divmod(k, len(COLOURS))
            ax.plot(
                steps, loss, color=COLOURS[colour], linestyle=DASHES[(k + round_) % len(DASHES)],
                linewidth=1.6, label=name, marker="o" if loss.size == 1 else None,
            )  # fmt: skip
            at = steps == (self.marked or {}).get(name, np.nan)
            if at.any():
                ax.plot(steps[at], loss[at], MARKERS[colour], color=COLOURS[colour], markersize=6)
            drawn.append(loss)
        if drawn and _spans_decades(np.concatenate(drawn)):
            ax.set_yscale("log")
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        _dress(ax)
        _legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _steps_and_loss(curve: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Losses that are not finite are left out of the line."""
    if isinstance(curve, tuple):
        steps, loss = (np.asarray(part, np.float64) for part in curve)
    else:
        loss = np.asarray(curve, np.float64)
        steps = np.arange(loss.size, dtype=np.float64)
    return steps, np.where(np.isfinite(loss), loss, np.nan)


# --- a heat map over two axes -----------------------------------------------------------------------


@dataclass
class HeatMapDisplay:
    """A value for every cell of two axes; diverged and unfinished cells and the best are marked.

    Parameters
    ----------
    x, y : sequence
        The axes' values: numbers are drawn to scale, anything else side by side.
    values : array_like of shape (len(y), len(x))
        What the colour says; nan where there is nothing to say.
    diverged, unfinished : array_like of bool, same shape, optional
        Cells to hatch, and cells to leave blank with dots.
    best : tuple of int, optional
        (row, column) of the cell to ring.
    x_name, y_name, value_name : str
        Labels of the axes and of the colour bar.
    boundary : tuple of two array_like, optional
        A line (x, y) drawn over the cells, such as the limit of stability.
    boundary_name : str, default "limit of stability"
        Its name in the legend.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What `plot` drew on.

    Examples
    --------
    >>> display = HeatMapDisplay([0.1, 0.2], [0.0, 0.9], [[40, 20], [90, 80]], best=(0, 1))
    >>> display.plot().figure_.savefig("map.png")  # doctest: +SKIP
    """

    x: Sequence[Any]
    y: Sequence[Any]
    values: ArrayLike
    diverged: ArrayLike | None = None
    unfinished: ArrayLike | None = None
    best: tuple[int, int] | None = None
    x_name: str = _NAMES["lr"]
    y_name: str = "momentum"
    value_name: str = _NAMES["iterations"]
    boundary: tuple[ArrayLike, ArrayLike] | None = None
    boundary_name: str = "limit of stability"
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        HeatMapDisplay
            Itself, with ``ax_`` and ``figure_`` set.
        """
        from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415  (heavy)

        ax = _new_axes(ax, (8.4, 5.2))
        values = np.asarray(self.values, np.float64)
        xs, x_edges = _placed(self.x)
        ys, y_edges = _placed(self.y)
        seen = values[np.isfinite(values)]
        norm = LogNorm if _spans_decades(seen) else Normalize
        limits = (float(seen.min()), _colour_top(seen)) if seen.size else (0.0, 1.0)
        mesh = ax.pcolormesh(
            x_edges, y_edges, np.ma.masked_invalid(values), cmap="cividis_r", norm=norm(*limits),
            rasterized=True,
        )  # fmt: skip
        marks = (
            ("diverged", self.diverged, "#EDEDED", "xxx"),
            ("not converged in time", self.unfinished, "white", "..."),
        )
        for name, cells, fill, hatch in marks:
            if cells is not None and np.any(cells):
                _hatch(ax, np.asarray(cells, bool), (x_edges, y_edges), (name, fill, hatch))
        if self.boundary is not None:
            ax.plot(*self.boundary, "--", color=INK, linewidth=1.4, label=self.boundary_name)
        if self.best is not None:
            ax.plot(
                xs[self.best[1]], ys[self.best[0]], "*", markersize=17, color="#D55E00",
                markeredgecolor="white", markeredgewidth=1.3, linestyle="none", label="best",
                zorder=5,
            )  # fmt: skip
        self._label(ax, mesh, (xs, ys), (x_edges, y_edges))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label(self, ax: Axes, mesh: Any, places: Any, edges: Any) -> None:
        figure: Figure = ax.figure  # type: ignore[assignment]
        above = np.any(mesh.get_array() > mesh.norm.vmax)
        bar = figure.colorbar(
            mesh, ax=ax, label=self.value_name, extend="max" if above else "neither"
        )
        if "iterations" in self.value_name and bar.ax.get_yscale() == "log":
            _label_1_2_5(bar.ax.yaxis)
        for axis, values, place in ((ax.xaxis, self.x, places[0]), (ax.yaxis, self.y, places[1])):
            if not is_numeric(tuple(values)):
                axis.set_ticks(place, [_short(axis_label(v)) for v in values])
        if _is_geometric(self.x):
            ax.set_xscale("log")
        if _is_geometric(self.y):
            ax.set_yscale("log")
        ax.set_xlim(edges[0][0], edges[0][-1])
        ax.set_ylim(edges[1][0], edges[1][-1])
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        _legend_above(ax)

    @classmethod
    def from_sweep(
        cls,
        result: SweepResult,
        *,
        quantity: Literal["iterations", "loss", "metric"] = "iterations",
        x: str | None = None,
        y: str | None = None,
        boundary: tuple[ArrayLike, ArrayLike] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw two axes of a sweep; over any others the best run is taken for each cell.

        Parameters
        ----------
        result : SweepResult
        quantity : {"iterations", "loss", "metric"}, default "iterations"
            What the colour says: iterations of the runs that converged, or the loss or metric of all
            that did not diverge.
        x, y : str, optional
            The axes to draw; the two longest by default, ``"lr"`` across.
        boundary : tuple of two array_like, optional
            As in the class.
        ax : matplotlib Axes, optional

        Returns
        -------
        HeatMapDisplay

        Raises
        ------
        ValueError
            If the sweep has fewer than two axes, or `x` or `y` is none of them.
        """
        x, y = _two_axes(result, x, y)
        sign = -1.0 if quantity == "metric" else 1.0  # whether the highest is the best
        found = np.where(_usable(result, quantity), sign * getattr(result, quantity), np.inf)
        values = _on_cells(result, found, y, x)
        rows, columns = _increasing(result.axes[y]), _increasing(result.axes[x])
        cells = values.min(axis=-1)[np.ix_(rows, columns)]
        diverged = np.asarray(_on_cells(result, result.diverged, y, x).all(axis=-1))
        diverged = diverged[np.ix_(rows, columns)]
        found = np.isfinite(cells)
        best = np.unravel_index(int(np.argmin(cells)), cells.shape) if found.any() else None
        display = cls(
            x=[result.axes[x][k] for k in columns],
            y=[result.axes[y][k] for k in rows],
            values=np.where(found, sign * cells, np.nan),
            diverged=diverged,
            unfinished=~found & ~diverged,
            best=None if best is None else (int(best[0]), int(best[1])),
            x_name=_NAMES.get(x, x),
            y_name=_NAMES.get(y, y),
            value_name=_quantity_name(result, quantity),
            boundary=boundary,
        )
        return display.plot(ax)


# --- a phase diagram over two axes ------------------------------------------------------------------

# What a regime looks like: colour, hatch.
_REGIME_LOOKS = {
    "monotone": ("#56B4E9", ""),
    "oscillating": ("#E69F00", ""),
    "slow": ("#BDBDBD", ""),
    "cycling": ("#7F7F7F", "..."),
    "diverged": ("#EDEDED", "xxx"),
}


@dataclass
class PhaseDiagramDisplay:
    """How descent ends over two numbers that were varied, measured, with what theory says over it.

    Parameters
    ----------
    x, y : array_like of shape (columns,) and (rows,)
        The axes' values, increasing.
    regimes : array_like of str, shape (rows, columns)
        The regime of each cell, in the words of `fastgd.SweepResult`; ``""`` for nothing.
    predicted : array_like of str, same shape, optional
        The same by theory: lines are drawn where it changes.
    lines : dict of str to pair of array_like, optional
        Further lines (x, y), by the name in the legend.
    best : tuple of float, optional
        A point (x, y) to mark with a star.
    x_name, y_name : str
        Axis labels.
    title : str, default ""
        Above the picture, for one of several beside each other.
    legend : bool, default True
        Whether to add one.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What `plot` drew on.

    Examples
    --------
    >>> seen = [["monotone", "diverged"], ["monotone", "oscillating"]]
    >>> display = PhaseDiagramDisplay([0.1, 0.2], [0.0, 0.9], seen)
    >>> display.plot().figure_.savefig("phases.png")  # doctest: +SKIP
    """

    x: ArrayLike
    y: ArrayLike
    regimes: ArrayLike
    predicted: ArrayLike | None = None
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]] = field(default_factory=dict)
    best: tuple[float, float] | None = None
    x_name: str = _NAMES["lr"]
    y_name: str = "momentum"
    title: str = ""
    legend: bool = True
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        PhaseDiagramDisplay
            Itself, with ``ax_`` and ``figure_`` set.
        """
        ax = _new_axes(ax, (8.4, 5.2))
        seen = np.asarray(self.regimes, str)
        _, x_edges = _placed(np.asarray(self.x, np.float64).tolist())
        _, y_edges = _placed(np.asarray(self.y, np.float64).tolist())
        for name in REGIMES:
            if (seen == name).any():
                fill, hatch = _REGIME_LOOKS[name]
                _hatch(ax, seen == name, (x_edges, y_edges), (name, fill, hatch))
        if self.predicted is not None:
            self._draw_boundaries(ax)
        for k, (name, line) in enumerate(self.lines.items()):
            ax.plot(*line, DASHES[(k + 1) % len(DASHES)], color=COLOURS[2], linewidth=2, label=name)
        if self.best is not None:
            ax.plot(
                *self.best, "*", markersize=15, color="#D55E00", markeredgecolor="white",
                markeredgewidth=1.2, linestyle="none", label="best pair", zorder=5,
            )  # fmt: skip
        ax.set_xlim(x_edges[0], x_edges[-1])
        ax.set_ylim(y_edges[0], y_edges[-1])
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        ax.set_title(self.title, fontsize="medium", loc="left")
        if self.legend:
            _legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_boundaries(self, ax: Axes) -> None:
        predicted = np.asarray(self.predicted, str)
        drawn = False
        for name in ("oscillating", "diverged"):
            inside = (predicted == name).astype(float)
            if 0 < inside.sum() < inside.size:
                style = "-" if name == "diverged" else "--"
                ax.contour(self.x, self.y, inside, [0.5], colors=INK, linestyles=style)
                drawn = True
        if drawn:
            ax.plot([], [], "-", color=INK, label="predicted borders")

    @classmethod
    def from_sweep(
        cls,
        result: SweepResult,
        *,
        predicted: ArrayLike | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Draw a sweep over two numeric axes, the first across.

        Parameters
        ----------
        result : SweepResult
            Two axes, both numeric.
        predicted : array_like of str, shaped like the axes, optional
            What theory says, for example `fastgd.theory.predicted_regime`.
        ax : matplotlib Axes, optional
        **options
            Further fields of the class.

        Returns
        -------
        PhaseDiagramDisplay

        Raises
        ------
        ValueError
            If the sweep has not exactly two numeric axes, or `predicted` another shape.
        """
        if len(result.shape) != 2 or not all(map(is_numeric, result.axes.values())):
            raise ValueError(f"a phase diagram needs two numeric axes, got {list(result.axes)}")
        if predicted is not None and np.shape(predicted) != result.shape:
            raise ValueError(
                f"predicted must have the shape {result.shape}, got {np.shape(predicted)}"
            )
        (x_name, x), (y_name, y) = result.axes.items()
        cells = np.ix_(_increasing(x), _increasing(y))
        names = {"x_name": _NAMES.get(x_name, x_name), "y_name": _NAMES.get(y_name, y_name)}
        display = cls(
            x=sorted(x),
            y=sorted(y),
            regimes=result.regime[cells].T,
            predicted=None if predicted is None else np.asarray(predicted, str)[cells].T,
            **names | options,
        )
        return display.plot(ax)


# --- parts ------------------------------------------------------------------------------------------


def cell_edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half way between neighbours (geometrically where they are spaced so); one more than cells."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    if _is_geometric(centres.tolist()):
        return np.exp(cell_edges(np.log(centres)))
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def _colour_top(values: NDArray[np.float64]) -> float:
    """Where the colours end: at the maximum, or before a few values that would take up most of them."""
    top, most = float(values.max()), float(np.quantile(values, 0.99))
    return most if top > 3.0 * most > 3.0 * values.min() > 0 else top


def _is_geometric(values: Sequence[Any]) -> bool:
    """Whether more than two positive numbers grow by one factor, and by more than tenfold."""
    if len(values) < 3 or not is_numeric(tuple(values)) or min(values) <= 0:
        return False
    steps = np.diff(np.log(np.asarray(values, np.float64)))
    return bool(np.allclose(steps, steps[0], rtol=1e-3) and abs(steps.sum()) > np.log(10))


def _placed(values: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres and edges: numbers in increasing or decreasing order to scale, others side by side."""
    numeric = is_numeric(tuple(values))
    centres = np.asarray(values, np.float64) if numeric else np.arange(len(values), dtype=float)
    edges = cell_edges(centres)
    # No cell reaches below 0 where no value does: a momentum of 0 is an end of its range.
    return centres, np.maximum(edges, 0.0) if numeric and centres.min() >= 0 else edges


def _increasing(values: tuple[Any, ...]) -> list[int]:
    """The order in which an axis is drawn: numbers sorted, others as they came."""
    order = range(len(values))
    return sorted(order, key=lambda k: values[k]) if is_numeric(values) else list(order)


def _stretches(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open intervals of consecutive true values."""
    change = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    starts, stops = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _hatch(ax: Axes, cells: NDArray[np.bool_], edges: Any, look: tuple[str, str, str]) -> None:
    """One rectangle for each stretch of marked cells in a row."""
    from matplotlib.collections import PatchCollection  # noqa: PLC0415  (heavy)
    from matplotlib.patches import Patch, Rectangle  # noqa: PLC0415

    name, fill, hatch = look
    x, y = edges
    patches: list[Patch] = [
        Rectangle((x[i], y[row]), x[j] - x[i], y[row + 1] - y[row])
        for row in range(len(cells))
        for i, j in _stretches(cells[row])
    ]
    style: dict[str, Any] = {"facecolor": fill, "edgecolor": "#A9A9A9", "hatch": hatch}
    ax.add_collection(PatchCollection(patches, linewidth=0, **style), autolim=False)
    ax.add_patch(Rectangle((np.nan, np.nan), 0, 0, linewidth=0.5, label=name, **style))


def _usable(result: SweepResult, quantity: str) -> NDArray[np.bool_]:
    """Which runs have this quantity to show."""
    usable = result.converged
    if quantity != "iterations":
        usable = np.isfinite(np.asarray(getattr(result, quantity), np.float64))
    return np.asarray(usable & ~np.isin(result.status, (Status.DIVERGED, Status.NOT_RUN)))


def _numeric_axis(result: SweepResult, name: str | None) -> str:
    numeric = [n for n, values in result.axes.items() if is_numeric(values)]
    if name is None:
        if not numeric:
            raise ValueError(f"the sweep has no numeric axis to draw, only {list(result.axes)}")
        return max(numeric, key=lambda n: len(result.axes[n]))
    if name not in numeric:
        raise ValueError(f"x must be a numeric axis, one of {numeric}, got {name!r}")
    return name


def _two_axes(result: SweepResult, x: str | None, y: str | None) -> tuple[str, str]:
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
    longest = sorted(names, key=lambda n: (n != "lr", -len(result.axes[n])))
    longest = [name for name in longest if name not in (x, y)]
    x = x or longest.pop(0)
    return x, y or longest.pop(0)


def _on_cells(result: SweepResult, array: NDArray[Any], y: str, x: str) -> NDArray[Any]:
    """Shape (y, x, all others)."""
    names = list(result.axes)
    moved = np.moveaxis(array, (names.index(y), names.index(x)), (0, 1))
    return moved.reshape(*moved.shape[:2], -1)


def _combinations(result: SweepResult, without: str) -> list[str]:
    """The legend's names for all combinations of the other axes."""
    names = [""]
    if result.paired:
        return names
    for axis, values in result.axes.items():
        if axis != without and len(values) > 1:
            labels = [f"{axis} {_short(axis_label(v))}" for v in values]
            names = [", ".join(filter(None, (n, label))) for n in names for label in labels]
    return names


def _quantity_name(result: SweepResult, quantity: str) -> str:
    if quantity == "iterations" and np.isfinite(result.tol):
        return f"iterations until max |slope| < {result.tol:g}"
    if quantity == "metric":
        return f"{result.metric_name or 'metric'} at the end"
    return _NAMES[quantity]


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
