"""Sweeps of linear models over rows or with many features: logistic regression, least squares of 1,000 and 2,000.

The tolerance is 0, so that every run makes all updates. The time is that of the whole call, final losses and slopes
included, which the peers do not compute. JAX's time of compiling is left out. Least squares of many rows goes over
X'X, in JAX too; the loop over X is what a script would do, and what is cheaper where rows are few.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

Peer = Callable[[int], np.ndarray]  # from the number of updates to the parameters (features, runs)


def rates(runs: int, largest: float, dtype: str) -> np.ndarray:
    return np.geomspace(largest / 1000, largest, runs).astype(dtype)


def ours(problem: Any, lr: np.ndarray, updates: int, **options: Any) -> np.ndarray:
    out = gd.sweep(
        problem, gd.SGD(), {"lr": lr.tolist()}, x0=np.zeros(problem.n_parameters), tol=0,
        dtype=str(lr.dtype), max_iter=updates, **options,
    )  # fmt: skip
    return out.x.T


def jax_loop(
    step: Callable[[Any, Any, Any], Any], shape: tuple[int, int], dtype: str
) -> Callable[..., np.ndarray]:
    """A compiled scan of ``step(parameters, what an update takes, constants)``."""
    jax = peers.jax()

    @jax.jit
    def run(over: Any, constants: Any) -> Any:
        zeros = jax.numpy.zeros(shape, dtype)
        return jax.lax.scan(lambda W, one: (step(W, one, constants), None), zeros, over)[0]

    return lambda over, constants: np.asarray(run(over, constants).block_until_ready())


# --- logistic regression --------------------------------------------------------------------------------


def labelled(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, features), "float32")
    return X, X @ rng.standard_normal(features) + rng.logistic(size=rows) > 0


def jax_logistic(X: np.ndarray, y: np.ndarray, lr: np.ndarray, orders: np.ndarray | None) -> Peer:
    """All rates at once; with `orders` (updates, rows of a batch) on these rows only."""
    jax = peers.jax()
    targets = y.astype("float32")[:, None]

    def step(W: Any, rows: Any, constants: Any) -> Any:
        X, y, lr = constants
        X, y = (X, y) if orders is None else (X[rows], y[rows])
        return W - lr * (X.T @ (jax.nn.sigmoid(X @ W) - y)) / len(X)

    run = jax_loop(step, (X.shape[1], len(lr)), "float32")
    constants = jax.numpy.asarray(X), jax.numpy.asarray(targets), jax.numpy.asarray(lr)
    return lambda updates: run(
        np.arange(updates) if orders is None else orders[:updates], constants
    )


@pytest.mark.parametrize("batch_size", [None, 32], ids=["all rows", "batches of 32"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logistic(benchmark: Any, dtype: str, batch_size: int | None) -> None:
    runs, updates = (500, 20) if QUICK else (10_000, 100)
    X, y = labelled(992 if batch_size else 1000, 10)
    updates *= 1 if batch_size is None else 10
    problem = gd.Logistic(X, y, intercept=False, batch_size=batch_size, rng=0)
    lr = rates(runs, 1.0, dtype)
    work = float(runs * updates)
    found = {
        "fastgd": Candidate(lambda: ours(problem, lr, updates), work),
        "fastgd 1 thread": Candidate(lambda: ours(problem, lr, updates, n_threads=1), work),
    }
    why, difference = peers.missing("jax"), {}
    if not why and dtype == "float32":  # JAX's float64 is a setting of the whole process
        orders = None
        if problem.batches is not None:
            epochs = -(-updates // problem.batches.updates)
            orders = problem.batches.orders(0, 0, epochs).reshape(-1, problem.batches.size)
        peer = jax_logistic(X, y, lr, orders)
        difference["JAX"] = float(np.abs(peer(updates) - ours(problem, lr, updates)).max())
        assert max(difference.values()) < 1e-3, difference
        found["JAX"] = Candidate(lambda: peer(updates), work)
    about = {
        "table": "Logistic regression",
        "workload": f"{runs:,} rates x {len(X):,} rows x 10 features, {dtype}, {batch_size or 'all'} rows an update",
        "threads": get_num_threads(),
        "unit": "update of a run",
        "headline": True,
        "disagreement": difference,
    }
    compare(benchmark, found, rounds=5, about=about, skipped={"JAX": why} if why else {})


# --- least squares of many features -----------------------------------------------------------------------


def wide(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((rows, features), "float32")
    return X, X @ rng.standard_normal(features, "float32") + rng.standard_normal(rows, "float32")


def numpy_rows(X: np.ndarray, y: np.ndarray, lr: np.ndarray, updates: int) -> np.ndarray:
    W = np.zeros((X.shape[1], len(lr)), "float32")
    for _ in range(updates):
        W -= lr * (X.T @ (X @ W - y[:, None])) / np.float32(len(X))
    return W


def jax_matrix(X: np.ndarray, y: np.ndarray, lr: np.ndarray) -> Peer:
    """Over X'X, computed once."""
    jax = peers.jax()
    run = jax_loop(lambda W, _, c: W - c[2] * (c[0] @ W - c[1]), (X.shape[1], len(lr)), "float32")
    double = X.astype("float64")
    H, b = (double.T @ double / len(X)).astype("float32"), (double.T @ y / len(X)).astype("float32")
    constants = jax.numpy.asarray(H), jax.numpy.asarray(b[:, None]), jax.numpy.asarray(lr)
    return lambda updates: run(np.arange(updates), constants)


def jax_rows(X: np.ndarray, y: np.ndarray, lr: np.ndarray) -> Peer:
    jax = peers.jax()
    step = lambda W, _, c: W - c[2] * (c[0].T @ (c[0] @ W - c[1])) / len(c[0])  # noqa: E731
    run = jax_loop(step, (X.shape[1], len(lr)), "float32")
    constants = jax.numpy.asarray(X), jax.numpy.asarray(y[:, None]), jax.numpy.asarray(lr)
    return lambda updates: run(np.arange(updates), constants)


@pytest.mark.parametrize("runs", [1, 8, 200, 2000])
@pytest.mark.parametrize(
    ("rows", "features"), [(2000, 1000), (200, 2000)], ids=["1000", "200x2000"]
)
def test_wide(benchmark: Any, rows: int, features: int, runs: int) -> None:
    X, y = wide(rows, features)
    problem = gd.LeastSquares(X, y, intercept=False)
    lr = rates(runs, 1.0 / float(np.linalg.norm(X, 2) ** 2 / rows), "float32")
    updates = 10 if QUICK else max(50, 20_000 // runs)
    work = float(runs * updates)
    found = {
        "fastgd": Candidate(lambda: ours(problem, lr, updates), work),
        "fastgd 1 thread": Candidate(lambda: ours(problem, lr, updates, n_threads=1), work),
        "NumPy, over X": Candidate(
            lambda: numpy_rows(X, y, lr, 10), float(10 * runs), "10 updates"
        ),
    }
    reference, why = ours(problem, lr, 10), peers.missing("jax")
    difference = {"NumPy": float(np.abs(numpy_rows(X, y, lr, 10) - reference).max())}
    if not why:
        for name, peer in {
            "JAX, X'X": jax_matrix(X, y, lr),
            "JAX, over X": jax_rows(X, y, lr),
        }.items():
            difference[name] = float(np.abs(peer(10) - reference).max())
            found[name] = Candidate(lambda peer=peer: peer(updates), work)
    assert max(difference.values()) < 1e-3, difference
    about = {
        "table": "Least squares of many features",
        "workload": f"{runs:,} rates x {rows:,} rows x {features:,} features, float32",
        "threads": get_num_threads(),
        "unit": "update of a run",
        "headline": True,
        "disagreement": difference,
    }
    compare(benchmark, found, rounds=5, about=about, skipped={"JAX": why} if why else {})
