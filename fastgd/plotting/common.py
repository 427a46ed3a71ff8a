"""What the displays share: palette, axes, legends, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status
from fastgd.plotting.labels import axis_label, is_numeric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgd.sweeps import SweepResult


# Okabe & Ito (2008), without yellow (too pale for a line) and black (kept for reference lines).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
GREY, INK = "#8A8A8A", "#222222"
NAMES = {
    "lr": "learning rate",
    "x0": "starting point",
    "rng": "seed",
    "iterations": "iterations until the slope is below the tolerance",
    "loss": "loss at the end",
    "batch_size": "batch size",
}
MOST_LINES = len(COLOURS)


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # noqa: PLC0415  (heavy)

    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def dress(ax: Axes) -> None:
    """Quiet frame and grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)


def legend_above(ax: Axes) -> None:
    """Outside the frame, where it can hide nothing; in one row if there is room."""
    names = ax.get_legend_handles_labels()[1]
    if not names:
        return
    room = 14.0 * ax.figure.get_figwidth() * ax.get_position().width  # type: ignore[union-attr]
    widths = [len(name) + 7 for name in names]
    columns = len(names) if sum(widths) <= room else max(1, int(room // max(widths)))
    ax.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=columns, frameon=False,
        borderaxespad=0.0, handlelength=2.2, columnspacing=1.6,
    )  # fmt: skip


def label_1_2_5(axis: Any) -> None:
    """Plain numbers at 1, 2, 5, 10, 20, ... of a logarithmic axis of counts."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415  (heavy)

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def spans_decades(values: NDArray[np.float64], ratio: float = 10.0) -> bool:
    """Whether a logarithmic scale shows more: all positive, largest over smallest > `ratio`."""
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > ratio * values.min())


def is_geometric(values: Sequence[Any]) -> bool:
    """Whether more than two positive numbers grow by one factor, and by more than tenfold."""
    if len(values) < 3 or not is_numeric(tuple(values)) or min(values) <= 0:
        return False
    steps = np.diff(np.log(np.asarray(values, np.float64)))
    return bool(np.allclose(steps, steps[0], rtol=1e-3) and abs(steps.sum()) > np.log(10))


def placed_marks(values: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres and edges: numbers in increasing or decreasing order to scale, others side by side."""
    numeric = is_numeric(tuple(values))
    centres = np.asarray(values, np.float64) if numeric else np.arange(len(values), dtype=float)
    edges = cell_edges(centres)
    # No cell reaches below 0 where no value does: a momentum of 0 is an end of its range.
    return centres, np.maximum(edges, 0.0) if numeric and centres.min() >= 0 else edges


def increasing(values: tuple[Any, ...]) -> list[int]:
    """The order in which an axis is drawn: numbers sorted, others as they came."""
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
    """One rectangle for each stretch of marked cells in a row."""
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


def usable_runs(result: SweepResult, quantity: str) -> NDArray[np.bool_]:
    """Which runs have this quantity to show."""
    usable = result.converged
    if quantity != "iterations":
        usable = np.isfinite(np.asarray(getattr(result, quantity), np.float64))
    return np.asarray(usable & ~np.isin(result.status, (Status.DIVERGED, Status.NOT_RUN)))


def numeric_axis(result: SweepResult, name: str | None) -> str:
    numeric = [n for n, values in result.axes.items() if is_numeric(values)]
    if name is None:
        if not numeric:
            raise ValueError(f"the sweep has no numeric axis to draw, only {list(result.axes)}")
        return max(numeric, key=lambda n: len(result.axes[n]))
    if name not in numeric:
        raise ValueError(f"x must be a numeric axis, one of {numeric}, got {name!r}")
    return name


def two_axes(result: SweepResult, x: str | None, y: str | None) -> tuple[str, str]:
    names = list(result.axes)
    if result.paired:
        raise ValueError(
            "a heat map needs a grid; the axes of this sweep are paired, see kind='loss'"
        )
    for argument, name in (("x", x), ("y", y)):
        if name is not None and name not in names:
            raise ValueError(
                f"{argument} must be an axis of the sweep, one of {names}, got {name!r}"
            )
    if len(names) < 2 or (x is not None and x == y):
        raise ValueError(f"a heat map needs two different axes, got {[x, y]} of {names}")
    longest = sorted(names, key=lambda n: (n != "lr", -len(result.axes[n])))
    longest = [name for name in longest if name not in (x, y)]
    x = x or longest.pop(0)
    return x, y or longest.pop(0)


def combinations(result: SweepResult, without: str) -> list[str]:
    """The legend's names for all combinations of the other axes."""
    names = [""]
    if result.paired:
        return names
    for axis, values in result.axes.items():
        if axis != without and len(values) > 1:
            labels = [f"{axis} {short_number(axis_label(v))}" for v in values]
            names = [", ".join(filter(None, (n, label))) for n in names for label in labels]
    return names


def quantity_name(result: SweepResult, quantity: str) -> str:
    if quantity == "iterations" and np.isfinite(result.tol):
        return f"iterations until max |slope| < {result.tol:g}"
    if quantity == "metric":
        return f"{result.metric_name or 'metric'} at the end"
    return NAMES[quantity]


def short_number(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def cell_edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half way between neighbours (geometrically where they are spaced so); one more than cells."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    if is_geometric(centres.tolist()):
        return np.exp(cell_edges(np.log(centres)))
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])
