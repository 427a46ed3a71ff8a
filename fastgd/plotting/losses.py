"""`LossCurveDisplay`: losses against updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import (
    COLOURS,
    DASHES,
    MARKERS,
    dress,
    legend_above,
    spans_decades,
)
from fastgd.plotting.display import Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class LossCurveDisplay(Display):
    """Loss against the update, for several descents.

    Parameters
    ----------
    curves : dict of str to array_like or pair of array_like
        By name in the legend: the loss at updates 0, 1, 2, ..., or (updates, losses).
    x_name, y_name : str
        Axis labels, with units where there are any.
    marked : dict of str to float, optional
        By curve, the update to mark with a point, for example that of the parameters that were kept.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = LossCurveDisplay({"SGD": [4.0, 2.0, 1.0], "Adam": ([0, 2], [4.0, 0.5])})
    >>> display.plot().figure_.savefig("loss.png")  # doctest: +SKIP
    """

    curves: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]]
    x_name: str = "iteration"
    y_name: str = "loss"
    marked: Mapping[str, float] | None = None

    def _draw(self, ax: Axes) -> None:
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
        if drawn and spans_decades(np.concatenate(drawn)):
            ax.set_yscale("log")
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        dress(ax)
        legend_above(ax)


def _steps_and_loss(curve: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Updates and losses; losses that are not finite become nan and leave gaps."""
    if isinstance(curve, tuple):
        steps, loss = (np.asarray(part, np.float64) for part in curve)
    else:
        loss = np.asarray(curve, np.float64)
        steps = np.arange(loss.size, dtype=np.float64)
    return steps, np.where(np.isfinite(loss), loss, np.nan)
