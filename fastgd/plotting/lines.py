"""`FittedLineDisplay`: rows with one feature, and the lines that descents fit to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import COLOURS, DASHES, GREY, dress, legend_above
from fastgd.plotting.display import Display
from fastgd.plotting.labels import as_drawn, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_CURVE = 200  # points of a line
_MOST_ROWS = 5000  # that are drawn as points


@dataclass(repr=False)
class FittedLineDisplay(Display):
    """Rows with one feature as points, and over them what a model says after some updates.

    Parameters
    ----------
    x, y : array_like of shape (rows,)
        The feature and the target.
    lines : dict of str to array_like of shape (n_parameters,)
        By name in the legend: the parameters of each line.
    model : callable
        The line's values at the points `x`, given `x` and the parameters.
    x_name, y_name : str
        Axis labels.
    in_order : bool, default False
        Whether the lines are successive ones of a descent: coloured from pale to dark.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = FittedLineDisplay([0, 1], [1, 3], {"fit": [2.0, 1.0]}, lambda x, p: p[0] * x + p[1])
    >>> display.plot().figure_.savefig("line.png")  # doctest: +SKIP
    """

    size: ClassVar[tuple[float, float]] = (6.8, 4.6)

    x: ArrayLike
    y: ArrayLike
    lines: Mapping[str, ArrayLike]
    model: Callable[[Numbers, Numbers], Numbers]
    x_name: str = "x"
    y_name: str = "y"
    in_order: bool = False

    def _draw(self, ax: Axes) -> None:
        self.draw_rows(ax)
        grid = self.grid()
        for (name, parameters), (colour, dash) in zip(
            self.lines.items(), self._looks(), strict=True
        ):
            values, (low, high) = self.values(grid, parameters), ax.get_ylim()
            seen = ((values >= low) & (values <= high)).any()
            ax.plot(
                grid, values, color=colour, linestyle=dash, linewidth=1.6,
                label=as_drawn(shortened(name, 40)) + ("" if seen else " (outside)"),
            )  # fmt: skip
        legend_above(ax)

    def _looks(self) -> list[tuple[object, object]]:
        """Colour and dashes of each line."""
        many = len(self.lines)
        if not self.in_order:
            return [(COLOURS[k % 6], DASHES[k // 6 % len(DASHES)]) for k in range(many)]
        from matplotlib import colormaps  # noqa: PLC0415  (heavy)

        return [(shade, "-") for shade in colormaps["cividis"](np.linspace(0.85, 0.0, many))]

    def draw_rows(self, ax: Axes) -> None:
        """Draw the rows and labels, without lines; the rows alone decide what is shown."""
        x, y = np.asarray(self.x, np.float64), np.asarray(self.y, np.float64)
        kept = np.unique(np.linspace(0, x.size - 1, _MOST_ROWS).round().astype(int))
        kept = np.arange(x.size) if x.size <= _MOST_ROWS else kept
        ax.plot(x[kept], y[kept], "o", color=GREY, markersize=4, alpha=0.8, label="rows")
        margin = 0.08 * (float(np.ptp(y)) or 1.0)
        low = min(float(y.min()), 0.0) if y.min() <= 2 * np.ptp(y) else float(y.min())
        ax.set_ylim(low - margin, float(y.max()) + margin)
        ax.set_xlabel(as_drawn(self.x_name))
        ax.set_ylabel(as_drawn(self.y_name))
        dress(ax)

    def grid(self) -> Numbers:
        """Places at which lines are drawn."""
        x = np.asarray(self.x, np.float64)
        return np.linspace(x.min(), x.max(), _CURVE)

    def values(self, grid: Numbers, parameters: ArrayLike) -> Numbers:
        """A line's values there; nan where they are too large to draw."""
        with np.errstate(all="ignore"):
            values = self.model(grid, np.asarray(parameters, np.float64))
            return np.where(np.abs(values) < 1e100, values, np.nan)
