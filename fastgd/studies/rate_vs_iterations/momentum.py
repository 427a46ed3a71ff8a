"""Beyond the source: the same fit with momentum, counted and predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd import theory
from fastgd.optimizers import NAG, Momentum
from fastgd.plotting import COLOURS, HeatMapDisplay, PhaseDiagramDisplay
from fastgd.studies.rate_vs_iterations.setting import Setting
from fastgd.studies.report import Block, Column, Figure, Formula, Table, Text
from fastgd.sweeps import SweepResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def momentum_descents(setting: Setting, optimizer: Any, *, quick: bool) -> SweepResult:
    """Descents over a grid of rates and momenta."""
    rates, momenta = (36, 21) if quick else (181, 101)
    axes = {"lr": np.linspace(0.02, 3.62, rates), "momentum": np.linspace(0.0, 0.99, momenta)}
    return setting.run(optimizer, axes)


def beyond_the_source(
    setting: Setting, plain: SweepResult, heavy: SweepResult, nesterov: SweepResult
) -> list[Block]:
    """The part of the report about momentum."""
    return [
        Text(
            "**Beyond the source: momentum.** The same fit with momentum, "
            f"{heavy.size + nesterov.size:,} descents over rate and momentum: the heavy ball "
            "(v ← μv + rate·g(w), then w − v) and Nesterov's, which takes the gradient at the look-ahead "
            "point w − μv. Along an eigenvector an update now multiplies the last two errors by the matrix "
            "[[t, −d], [1, 0]]; the larger root of z² − tz + d determines how fast they shrink:"
        ),
        Formula(
            "heavy ball   t = 1 + μ − rate·λᵢ         d = μ\n"
            "             converges for rate < 2(1 + μ)/λmax\n"
            "Nesterov     t = (1 + μ)(1 − rate·λᵢ)    d = μ(1 − rate·λᵢ)\n"
            "             converges for rate < 2(1 + μ)/((1 + 2μ)λmax)"
        ),
        _heat_map(setting, heavy),
        _best_table(setting, plain, heavy, nesterov),
        _phase_figure(setting, heavy, nesterov),
        Text(_phase_check(setting, heavy, nesterov)),
        _momentum_figure(setting, heavy, nesterov),
    ]


def _best_table(
    setting: Setting, plain: SweepResult, heavy: SweepResult, nesterov: SweepResult
) -> Table:
    hessian = setting.problem.hessian
    best = plain.best("iterations")
    rows = [("plain descent, best rate", best.axes["lr"], 0.0, best.iterations - 1)]
    for name, optimizer, result in (("heavy ball", Momentum, heavy), ("Nesterov", NAG, nesterov)):
        rate, momentum = theory.best_momentum(hessian, nesterov=optimizer is NAG)
        guaranteed = setting.run(optimizer(momentum=momentum), {"lr": [rate]})
        rows.append((f"{name}, best guaranteed pair", rate, momentum, guaranteed.iterations[0] - 1))
        best = result.best("iterations")
        rows.append((f"{name}, best pair of the grid", *best.axes.values(), best.iterations - 1))
    columns = [Column("method"), Column("rate", ".4f"), Column("momentum", ".4f")]
    columns.append(Column("iterations", "d"))
    rows = [(name, rate, momentum, int(count)) for name, rate, momentum, count in rows]
    return Table(
        "best",
        "The best of each method, counted as in the source. Guaranteed: the pair whose slowest direction shrinks "
        "fastest, from every start (Polyak; Lessard, Recht and Packard). The best pair of the grid owes its count "
        "to this start: an oscillation brings it within the tolerance early.",
        columns,
        rows,
    )


def _heat_map(setting: Setting, result: SweepResult) -> Figure:
    momenta = np.linspace(0.0, 1.0, 50)
    limit = [theory.stable_range(setting.problem.hessian, m)[1] for m in momenta[:-1]]
    limit.append(2 * limit[0])

    def draw(canvas: Canvas) -> None:
        HeatMapDisplay.from_sweep(result, boundary=(limit, momenta), ax=canvas.subplots())

    return Figure(
        "momentum",
        "Iterations of the heavy ball against rate and momentum; the dashed line is 2(1 + μ)/λmax, "
        "beyond which descent diverges (crossed cells). The star is the best pair.",
        draw,
        size=(8.4, 5.2),
    )


def _predicted_regimes(setting: Setting, result: SweepResult, nesterov: bool) -> NDArray[np.str_]:
    rates, momenta = (np.asarray(values) for values in result.axes.values())
    return theory.predicted_regime(
        setting.problem.hessian, rates[:, None], momenta, nesterov=nesterov
    )


def _phase_figure(setting: Setting, heavy: SweepResult, nesterov: SweepResult) -> Figure:
    hessian = setting.problem.hessian
    rates = np.linspace(1e-3, setting.stable_limit * 2, 2000)[:-1]
    ridge = {"slowest mode critical": (rates, theory.critical_momentum(hessian, rates))}

    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, sharey=True)
        PhaseDiagramDisplay.from_sweep(
            heavy, predicted=_predicted_regimes(setting, heavy, False), ax=left, lines=ridge,
            best=theory.best_momentum(hessian), legend=False, title="heavy ball",
        )  # fmt: skip
        PhaseDiagramDisplay.from_sweep(
            nesterov, predicted=_predicted_regimes(setting, nesterov, True), ax=right,
            best=theory.best_momentum(hessian, nesterov=True), legend=False, title="Nesterov",
        )  # fmt: skip
        right.set_ylabel("")
        handles, names = left.get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=3, frameon=False)

    return Figure(
        "phases",
        "The regime of each descent (colours) and the predicted borders: the solid line is the limit of "
        "stability; on the dashed line the real part of the slowest root becomes negative, so that more than half "
        "of the steps change sign. The stars are the best guaranteed pairs; the green line is the best momentum "
        "at each rate: below it descent is overdamped, above it oscillates.",
        draw,
        size=(8.6, 5.4),
    )


def _phase_check(setting: Setting, heavy: SweepResult, nesterov: SweepResult) -> str:
    parts = []
    for name, result, look_ahead in (("heavy ball", heavy, False), ("Nesterov", nesterov, True)):
        predicted = _predicted_regimes(setting, result, look_ahead)
        right = np.mean((predicted != "diverged") == result.converged)
        same = np.mean(predicted == result.regime)
        parts.append(f"{name}: {right:.2%} correct about convergence, {same:.1%} about the regime")
    return (
        "**Measured against predicted**, over all descents: "
        + "; ".join(parts)
        + ". The differences lie "
        "along the borders and, for the heavy ball, in the corner where both directions are equally slow, so "
        "that the start decides which of them dominates."
    )


def _momentum_figure(setting: Setting, heavy: SweepResult, nesterov: SweepResult) -> Figure:
    chosen = (0.0, 0.3, 0.6, 0.9)

    def panel(ax: Axes, result: SweepResult, look_ahead: bool) -> None:
        rates, momenta = (np.asarray(values) for values in result.axes.values())
        fine = np.linspace(rates[0], rates[-1], 3000)
        for k, momentum in enumerate(chosen):
            column = int(np.abs(momenta - momentum).argmin())
            mu, colour = momenta[column], COLOURS[k]
            predicted = setting.closed_form(fine, momentum=mu, nesterov=look_ahead)
            ax.plot(fine, np.where(np.isfinite(predicted), predicted, np.nan), color=colour, lw=1.0)
            counts = np.where(result.converged, result.iterations - 1.0, np.nan)[:, column]
            ax.plot(rates, counts, "os^D"[k], color=colour, ms=2.8, label=f"momentum {mu:.1f}")
        ax.set_yscale("log")
        ax.set_ylim(8, 3000)
        ax.set_xlabel("learning rate")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, color="#E3E3E3", linewidth=0.8)

    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, sharey=True)
        panel(left, heavy, False)
        panel(right, nesterov, True)
        left.set_title("heavy ball", fontsize="medium", loc="left")
        right.set_title("Nesterov", fontsize="medium", loc="left")
        left.set_ylabel("iterations")
        handles, names = left.get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=4, frameon=False)

    return Figure(
        "closed-form-momentum",
        "Counted (points) and predicted (lines) iterations. Where descent oscillates, at high momentum, the gradient "
        "may fall below the tolerance before its envelope does: there the prediction is an upper bound.",
        draw,
        size=(8.6, 4.6),
    )
