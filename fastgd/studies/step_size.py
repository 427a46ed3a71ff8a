"""One parabola, three rates: too small, right, too large; and a scaling that the source does not state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.optimizers import SGD
from fastgd.plotting import COLOURS, GREY, INK
from fastgd.problems import Polynomial
from fastgd.studies.common import path, quiet
from fastgd.studies.published import COST_PARABOLA, STEP_SIZES
from fastgd.studies.report import (
    Animation,
    Block,
    Column,
    Figure,
    Formula,
    Options,
    Origin,
    Section,
    Table,
    Text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "step-size-1d"
START, UPDATES = 22.0, 100
CURVE = np.polynomial.Polynomial(COST_PARABOLA[::-1])
LOWEST = float(CURVE.deriv().roots()[0])

#: Possible factors of the gradient; the source does not state its own.
SCALINGS = {
    "1 (the derivative as it is)": 1.0,
    "1/40 (1/m)": 1 / 40,
    "1/80 (1/2m)": 1 / 80,
    "1/1000": 1 / 1000,
    "1/1600 (1/m²)": 1 / 1600,
    "1/2000": 1 / 2000,
    "1/4652 (1/f'')": 1 / 4652,
}


def problem(scale: float) -> Polynomial:
    """The parabola with its gradient multiplied by `scale`."""
    return Polynomial(scale * np.array(COST_PARABOLA[::-1]))


def study(options: Options) -> Section:
    """Three descents, with the scaling that gives the published outcomes."""
    paths = {rate: path(problem(1e-3), SGD(lr=rate), START, UPDATES)[:, 0] for rate in STEP_SIZES}
    outcomes = {rate: outcome(x) for rate, x in paths.items()}
    same = sum(outcomes[rate] == printed for rate, printed in STEP_SIZES.items())
    summary = (
        f"{same} of {len(STEP_SIZES)} published outcomes (too slow, converges, diverges), with the "
        "gradient divided by 1000: the source does not state its scaling."
    )
    blocks: list[Block] = [
        Text(
            "**The question.** Where does descent on y = 2326x² − 23090x + 57360 from x = 22 end after 100 "
            "updates with the rates 0.001, 0.2 and 0.8? The source shows: still far away, at the minimum, and "
            "oscillating with growing distance."
        ),
        Text(
            "**The convention.** With the derivative as it is, 4652x − 23090, all three rates diverge: an "
            "update multiplies the distance from the minimum by 1 − 4652·rate. The gradient must have been "
            "scaled by some s; the three outcomes need s between 0.00054 and 0.00215. **Here s = 1/1000.**"
        ),
        Formula("xₙ = 4.96346 + 17.03654 (1 − 4.652 rate)ⁿ,      stable below 2/4.652 = 0.4299"),
        Text(f"**Result.** {summary}"),
        _figure(paths),
        _table(paths, outcomes),
        _scalings_table(),
    ]
    if options.animate:
        blocks.insert(5, _animation(paths, 6 if options.quick else 26))
    return Section(NAME, "Step size on a parabola", Origin(), summary, blocks, {"same": same})


def outcome(x: NDArray[np.float64]) -> str:
    """The end of a descent in the source's terms."""
    distance = np.abs(x - LOWEST)
    if not np.isfinite(distance[-1]) or distance[-1] > distance[0]:
        return "diverges"
    return "converges" if distance[-1] < 1e-3 else "too slow"


# --- tables -----------------------------------------------------------------------------------------


def _table(paths: dict[float, NDArray[np.float64]], outcomes: dict[float, str]) -> Table:
    def formula(rate: float, n: int) -> float:
        return LOWEST + (START - LOWEST) * (1.0 - 4.652 * rate) ** n

    columns = [Column("rate", ".3f"), Column("published"), Column("fastgd")]
    columns += [Column("factor", "+.4f"), Column("x after 1", ".5g")]
    columns += [Column("x after 100", ".5g"), Column("by the formula", ".5g")]
    rows = [
        (
            rate, STEP_SIZES[rate], outcomes[rate], 1.0 - 4.652 * rate,
            *(float(x[n]) for n in (1, UPDATES)), formula(rate, UPDATES),
        )
        for rate, x in paths.items()
    ]  # fmt: skip
    caption = (
        "The three descents, gradient/1000. `factor` is what an update multiplies the distance by; the "
        f"minimum is at {LOWEST:.5f}."
    )
    return Table("outcomes", caption, columns, rows)


def _scalings_table() -> Table:
    rows: list[tuple[str | float, ...]] = []
    marked = []
    for name, scale in SCALINGS.items():
        found = [outcome(path(problem(scale), SGD(lr=r), START, UPDATES)[:, 0]) for r in STEP_SIZES]
        if found == list(STEP_SIZES.values()):
            marked.append(len(rows))
        first = START - 0.8 * float(problem(scale).gradient([START])[0])
        rows.append((name, *found, first))
    columns = [Column("gradient times"), *(Column(f"rate {rate:g}") for rate in STEP_SIZES)]
    columns.append(Column("first point at 0.8", ".5g"))
    return Table(
        "scalings",
        "What other scalings of the gradient would have given; the highlighted ones give the published outcomes.",
        columns,
        rows,
        marked=frozenset(marked),
    )


# --- pictures ---------------------------------------------------------------------------------------


def _frame(ax: Axes, rate: float, x: NDArray[np.float64]) -> None:
    """The curve in a window that holds the first points, or the first few of a descent that runs away."""
    shown = x[np.abs(x - LOWEST) <= 25 * (START - LOWEST)]
    reach = 1.12 * np.abs(shown - LOWEST).max()
    grid = np.linspace(LOWEST - reach, LOWEST + reach, 300)
    ax.plot(grid, CURVE(grid), color=GREY, linewidth=1.2)
    ax.plot(LOWEST, CURVE(LOWEST), "|", color=INK, markersize=14)
    quiet(ax, x="x", title=f"rate {rate:g}: {STEP_SIZES[rate]}")
    ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _figure(paths: dict[float, NDArray[np.float64]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        for ax, (rate, x) in zip(canvas.subplots(1, 3), paths.items(), strict=True):
            _frame(ax, rate, x)
            near = np.abs(x - LOWEST) <= 25 * (START - LOWEST)
            points = x[: len(x) if near.all() else int(np.argmin(near))]
            many = "-" if rate > 0.5 else ""
            ax.plot(points, CURVE(points), "o" + many, color=COLOURS[1], ms=3.5, lw=0.8, alpha=0.8)
            last = "" if near.all() else f" of {UPDATES}"
            ax.text(
                0.5, 0.93, f"updates 0 to {len(points) - 1}{last}", ha="center", fontsize="small",
                transform=ax.transAxes, color=INK, bbox={"facecolor": "white", "edgecolor": "none"},
            )  # fmt: skip
        canvas.axes[0].set_ylabel("y")

    return Figure(
        "figure",
        "Points of each descent on the curve, from x = 22. The largest rate leaves the frame after a few "
        "updates: each throws it 2.7 times as far, to the other side.",
        draw,
        size=(9.6, 3.8),
    )


def _animation(paths: dict[float, NDArray[np.float64]], frames: int) -> Animation:
    def prepare(canvas: Canvas) -> Callable[[int], None]:
        drawn = []
        for ax, (rate, x) in zip(canvas.subplots(1, 3), paths.items(), strict=True):
            _frame(ax, rate, x)
            line = ax.plot([], [], "o-", color=COLOURS[1], markersize=4, linewidth=0.6)[0]
            drawn.append((line, x))
        title = canvas.suptitle("")

        def show(k: int) -> None:
            title.set_text(f"update {k}")
            for line, x in drawn:
                line.set_data(x[: k + 1], CURVE(x[: k + 1]))

        return show

    return Animation(
        "descents", "The three descents, update by update.", prepare, frames=frames, size=(9.6, 3.6)
    )
