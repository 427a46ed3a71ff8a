"""Shared by several studies: statements about data, scaled heights, paths of single descents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import checked_batches
from fastgd.datasets import Dataset, load_auto_mpg, load_heights_weights
from fastgd.network.trainer import Trainer
from fastgd.studies.report import Column, Origin, Table
from fastgd.sweeps.sweep import sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgd.network.mlp import MLP
    from fastgd.optimizers import Optimizer
    from fastgd.problems import Problem

__all__ = [
    "Finding",
    "cost_parabola",
    "findings_table",
    "in_inches",
    "loss_at",
    "min_max",
    "named_data",
    "origin",
    "path",
    "quiet",
    "thinned",
    "training_losses",
]

Vector = NDArray[np.float64]
Loader = Callable[..., Dataset]


def origin(
    rows: Dataset, what: str = "heights and weights are", real: str = "the real ones"
) -> Origin:
    """Which data were used: a statement for the report's first line, and what stands in for them."""
    if rows.instead:
        statement = f"{what} a STAND-IN ({rows.notes[0].removeprefix('STAND-IN: ')})."
    else:
        where = {
            "file": "the named file",
            "FASTGD_DATA": "FASTGD_DATA",
            "cache": "the cache",
            "download": "a download",
            "package": "an installed package",
        }
        statement = f"{what} {real}, from {where.get(rows.source, rows.source)}."
    return Origin(statement, rows.instead, rows.attempts)


@dataclass(frozen=True)
class Finding:
    """A claim of a source, the criterion that decides it, our numbers, and the verdict."""

    figure: str
    claim: str
    criterion: str
    numbers: str
    holds: bool

    @property
    def verdict(self) -> str:
        """In words."""
        return "holds" if self.holds else "does not hold"


def findings_table(findings: Sequence[Finding], caption: str) -> Table:
    """All findings; those that do not hold are highlighted."""
    columns = [Column(name) for name in ("figure", "finding", "criterion", "here", "verdict")]
    rows = [(f.figure, f.claim, f.criterion, f.numbers, f.verdict) for f in findings]
    marked = frozenset(k for k, f in enumerate(findings) if not f.holds)
    return Table("findings", caption, columns, rows, marked)


def named_data(data: Path | None, load: Loader, *files: str) -> Path | None:
    """The path that the user named, if it belongs to this study: a folder with its files, or a file.

    With None a study looks for its data as if nothing had been named. A file that no study knows is returned, so that
    the study's own loader reports the error.
    """
    if data is None:
        return None
    if data.is_dir():
        held = any((data / place).is_file() for f in files for place in (f, Path(f).name))
        return data if held else None
    for other in (load_heights_weights, load_auto_mpg):
        if other is not load:
            with suppress(ValueError):
                other(data)
                return None
    return data


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
    """All points of one descent, shape (updates + 1, n_parameters); nan after it diverges."""
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
    """Losses of a sweep's runs after each number of updates in `marks`, shape (marks, *axes).

    One sweep for each mark; with a seed, all use the same batches.
    """
    start = np.zeros(problem.n_parameters)
    found = [
        sweep(problem, optimizer, axes, x0=start, max_iter=mark, tol=0.0).loss for mark in marks
    ]
    return np.array(found)


def training_losses(
    network: MLP, x: ArrayLike, y: ArrayLike, optimizer: Optimizer, *, batch: int, updates: int
) -> Vector:
    """Each update's loss of its batch, before the update, as the network is trained; nan after it diverges.

    The optimizer starts afresh. `MLP.fit` records means over many updates; this returns every single loss.
    """
    trainer = Trainer(network, network.rows(x, y), optimizer.fresh())
    batches = checked_batches(len(np.asarray(y)), batch, True, False, network.seed)
    assert batches is not None
    losses, done = np.full(updates, np.nan), 0
    for stretch in trainer.stretches(batches, 0, updates):
        losses[done : done + stretch.done] = stretch.losses[: stretch.done]
        done += stretch.done
    return losses


def thinned(updates: int, rows: int) -> NDArray[np.int64]:
    """At most `rows` update numbers from 1 to `updates`, evenly spaced."""
    return np.unique(np.linspace(1, updates, min(updates, rows)).round().astype(np.int64))


def quiet(ax: Axes, *, x: str = "", y: str = "", title: str = "", **legend: Any) -> None:
    """Set labels, a light grid and an open frame; add a legend if anything has a label."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title, fontsize="medium", loc="left")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, **legend)
