"""`PointsDisplay`: runs at places that were drawn at random, coloured by what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import (
    INK,
    axis_name,
    draw_star,
    dress,
    label_1_2_5,
    legend_above,
    spans_decades,
)
from fastgd.plotting.display import Display
from fastgd.plotting.labels import is_numeric
from fastgd.plotting.result import Result, quantity_name, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]


@dataclass(repr=False)
class PointsDisplay(Display):
    """A point for each run over two varied numbers; its colour is a value, the best has a star.

    Parameters
    ----------
    x, y : array_like of shape (n,)
        Where the runs are.
    values : array_like of shape (n,)
        What the colours show; nan where a run has none.
    diverged : array_like of bool of shape (n,), optional
        Runs that diverged: drawn as crosses. Others without a value are empty circles.
    best : int, optional
        The run to mark with a star.
    x_name, y_name, value_name : str
        Labels of the axes and of the colour bar.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = PointsDisplay([0.1, 0.2], [0.5, 0.9], [3.0, 1.0], best=1, y_name="momentum")
    >>> display
    PointsDisplay(momentum against learning rate)
    >>> display.plot().figure_.savefig("points.png")  # doctest: +SKIP
    """

    size: ClassVar[tuple[float, float]] = (8.0, 5.2)

    x: ArrayLike
    y: ArrayLike
    values: ArrayLike
    diverged: ArrayLike | None = None
    best: int | None = None
    x_name: str = "learning rate"
    y_name: str = field(default="", kw_only=True)
    value_name: str = field(default="loss at the end", kw_only=True)

    def _draw(self, ax: Axes) -> None:
        x, y, values = (np.asarray(a, np.float64) for a in (self.x, self.y, self.values))
        lost = np.zeros(x.shape, bool) if self.diverged is None else np.asarray(self.diverged, bool)
        known = np.isfinite(values)
        size = 36.0 if x.size <= 300 else 12.0
        open_ = ~known & ~lost
        if lost.any():
            ax.scatter(
                x[lost], y[lost], size, marker="x", color="#8A8A8A", linewidths=1, label="diverged"
            )
        if open_.any():
            ax.scatter(
                x[open_], y[open_], size, facecolors="none", edgecolors=INK, linewidths=0.8,
                label="not converged in time",
            )  # fmt: skip
        if known.any():
            self._draw_known(ax, (x[known], y[known], values[known]), size)
        if self.best is not None:
            draw_star(ax, x[self.best], y[self.best], "best")
        for axis, places in (("x", x), ("y", y)):
            # Drawn evenly in logarithm, not evenly: then half of them lie near the lower end.
            even = np.median(places) > (places.min() + places.max()) / 6
            if spans_decades(places, 50.0) and not even:
                getattr(ax, f"set_{axis}scale")("log")
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        dress(ax)
        legend_above(ax)

    def _draw_known(self, ax: Axes, points: tuple[Numbers, Numbers, Numbers], size: float) -> None:
        from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415  (heavy)

        x, y, values = points
        norm = LogNorm if spans_decades(values) else Normalize
        # Runs that grew, or are far worse than most others, do not take the colours' range.
        least, middle, top = (float(v) for v in np.quantile(values, [0.0, 0.5, 1.0]))
        most = 100.0 * middle if norm is LogNorm else float(np.quantile(values, 0.9)) * 3.0
        cut = least >= 0 and top > most > least
        order = np.argsort(-values)  # the lowest are drawn last, over others
        drawn = ax.scatter(
            x[order], y[order], size, c=values[order], cmap="cividis_r",
            norm=norm(least, most if cut else top), edgecolors="white", linewidths=0.4, zorder=3,
        )  # fmt: skip
        bar = ax.figure.colorbar(
            drawn, ax=ax, label=self.value_name, extend="max" if cut else "neither"
        )
        if "iterations" in self.value_name and norm is LogNorm:
            label_1_2_5(bar.ax.yaxis)

    @classmethod
    def from_sweep(
        cls,
        result: Result,
        *,
        quantity: Literal["iterations", "loss", "metric"] = "loss",
        x: str | None = None,
        y: str | None = None,
        over: str | None = "rng",
        average: Literal["mean", "median"] = "mean",
        ax: Axes | None = None,
    ) -> Self:
        """Draw the runs of a sweep over two of its numeric axes, averaged over the seeds where there are any.

        Parameters
        ----------
        result : SweepResult
            Usually of paired axes, as `fastgd.sample_axes` draws them.
        quantity : {"iterations", "loss", "metric"}, default "loss"
            What the colours show.
        x, y : str, optional
            The axes to draw; by default ``"lr"`` and the first other numeric one.
        over : str, optional
            The axis to average over, where it is not drawn.
        average : {"mean", "median"}, default "mean"
            How to average.
        ax : matplotlib Axes, optional

        Returns
        -------
        PointsDisplay

        Raises
        ------
        ValueError
            If the sweep has fewer than two numeric axes, or `x` or `y` is not one of them.
        """
        x, y = numeric_pair(result, x, y, over)
        what = shown(result, quantity, None if over in (x, y) else over, average)
        places = _places(what.axes, x, y, paired=result.paired)
        values = what.values.ravel()
        sign = -1.0 if quantity == "metric" else 1.0
        rank = np.where(np.isfinite(values), sign * values, np.inf)
        display = cls(
            *places,
            values,
            what.diverged.ravel(),
            int(np.argmin(rank)) if np.isfinite(values).any() else None,
            axis_name(x),
            y_name=axis_name(y),
            value_name=what.name if over in result.axes else quantity_name(result, quantity),
        )
        return display.plot(ax)


def varied_numbers(result: Result, over: str | None) -> list[str]:
    """Axes of different numbers, the learning rate first, without that of the seeds."""
    found = [
        name
        for name, values in result.axes.items()
        if name != over and is_numeric(values) and len(set(values)) > 1
    ]
    return sorted(found, key=lambda name: name != "lr")


def numeric_pair(result: Result, x: str | None, y: str | None, over: str | None) -> tuple[str, str]:
    """The two axes of points; by default the first of numbers."""
    every = [name for name, values in result.axes.items() if is_numeric(values)]
    for argument, name in (("x", x), ("y", y)):
        if name is not None and name not in every:
            raise ValueError(f"{argument} must be a numeric axis, one of {every}, got {name!r}")
    left = [name for name in varied_numbers(result, over) if name not in (x, y)]
    left += [name for name in every if name not in (x, y, *left)]
    if len(every) < 2 or (x is not None and x == y):
        raise ValueError(f"points need two different numeric axes, got {[x, y]} of {every}")
    x = x or left.pop(0)
    return x, y or left.pop(0)


def _places(axes: Any, x: str, y: str, *, paired: bool) -> tuple[Numbers, Numbers]:
    """Where each run is."""
    if paired:
        return np.asarray(axes[x], np.float64), np.asarray(axes[y], np.float64)
    grid = np.meshgrid(*(np.arange(len(values)) for values in axes.values()), indexing="ij")
    index = dict(zip(axes, grid, strict=True))
    of_x, of_y = (np.asarray(axes[name], np.float64)[index[name].ravel()] for name in (x, y))
    return of_x, of_y
