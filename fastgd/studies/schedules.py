"""Learning-rate schedules, and the linear scaling rule of rate and batch: on least squares and on a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd import schedules, theory
from fastgd.network.mlp import MLP
from fastgd.optimizers import SGD
from fastgd.plotting import COLOURS, DASHES, INK, MARKERS
from fastgd.problems import LeastSquares
from fastgd.schedules import Schedule
from fastgd.studies.common import loss_at, quiet, training_losses
from fastgd.studies.report import Block, Column, Figure, Options, Origin, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "schedules"
ROWS, FEATURES, SEED = 4_000, 10, 0
BATCH, EPOCHS = 20, 90
#: The lecture notes' example: batch 20 with rate 0.01, so batch 40 with rate 0.02.
RULE_BATCH, RULE_RATE, RULE_EPOCHS = 20, 0.01, 5
MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
#: The same on a network: scikit-learn's digits, the first rows to train and the others to test.
NETWORK, NETWORK_ROWS = (64, 32, 10), 1500
NETWORK_RATE, NETWORK_EPOCHS, NETWORK_SEEDS = 0.05, 10, (0, 1, 2)
NETWORK_MULTIPLES = (1, 2, 4, 8, 16, 32)


def study(options: Options) -> Section:
    """Compare schedules at many peak rates, then test the scaling rule."""
    x, y = rows_of(SEED)
    marks = (1, 30, 60, 90) if options.quick else (1, 2, 5, 10, 20, 29, 31, 40, 59, 61, 75, 90)
    peaks = np.geomspace(0.002, 0.5, 5 if options.quick else 13)
    compared = _compare(problem_of(x, y, BATCH), peaks, marks)
    rule = _scaling_rule(x, y)
    network_rule = on_a_network()
    summary = _summary(compared, rule, network_rule)
    limit = theory.stable_range(problem_of(x, y, None).hessian)[1]
    blocks: list[Block] = [
        Text(
            "**The question.** With batches of rows and a constant rate, descent ends up fluctuating around the "
            "minimum. Lecture notes list schedules that lower the rate during training, and a rule: with k times "
            "the batch, use k times the rate. They print no results; here both are tested."
        ),
        Text(
            f"**The setting.** Least squares with {ROWS:,} generated rows of {FEATURES} features of unequal "
            f"spread, intercept and noise (seed {SEED}), J = 1/2m Σ r² with m the rows of the batch, batches of "
            f"{BATCH}, {EPOCHS} passes, plain descent from 0. Loss is that of all rows, less the least "
            "possible, as a share of it. All schedules start from (or peak at) the same rates."
        ),
        Text(f"**Result.** {summary}"),
        _schedules_figure(compared),
        _schedules_table(compared),
        Text(
            "**The linear scaling rule.** The mean step of a pass is unchanged when batch and rate grow together, "
            "and so are the fluctuations, as long as single steps are small. From the notes' own pair, batch "
            f"{RULE_BATCH} with rate {RULE_RATE:g}, {RULE_EPOCHS} passes: with k times the batch, the rate k times as "
            f"large, √k times, or the same. The rule must fail where k·{RULE_RATE:g} reaches 2/λmax = {limit:.2f}."
        ),
        _rule_figure(rule),
        _rule_table(rule),
        Text(
            "**The rule on a network.** "
            f"A network {'-'.join(map(str, NETWORK))} with ReLU learns {NETWORK_ROWS:,} of scikit-learn's digits "
            f"(8 x 8 pixels) in {NETWORK_EPOCHS} passes, from batch {RULE_BATCH} and rate {NETWORK_RATE:g}; the mean "
            f"of {len(NETWORK_SEEDS)} seeds. {_network_statement(network_rule)}"
        ),
        _network_figure(network_rule),
        _network_table(network_rule),
    ]
    results = {
        "final": {c.name: c.final for c in compared},
        "rule": {r.multiple: r.excess for r in rule},
        "network_rule": {r.multiple: r.loss for r in network_rule},
    }
    return Section(NAME, "Schedules of the rate", Origin(), summary, blocks, results)


def rows_of(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs whose columns spread between 0.3 and 1, and targets with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, FEATURES)) * np.geomspace(0.3, 1.0, FEATURES)
    return x, 1.0 + x @ rng.normal(size=FEATURES) + rng.normal(size=ROWS)


def problem_of(x: NDArray[np.float64], y: NDArray[np.float64], batch: int | None) -> LeastSquares:
    """Least squares in batches; over all rows for None."""
    return LeastSquares(x, y) if batch is None else LeastSquares(x, y, batch_size=batch, rng=SEED)


# --- schedules --------------------------------------------------------------------------------------


def kinds(peak: float, per_pass: int) -> dict[str, Schedule]:
    """The notes' schedules over all passes, from one peak rate."""
    total = EPOCHS * per_pass
    return {
        "constant": schedules.constant(peak),
        "÷10 every 30 passes": schedules.step(peak, 30 * per_pass),
        "cosine": schedules.cosine(peak, total),
        "linear": schedules.linear(peak, 0.0, total),
        "inverse square root": schedules.inverse_sqrt(peak, per_pass),
        "warm-up, then cosine": schedules.warmup_cosine(peak, 5 * per_pass, total),
    }


@dataclass(frozen=True)
class Compared:
    """One kind of schedule at every peak rate: the loss above the least, at the marked passes."""

    name: str
    marks: tuple[int, ...]
    peaks: NDArray[np.float64]
    excess: NDArray[np.float64]  # (marks, peaks)
    schedule: Schedule  # that of the best peak

    @property
    def best(self) -> int:
        """The peak with the lowest loss at the end."""
        return int(np.argmin(np.nan_to_num(self.excess[-1], nan=np.inf)))

    @property
    def final(self) -> float:
        """The loss it ends with."""
        return float(self.excess[-1, self.best])


def _compare(
    problem: LeastSquares, peaks: NDArray[np.float64], marks: tuple[int, ...]
) -> list[Compared]:
    per_pass = problem.updates_per_epoch
    rates = {name: [kinds(p, per_pass)[name] for p in peaks] for name in kinds(1.0, per_pass)}
    everything = [rate for each in rates.values() for rate in each]
    excess = excess_at(problem, everything, [per_pass * n for n in marks])
    compared = []
    for k, (name, each) in enumerate(rates.items()):
        mine = excess[:, k * peaks.size : (k + 1) * peaks.size]
        best = int(np.argmin(np.nan_to_num(mine[-1], nan=np.inf)))
        compared.append(Compared(name, marks, peaks, mine, each[best]))
    return compared


def excess_at(
    problem: LeastSquares, rates: list[Schedule], marks: list[int]
) -> NDArray[np.float64]:
    """Loss above the least, as a share of it, shape (marks, rates); nan where descent diverged."""
    losses = loss_at(problem, SGD(), {"lr": rates}, marks)
    excess = losses / problem.loss(problem.solution) - 1.0
    return np.asarray(np.where(excess < 1e6, excess, np.nan))


def _schedules_figure(compared: list[Compared]) -> Figure:
    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, width_ratios=(1, 1.4))
        per_pass = ROWS // BATCH
        passes = np.linspace(0, EPOCHS, 600)
        for k, c in enumerate(compared):
            style = {"color": COLOURS[k], "linestyle": DASHES[k]}
            left.plot(passes, c.schedule((passes * per_pass).astype(np.int64)), **style)
            y = c.excess[:, c.best]
            right.plot(c.marks, y, marker=MARKERS[k], markersize=3.5, label=c.name, **style)
        right.set_yscale("log")
        right.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        quiet(left, x="passes", y="rate, at the best peak")
        quiet(right, x="passes", y="loss above the least (share of it)", fontsize="small")

    return Figure(
        "curves",
        "Each schedule at its best peak rate: the rate, and the loss above the least.",
        draw,
        size=(9.6, 4.4),
    )


def _schedules_table(compared: list[Compared]) -> Table:
    near = int(np.abs(compared[0].peaks - 0.1).argmin())
    rows = [
        (c.name, c.peaks[c.best], 100 * c.final, 100 * float(c.excess[-1, near])) for c in compared
    ]
    columns = [Column("schedule"), Column("best peak", ".3g")]
    columns.append(Column(f"loss above the least after {EPOCHS} passes (%)", ".3g"))
    columns.append(Column(f"the same, all from {compared[0].peaks[near]:.2g} (%)", ".3g"))
    return Table("table", "The final loss of each schedule.", columns, rows)


# --- the linear scaling rule ------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled:
    """One multiple of the batch: the loss above the least with each way to choose the rate."""

    multiple: int
    excess: dict[str, float]


def scaled_rates(multiple: int, rate: float) -> dict[str, float]:
    """Three ways to choose the rate for so many times the batch."""
    return {"k times": multiple * rate, "√k times": multiple**0.5 * rate, "the same": rate}


def _scaling_rule(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[Scaled]:
    found = []
    for k in MULTIPLES:
        problem = problem_of(x, y, k * RULE_BATCH)
        rates = scaled_rates(k, RULE_RATE)
        mark = RULE_EPOCHS * problem.updates_per_epoch
        excess = excess_at(problem, [schedules.constant(r) for r in rates.values()], [mark])[0]
        found.append(Scaled(k, dict(zip(rates, map(float, excess), strict=True))))
    return found


def _draw_rule(ax: Axes, multiples: list[int], lines: dict[str, list[float]], y_name: str) -> None:
    """One line for each way to choose the rate; dotted, where all begin."""
    batches = [k * RULE_BATCH for k in multiples]
    for k, (name, y) in enumerate(lines.items()):
        label = f"rate {name}"
        ax.plot(batches, y, MARKERS[k], color=COLOURS[k], linestyle=DASHES[k], label=label)
    ax.axhline(lines["the same"][0], color=INK, linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(batches, [str(b) for b in batches])
    ax.minorticks_off()
    quiet(ax, x="rows in a batch", y=y_name)


def _rule_figure(rule: list[Scaled]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        lines = {name: [r.excess[name] for r in rule] for name in rule[0].excess}
        _draw_rule(ax, [r.multiple for r in rule], lines, "loss above the least (share of it)")
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")

    return Figure(
        "rule",
        f"Loss above the least after {RULE_EPOCHS} passes, against the batch, from batch {RULE_BATCH} and rate "
        f"{RULE_RATE:g} (dotted); the line of the rule ends where it diverges.",
        draw,
        size=(8.0, 4.2),
    )


def _rule_table(rule: list[Scaled]) -> Table:
    def percent(value: float) -> float | None:
        return 100 * value if np.isfinite(value) else None

    columns = [Column("batch", "d"), Column("rate by the rule", ".2f")]
    columns += [Column(f"rate {n} (%)", ".3g", missing="diverges") for n in rule[0].excess]
    rows = [
        (r.multiple * RULE_BATCH, r.multiple * RULE_RATE, *map(percent, r.excess.values()))
        for r in rule
    ]
    return Table("rule", f"Loss above the least after {RULE_EPOCHS} passes.", columns, rows)


# --- the rule on a network --------------------------------------------------------------------------


@dataclass(frozen=True)
class ScaledNetwork:
    """One multiple of the batch: training loss and accuracy on other rows with each way to choose the rate."""

    multiple: int
    loss: dict[str, float]
    accuracy: dict[str, float]


def on_a_network() -> list[ScaledNetwork]:
    """The same passes over the digits with larger and larger batches."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  (heavy)

    digits = load_digits()
    x, y = digits.data / digits.data.max(), digits.target
    found = []
    for k in NETWORK_MULTIPLES:
        ends = {
            way: np.mean([_trained(x, y, k * RULE_BATCH, rate, seed) for seed in NETWORK_SEEDS], 0)
            for way, rate in scaled_rates(k, NETWORK_RATE).items()
        }
        loss = {way: float(end[0]) for way, end in ends.items()}
        accuracy = {way: float(end[1]) for way, end in ends.items()}
        found.append(ScaledNetwork(k, loss, accuracy))
    return found


def _trained(
    x: NDArray[np.float64], y: NDArray[np.int64], batch: int, rate: float, seed: int
) -> tuple[float, float]:
    """Loss of the training rows and accuracy on the others at the end; nan where it diverged."""
    network = MLP(NETWORK, rng=seed)
    n = NETWORK_ROWS
    updates = NETWORK_EPOCHS * -(-n // batch)
    losses = training_losses(network, x[:n], y[:n], SGD(lr=rate), batch=batch, updates=updates)
    if not np.isfinite(losses).all():
        return np.nan, np.nan
    return network.loss(x[:n], y[:n]), network.score(x[n:], y[n:])


def _network_statement(rule: list[ScaledNetwork]) -> str:
    """How far the rule carries: to the last multiple before the loss is off by a tenth."""
    start = rule[0].loss["k times"]
    carries = [abs(r.loss["k times"] / start - 1.0) <= 0.1 for r in rule]
    last = rule[carries.index(False) - 1 if False in carries else -1]
    end = rule[-1]
    return (
        f"With k times the rate the loss stays within a tenth up to {last.multiple} times the batch "
        f"({last.loss['k times']:.3f}, {start:.3f} at the start); with the same rate it is {last.loss['the same']:.2f} "
        f"there. With {end.multiple} times both, rate {end.multiple * NETWORK_RATE:g}, it ends at "
        f"{end.loss['k times']:.2f}: here, too, the rule fails where single steps become too large."
    )


def _network_figure(rule: list[ScaledNetwork]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        lines = {way: [r.loss[way] for r in rule] for way in rule[0].loss}
        y_name = "loss of the training rows (cross-entropy)"
        _draw_rule(ax, [r.multiple for r in rule], lines, y_name)
        ax.set_yticks([0.2, 0.5, 1.0, 2.0], ["0.2", "0.5", "1", "2"])
        ax.minorticks_off()

    return Figure(
        "network",
        f"A network on digits: loss after {NETWORK_EPOCHS} passes, against the batch, from batch {RULE_BATCH} and rate "
        f"{NETWORK_RATE:g} (dotted).",
        draw,
        size=(8.0, 4.2),
    )


def _network_table(rule: list[ScaledNetwork]) -> Table:
    ways = list(rule[0].loss)
    columns = [Column("batch", "d"), Column("rate by the rule", ".2f")]
    columns += [Column(f"loss, rate {way}", ".3f", missing="diverges") for way in ways]
    columns += [Column(f"test accuracy, rate {way} (%)", ".1f", missing="") for way in ways]
    rows = []
    for r in rule:
        cells = [*(r.loss[way] for way in ways), *(100 * r.accuracy[way] for way in ways)]
        known = [cell if np.isfinite(cell) else None for cell in cells]
        rows.append((r.multiple * RULE_BATCH, r.multiple * NETWORK_RATE, *known))
    return Table("network", f"A network on digits after {NETWORK_EPOCHS} passes.", columns, rows)


def _summary(
    compared: list[Compared], rule: list[Scaled], network_rule: list[ScaledNetwork]
) -> str:
    constant = compared[0].final
    best = min(compared, key=lambda c: c.final)
    one, two = (rule[k].excess["k times"] for k in (0, 1))
    first, second = (network_rule[k].loss["k times"] for k in (0, 1))
    return (
        f"After {EPOCHS} passes descent ends {_percent(constant)} above the least loss at its best constant rate, and "
        f"{_percent(best.final)} with the best schedule ({best.name}). Batch 40 with rate 0.02 does the same as batch "
        f"20 with 0.01: {_percent(two)} and {_percent(one)} above the least after {RULE_EPOCHS} passes; so too on "
        f"a network, from rate {NETWORK_RATE:g}: loss {second:.3f} and {first:.3f} after {NETWORK_EPOCHS}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
