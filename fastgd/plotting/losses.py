"""`LossCurveDisplay`: losses against updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

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

_FAR = 10.0  # times the highest start: no descent goes there that comes back


@dataclass(repr=False)
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
    scale : {"auto", "linear", "log"}, default "auto"
        Scale of the losses: by default logarithmic where they are positive and span more than a decade. Curves that
        rise far above all starts leave the frame, so that the others can be seen.

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
    scale: Literal["auto", "linear", "log"] = field(default="auto", kw_only=True)

    @property
    def spans_decades(self) -> bool:
        """Whether a logarithmic scale shows the losses better."""
        losses = [_steps_and_loss(curve)[1] for curve in self.curves.values()]
        return bool(losses) and spans_decades(np.concatenate(losses))

    def _draw(self, ax: Axes) -> None:
        drawn: list[NDArray[np.float64]] = []
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
        if self.scale == "log" or (self.scale == "auto" and self.spans_decades):
            ax.set_yscale("log")
        _frame(ax, drawn)
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        dress(ax)
        legend_above(ax)


def _frame(ax: Axes, losses: Sequence[NDArray[np.float64]]) -> None:
    """Leave out what lies far above all starts, if other curves stay below."""
    starts = [loss[np.isfinite(loss)][:1] for loss in losses]
    if not any(start.size for start in starts):
        return
    limit = _FAR * float(np.abs(np.concatenate(starts)).max())
    tame = [loss for loss in losses if not (loss > limit).any()]
    if limit > 0 and tame and len(tame) < len(losses):
        highest = float(np.nanmax(np.concatenate([*tame, *starts])))
        lowest = float(np.nanmin(np.concatenate([*tame, *starts])))
        if ax.get_yscale() == "log":
            ax.set_ylim(0.8 * lowest, limit)
        else:
            ax.set_ylim(lowest - 0.05 * (highest - lowest), highest + 0.25 * (highest - lowest))


def _steps_and_loss(curve: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Updates and losses; losses that are not finite become nan and leave gaps."""
    if isinstance(curve, tuple):
        steps, loss = (np.asarray(part, np.float64) for part in curve)
    else:
        loss = np.asarray(curve, np.float64)
        steps = np.arange(loss.size, dtype=np.float64)
    return steps, np.where(np.isfinite(loss), loss, np.nan)
