"""The source's findings, each decided by a number."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from fastgd.studies.common import Finding
from fastgd.studies.mnist_optimizers.runs import BATCH, GAMMAS, GUESSING, MOMENTA, RATE, SEEDS, Run

_SETTLES = (
    "converges: the mean loss of the last tenth of the updates is below half that of guessing, "
    f"{GUESSING / 2:.2f}"
)


def single_rows(slow: Run, fast: Run) -> Finding:
    """Test the first figure: single rows."""
    return Finding(
        "SGD, one row an update",
        "Rate 0.01 fluctuates but converges, rate 0.1 does not converge",
        f"{_SETTLES}; fluctuates: the losses of the last tenth have a standard deviation above half their mean",
        f"rate 0.01 ends at {_loss(slow)}, deviation {slow.spread:.1f} of the mean; rate 0.1 at {_loss(fast)}",
        slow.converges and slow.spread > 0.5 and not fast.converges,
    )


def two_rates(low: Run, high: Run) -> Finding:
    """Test the second figure: batches."""
    return Finding(
        f"SGD, batches of {BATCH}",
        "Both rates converge, 0.1 faster than 0.01",
        f"{_SETTLES}; faster: the lower mean loss over all updates",
        f"they end at {_loss(low)} (rate 0.01) and {_loss(high)} (0.1); means {low.mean:.3g} and {high.mean:.3g}",
        low.converges and high.converges and high.mean < low.mean,
    )


def larger_momenta(momenta: list[Run]) -> Finding:
    """Test the third figure: momentum."""
    means = [run.mean for run in momenta]
    return Finding(
        f"Momentum, rate {RATE:g}",
        "The larger the momentum, the faster",
        "the mean loss over all updates falls from each momentum to the next larger one",
        f"momentum {_each(MOMENTA)}: means {_each(means)}",
        _falls(means),
    )


def windows(gammas: list[Run]) -> Finding:
    """Test the fourth figure: Adadelta."""
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
    """Test the last figure: four methods, AdaGrad and Adadelta with each seed."""
    leads = [adadelta.end / adagrad.end - 1.0 for adagrad, adadelta in pairs]
    ends = ", ".join(f"{run.name} {_loss(run)}" for run in four)
    right = ["{:.2f} and {:.2f} %".format(*_accuracies(reversed(pair))) for pair in pairs]
    seeds = _each(SEEDS)
    apart = ", ".join(f"{100 * lead:+.0f} %" for lead in leads).replace("-", "−")
    return Finding(
        "Four methods",
        "At the end Adadelta (γ 0.1) is slightly ahead of AdaGrad",
        "Adadelta's mean loss over the last tenth of the updates is lower, by at most a quarter, for each of the "
        f"seeds {seeds}",
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
