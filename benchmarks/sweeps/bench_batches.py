"""Mini-batch descent of many rates at once: an epoch of least squares, 100 rates, 20 features, batches of 256, float32.

All draw the epoch's order with the same call (its time is listed) and gather the same rows. NumPy and
JAX take matrix products over the rates; ours sums in a stated order without fused multiply-adds, so that a run's bits
do not depend on the others.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import peers
from comparison import QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

ROWS, FEATURES, SIZE = (20_000 if QUICK else 1_000_000), 20, 256
RATES = np.geomspace(1e-3, 1e-1, 100).astype("float32")
SEEDS = count()  # an order of its own for every call, or it would be remembered


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, FEATURES), "float32")
    return X, X @ rng.standard_normal(FEATURES, "float32") + rng.standard_normal(ROWS, "float32")


def ours(problem: gd.LeastSquares, seed: int, **options: Any) -> np.ndarray:
    out = gd.sweep(
        problem, gd.SGD(), {"lr": RATES.tolist()}, x0=np.zeros(FEATURES), rng=seed, dtype="float32",
        max_iter=problem.updates_per_epoch, **options,
    )  # fmt: skip
    return out.x.T


def numpy_epoch(X: np.ndarray, y: np.ndarray, order: np.ndarray) -> np.ndarray:
    w = np.zeros((FEATURES, len(RATES)), "float32")
    for start in range(0, ROWS, SIZE):
        rows = order[start : start + SIZE]
        inputs = X[rows]
        residuals = inputs @ w
        residuals -= y[rows, None]
        slopes = inputs.T @ residuals
        slopes *= RATES * np.float32(1 / len(rows))
        w -= slopes
    return w


def jax_epoch(X: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """vmap over rates of a scan over batches, compiled."""
    jax, np_ = peers.jax(), peers.jax().numpy
    whole = ROWS // SIZE * SIZE
    on_device = (np_.asarray(X), np_.asarray(y), np_.asarray(RATES))

    @jax.jit
    def run(X: Any, y: Any, rates: Any, order: Any) -> Any:
        def one(rate: Any, w: Any, inputs: Any, targets: Any) -> Any:
            return w - rate / len(targets) * (inputs.T @ (inputs @ w - targets))

        def step(w: Any, rows: Any) -> tuple[Any, None]:
            many = jax.vmap(one, in_axes=(0, 1, None, None), out_axes=1)
            return many(rates, w, X[rows], y[rows]), None

        w, _ = jax.lax.scan(
            step, np_.zeros((FEATURES, len(RATES)), "float32"), order[:whole].reshape(-1, SIZE)
        )
        return step(w, order[whole:])[0] if whole < ROWS else w

    return lambda order: np.asarray(run(*on_device, np_.asarray(order)).block_until_ready())


def test_epoch(benchmark: Any) -> None:
    X, y = data()
    problem = gd.LeastSquares(X, y, cost="1/2m", intercept=False, batch_size=SIZE)
    batches = problem.batches
    assert batches is not None

    def order(seed: int) -> np.ndarray:
        return batches.orders(seed, 0, 1)[0]

    rivals = {"NumPy, all rates at once": lambda seed: numpy_epoch(X, y, order(seed))}
    why = peers.missing("jax")
    if not why:
        epoch = jax_epoch(X, y)
        rivals["JAX vmap+scan"] = lambda seed: epoch(order(seed))
    reference = ours(problem, 0)
    difference = {name: float(np.abs(run(0) - reference).max()) for name, run in rivals.items()}
    assert max(difference.values()) < 1e-5, difference
    work = float(ROWS * len(RATES))
    found = {
        "fastgd": Candidate(lambda: ours(problem, next(SEEDS)), work),
        "fastgd 1 thread": Candidate(lambda: ours(problem, next(SEEDS), n_threads=1), work),
    }
    for name, run in rivals.items():
        found[name] = Candidate(lambda run=run: run(next(SEEDS)), work)
    found["the order alone"] = Candidate(lambda: order(next(SEEDS)), work, "in each of them")
    about = {
        "table": "Mini-batches",
        "workload": f"{len(RATES)} rates x {ROWS:,} rows x {FEATURES} features, batches of {SIZE}",
        "threads": get_num_threads(),
        "unit": "row of a run",
        "headline": True,
        "disagreement": difference,
    }
    compare(benchmark, found, rounds=5, about=about, skipped={"JAX": why} if why else {})
