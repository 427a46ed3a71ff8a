"""Which of 81 networks for the digits is the best: successive halving and Hyperband, beside training all to the end.

The runs are the pairs of 27 learning rates and 3 sizes of a hidden layer, trained by Adam on two thirds of the digits
and judged by their accuracy on the others. scikit-learn's `HalvingGridSearchCV` does the same with its `MLPClassifier`,
on the same split; at each rung it trains anew from the start. Beside each time stands the accuracy of what was found.
"""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, SETTLE_BLAS, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

ROUNDS = 3 if QUICK else 7
EPOCHS, FACTOR, BATCH = (9, 3, 64) if QUICK else (81, 3, 64)


class Digits:
    """The digits, split, and the grid of runs."""

    rates = np.geomspace(1e-4, 1.0, 9 if QUICK else 27)
    hidden = ((8,), (16,), (32,))

    @cached_property
    def data(self) -> tuple[Any, Any]:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        return (x[order] / 16).astype(np.float32), y[order]

    @property
    def cut(self) -> int:
        """Rows that are trained on."""
        return len(self.data[0]) * 2 // 3

    def ours(self, stopping: Any, n_threads: int | None = None) -> Callable[[], gd.SweepResult]:
        """A sweep of all runs, some of which may be stopped."""
        x, y = self.data
        train, other = (x[: self.cut], y[: self.cut]), (x[self.cut :], y[self.cut :])
        net = gd.MLP([64, 32, 10], rng=0)
        problem = net.problem(*train, batch_size=BATCH, validation=other)
        axes = {"lr": self.rates, "hidden": self.hidden}
        options = {"max_iter": EPOCHS * -(-self.cut // BATCH), "n_threads": n_threads}
        return lambda: gd.sweep(
            problem, gd.Adam(), axes, stopping=stopping, progress=False, **options
        )

    def scikit_learn(self, n_jobs: int) -> Callable[[], Any]:
        """The same search by scikit-learn."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.experimental import enable_halving_search_cv  # noqa: F401
        from sklearn.model_selection import HalvingGridSearchCV
        from sklearn.neural_network import MLPClassifier

        x, y = self.data
        rows = np.arange(len(x))
        net = MLPClassifier(
            solver="adam", alpha=0, batch_size=BATCH, tol=0, n_iter_no_change=10**6, random_state=0
        )
        grid = {"learning_rate_init": self.rates, "hidden_layer_sizes": self.hidden}
        search = HalvingGridSearchCV(
            net, grid, factor=FACTOR, resource="max_iter", max_resources=EPOCHS, min_resources=1,
            cv=[(rows[: self.cut], rows[self.cut :])], refit=False, n_jobs=n_jobs, random_state=0,
        )  # fmt: skip

        def call() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                return search.fit(x, y)

        return call


def halving() -> gd.SuccessiveHalving:
    """One epoch at first, as many as the peer's."""
    digits = Digits()
    return gd.SuccessiveHalving(-(-digits.cut // BATCH), factor=FACTOR, by="metric")


def hyperband() -> gd.Hyperband:
    """Its brackets, by the same rungs."""
    first = halving()
    return gd.Hyperband(first.min_iter, factor=FACTOR, by="metric")


def accuracy(found: Any) -> float:
    """Of the best network of a sweep or of a search, on the rows that were not trained on."""
    if isinstance(found, gd.SweepResult):
        metric = found.best(by="metric").metric
        assert metric is not None
        return metric
    scores = found.cv_results_
    last = scores["iter"] == scores["iter"].max()
    return float(scores["mean_test_score"][last].max())


def test_halving(benchmark: Any) -> None:
    digits, threads = Digits(), get_num_threads()
    calls = {
        "fastgd": digits.ours(halving()),
        "fastgd 1 thread": digits.ours(halving(), 1),
        "Hyperband": digits.ours(hyperband()),
        "all runs to the end": digits.ours(None),
    }
    skipped = {}
    if why := peers.missing("sklearn"):
        skipped["scikit-learn"] = why
    else:
        calls["scikit-learn"] = digits.scikit_learn(threads)
    found = {
        name: Candidate(call, note=f"{accuracy(call()):.1%}", settle=SETTLE_BLAS)
        for name, call in calls.items()
    }
    about = {
        "table": "Bad runs stopped early",
        "workload": f"{len(digits.rates) * len(digits.hidden)} networks for the digits, {EPOCHS} epochs",
        "threads": threads,
        "unit": "search",
        "headline": True,
        "quality": {name: candidate.note for name, candidate in found.items()},
    }
    compare(benchmark, found, rounds=ROUNDS, about=about, skipped=skipped)


@pytest.mark.parametrize("runs", [3 if QUICK else 3000])
def test_halving_of_descents(benchmark: Any, runs: int) -> None:
    """Rates and momenta of descent on 40 rows: a search for the lowest loss after 27,000 updates."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (40, 2))
    problem = gd.LeastSquares(x, x @ [3.0, -2.0] + rng.normal(0, 0.1, 40))
    axes = {"lr": np.geomspace(1e-5, 3, runs), "momentum": [0.0, 0.5, 0.9]}
    first = gd.SuccessiveHalving(1000)

    def search(stopping: gd.SuccessiveHalving | None) -> Callable[[], gd.SweepResult]:
        return lambda: gd.sweep(
            problem, gd.Momentum(), axes, max_iter=27_000, tol=0, stopping=stopping, progress=False
        )

    calls = {"fastgd": search(first), "all runs to the end": search(None)}
    found = {
        name: Candidate(call, note=f"loss {call().best().loss:.6g}") for name, call in calls.items()
    }
    about = {
        "table": "Bad runs stopped early",
        "workload": f"{3 * runs:,} descents of three parameters, 27,000 updates",
        "threads": get_num_threads(),
        "unit": "search",
        "headline": True,
    }
    compare(benchmark, found, rounds=ROUNDS, about=about)
