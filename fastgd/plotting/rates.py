"""`RatesDisplay`: losses after short runs against their learning rates, with the rates that rules suggest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import COLOURS, DASHES, GREY, INK, dress, legend_above, spans_decades
from fastgd.plotting.display import Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_FAR = 3.0  # times the loss at the start: losses beyond leave the frame


@dataclass(repr=False)
class RatesDisplay(Display):
    """Loss after some updates against the learning rate.

    Parameters
    ----------
    rates, losses : array_like of shape (n,)
        Losses are nan where a run diverged.
    errors : array_like of shape (n,), optional
        Standard errors of the losses, nan where there are none.
    start : float
        The loss before the runs.
    suggestions : dict of str to float
        By rule, the rates to mark.
    chosen : str
        The rule whose rate is drawn with a stronger line.
    y_name : str, default "loss"

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = RatesDisplay([0.01, 0.1, 1.0], [0.9, 0.2, float("nan")], 1.0, {"valley": 0.05}, "valley")
    >>> display.plot().figure_.savefig("rates.png")  # doctest: +SKIP
    """

    rates: ArrayLike
    losses: ArrayLike
    start: float
    suggestions: Mapping[str, float]
    chosen: str = ""
    errors: ArrayLike | None = field(default=None, kw_only=True)
    x_name: str = field(default="learning rate", kw_only=True)
    y_name: str = field(default="loss", kw_only=True)

    def _draw(self, ax: Axes) -> None:
        rates, losses = np.asarray(self.rates, float), np.asarray(self.losses, float)
        ax.set_xscale("log")
        ax.set_xlim(rates[0], rates[-1])
        ax.plot(rates, losses, "o-", color=INK, markersize=3.5, linewidth=1.3, label="_")
        if self.errors is not None:
            around = np.nan_to_num(np.asarray(self.errors, float))
            ax.fill_between(
                rates, losses - around, losses + around, color=INK, alpha=0.15, linewidth=0
            )
        ax.axhline(self.start, color=GREY, linewidth=1.0, linestyle=":", label="at the start")
        self._frame(ax, losses)
        self._shade(ax, rates, losses)
        for k, (rule, rate) in enumerate(self.suggestions.items()):
            ax.axvline(
                rate, color=COLOURS[k % len(COLOURS)], linestyle=DASHES[k % len(DASHES)],
                linewidth=2.6 if rule == self.chosen else 1.5, label=f"{rule}: {rate:.3g}", zorder=1.5,
            )  # fmt: skip
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)
        dress(ax)
        legend_above(ax)

    def _frame(self, ax: Axes, losses: Numbers) -> None:
        """Show what lies below some multiple of the loss at the start; on a logarithmic scale where that is better."""
        seen = losses[np.isfinite(losses) & (losses <= _FAR * abs(self.start))]
        if not seen.size:
            return
        shown = np.append(seen, self.start)
        low, high = float(shown.min()), float(shown.max())
        if spans_decades(shown):
            ax.set_yscale("log")
            ax.set_ylim(low / (high / low) ** 0.06, high * (high / low) ** 0.06)
        elif high > low:
            ax.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))

    def _shade(self, ax: Axes, rates: Numbers, losses: Numbers) -> None:
        """Rates at which a run diverged."""
        lost = np.isnan(losses)
        if not lost.any() or rates.size < 2:
            return
        edges = np.sqrt(rates[1:] * rates[:-1])
        edges = np.concatenate([rates[:1], edges, rates[-1:]])
        for number, k in enumerate(np.flatnonzero(lost)):
            ax.axvspan(
                edges[k], edges[k + 1], color=GREY, alpha=0.22, linewidth=0, label="" if number else "diverged"
            )  # fmt: skip
