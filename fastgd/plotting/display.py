"""`Display`: the base class of all displays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fastgd.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class Display(ABC):
    """Data of a figure; `plot` draws it, on other axes each time if wanted."""

    size: ClassVar[tuple[float, float]] = (8.0, 4.8)  # inches, of a new figure

    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the data.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Display
            The display itself, with ``ax_`` and ``figure_`` set.
        """
        if ax is None:
            require("Plotting", "matplotlib")
            import matplotlib.pyplot as plt  # noqa: PLC0415  (heavy)

            _, ax = plt.subplots(figsize=self.size, layout="constrained")
        self._draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @abstractmethod
    def _draw(self, ax: Axes) -> None:
        """Draw the data, axis labels and the legend."""
