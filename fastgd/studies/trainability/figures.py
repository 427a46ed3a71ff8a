"""The study's figures, tables and animation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.plotting import COLOURS, DASHES, MARKERS, FractalDisplay
from fastgd.studies.common import quiet
from fastgd.studies.report import Animation, Column, Figure, Table
from fastgd.studies.trainability.maps import TrainabilityMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Series = Sequence[TrainabilityMap]  # the whole map of a variant, then its parts


def overview(series: Sequence[Series]) -> Figure:
    """The whole map of each variant."""

    def draw(canvas: Canvas) -> None:
        columns = 3
        axes = canvas.subplots(-(-len(series) // columns), columns, squeeze=False)
        for ax, maps in zip(axes.flat, series, strict=False):
            seen = maps[0]
            frame = maps[1].view if len(maps) > 1 else None
            seen.display(scales=False, title=seen.variant.title, rectangle=frame).plot(ax)
            _small(ax)
        for ax in axes.flat[len(series) :]:
            ax.set_visible(False)

    return Figure(
        "maps",
        "What becomes of a network over two hyperparameters: blue where it converges, red where it diverges, the "
        "darker the slower. The frames are the parts with most of the boundary, which are mapped next.",
        draw,
        size=(10.5, 3.5 * -(-len(series) // 3)),
    )


def closer(maps: Series) -> Figure:
    """The parts of one map, one within the other."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(1, len(maps), squeeze=False)[0]
        for k, (ax, seen) in enumerate(zip(axes, maps, strict=True)):
            frame = maps[k + 1].view if k + 1 < len(maps) else None
            found = seen.dimension()
            title = (
                ""
                if found is None
                else f"dimension {found.dimension:.2f} ± {found.standard_error:.2f}"
            )
            seen.display(scales=False, title=title, rectangle=frame).plot(ax)
            _small(ax)

    return Figure(
        f"closer-{maps[0].variant.name}",
        f"{maps[0].variant.title}: the busiest part of the boundary, and a typical part of that. Each picture is the "
        "frame in the one before it.",
        draw,
        size=(3.5 * len(maps), 3.5),
    )


def _small(ax: Any) -> None:
    """Letters for a small picture."""
    ax.tick_params(labelsize="x-small")
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_fontsize("x-small")
        axis.get_offset_text().set_fontsize("x-small")
    ax.title.set_fontsize("small")


def counts_figure(series: Sequence[Series]) -> Figure:
    """Boxes that hold a part of the boundary, for the last map of each variant."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for k, maps in enumerate(series):
            found = maps[-1].dimension()
            if found is None:
                continue
            colour, dash = COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)]
            label = f"{maps[0].variant.name}: {found.dimension:.2f} ± {found.standard_error:.2f}"
            ax.plot(
                found.sizes, found.counts, MARKERS[k % len(MARKERS)], color=colour, linestyle=dash,
                label=label, markersize=4,
            )  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        quiet(ax, x="side of a box (cells of the map)", y="boxes on the boundary")

    return Figure(
        "counts",
        "Boxes that hold a part of the boundary, on the closest map of each experiment; the dimension is minus the "
        "slope, 1 for a smooth curve.",
        draw,
        size=(8.0, 4.6),
    )


def dimensions_table(series: Sequence[Series]) -> Table:
    """The dimension of the boundary on every map."""
    columns = [
        Column("experiment"),
        Column("median", ".2f", missing="no boundary"),
        Column("whole map", ".2f", missing=""),
        Column("closest map", ".2f", missing=""),
        Column("its standard error", ".2f", missing=""),
        Column("x of the closest map", ".6g"),
        Column("y", ".6g"),
        Column("share that converges, whole map (%)", ".1f"),
    ]
    rows = []
    for maps in series:
        found = [seen.dimension() for seen in maps]
        first, last = found[0], found[-1]
        rows.append(
            (
                maps[0].variant.title,
                median_dimension(maps),
                None if first is None else first.dimension,
                None if last is None else last.dimension,
                None if last is None else last.standard_error,
                float(maps[-1].x.mean()),
                float(maps[-1].y.mean()),
                100.0 * float(maps[0].converged.mean()),
            )
        )
    return Table("dimensions", "Box-counting dimension of the boundary.", columns, rows)


def median_dimension(maps: Series) -> float | None:
    """As the source has it: the median of the slopes between neighbouring sizes of boxes, on all maps of a variant."""
    slopes = [found.slopes for seen in maps if (found := seen.dimension()) is not None]
    return float(np.median(np.concatenate(slopes))) if slopes else None


def animation(maps: Series, name: str, frames_per_second: int = 6) -> Animation:
    """Maps one after the other."""

    def prepare(canvas: Canvas) -> Callable[[int], None]:
        canvas.set_layout_engine("none")  # which would move the map from frame to frame

        def show(k: int) -> None:
            canvas.clear()
            ax = canvas.add_axes((0.17, 0.12, 0.79, 0.8))
            display: FractalDisplay = maps[k].display(scales=False)
            display.plot(ax)

        return show

    return Animation(
        name,
        f"{maps[0].variant.title}: into the boundary.",
        prepare,
        frames=len(maps),
        size=(6.0, 6.0),
        frames_per_second=frames_per_second,
    )
