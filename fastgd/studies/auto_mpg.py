"""Five optimizers on Auto-MPG: one model trained by all in turn, as in the source, and each from a fresh start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.batches import Batches
from fastgd.datasets import Dataset, load_auto_mpg
from fastgd.optimizers import SGD, Adagrad, Adam, Momentum, Optimizer, RMSprop
from fastgd.plotting import COLOURS, DASHES, INK, MARKERS
from fastgd.problems import LeastSquares
from fastgd.studies.common import (
    Finding,
    findings_table,
    named_data,
    origin,
    quiet,
    thinned,
)
from fastgd.studies.report import Block, Column, Figure, Options, Section, Table, Text
from fastgd.sweeps import sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "auto-mpg-optimizers"
FEATURES = ("cylinders", "displacement", "weight")
BATCH, EPOCHS, RATE, SEED = 34, 1000, 0.001, 0
CLOSE = 0.1  # relative distance to the least loss that counts as reached
VERSIONS = ("in turn", "fresh start")

_TOP = 1.1  # of the axis of losses, in mean squares of the targets


def optimizers(rate: float = RATE) -> dict[str, Optimizer]:
    """The source's five optimizers; unstated hyperparameters have PyTorch's defaults."""
    return {
        "SGD": SGD(lr=rate),
        "Momentum 0.9": Momentum(lr=rate, momentum=0.9),
        "Adagrad": Adagrad(lr=rate),
        "RMSprop": RMSprop(lr=rate),
        "Adam": Adam(lr=rate),
    }


@dataclass(frozen=True)
class Fit:
    """One training: optimizer, version, and the losses of each epoch."""

    optimizer: str
    version: str
    plotted: NDArray[np.float64]  # the last batch's loss, before its update: what the source plots
    all_rows: NDArray[np.float64]  # at the epoch's end
    least: float

    @property
    def end(self) -> float:
        """Relative excess of the final loss of all rows over the least loss."""
        return float(self.all_rows[-1] / self.least - 1.0)

    @property
    def arrived(self) -> int | None:
        """The epoch from which on the loss stays within `CLOSE` of the least."""
        away = np.flatnonzero(~(self.all_rows <= (1.0 + CLOSE) * self.least))
        epoch = 1 if not away.size else int(away[-1]) + 2
        return epoch if epoch <= self.all_rows.size else None


def study(options: Options) -> Section:
    """Train both versions, then every optimizer at every rate."""
    rows = load_auto_mpg(
        named_data(options.data, load_auto_mpg, "auto-mpg/auto-mpg.data"),
        features=FEATURES,
        download=options.download,
    )
    x, y = standardized(rows), rows.target
    fits = both_versions(x, y)
    rates = np.geomspace(1e-4, 10.0, 11 if options.quick else 41)
    tried = at_all_rates(x, y, rates)
    findings = _findings(fits, y)
    summary = _summary(fits)
    updates = EPOCHS * -(-len(y) // BATCH)
    blocks: list[Block] = [
        Text(
            f"**The question.** {_what(rows)} is predicted from {_names(rows)} by a linear model, trained by SGD, "
            "Momentum, Adagrad, RMSprop and Adam. Slides show their loss curves in one figure. Which is faster?"
        ),
        Text(
            f"**The setting.** {len(y)} rows, features standardized, mean square error, batches of {BATCH} in a new "
            f"order each epoch (seed {SEED}), {updates // EPOCHS} updates an epoch, rate {RATE:g}, {EPOCHS} epochs. "
            f"The plotted loss is that of each epoch's last batch, of {len(y) % BATCH or BATCH} rows. The source "
            "trains one model with all five in turn and never resets it, so that each begins where the previous one "
            "ended; here this is shown beside the fair version, in which each begins at 0. Momentum and other "
            "hyperparameters that the source does not state have PyTorch's defaults."
        ),
        Text(f"**Result.** {summary}"),
        _curves_figure(fits, y),
        _fits_table(fits),
        findings_table(findings, "The source's figure and statements, tested."),
        Text(
            f"**Why.** With rate {RATE:g} Adagrad, RMSprop and Adam take steps of about the rate itself, whatever the "
            f"gradient: the {updates:,} updates of {EPOCHS} epochs cover a distance of about {RATE * updates:.0f}, "
            f"while the constant term has to reach {y.mean():.1f}; Adagrad's steps also shrink. One rate for all is "
            "not a fair comparison either: each optimizer needs its own, as below."
        ),
        _rates_figure(tried, rates),
        _rates_table(tried, rates),
        _curves_table(fits),
    ]
    results = {
        "fits": fits,
        "findings": findings,
        "least": fits[0].least,
        "mean_square": float(np.mean(y * y)),
        "at_all_rates": tried,
    }
    return Section(
        NAME,
        "Five optimizers on Auto-MPG",
        origin(rows, "Auto-MPG is", "the real one"),
        summary,
        blocks,
        results,
    )


def standardized(rows: Dataset) -> NDArray[np.float64]:
    """The features with mean 0 and deviation 1, and a column of ones for the constant term."""
    x = np.asarray(rows.data, np.float64)
    return np.column_stack([(x - x.mean(axis=0)) / x.std(axis=0), np.ones(len(x))])


# --- the two versions -------------------------------------------------------------------------------


def descend(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    optimizer: Optimizer,
    theta: NDArray[np.float64],
    epochs: int = EPOCHS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train `theta` in place: the last batch's loss and that of all rows, for each epoch."""
    batches = Batches(len(y), BATCH, shuffle=True, drop_last=False, seed=SEED)
    plotted, all_rows = np.empty(epochs), np.empty(epochs)
    for epoch in range(epochs):
        order = batches.orders(SEED, epoch, epoch + 1)[0]
        for first in range(0, len(y), BATCH):
            rows = order[first : first + BATCH]
            residuals = x[rows] @ theta - y[rows]
            optimizer.step(theta, 2.0 / rows.size * (residuals @ x[rows]))
        plotted[epoch] = np.mean(np.square(residuals))
        all_rows[epoch] = np.mean(np.square(x @ theta - y))
    return plotted, all_rows


def both_versions(
    x: NDArray[np.float64], y: NDArray[np.float64], epochs: int = EPOCHS
) -> list[Fit]:
    """Five optimizers on one model in turn, then each on a model of its own."""
    least = float(np.mean(np.square(x @ np.linalg.lstsq(x, y, rcond=None)[0] - y)))
    fits = []
    for version in VERSIONS:
        theta = np.zeros(x.shape[1])
        for name, optimizer in optimizers().items():
            if version == "fresh start":
                theta[:] = 0.0
            fits.append(Fit(name, version, *descend(x, y, optimizer, theta, epochs), least))
    return fits


def _of(fits: list[Fit], version: str) -> list[Fit]:
    return [fit for fit in fits if fit.version == version]


def _close(fits: list[Fit], version: str) -> list[str]:
    return [fit.optimizer for fit in _of(fits, version) if fit.end <= CLOSE]


def _findings(fits: list[Fit], y: NDArray[np.float64]) -> list[Finding]:
    square = float(np.mean(y * y))
    turn, fresh = (_of(fits, version) for version in VERSIONS)
    high = [fit.optimizer for fit in turn if fit.plotted[0] > square / 2]
    both = [_close(fits, version) for version in VERSIONS]
    adagrad = next(fit for fit in fresh if fit.optimizer == "Adagrad")
    first = ", ".join(f"{fit.plotted[0]:,.0f}" for fit in turn)
    return [
        Finding(
            "axis of the loss",
            "It reaches 600: a model that predicts 0 has the loss mean mpg² = 614. In turn, only the first "
            "optimizer can begin there",
            "first plotted loss above half of the mean square, in turn: SGD alone",
            f"mean square {square:,.0f}; first plotted losses {first}",
            high == ["SGD"],
        ),
        Finding(
            "the five curves",
            "The figure compares the five",
            f"the same optimizers end within {CLOSE:.0%} of the least loss in turn and from a fresh start",
            f"in turn {_list(both[0])}; from a fresh start {_list(both[1])}",
            both[0] == both[1],
        ),
        Finding(
            "Adagrad's curve",
            "Adagrad needs no tuning of its rate",
            f"from a fresh start, with rate {RATE:g}, within {CLOSE:.0%} of the least loss in {EPOCHS} epochs",
            f"{_times(adagrad)} the least loss",
            adagrad.end <= CLOSE,
        ),
    ]


def _times(fit: Fit) -> str:
    return f"{1.0 + fit.end:.3g} times"


def _list(names: list[str]) -> str:
    if len(names) == len(optimizers()):
        return "all five"
    return " and ".join(names) or "none"


def _summary(fits: list[Fit]) -> str:
    far = [f for f in _of(fits, "fresh start") if f.end > CLOSE]
    text = (
        f"Trained in turn, {_list(_close(fits, 'in turn'))} end within {CLOSE:.0%} of the least loss; each from a "
        f"fresh start, {_list(_close(fits, 'fresh start'))} do"
    )
    if far:
        ends = ", ".join(f"{fit.optimizer} at {_times(fit)}" for fit in far)
        text += f", and {EPOCHS} epochs leave {ends} the least loss"
    return f"{text}. The source's figure is not a comparison: the others start where SGD ended."


def _what(rows: Dataset) -> str:
    return "Consumption (mpg)" if not rows.instead else rows.target_name.capitalize()


def _names(rows: Dataset) -> str:
    return ", ".join(name.partition(" (")[0] for name in rows.feature_names)


# --- every rate -------------------------------------------------------------------------------------


def at_all_rates(
    x: NDArray[np.float64], y: NDArray[np.float64], rates: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Loss above the least after all epochs, as a share of it; nan where descent diverged or has gone uphill."""
    problem = LeastSquares(x[:, :-1], y, cost="1/m", batch_size=BATCH, rng=SEED)
    least = problem.loss(problem.solution)
    start = np.zeros(x.shape[1])
    limit = problem.loss(start)
    found = {}
    for name, optimizer in optimizers().items():
        updates = EPOCHS * problem.updates_per_epoch
        losses = sweep(problem, optimizer, {"lr": rates}, x0=start, max_iter=updates, tol=0.0).loss
        found[name] = np.asarray(np.where(losses <= limit, losses / least - 1.0, np.nan))
    return found


# --- tables and pictures ----------------------------------------------------------------------------


def _curves_figure(fits: list[Fit], y: NDArray[np.float64]) -> Figure:
    square = float(np.mean(y * y))
    floor = float(_of(fits, "in turn")[1].all_rows[0])

    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, sharey=True)
        for ax, version in ((left, VERSIONS[0]), (right, VERSIONS[1])):
            for k, fit in enumerate(_of(fits, version)):
                _curve(ax, fit, k)
            ax.axhline(square, color=INK, linewidth=0.8, linestyle=":")
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_major_formatter("{x:,.0f}")
            ax.set_ylim(0.0, _TOP * square)
        left.annotate(
            "the other four begin\nwhere SGD ended", (2.0, floor + 0.02 * square), (1.3, floor + 0.18 * square),
            arrowprops={"arrowstyle": "->", "color": INK}, color=INK, fontsize="small",
        )  # fmt: skip
        quiet(left, x="epoch of the optimizer", y="loss: mean square error",
              title="One model through all five in turn (source)")  # fmt: skip
        quiet(right, x="epoch of the optimizer", title="Each from a fresh start (fair)")
        for ax in (left, right):
            if (legend := ax.get_legend()) is not None:
                legend.remove()
        handles, names = right.get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=5, frameon=False)

    return Figure(
        "curves",
        f"Loss of all rows after each epoch (lines), and that of the epoch's last batch, which the source plots "
        f"(points, for some epochs), rate {RATE:g}. Dotted: the mean square of the target, which is the loss of a "
        "model that predicts 0.",
        draw,
        size=(10.0, 4.6),
    )


def _curve(ax: Axes, fit: Fit, k: int) -> None:
    n = fit.plotted.size
    epochs = np.unique(np.geomspace(1, n, 40).round().astype(np.int64))
    ax.plot(epochs, fit.plotted[epochs - 1], MARKERS[k], color=COLOURS[k], ms=3, mew=0, alpha=0.5)
    ax.plot(
        np.arange(1, n + 1),
        fit.all_rows,
        color=COLOURS[k],
        linestyle=DASHES[k],
        label=fit.optimizer,
    )


def _fits_table(fits: list[Fit]) -> Table:
    never = f"not in {EPOCHS}"
    columns = [Column("version"), Column("optimizer"), Column("first plotted loss", ",.1f")]
    columns += [Column("plotted loss, mean of the last 100", ",.2f")]
    columns += [Column("loss of all rows at the end", ",.2f")]
    columns += [Column("times the least", ".3g")]
    columns += [Column(f"epochs until within {CLOSE:.0%}", "d", missing=never)]
    rows = [
        (f.version, f.optimizer, float(f.plotted[0]), float(f.plotted[-100:].mean()),
         float(f.all_rows[-1]), 1.0 + f.end, f.arrived)
        for f in fits
    ]  # fmt: skip
    return Table(
        "table",
        f"Both versions, rate {RATE:g}. The least possible loss is {fits[0].least:.2f}.",
        columns,
        rows,
    )


def _rates_figure(tried: dict[str, NDArray[np.float64]], rates: NDArray[np.float64]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for k, (name, excess) in enumerate(tried.items()):
            y = np.maximum(excess, 1e-6)
            ax.plot(
                rates, y, MARKERS[k], color=COLOURS[k], linestyle=DASHES[k], ms=3.5, lw=1.2,
                label=name,
            )  # fmt: skip
        ax.axvline(RATE, color=INK, linewidth=0.8, linestyle=":")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        quiet(
            ax, x="learning rate", y=f"loss above the least after {EPOCHS} epochs",
            loc="center left", bbox_to_anchor=(1.0, 0.5),
        )  # fmt: skip

    return Figure(
        "rates",
        "Each optimizer from a fresh start at its own rate: the loss of all rows above the least, as a share of it. "
        f"Dotted: the source's rate, {RATE:g}. A line ends where descent diverges or ends above its start; what is "
        "below 0.0001% is drawn there.",
        draw,
        size=(9.0, 4.4),
    )


def _rates_table(tried: dict[str, NDArray[np.float64]], rates: NDArray[np.float64]) -> Table:
    rows = []
    for name, excess in tried.items():
        close = rates[excess <= CLOSE]
        ends = (float(close.min()), float(close.max())) if close.size else (None, None)
        best = int(np.nanargmin(excess))
        rows.append((name, *ends, float(rates[best]), 100 * float(excess[best])))
    columns = [Column("optimizer"), Column(f"lowest rate within {CLOSE:.0%}", ".2g", "none")]
    columns += [Column(f"highest rate within {CLOSE:.0%}", ".2g", "none")]
    columns += [Column("best rate", ".2g"), Column("above the least there (%)", ".2g")]
    return Table(
        "rates",
        f"Which of the rates tried end within {CLOSE:.0%} of the least loss in {EPOCHS} epochs.",
        columns,
        rows,
    )


def _curves_table(fits: list[Fit]) -> Table:
    columns = [Column("version"), Column("optimizer"), Column("epoch", "d")]
    columns += [Column("last batch's loss", ".4g"), Column("loss of all rows", ".4g")]
    rows = [
        (fit.version, fit.optimizer, int(n), float(fit.plotted[n - 1]), float(fit.all_rows[n - 1]))
        for fit in fits
        for n in thinned(fit.plotted.size, 200)
    ]
    return Table("curves", "The curves, 200 epochs of each.", columns, rows, shown=False)
