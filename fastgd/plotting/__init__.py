"""Figures of sweeps and descents, as objects that can be drawn again on other axes.

Each display holds its data; its method ``plot(ax=None)`` draws them and keeps the axes and the figure
(``ax_``, ``figure_``). The colours suit colour-blind readers (Okabe and Ito's palette, cividis, ColorBrewer's red to
blue), and markers, dashes or hatches say the same as colours.
"""

from fastgd.plotting.animation import Animation
from fastgd.plotting.common import COLOURS, DASHES, GREY, INK, MARKERS
from fastgd.plotting.fractals import FractalDisplay, fractal
from fastgd.plotting.heatmap import HeatMapDisplay
from fastgd.plotting.iterations import IterationsDisplay
from fastgd.plotting.lines import FittedLineDisplay
from fastgd.plotting.losses import LossCurveDisplay
from fastgd.plotting.paths import PathDisplay
from fastgd.plotting.phase import PhaseDiagramDisplay
from fastgd.plotting.points import PointsDisplay
from fastgd.plotting.rates import RatesDisplay

__all__ = [
    "COLOURS",
    "DASHES",
    "GREY",
    "INK",
    "MARKERS",
    "Animation",
    "FittedLineDisplay",
    "FractalDisplay",
    "HeatMapDisplay",
    "IterationsDisplay",
    "LossCurveDisplay",
    "PathDisplay",
    "PhaseDiagramDisplay",
    "PointsDisplay",
    "RatesDisplay",
    "fractal",
]
