"""`Display`: the base class of all displays."""

from __future__ import annotations

import base64
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fastgd.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(repr=False)
class Display(ABC):
    """Data of a figure; `plot` draws it, on other axes each time if wanted."""

    size: ClassVar[tuple[float, float]] = (8.0, 4.8)  # inches, of a new figure

    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    def __repr__(self) -> str:
        # A notebook shows what its last line gives: not all the numbers of a figure.
        names = [getattr(self, name, "") for name in ("y_name", "x_name")]
        return f"{type(self).__name__}({' against '.join(filter(None, names))})"

    def _repr_html_(self) -> str | None:
        """The picture, for a notebook; None where pyplot shows it already."""
        if self.figure_ is None:
            return None
        import matplotlib.pyplot as plt  # noqa: PLC0415  (heavy)

        known = getattr(self.figure_, "number", None) in plt.get_fignums()
        return None if known else picture(self.figure_)

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


def picture(figure: Any) -> str:
    """A figure as an image of HTML."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    text = base64.b64encode(content.getvalue()).decode("ascii")
    return f'<img alt="" src="data:image/png;base64,{text}">'
