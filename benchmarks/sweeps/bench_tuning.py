"""A search for rate, momentum and width of a network with Optuna: batches as sweeps, and one trial after the other.

The peer is Optuna's TPE sampler with its defaults, whose trials train the same network by `MLP.fit`. What both find is
in the JSON, for five seeds; the time is that of one.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

TRIALS, BATCH, EPOCHS = (16, 8, 1) if QUICK else (512, 64, 5)
SEEDS = 1 if QUICK else 5
ROWS, WIDTHS = 1200, [4, 8, 16, 32]


@cache
def problem() -> Any:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    held_out = (x[ROWS:], y[ROWS:])
    net = gd.MLP([64, 8, 10], rng=0)
    return net.problem(x[:ROWS], y[:ROWS], batch_size=64, validation=held_out), x[:ROWS], y[:ROWS]


def ours(seed: int) -> float:
    from optuna.distributions import FloatDistribution

    space = {"lr": FloatDistribution(1e-3, 10, log=True), "momentum": FloatDistribution(0, 0.99)}
    updates = EPOCHS * -(-ROWS // 64)
    options = {"batch": BATCH, "seed": seed, "max_iter": updates, "progress": False}
    space |= {"hidden": WIDTHS}
    return gd.tune(problem()[0], gd.SGD(momentum=0.5), space, TRIALS, **options).study.best_value


def one_after_the_other(seed: int) -> float:
    import optuna

    judged, x, y = problem()

    def objective(trial: Any) -> float:
        lr, momentum = (
            trial.suggest_float("lr", 1e-3, 10, log=True),
            trial.suggest_float("momentum", 0, 0.99),
        )
        net = gd.MLP([64, trial.suggest_categorical("hidden", WIDTHS), 10], rng=0)
        optimizer = gd.SGD(lr=lr, momentum=momentum)
        net.fit(x, y, optimizer=optimizer, epochs=EPOCHS, batch_size=64)
        loss = net.assess(judged.judged)[0]
        if not np.isfinite(loss):
            raise optuna.TrialPruned
        return float(loss)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=TRIALS)
    return float(study.best_value)


def test_tuning(benchmark: Any) -> None:
    if why := peers.missing("optuna"):
        pytest.skip(why)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    calls: dict[str, Callable[[int], float]] = {
        "fastgd": ours,
        "Optuna's TPE": one_after_the_other,
    }
    best = {name: [call(seed) for seed in range(SEEDS)] for name, call in calls.items()}
    about = {
        "table": "Tuning",
        "workload": f"digits, {TRIALS} trials of {EPOCHS} epochs over rate, momentum, width",
        "threads": get_num_threads(),
        "unit": "trial",
        "headline": True,
        "best": best,
    }
    candidates = {
        name: Candidate(lambda call=call: call(0), float(TRIALS)) for name, call in calls.items()
    }
    compare(benchmark, candidates, rounds=1 if QUICK else 3, about=about)
