"""What the displays share: palette, scales, legends, hatched cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.plotting.labels import as_drawn, is_numeric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of lines, in order: those of Okabe & Ito (2008), without yellow (too pale for a line) and black (kept for
#: reference lines).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: Markers of lines, in order: they say what the colours say.
MARKERS = ("o", "s", "^", "D", "v", "P")
#: Dashes of lines, in order: they say what the colours say.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
#: The colour of reference lines and of runs that stand behind others.
GREY = "#8A8A8A"
#: The colour of text on the figures, and of marks over colours.
INK = "#222222"
NAMES = {
    "lr": "learning rate",
    "x0": "starting point",
    "rng": "seed",
    "iterations": "iterations until the slope is below the tolerance",
    "loss": "loss at the end",
    "batch_size": "batch size",
    "init_scale": "scale of the initial weights",
    "init_mean": "mean of the initial weights",
}
MOST_LINES = len(COLOURS)
_PART = re.compile(
    r"(layers|groups)\.(-?\d+)\.(\w+)"
)  # an option of the optimizer for some parameters


def axis_name(name: str) -> str:
    """The label of an axis of a sweep: "learning rate of layer 0" for "layers.0.lr"."""
    part = _PART.fullmatch(name)
    if part is None:
        return NAMES.get(name, as_drawn(name))
    whose, number, option = part.groups()
    if number == "-1":
        number, noun = "", "the last layer" if whose == "layers" else "the last array"
    else:
        noun = "layer " if whose == "layers" else "array "
    return f"{NAMES.get(option, as_drawn(option))} of {noun}{number}"


def dress(ax: Axes) -> None:
    """Hide the upper and right spines; draw a light grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)


def legend_above(ax: Axes) -> None:
    """Put the legend above the axes, where it hides no data; in one row if there is room."""
    names = ax.get_legend_handles_labels()[1]
    if not names:
        return
    room = 14.0 * ax.figure.get_figwidth() * ax.get_position().width  # type: ignore[union-attr]
    widths = [len(name) + 7 for name in names]
    columns = len(names) if sum(widths) <= room else max(1, int(room // max(widths)))
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=columns, frameon=False,
        borderaxespad=0.0, handlelength=2.2, columnspacing=1.6,
    )  # fmt: skip
    _keep_title_above(ax, legend)


def _keep_title_above(ax: Axes, legend: Any) -> None:
    """Let a title, also one that is set later, stand above the legend.

    Matplotlib puts titles above child axes, not above legends: an empty child takes the legend's place.
    """
    figure: Any = ax.figure

    def place(_: Any, renderer: Any) -> Any:
        box = legend.get_window_extent(renderer)
        return box.transformed(figure.transSubfigure.inverted())

    child = ax.inset_axes((0.0, 1.0, 1.0, 0.1), zorder=-1)
    child.set_axis_off()
    child.set_in_layout(False)
    child.set_navigate(False)
    child.set_axes_locator(place)


def label_1_2_5(axis: Any) -> None:
    """Label a logarithmic axis of counts at 1, 2, 5, 10, 20, ..."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415  (heavy)

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def spans_decades(values: NDArray[np.float64], ratio: float = 10.0) -> bool:
    """Whether a logarithmic scale is better: all values positive, largest over smallest > `ratio`."""
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > ratio * values.min())


def is_geometric(values: Sequence[Any]) -> bool:
    """Whether three or more positive numbers are evenly spaced in logarithm, over more than a decade."""
    if len(values) < 3 or not is_numeric(tuple(values)) or min(values) <= 0:
        return False
    steps = np.diff(np.log(np.asarray(values, np.float64)))
    return bool(np.allclose(steps, steps[0], rtol=1e-3) and abs(steps.sum()) > np.log(10))


def is_even(values: Sequence[Any]) -> bool:
    """Whether values are numbers at equal distances, or at equal distances in logarithm."""
    if not is_numeric(tuple(values)):
        return False
    steps = np.diff(np.asarray(values, np.float64))
    # Rounded values, as 0.33 and 0.67, are even too.
    return steps.size < 2 or bool(np.ptp(steps) <= 0.05 * abs(steps.mean())) or is_geometric(values)


def placed_marks(
    values: Sequence[Any], to_scale: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres and edges of cells: monotone numbers to scale unless unwanted, other values side by side."""
    numeric = to_scale and is_numeric(tuple(values))
    centres = np.asarray(values, np.float64) if numeric else np.arange(len(values), dtype=float)
    edges = cell_edges(centres)
    # Without negative values no cell extends below 0: a momentum of 0 is the end of its range.
    return centres, np.maximum(edges, 0.0) if numeric and centres.min() >= 0 else edges


def increasing(values: tuple[Any, ...]) -> list[int]:
    """The order in which an axis is drawn: numbers sorted, other values as given."""
    order = range(len(values))
    return sorted(order, key=lambda k: values[k]) if is_numeric(values) else list(order)


def stretches_of(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open intervals of consecutive true values."""
    change = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    starts, stops = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def draw_hatched(
    ax: Axes, cells: NDArray[np.bool_], edges: Any, look: tuple[str, str, str]
) -> None:
    """Draw one rectangle for each run of marked cells in a row; `look` is name, fill colour and hatch."""
    from matplotlib.collections import PatchCollection  # noqa: PLC0415  (heavy)
    from matplotlib.patches import Patch, Rectangle  # noqa: PLC0415

    name, fill, hatch = look
    x, y = edges
    patches: list[Patch] = [
        Rectangle((x[i], y[row]), x[j] - x[i], y[row + 1] - y[row])
        for row in range(len(cells))
        for i, j in stretches_of(cells[row])
    ]
    style: dict[str, Any] = {"facecolor": fill, "edgecolor": "#A9A9A9", "hatch": hatch}
    ax.add_collection(PatchCollection(patches, linewidth=0, **style), autolim=False)
    ax.add_patch(Rectangle((np.nan, np.nan), 0, 0, linewidth=0.5, label=name, **style))


def draw_star(ax: Axes, x: float, y: float, label: str) -> None:
    """Mark the best cell."""
    ax.plot(
        x, y, "*", markersize=16, color=COLOURS[1], markeredgecolor="white", markeredgewidth=1.3,
        linestyle="none", label=label, zorder=5,
    )  # fmt: skip


def cell_edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges half way between neighbouring centres, geometrically for a geometric axis."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    if is_geometric(centres.tolist()):
        return np.exp(cell_edges(np.log(centres)))
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])
