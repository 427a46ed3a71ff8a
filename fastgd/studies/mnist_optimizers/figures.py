"""Figures and tables of the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.plotting import COLOURS, DASHES, INK
from fastgd.studies.common import quiet, thinned
from fastgd.studies.mnist_optimizers.runs import GUESSING, Run
from fastgd.studies.report import Column, Figure, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_CURVE_POINTS = 400  # of each curve in the CSV file
_STRETCHES = 60  # points of a curve, each the mean of a stretch of updates


def stretches(run: Run) -> NDArray[np.int64]:
    """Bounds of the stretches; with batches, whose losses are steady, those of the first tenth are shorter."""
    n = run.losses.size
    if run.batch == 1:
        cuts = np.linspace(0, n, _STRETCHES // 2 + 1)
    else:
        early = np.linspace(0, n // 10, _STRETCHES // 6 + 1)
        cuts = np.concatenate([early, np.linspace(n // 10, n, _STRETCHES)])
    return np.unique(cuts.round().astype(np.int64))


def curves_figure(name: str, title: str, runs: list[Run]) -> Figure:
    """Loss curves of some runs."""
    single = runs[0].batch == 1

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for k, run in enumerate(runs):
            cuts = stretches(run)
            parts = np.split(run.losses, cuts[1:-1])
            x, y = 0.5 * (cuts[:-1] + 1 + cuts[1:]), np.array([part.mean() for part in parts])
            label = f"{run.name} (test {_percent(run)})"
            ax.plot(x, y, color=COLOURS[k], linestyle=DASHES[k], label=label)
            if single:
                above = y + np.array([part.std() for part in parts])
                ax.fill_between(x, y, above, color=COLOURS[k], alpha=0.15, linewidth=0)
        ax.axhline(GUESSING, color=INK, linewidth=0.8, linestyle=":")
        _loss_axis(ax)
        ax.set_ylim(top=min(ax.get_ylim()[1], 10.0 * GUESSING))
        ax.xaxis.set_major_formatter("{x:,.0f}")
        quiet(ax, x="updates", y="loss (cross-entropy)")
        if (legend := ax.get_legend()) is not None:
            legend.remove()
        handles, names = ax.get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=2, frameon=False)

    band = " Shaded: up to one deviation of the single losses above." if single else ""
    return Figure(
        name,
        f"{title}: loss, each point the mean of many updates, and accuracy on the test rows at the end. Dotted: the "
        f"loss of guessing.{band}",
        draw,
        size=(8.0, 4.2),
    )


def _percent(run: Run) -> str:
    return "none" if run.accuracy is None else f"{100 * run.accuracy:.2f} %"


def _loss_axis(ax: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415  (heavy)

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def runs_table(runs: dict[str, Run]) -> Table:
    """Final numbers of every run."""
    columns = [Column("run"), Column("batch", "d"), Column("updates", ",d")]
    columns += [Column("mean loss, all updates", ".4f", missing="diverged")]
    columns += [Column("mean loss, last tenth", ".4f", missing="diverged")]
    columns += [Column("deviation there / mean", ".2f", missing="")]
    columns += [Column("test accuracy (%)", ".2f", missing="")]
    rows = []
    for run in runs.values():
        numbers = (run.mean, run.end, run.spread) if run.diverged is None else (None,) * 3
        right = None if run.accuracy is None else 100 * run.accuracy
        rows.append((run.name, run.batch, run.losses.size, *numbers, right))
    return Table("runs", "Every run.", columns, rows)


def curves_table(runs: dict[str, Run]) -> Table:
    """The loss curves as numbers."""
    columns = [Column("run"), Column("update", "d"), Column("loss of its batch", ".4g")]
    columns += [Column("mean loss since the row before", ".4g")]
    rows = []
    for run in runs.values():
        marks = thinned(run.losses.size, _CURVE_POINTS)
        starts = np.concatenate([[0], marks[:-1]])
        means = np.add.reduceat(run.losses, starts) / (marks - starts)
        for mark, mean in zip(marks.tolist(), means.tolist(), strict=True):
            rows.append((run.name, mark, float(run.losses[mark - 1]), mean))
    return Table(
        "curves",
        f"The curves as numbers, up to {_CURVE_POINTS} updates of each run.",
        columns,
        rows,
        shown=False,
    )
