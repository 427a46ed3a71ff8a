"""The trainings: every setting of the source, and how a run is judged."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from fastgd.datasets import Dataset
from fastgd.network.mlp import MLP
from fastgd.optimizers import SGD, Adadelta, Adagrad, Momentum, Optimizer
from fastgd.studies.common import training_losses

HIDDEN, CLASSES = (500, 300), 10
SEEDS = (0, 1, 2)  # all runs use the first; the close pair uses all
CLOSE_PAIR = ("AdaGrad", "Adadelta, γ 0.1")
BATCH, RATE, EPS = 256, 0.01, 1e-6
MOMENTA = (0.1, 0.3, 0.5, 0.7)
GAMMAS = (0.5, 0.3, 0.1)  # the source's weights of the new sample: rho = 1 - gamma
GUESSING = log(CLASSES)  # the loss if all classes have the same probability


@dataclass(frozen=True)
class Run:
    """One training: the loss of each update's batch, before the update, and the accuracy on the test rows."""

    name: str
    batch: int
    losses: NDArray[np.float64]  # nan from where it diverged
    accuracy: float | None  # None: diverged

    @property
    def diverged(self) -> int | None:
        """First update with a loss that is not finite."""
        gone = np.flatnonzero(~np.isfinite(self.losses))
        return int(gone[0]) + 1 if gone.size else None

    @property
    def mean(self) -> float:
        """Mean loss over all updates: the lower, the faster."""
        return float(self.losses.mean())

    @property
    def last(self) -> NDArray[np.float64]:
        """Losses of the last tenth of the updates."""
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
        """Whether the final loss is below half that of guessing; false for nan."""
        return self.end < GUESSING / 2


def settings() -> dict[str, tuple[int, Optimizer]]:
    """The source's runs: batch size and optimizer."""
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
    """All runs, with the same weights and orders of the rows; the close pair also with the other seeds."""
    updates = {1: single, BATCH: batched}
    runs = {}
    for name, (batch, optimizer) in settings().items():
        runs[name] = _train(rows, name, optimizer, batch, updates[batch])
    for seed in SEEDS[1:]:
        for close in CLOSE_PAIR:
            batch, optimizer = settings()[close]
            name = with_seed(close, seed)
            runs[name] = _train(rows, name, optimizer, batch, updates[batch], seed)
    return runs


def with_seed(name: str, seed: int) -> str:
    """Name of a run with this seed; the first seed is not named."""
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
