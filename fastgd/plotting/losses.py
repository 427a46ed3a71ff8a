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
    is_geometric,
    legend_above,
    spans_decades,
)
from fastgd.plotting.display import Display
from fastgd.plotting.labels import as_drawn, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_FAR = 10.0  # times the highest start: no descent goes there that comes back
_MOST_POINTS = 4000  # of a curve; the eye sees no more
MOST_NAMED = 12  # curves that colours and dashes can tell apart


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
    bands : dict of str to pair of array_like, optional
        By curve, the lower and upper edge of a band around it, at its updates.
    band_name : str, default ""
        What the bands show, for the legend.
    levels : dict of str to float, optional
        By curve, the number that tells the curves apart: they are coloured by it, and a colour bar takes the place of
        the legend.
    level_name : str, default ""
        The colour bar's label.

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
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = field(default=None, kw_only=True)
    band_name: str = field(default="", kw_only=True)
    levels: Mapping[str, float] | None = field(default=None, kw_only=True)
    level_name: str = field(default="", kw_only=True)

    @property
    def spans_decades(self) -> bool:
        """Whether a logarithmic scale shows the losses better; a loss of exactly 0 leaves a gap there."""
        losses = [_steps_and_loss(curve)[1] for curve in self.curves.values()]
        every = np.concatenate([np.empty(0), *losses])
        return not (every < 0).any() and spans_decades(every[every > 0])

    def _draw(self, ax: Axes) -> None:
        drawn: list[Numbers] = []
        colours = self._level_colours(ax)
        for k, (name, curve) in enumerate(self.curves.items()):
            steps, loss = _steps_and_loss(curve)
            round_, place = divmod(k, len(COLOURS))
            colour = COLOURS[place] if colours is None else colours[name]
            dash = DASHES[(k + round_) % len(DASHES)] if colours is None else "-"
            shown = thinned(loss)
            ax.plot(
                steps[shown], loss[shown], color=colour, linestyle=dash, linewidth=1.6,
                label=as_drawn(shortened(name, 60)) if colours is None else "_",
                marker="o" if np.isfinite(loss).sum() == 1 else None,
            )  # fmt: skip
            at = steps == (self.marked or {}).get(name, np.nan)
            if at.any():
                ax.plot(steps[at], loss[at], MARKERS[place], color=colour, markersize=6)
            if self.bands and name in self.bands:
                low, high = (np.asarray(edge, np.float64) for edge in self.bands[name])
                ax.fill_between(
                    steps[shown], low[shown], high[shown], color=colour, alpha=0.18, linewidth=0
                )
            drawn.append(loss)
        if self.scale == "log" or (self.scale == "auto" and self.spans_decades):
            ax.set_yscale("log", nonpositive="mask")
        self._name(ax, drawn)

    def _name(self, ax: Axes, drawn: Sequence[Numbers]) -> None:
        """Frame, labels and legend."""
        if self.bands and self.band_name:
            ax.fill_between(
                [], [], [], color="#8A8A8A", alpha=0.35, linewidth=0, label=self.band_name
            )
        if not any(np.isfinite(loss).any() for loss in drawn):
            ax.text(0.5, 0.5, "no finite value", transform=ax.transAxes, ha="center")
        _frame(ax, drawn)
        if all((np.asarray(line.get_xdata()) % 1 == 0).all() for line in ax.lines):
            ax.locator_params(axis="x", integer=True)
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        dress(ax)
        legend_above(ax)

    def _level_colours(self, ax: Axes) -> dict[str, Any] | None:
        """The colour of each curve by its number, with the bar that explains them."""
        if self.levels is None:
            return None
        from matplotlib import colormaps  # noqa: PLC0415  (heavy)
        from matplotlib.cm import ScalarMappable  # noqa: PLC0415
        from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415

        numbers = sorted(self.levels.values())
        norm = (LogNorm if is_geometric(numbers) else Normalize)(numbers[0], numbers[-1])
        scale = ScalarMappable(norm, colormaps["cividis_r"])
        ax.figure.colorbar(scale, ax=ax, label=self.level_name)
        return {
            name: tuple(scale.to_rgba(np.array([number]))[0])
            for name, number in self.levels.items()
        }


def thinned(values: Numbers) -> NDArray[np.int64]:
    """Places of the values that a curve needs: all of a few, else the lowest and highest of each stretch."""
    if values.size <= _MOST_POINTS:
        return np.arange(values.size)
    length = -(-values.size // (_MOST_POINTS // 2))
    padded = np.append(values, np.full(-values.size % length, np.nan)).reshape(-1, length)
    first = np.arange(len(padded)) * length
    low = first + np.argmin(np.where(np.isnan(padded), np.inf, padded), axis=1)
    high = first + np.argmax(np.where(np.isnan(padded), -np.inf, padded), axis=1)
    return np.unique(np.concatenate([[0], low, high, [values.size - 1]]))


def _frame(ax: Axes, losses: Sequence[Numbers]) -> None:
    """Leave out what lies far above all starts, if other curves stay below."""
    starts = [loss[np.isfinite(loss)][:1] for loss in losses]
    if not any(start.size for start in starts):
        return
    limit = _FAR * float(np.abs(np.concatenate(starts)).max())
    tame = [loss for loss in losses if not (loss > limit).any()]
    if limit > 0 and tame and len(tame) < len(losses):
        seen = np.concatenate([*tame, *starts])
        if ax.get_yscale() == "log":
            ax.set_ylim(0.8 * float(np.nanmin(seen[seen > 0])), limit)
        else:
            lowest, highest = float(np.nanmin(seen)), float(np.nanmax(seen))
            ax.set_ylim(lowest - 0.05 * (highest - lowest), highest + 0.25 * (highest - lowest))


def _steps_and_loss(curve: Any) -> tuple[Numbers, Numbers]:
    """Updates and losses; losses that are not finite become nan and leave gaps."""
    if isinstance(curve, tuple):
        steps, loss = (np.asarray(part, np.float64) for part in curve)
    else:
        loss = np.asarray(curve, np.float64)
        steps = np.arange(loss.size, dtype=np.float64)
    return steps, np.where(np.isfinite(loss), loss, np.nan)
