"""`PhaseDiagramDisplay`: regimes over two hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastgd.engines.protocol.outcomes import REGIMES
from fastgd.plotting.common import (
    COLOURS,
    DASHES,
    INK,
    NAMES,
    draw_hatched,
    increasing,
    legend_above,
    new_axes,
    placed_marks,
)
from fastgd.plotting.labels import is_numeric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgd.sweeps import SweepResult


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
    x_name: str = NAMES["lr"]
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
        ax = new_axes(ax, (8.4, 5.2))
        seen = np.asarray(self.regimes, str)
        _, x_edges = placed_marks(np.asarray(self.x, np.float64).tolist())
        _, y_edges = placed_marks(np.asarray(self.y, np.float64).tolist())
        for name in REGIMES:
            if (seen == name).any():
                fill, pattern = _REGIME_LOOKS[name]
                draw_hatched(ax, seen == name, (x_edges, y_edges), (name, fill, pattern))
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
            legend_above(ax)
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
        cells = np.ix_(increasing(x), increasing(y))
        names = {"x_name": NAMES.get(x_name, x_name), "y_name": NAMES.get(y_name, y_name)}
        display = cls(
            x=sorted(x),
            y=sorted(y),
            regimes=result.regime[cells].T,
            predicted=None if predicted is None else np.asarray(predicted, str)[cells].T,
            **names | options,
        )
        return display.plot(ax)
