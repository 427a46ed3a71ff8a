"""Pictures of sweeps and descents, as objects that can be drawn again on other axes.

Each display holds its data and has a ``plot(ax=None)`` that draws it and keeps what it drew
(``ax_``, ``figure_``). Colours are told apart by people who see fewer of them (Okabe and Ito's
palette, cividis), and nothing is said by colour alone.
"""

from fastgd.plotting.common import COLOURS, DASHES, GREY, INK, MARKERS
from fastgd.plotting.heatmap import HeatMapDisplay
from fastgd.plotting.iterations import IterationsDisplay
from fastgd.plotting.losses import LossCurveDisplay
from fastgd.plotting.phase import PhaseDiagramDisplay

__all__ = [
    "COLOURS",
    "DASHES",
    "GREY",
    "INK",
    "MARKERS",
    "HeatMapDisplay",
    "IterationsDisplay",
    "LossCurveDisplay",
    "PhaseDiagramDisplay",
]
