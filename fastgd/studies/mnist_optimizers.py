"""SGD, momentum, AdaGrad and Adadelta on MNIST: every figure of a published comparison, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.datasets import Dataset, load_mnist
from fastgd.network.mlp import MLP
from fastgd.optimizers import SGD, Adadelta, Adagrad, Momentum, Optimizer
from fastgd.plotting import COLOURS, DASHES, INK
from fastgd.studies.common import (
    Finding,
    data_statement,
    findings_table,
    named_data,
    quiet,
    thinned,
    training_losses,
)
from fastgd.studies.report import Block, Column, Figure, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from fastgd.studies import Options

NAME = "mnist-optimizers"
HIDDEN, CLASSES = (500, 300), 10
SEEDS = (0, 1, 2)  # all runs have the first; the pair that ends close has all
CLOSE_PAIR = ("AdaGrad", "Adadelta, γ 0.1")
BATCH, RATE, EPS = 256, 0.01, 1e-6
MOMENTA = (0.1, 0.3, 0.5, 0.7)
GAMMAS = (0.5, 0.3, 0.1)  # the source's weights of the new sample: rho = 1 - gamma
#: Updates with one row and with a batch: five passes over MNIST's 60,000 rows in batches, one in single rows.
#: The stand-in has few rows, the quick form little time.
UPDATES, UPDATES_OF_STAND_IN, UPDATES_QUICK = (60_000, 1175), (15_000, 600), (1000, 150)

GUESSING = log(CLASSES)  # the loss of a network that gives all classes the same probability
_CURVE_POINTS = 400  # of each curve in the CSV file


@dataclass(frozen=True)
class Run:
    """One training: the loss of each update's batch, before the update, and how the network does on the test rows."""

    name: str
    batch: int
    losses: NDArray[np.float64]  # nan from where it diverged
    accuracy: float | None  # None: diverged

    @property
    def diverged(self) -> int | None:
        """The update that saw a loss that is no number."""
        gone = np.flatnonzero(~np.isfinite(self.losses))
        return int(gone[0]) + 1 if gone.size else None

    @property
    def mean(self) -> float:
        """Over all updates: the lower, the faster."""
        return float(self.losses.mean())

    @property
    def last(self) -> NDArray[np.float64]:
        """The last tenth."""
        return self.losses[-max(1, self.losses.size // 10) :]

    @property
    def end(self) -> float:
        """Mean of the last tenth."""
        return float(self.last.mean())

    @property
    def spread(self) -> float:
        """Standard deviation within the last tenth, as a share of its mean."""
        return float(self.last.std() / self.last.mean())

    @property
    def converges(self) -> bool:
        """Whether it ends below half of what guessing costs; nan does not."""
        return self.end < GUESSING / 2


def study(options: Options) -> Section:
    """Train with every setting of the source, then look at its findings one by one."""
    rows = load_mnist(
        named_data(options.data, load_mnist, "mnist/train-images-idx3-ubyte.gz"),
        download=options.download,
    )
    updates = UPDATES_OF_STAND_IN if rows.source == "stand-in" else UPDATES
    single, batched = UPDATES_QUICK if options.quick else updates
    runs = train_all(rows, single, batched)
    parts = _figures(runs)
    findings = [part.finding for part in parts]
    summary = _summary(findings, quick=options.quick)
    blocks: list[Block] = [
        Text(
            "**The question.** A network is trained to tell handwritten digits by SGD, momentum, AdaGrad and "
            "Adadelta. A paper draws the loss of each update and compares; it prints no numbers. Do its findings hold?"
        ),
        Text(_setting(rows, single, batched, quick=options.quick)),
        Text(f"**Result.** {summary}"),
        findings_table(findings, "The source's findings, each decided by a number."),
    ]
    for part in parts:
        f = part.finding
        blocks.append(Text(f"**{f.figure}.** {f.claim}: **{f.verdict}**."))
        blocks.append(part.drawn)
    blocks += [_runs_table(runs), _curves_table(runs)]
    results = {"runs": runs, "findings": findings}
    return Section(
        NAME,
        "Optimizers on MNIST",
        data_statement(rows, "MNIST is", "the real one"),
        rows.source == "stand-in",
        summary,
        blocks,
        results,
    )


# --- the runs ---------------------------------------------------------------------------------------


def settings() -> dict[str, tuple[int, Optimizer]]:
    """The source's runs: batch and optimizer."""
    return {
        "SGD, one row, rate 0.01": (1, SGD(lr=0.01)),
        "SGD, one row, rate 0.1": (1, SGD(lr=0.1)),
        "SGD, rate 0.01": (BATCH, SGD(lr=0.01)),
        "SGD, rate 0.1": (BATCH, SGD(lr=0.1)),
        **{f"momentum {m}": (BATCH, Momentum(lr=RATE, momentum=m)) for m in (*MOMENTA, 0.9)},
        "AdaGrad": (BATCH, Adagrad(lr=RATE, eps=EPS, convention="paper")),
        **{
            f"Adadelta, γ {g}": (BATCH, Adadelta(rho=1.0 - g, eps=EPS, convention="paper"))
            for g in GAMMAS
        },
    }


def train_all(rows: Dataset, single: int, batched: int) -> dict[str, Run]:
    """Every run from the same weights over the same orders of the rows; the two that end close with other seeds too."""
    updates = {1: single, BATCH: batched}
    runs = {}
    for name, (batch, optimizer) in settings().items():
        runs[name] = _train(rows, name, optimizer, batch, updates[batch])
    for seed in SEEDS[1:]:
        for close in CLOSE_PAIR:
            batch, optimizer = settings()[close]
            name = _with_seed(close, seed)
            runs[name] = _train(rows, name, optimizer, batch, updates[batch], seed)
    return runs


def _with_seed(name: str, seed: int) -> str:
    return name if seed == SEEDS[0] else f"{name}, seed {seed}"


def _train(  # noqa: PLR0917
    rows: Dataset, name: str, optimizer: Optimizer, batch: int, updates: int, seed: int = SEEDS[0]
) -> Run:
    x, test = (part.reshape(len(part), -1) for part in map(np.asarray, (rows.data, rows.test_data)))
    network = MLP([x.shape[1], *HIDDEN, CLASSES], rng=seed)
    losses = training_losses(network, x, rows.target, optimizer, batch=batch, updates=updates)
    finite = bool(np.isfinite(losses).all()) and all(np.isfinite(p).all() for p in network.params)
    accuracy = network.score(test, np.asarray(rows.test_target)) if finite else None
    return Run(name, batch, losses, accuracy)


def _setting(rows: Dataset, single: int, batched: int, *, quick: bool) -> str:
    n, tested, inputs = len(rows.data), len(np.asarray(rows.test_data)), rows.data[0].size
    sizes = "-".join(map(str, (inputs, *HIDDEN, CLASSES)))
    text = (
        f"**The setting.** A network {sizes} with ReLU, softmax and cross-entropy, float32; {n:,} images to train and "
        f"{tested:,} to test, pixels from 0 to 1. Batches of {BATCH} for {batched:,} updates "
        f"({batched * BATCH / n:.3g} passes), single rows for {single:,} ({single / n:.3g}). The source does not tell "
        "initial weights or the length of its runs: here He's weights for the layers that feed ReLU and Glorot's for "
        f"the last, the same for all runs, as are the orders of the rows (seed {SEEDS[0]}). The source weighs the new "
        "sample with γ, where others weigh the old mean with ρ = 1 − γ. It has ε inside the roots and no value of it: "
        f"here {EPS:g}. Adadelta has no rate. A loss is that of an update's own batch before the update; the figures "
        f"show means of many. What guessing costs is ln {CLASSES} = {GUESSING:.2f}."
    )
    if quick:
        text += " This is the quick form: the runs are cut short, and the full ones may decide otherwise."
    return text


# --- the findings -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One figure of the source: what it finds, and our picture."""

    finding: Finding
    drawn: Figure


def _figures(runs: dict[str, Run]) -> list[Part]:
    slow, fast = runs["SGD, one row, rate 0.01"], runs["SGD, one row, rate 0.1"]
    low, high = runs["SGD, rate 0.01"], runs["SGD, rate 0.1"]
    momenta = [runs[f"momentum {m}"] for m in MOMENTA]
    gammas = [runs[f"Adadelta, γ {g}"] for g in GAMMAS]
    four = [low, runs["momentum 0.9"], runs["AdaGrad"], runs["Adadelta, γ 0.1"]]
    pairs = [
        (runs[_with_seed(CLOSE_PAIR[0], seed)], runs[_with_seed(CLOSE_PAIR[1], seed)])
        for seed in SEEDS
    ]
    found = {
        "single-rows": (single_rows(slow, fast), [slow, fast]),
        "batches": (two_rates(low, high), [low, high]),
        "momentum": (larger_momenta(momenta), momenta),
        "adadelta": (windows(gammas), gammas),
        "four-methods": (at_the_end(four, pairs), four),
    }
    return [Part(f, _curves(name, f.figure, drawn)) for name, (f, drawn) in found.items()]


_SETTLES = (
    "converges: the mean loss of the last tenth of the updates is below half of what guessing costs, "
    f"{GUESSING / 2:.2f}"
)


def single_rows(slow: Run, fast: Run) -> Finding:
    """The source's first figure."""
    return Finding(
        "SGD, one row an update",
        "Rate 0.01 fluctuates but converges, rate 0.1 does not converge",
        f"{_SETTLES}; fluctuates: the losses of the last tenth have a deviation above half their mean",
        f"rate 0.01 ends at {_loss(slow)}, deviation {slow.spread:.1f} of the mean; rate 0.1 at {_loss(fast)}",
        slow.converges and slow.spread > 0.5 and not fast.converges,
    )


def two_rates(low: Run, high: Run) -> Finding:
    """The second: batches."""
    return Finding(
        f"SGD, batches of {BATCH}",
        "Both rates converge, 0.1 faster than 0.01",
        f"{_SETTLES}; faster: the lower mean loss over all updates",
        f"they end at {_loss(low)} (rate 0.01) and {_loss(high)} (0.1); means {low.mean:.3g} and {high.mean:.3g}",
        low.converges and high.converges and high.mean < low.mean,
    )


def larger_momenta(momenta: list[Run]) -> Finding:
    """The third."""
    means = [run.mean for run in momenta]
    return Finding(
        f"Momentum, rate {RATE:g}",
        "The larger the momentum, the faster",
        "the mean loss over all updates falls from each momentum to the next larger one",
        f"momentum {_each(MOMENTA)}: means {_each(means)}",
        _falls(means),
    )


def windows(gammas: list[Run]) -> Finding:
    """The fourth: Adadelta."""
    means = [run.mean for run in gammas]
    right = _accuracies(gammas)
    return Finding(
        "Adadelta",
        "γ makes a small difference; the longer window, the smaller γ, is slightly faster",
        "test accuracies within one percentage point; the mean loss over all updates falls from each γ to the smaller",
        f"γ {_each(GAMMAS)}: means {_each(means)}, accuracies {_each(right)} %",
        max(right) - min(right) <= 1.0 and _falls(means),
    )


def at_the_end(four: list[Run], pairs: list[tuple[Run, Run]]) -> Finding:
    """The last: four methods; AdaGrad and Adadelta with each seed."""
    leads = [adadelta.end / adagrad.end - 1.0 for adagrad, adadelta in pairs]
    ends = ", ".join(f"{run.name} {_loss(run)}" for run in four)
    right = ["{:.2f} and {:.2f} %".format(*_accuracies(reversed(pair))) for pair in pairs]
    seeds = _each(SEEDS)
    apart = ", ".join(f"{100 * lead:+.0f} %" for lead in leads).replace("-", "−")
    return Finding(
        "Four methods",
        "At the end Adadelta (γ 0.1) is slightly ahead of AdaGrad",
        "Adadelta's mean loss over the last tenth of the updates is the lower one, by at most a quarter, with each of "
        f"the seeds {seeds}",
        f"Adadelta's loss against AdaGrad's, seeds {seeds}: {apart}; test accuracies {', '.join(right)}. All ends with "
        f"seed {SEEDS[0]}: {ends}",
        all(-0.25 <= lead < 0.0 for lead in leads),
    )


def _accuracies(runs: Iterable[Run]) -> list[float]:
    """In percent; 0 where a run diverged."""
    return [100.0 * (run.accuracy or 0.0) for run in runs]


def _falls(values: list[float]) -> bool:
    return all(b < a for a, b in pairwise(values))


def _each(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _loss(run: Run) -> str:
    return f"{run.end:.3g}" if run.diverged is None else f"no number (update {run.diverged:,})"


def _percent(run: Run) -> str:
    return "none" if run.accuracy is None else f"{100 * run.accuracy:.2f} %"


def _summary(findings: list[Finding], *, quick: bool) -> str:
    held = [f for f in findings if f.holds]
    text = f"{len(held)} of the {len(findings)} findings hold"
    text += " in the quick form, whose runs are cut short" if quick else ""
    failed = ", ".join(f"“{f.claim}” ({f.figure})" for f in findings if not f.holds)
    return f"{text}; not: {failed}." if failed else f"{text}."


# --- tables and pictures ----------------------------------------------------------------------------


_STRETCHES = 60  # of a run, whose means are drawn


def stretches(run: Run) -> NDArray[np.int64]:
    """Where the stretches begin and end; of batches, whose losses are steady, the first tenth in shorter ones."""
    n = run.losses.size
    if run.batch == 1:
        cuts = np.linspace(0, n, _STRETCHES // 2 + 1)
    else:
        early = np.linspace(0, n // 10, _STRETCHES // 6 + 1)
        cuts = np.concatenate([early, np.linspace(n // 10, n, _STRETCHES)])
    return np.unique(cuts.round().astype(np.int64))


def _curves(name: str, title: str, runs: list[Run]) -> Figure:
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
        f"{title}: loss, each point the mean of many updates, and accuracy on the test rows at the end. Dotted: what "
        f"guessing costs.{band}",
        draw,
        size=(8.0, 4.2),
    )


def _loss_axis(ax: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415  (heavy)

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def _runs_table(runs: dict[str, Run]) -> Table:
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


def _curves_table(runs: dict[str, Run]) -> Table:
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
