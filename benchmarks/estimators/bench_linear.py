"""Linear models: an epoch in batches of one row, 32 and all, and a fit to the optimum with defaults.

An epoch's time is that of a fit of some epochs, less that of a fit of one, so that what happens once in a fit counts
for neither side. scikit-learn updates by single rows whatever the batch. One thread.
"""

import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from comparison import QUICK, Candidate, compare
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor

import fastgd as gd

ROWS, FEATURES, EPOCHS = (2_000, 20, 3) if QUICK else (100_000, 20, 11)
SHAPE = f"{ROWS:,} x {FEATURES}"


@cache
def data(kind: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES))
    z = x @ rng.normal(size=FEATURES)
    if kind == "classes":
        return x.astype(dtype), (z + rng.logistic(size=ROWS) > 0).astype(int)
    return x.astype(dtype), (z + rng.normal(size=ROWS)).astype(dtype)


def fitted(estimator: Any, kind: str, dtype: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few epochs do not converge
        return estimator.fit(*data(kind, dtype))


def ours(kind: str, epochs: int, batch: int | None, average: bool = False) -> Any:
    cls = gd.GDClassifier if kind == "classes" else gd.GDRegressor
    options = {"max_iter": epochs, "batch_size": batch, "average": average}
    return cls(tol=0, n_iter_no_change=np.inf, n_threads=1, **options)


def theirs(kind: str, epochs: int, average: bool = False) -> Any:
    options = {
        "average": average,
        "max_iter": epochs,
        "tol": None,
        "penalty": None,
        "learning_rate": "constant",
        "eta0": 1e-4,
    }
    return (
        SGDClassifier(loss="log_loss", **options) if kind == "classes" else SGDRegressor(**options)
    )


class Epochs(Candidate):
    """Fits of `EPOCHS` epochs; the time of one epoch."""

    def __init__(self, make: Callable[[int], Any], kind: str, dtype: str) -> None:
        self.run = lambda epochs: fitted(make(epochs), kind, dtype)
        super().__init__(partial(self.run, EPOCHS), EPOCHS - 1)

    def loop(self) -> float:
        start = time.perf_counter()
        self.run(1)
        once = time.perf_counter() - start
        return max(super().loop() - self.calls * once, 1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 32, None])
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_epoch(benchmark: Any, kind: str, batch: int | None, dtype: str) -> None:
    found = {
        "fastgd": Epochs(lambda epochs: ours(kind, epochs, batch), kind, dtype),
        "scikit-learn's SGD": Epochs(lambda epochs: theirs(kind, epochs), kind, dtype),
        "limit: reading X": Candidate(data(kind, dtype)[0].sum),
    }
    size = "all rows" if batch is None else f"batch {batch}"
    about = {
        "table": "Linear models, an epoch",
        "workload": f"{kind}, {SHAPE}, {size}, {dtype}",
        "threads": 1,
        "unit": "epoch",
        "headline": True,
    }
    compare(benchmark, found, rounds=5, about=about)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_averaged_epoch(benchmark: Any, kind: str, dtype: str) -> None:
    """Single rows, whose parameters are averaged over the updates."""
    found = {
        "fastgd": Epochs(lambda epochs: ours(kind, epochs, 1, True), kind, dtype),
        "scikit-learn's SGD": Epochs(lambda epochs: theirs(kind, epochs, True), kind, dtype),
    }
    about = {
        "table": "Averaged linear models, an epoch",
        "workload": f"{kind}, {SHAPE}, batch 1, {dtype}",
        "threads": 1,
        "unit": "epoch",
        "headline": True,
    }
    compare(benchmark, found, rounds=5, about=about)


PEERS = {"numbers": lambda: Ridge(alpha=1e-10), "classes": lambda: LogisticRegression(C=np.inf)}


@pytest.mark.parametrize("kind", PEERS)
def test_optimum(benchmark: Any, kind: str) -> None:
    cls = gd.GDClassifier if kind == "classes" else gd.GDRegressor
    near, exact = fitted(cls(n_threads=1), kind, "float64"), fitted(PEERS[kind](), kind, "float64")
    np.testing.assert_allclose(np.ravel(near.coef_), np.ravel(exact.coef_), rtol=0.02, atol=0.02)
    found = {
        "fastgd": Candidate(lambda: fitted(cls(n_threads=1), kind, "float64")),
        type(exact).__name__: Candidate(lambda: fitted(PEERS[kind](), kind, "float64")),
    }
    about = {
        "table": "Linear models, to the optimum",
        "workload": f"{kind}, {SHAPE}",
        "threads": 1,
        "unit": "fit",
        "headline": True,
    }
    compare(benchmark, found, rounds=5, about=about)
