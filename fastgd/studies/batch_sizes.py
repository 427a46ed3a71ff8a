"""Batch sizes: updates with all rows, some rows or one row, for the same number of passes over the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.datasets import Dataset, load_heights_weights
from fastgd.optimizers import SGD
from fastgd.plotting import COLOURS, DASHES, INK, MARKERS
from fastgd.problems import LeastSquares
from fastgd.studies.common import loss_at, origin, quiet
from fastgd.studies.report import Block, Column, Figure, Options, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "batch-sizes"
SIZES = (None, 1024, 32, 1)  # None: all rows
PASSES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10)
SEED = 0
CLOSE = 0.01  # relative distance to the least loss that counts as reached

_FEATURES = {"standardized": "height standardized", "raw": "height in inches"}


@dataclass(frozen=True)
class Descents:
    """One batch size, many rates: the loss above the least after each number of updates."""

    size: int | None
    per_pass: int
    updates: list[int]
    rates: NDArray[np.float64]
    excess: NDArray[np.float64]  # (updates, rates), relative to the least loss; nan: diverged
    seconds: float  # of the fastest descent to within `CLOSE`, alone

    @property
    def name(self) -> str:
        """In words."""
        if self.size is None:
            return "all rows"
        return "one row" if self.size == 1 else f"{self.size:,} rows"

    @property
    def fastest(self) -> int:
        """The rate that is first close to the least loss for good; of several, the one with the lowest loss."""
        return fastest(self.excess)

    @property
    def arrived(self) -> int | None:
        """Index in `updates` at which that rate arrives."""
        close = np.flatnonzero(stays_close(self.excess)[:, self.fastest])
        return int(close[0]) if close.size else None

    @property
    def lowest(self) -> float:
        """The lowest final loss over all rates."""
        return float(np.nanmin(self.excess[-1]))


def stays_close(excess: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the loss is within `CLOSE` now and at all later marks."""
    later = np.logical_and.accumulate((excess <= CLOSE)[::-1], axis=0)
    return np.asarray(later[::-1])


def fastest(excess: NDArray[np.float64]) -> int:
    """The column that stays within `CLOSE` first; the lowest at the end where none does."""
    close = stays_close(excess)
    if not close.any():
        return int(np.nanargmin(excess[-1]))
    row = int(np.argmax(close.any(axis=1)))
    return int(np.nanargmin(np.where(close[row], excess[row], np.nan)))


def study(options: Options) -> Section:
    """Standardized and raw heights, four batch sizes, all rates."""
    rows = load_heights_weights(options.data, download=options.download)
    found = {name: _all_sizes(rows, name, quick=options.quick) for name in _FEATURES}
    summary = _summary(found["standardized"], found["raw"])
    blocks: list[Block] = [
        Text(
            f"**The question.** A line is fitted to {len(rows.target):,} heights and weights. An update can use the "
            "gradient of all rows, of a few, or of a single one. What does the same number of passes over the data "
            "achieve?"
        ),
        Text(
            "**The setting.** Plain descent from (0, 0) on J = 1/2m Σ (w x + b − y)², m being the rows of the batch; a "
            f"new order of the rows for each pass (seed {SEED}); every batch size with every rate. Loss is that over "
            "all rows, less the least possible, as a share of it. The sources give no numbers for this."
        ),
        Text(f"**Result.** {summary}"),
        _curves_figure(found["standardized"]),
        *(_table(name, found[name]) for name in _FEATURES),
        _rates_figure(found),
        Text(
            "**Why.** All rows give the exact gradient once per pass; batches give a noisy one many times per pass, "
            "which is as good while the line is far from the best. Near the minimum only the noise is left: with a "
            "constant rate the line fluctuates, more so for smaller batches and larger rates. Heights in inches "
            "make a ravine (see the study of the cost function): only rates below 2/λmax = 0.00043 are stable, and "
            f"with them no batch size reaches the bottom in {PASSES[-1]} passes."
        ),
    ]
    return Section(
        NAME,
        "Batch sizes",
        origin(rows),
        summary,
        blocks,
        found,
    )


def problem_of(rows: Dataset, features: str, size: int | None) -> LeastSquares:
    """Least squares over the rows, in batches of `size`."""
    x = np.asarray(rows.data[:, 0], np.float64)
    if features == "standardized":
        x = (x - x.mean()) / x.std()
    if size is None:
        return LeastSquares(x, rows.target, statistics=False)
    return LeastSquares(x, rows.target, batch_size=size, rng=SEED)


def _all_sizes(rows: Dataset, features: str, *, quick: bool) -> list[Descents]:
    top = 1.95 if features == "standardized" else 4.25e-4
    rates = np.geomspace(top * 1e-4, top, 9 if quick else 33)
    return [_descents(problem_of(rows, features, size), size, rates) for size in SIZES]


def _descents(problem: LeastSquares, size: int | None, rates: NDArray[np.float64]) -> Descents:
    per_pass = 1 if size is None else problem.updates_per_epoch
    updates = sorted({max(1, round(per_pass * n)) for n in PASSES})
    excess = loss_at(problem, SGD(), {"lr": rates}, updates) / problem.loss(problem.solution) - 1.0
    excess = np.where(excess < 1e6, excess, np.nan)
    found = Descents(size, per_pass, updates, rates, excess, 0.0)
    last = -1 if found.arrived is None else found.arrived
    started = perf_counter()
    loss_at(problem, SGD(), {"lr": rates[[found.fastest]]}, [updates[last]])
    return replace(found, seconds=perf_counter() - started)


def _summary(standardized: list[Descents], raw: list[Descents]) -> str:
    parts = [
        f"{d.name} {_passes(d.updates[d.arrived] / d.per_pass)}"
        for d in standardized
        if d.arrived is not None
    ]
    left = min(d.lowest for d in raw)
    return (
        f"Passes over the data until the loss stays within {CLOSE:.0%} of the least, each batch size at its fastest "
        f"rate: {', '.join(parts)}. With unscaled heights none gets nearer than {left:.1%} in {PASSES[-1]} passes."
    )


def _passes(number: float) -> str:
    return f"{number:.2g}"


# --- tables and pictures ----------------------------------------------------------------------------


def _table(features: str, found: list[Descents]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for d in found:
        updates = None if d.arrived is None else d.updates[d.arrived]
        passes = None if updates is None else updates / d.per_pass
        time = None if updates is None else 1e3 * d.seconds
        last = 100 * float(d.excess[-1, d.fastest])
        rows.append((d.name, d.rates[d.fastest], updates, passes, time, last, 100 * d.lowest))
    never = "never"
    columns = [Column("an update uses"), Column("rate", ".2g")]
    columns += [Column(f"updates to {CLOSE:.0%}", ",d", missing=never)]
    columns += [Column("passes", ".2g", missing=never), Column("ms", ".2f", missing=never)]
    columns += [Column(f"loss after {PASSES[-1]} passes (+%)", ".2g")]
    columns += [Column("at the best rate for that (+%)", ".2g")]
    return Table(
        features,
        f"{_FEATURES[features].capitalize()}: each batch size at the rate that first brings the loss within "
        f"{CLOSE:.0%} of the least for good, of those tried and as far as was looked. Milliseconds are measured, "
        "for one descent alone.",
        columns,
        rows,
    )


def _curves_figure(found: list[Descents]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for k, d in enumerate(found):
            passes = np.array(d.updates) / d.per_pass
            y = np.maximum(d.excess[:, d.fastest], 1e-7)
            label = f"{d.name}, rate {d.rates[d.fastest]:.2g}"
            ax.plot(passes, y, MARKERS[k], color=COLOURS[k], linestyle=DASHES[k], label=label)
        ax.axhline(CLOSE, color=INK, linewidth=0.8, linestyle=":")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        _percent_axis(ax)
        quiet(ax, x="passes over the data", y="loss above the least (share of it)")

    return Figure(
        "passes",
        "Standardized heights: the loss above the least after so many passes, each batch size at its fastest rate. "
        "Dotted: within a hundredth. What is below 0.00001% is drawn there.",
        draw,
        size=(8.0, 4.4),
    )


def _percent_axis(ax: Axes) -> None:
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")


def _rates_figure(found: dict[str, list[Descents]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        for ax, (features, descents) in zip(canvas.subplots(1, 2), found.items(), strict=True):
            for k, d in enumerate(descents):
                y = np.where(d.excess[-1] < 1e3, np.maximum(d.excess[-1], 1e-7), np.nan)
                ax.plot(
                    d.rates, y, MARKERS[k], color=COLOURS[k], ms=3.5, linestyle=DASHES[k], lw=1,
                    label=d.name,
                )  # fmt: skip
            ax.set_xscale("log")
            _percent_axis(ax)
            left = ax is canvas.axes[0]
            quiet(
                ax, x="learning rate", y="loss above the least (share of it)" if left else "",
                title=_FEATURES[features],
            )  # fmt: skip
            if (legend := ax.get_legend()) is not None:
                legend.remove()
        handles, names = canvas.axes[0].get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=4, frameon=False)

    return Figure(
        "rates",
        f"Loss above the least after {PASSES[-1]} passes, against the rate; a line ends where descent diverges.",
        draw,
        size=(9.6, 4.4),
    )
