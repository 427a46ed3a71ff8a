"""Iterations of gradient descent against the learning rate: a published table, and its explanation.

The source fits a line to 40 heights and weights, by descent from (0, 0), for 35 rates, and prints the
number of the last repetition, counted from zero. It leaves the formula behind its table to future
work; on a quadratic there is one (`fastgd.theory.predicted_iterations`), drawn over the counts here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastgd.datasets import load_heights_weights
from fastgd.optimizers import NAG, SGD, Momentum
from fastgd.plotting import COLOURS, IterationsDisplay
from fastgd.studies.common import origin
from fastgd.studies.published import RATE_VS_ITERATIONS
from fastgd.studies.rate_vs_iterations.explanation import explanation, plain_descents
from fastgd.studies.rate_vs_iterations.momentum import beyond_the_source, momentum_descents
from fastgd.studies.rate_vs_iterations.setting import Setting
from fastgd.studies.report import Block, Column, Figure, Options, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "rate-vs-iterations"


def study(options: Options) -> Section:
    """Reproduce the table, explain it, and extend it to momentum."""
    rows = load_heights_weights(options.data, rows="study", download=options.download)
    setting = Setting(rows)
    counts = _counts(setting)
    tally = _tally(counts)
    plain = plain_descents(setting, quick=options.quick)
    heavy = momentum_descents(setting, Momentum(), quick=options.quick)
    nesterov = momentum_descents(setting, NAG(), quick=options.quick)
    return Section(
        name=NAME,
        title="Learning rate against iterations",
        data=origin(rows),
        finding=_summary(tally),
        blocks=[
            *_question(),
            Text(f"**Result.** {_summary(tally)}"),
            _counts_figure(setting, counts),
            _counts_table(counts),
            *explanation(setting, plain),
            *beyond_the_source(setting, plain, heavy, nesterov),
        ],
        results={**tally, "rows": counts, "best_momentum": heavy.best("iterations").axes},
    )


@dataclass(frozen=True)
class Count:
    """One row: iterations as the source counts them, ``None`` if descent never ends."""

    rate: float
    published: int | None
    ours: int | None
    predicted: int | None

    @property
    def difference(self) -> int | None:
        """Our count minus the published one, if both are finite."""
        if self.published is None or self.ours is None:
            return None
        return self.ours - self.published

    @property
    def exact(self) -> bool:
        """Whether both counts are the same, "never" included."""
        return self.published == self.ours


def _counts(setting: Setting) -> list[Count]:
    rates = list(RATE_VS_ITERATIONS)
    result = setting.run(SGD(), {"lr": rates})
    predicted = setting.closed_form(rates)
    return [
        Count(
            rate,
            RATE_VS_ITERATIONS[rate],
            int(result.iterations[k]) - 1 if result.converged[k] else None,
            int(predicted[k]) if np.isfinite(predicted[k]) else None,
        )
        for k, rate in enumerate(rates)
    ]


def _tally(counts: list[Count]) -> dict[str, int]:
    finite = [count for count in counts if count.published is not None]
    off = [abs(count.difference) for count in finite if count.difference is not None]
    return {
        "total": len(counts),
        "exact": sum(count.exact for count in counts),
        "finite": len(finite),
        "finite_exact": sum(count.exact for count in finite),
        "within_one": sum(d <= 1 for d in off) + sum(c.exact for c in counts if c not in finite),
        "worst": max(off, default=0),
        "disagree_on_never": sum((c.published is None) != (c.ours is None) for c in counts),
        "closed_form_exact": sum(count.predicted == count.ours for count in counts),
    }


def _summary(tally: dict[str, int]) -> str:
    text = (
        f"{tally['exact']} of {tally['total']} published rows exactly, "
        f"{tally['within_one']} within one iteration, the worst {tally['worst']} off"
    )
    if tally["disagree_on_never"]:
        text += f", {tally['disagree_on_never']} where only one of the two ends"
    return f"{text}; the closed form equals our count in {tally['closed_form_exact']} rows."


def _question() -> list[Block]:
    return [
        Text(
            "**The question.** A line is fitted to the heights (in) and weights (lb) of 40 persons by "
            "gradient descent. How many iterations does it need, depending on the learning rate?"
        ),
        Text(
            "**The setting**, as far as the source states it and its numbers confirm it: height is "
            "min-max scaled to [0, 1] over the 40 rows, weight stays in pounds; the cost is "
            "J(w, b) = 1/2m Σ (w x + b − y)²; w and b start at 0 and are updated together; descent ends "
            "when both components of the gradient are below 0.001 in size. The source's text says 0.1, "
            "which does not give its table for any data (1389 iterations at rate 0.1 would be about 530). "
            "The number printed is that of the last repetition, counted from zero: updates − 1."
        ),
    ]


def _counts_table(counts: list[Count]) -> Table:
    columns = [
        Column("rate", ".2f"),
        Column("published", "d", missing="never"),
        Column("fastgd", "d", missing="never"),
        Column("difference", "+d", missing=""),
        Column("closed form", "d", missing="never"),
    ]
    rows = [(c.rate, c.published, c.ours, c.difference or (0 if c.ours else None), c.predicted)
            for c in counts]  # fmt: skip
    return Table(
        "table",
        "Iterations until both components of the gradient are below 0.001, for every published rate. Rows that "
        "differ are highlighted; an empty cell in the CSV file means never.",
        columns,
        rows,
        marked=frozenset(k for k, c in enumerate(counts) if not c.exact),
    )


def _counts_figure(setting: Setting, counts: list[Count]) -> Figure:
    def number(value: int | None) -> float:
        return np.nan if value is None else float(value)

    fine = np.unique(np.concatenate([np.linspace(0.08, 1.82, 2000), [c.rate for c in counts]]))
    limit = setting.stable_limit

    def draw(canvas: Canvas) -> None:
        upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
        IterationsDisplay(
            x=[c.rate for c in counts],
            lines={
                "published": [number(c.published) for c in counts],
                "fastgd": [number(c.ours) for c in counts],
            },
            curve=(fine, setting.closed_form(fine)),
            unstable_from=limit,
            y_name="iterations until max |gradient| < 0.001",
        ).plot(upper)
        upper.set_xlabel("")
        _draw_differences(lower, counts)

    return Figure(
        "figure",
        "Iterations against the learning rate: the published counts, those of fastgd, and the closed "
        f"form; below, fastgd minus published. From rate 2/λ = {limit:.3f} on (hatched) descent diverges, λ = "
        f"{setting.eigenvalues[-1]:.4f} being the larger eigenvalue of the Hessian.",
        draw,
        size=(8.0, 6.0),
    )


def _draw_differences(ax: Axes, counts: list[Count]) -> None:
    both = [(c.rate, c.difference) for c in counts if c.difference is not None]
    rates, differences = zip(*both, strict=True)
    ax.axhline(0.0, color="#8A8A8A", linewidth=0.8)
    ax.vlines(rates, 0.0, differences, color=COLOURS[1], linewidth=1.2)
    ax.plot(rates, differences, "s", color=COLOURS[1], markersize=3.5)
    reach = max(2, *(abs(d) for d in differences)) + 0.9
    ax.set_ylim(-reach, reach)
    ax.locator_params(axis="y", integer=True, nbins=4)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("fastgd −\npublished")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
