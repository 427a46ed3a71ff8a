"""What several studies share: their data in words, the scaled heights, paths of single descents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.sweeps import sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgd.datasets import Dataset
    from fastgd.optimizers import Optimizer
    from fastgd.problems import Problem

__all__ = [
    "cost_parabola",
    "data_statement",
    "in_inches",
    "loss_at",
    "min_max",
    "path",
    "quiet",
]

Vector = NDArray[np.float64]


def data_statement(rows: Dataset) -> str:
    """Which heights and weights were used, for the report's first line."""
    if rows.source == "stand-in":
        notes = "; ".join(note.removeprefix("STAND-IN: ") for note in rows.notes)
        return f"heights and weights are a STAND-IN, not the real file ({notes})."
    where = {
        "file": "the named file",
        "FASTGD_DATA": "FASTGD_DATA",
        "cache": "the cache",
        "download": "a download",
    }
    return f"heights and weights are the real ones, from {where.get(rows.source, rows.source)}."


def min_max(x: Vector) -> Vector:
    """The values scaled to [0, 1]."""
    return np.asarray((x - x.min()) / (x.max() - x.min()))


def in_inches(parameters: Vector, height: Vector) -> tuple[float, float]:
    """Slope (lb/in) and intercept (lb) of a line over min-max scaled heights."""
    w, b = parameters
    slope = w / np.ptp(height)
    return float(slope), float(b - slope * height.min())


def cost_parabola(height: Vector, weight: Vector) -> tuple[float, float, float]:
    """J(w; b = -210) over raw heights: coefficients of w², w and 1."""
    rest = -210.0 - weight
    double = 2 * len(height)
    return (
        float(height @ height / double),
        float(height @ rest / (double / 2)),
        float(rest @ rest / double),
    )


def path(problem: Problem, optimizer: Optimizer, x0: ArrayLike, updates: int) -> Vector:
    """All points of one descent, shape (updates + 1, n_parameters); nan once it leaves the numbers."""
    x = np.array(x0, np.float64, ndmin=1)
    optimizer = optimizer.fresh()
    points = np.full((updates + 1, x.size), np.nan)
    points[0] = x
    for n in range(1, updates + 1):
        optimizer.step(x, problem.gradient(x))
        if not np.isfinite(x).all():
            break
        points[n] = x
    return points


def loss_at(
    problem: Problem, optimizer: Optimizer, axes: dict[str, Any], marks: Sequence[int]
) -> Vector:
    """Losses of a sweep's runs after so many updates, shape (marks, *axes).

    One sweep for each mark: with a seed, each goes over the same batches as the one before it.
    """
    start = np.zeros(problem.n_parameters)
    found = [
        sweep(problem, optimizer, axes, x0=start, max_iter=mark, tol=0.0).loss for mark in marks
    ]
    return np.array(found)


def quiet(ax: Axes, *, x: str = "", y: str = "", title: str = "", **legend: Any) -> None:
    """Labels, a light grid, an open frame; a legend where things have names."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title, fontsize="medium", loc="left")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, **legend)
