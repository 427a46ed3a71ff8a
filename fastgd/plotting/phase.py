"""`PhaseDiagramDisplay`: regimes over two hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.engines.protocol.outcomes import Regime
from fastgd.plotting.common import (
    COLOURS,
    DASHES,
    INK,
    NAMES,
    axis_name,
    draw_hatched,
    draw_star,
    increasing,
    legend_above,
    placed_marks,
)
from fastgd.plotting.display import Display
from fastgd.plotting.labels import is_numeric
from fastgd.plotting.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Colour and hatch of each regime.
_REGIME_LOOKS = {
    "monotone": ("#56B4E9", ""),
    "oscillating": ("#E69F00", ""),
    "slow": ("#BDBDBD", ""),
    "cycling": ("#7F7F7F", "..."),
    "growing": ("#CC79A7", "///"),
    "diverged": ("#EDEDED", "xxx"),
}


@dataclass(repr=False)
class PhaseDiagramDisplay(Display):
    """Regimes of descent over two varied numbers, with the borders that theory predicts.

    Parameters
    ----------
    x, y : array_like of shape (columns,) and (rows,)
        The axes' values, increasing.
    regimes : array_like of str, shape (rows, columns)
        The regime of each cell as in `fastgd.SweepResult`; ``""`` for none.
    predicted : array_like of str, same shape, optional
        The regimes by theory: lines are drawn along their borders.
    lines : dict of str to pair of array_like, optional
        Further lines (x, y), by name in the legend.
    best : tuple of float, optional
        A point (x, y) to mark with a star.
    x_name, y_name : str
        Axis labels.
    title : str, default ""
        Above the axes, for one of several figures side by side.
    legend : bool, default True
        Whether to draw a legend.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> seen = [["monotone", "diverged"], ["monotone", "oscillating"]]
    >>> display = PhaseDiagramDisplay([0.1, 0.2], [0.0, 0.9], seen)
    >>> display.plot().figure_.savefig("phases.png")  # doctest: +SKIP
    """

    size: ClassVar[tuple[float, float]] = (8.4, 5.2)

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

    def _draw(self, ax: Axes) -> None:
        seen = np.asarray(self.regimes, str)
        _, x_edges = placed_marks(np.asarray(self.x, np.float64).tolist())
        _, y_edges = placed_marks(np.asarray(self.y, np.float64).tolist())
        for name, (fill, pattern) in _REGIME_LOOKS.items():
            if (seen == name).any():
                draw_hatched(ax, seen == name, (x_edges, y_edges), (name, fill, pattern))
        if self.predicted is not None:
            self._draw_boundaries(ax)
        for k, (name, line) in enumerate(self.lines.items()):
            ax.plot(*line, DASHES[(k + 1) % len(DASHES)], color=COLOURS[2], linewidth=2, label=name)
        if self.best is not None:
            draw_star(ax, *self.best, "best pair")
        ax.set_xlim(x_edges[0], x_edges[-1])
        ax.set_ylim(y_edges[0], y_edges[-1])
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        ax.set_title(self.title, fontsize="medium", loc="left")
        if self.legend:
            legend_above(ax)

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
        result: Result,
        *,
        predicted: ArrayLike | None = None,
        over: str | None = "rng",
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Draw a sweep over two numeric axes, the first as x; of several seeds the worst regime.

        Parameters
        ----------
        result : SweepResult
            Two axes, both numeric, and perhaps one of seeds.
        predicted : array_like of str, shaped like the two axes, optional
            The regimes by theory, for example from `fastgd.theory.predicted_regime`.
        over : str, optional
            A third axis, by default that of the seeds, "rng": a cell has the worst regime along it, in the order of
            `SweepResult.regime`.
        ax : matplotlib Axes, optional
        **options
            Further fields of the class.

        Returns
        -------
        PhaseDiagramDisplay

        Raises
        ------
        ValueError
            If the sweep does not have exactly two numeric axes, or `predicted` has another shape.
        """
        axes, regimes = dict(result.axes), result.regime
        if len(result.shape) == 3 and over in axes:
            regimes = _worst(regimes, list(axes).index(over))
            del axes[over]
        if regimes.ndim != 2 or not all(map(is_numeric, axes.values())):
            raise ValueError(f"a phase diagram needs two numeric axes, got {list(axes)}")
        if predicted is not None and np.shape(predicted) != regimes.shape:
            raise ValueError(
                f"predicted must have the shape {regimes.shape}, got {np.shape(predicted)}"
            )
        (x_name, x), (y_name, y) = axes.items()
        cells = np.ix_(increasing(x), increasing(y))
        names = {
            "x_name": axis_name(x_name),
            "y_name": axis_name(y_name),
        }
        display = cls(
            x=sorted(x),
            y=sorted(y),
            regimes=regimes[cells].T,
            predicted=None if predicted is None else np.asarray(predicted, str)[cells].T,
            **names | options,
        )
        return display.plot(ax)


def _worst(regimes: NDArray[np.str_], axis: int) -> NDArray[np.str_]:
    """The worst regime along an axis."""
    names = np.array([regime.label for regime in Regime])
    codes = sum((regimes == name) * k for k, name in enumerate(names))
    return np.asarray(names[np.max(codes, axis=axis)])
