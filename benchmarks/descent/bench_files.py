"""Ten million rows of 20 numbers in a file of 1.6 GB: their least squares, a pass of logistic regression, an epoch.

The file is in the system's cache, so that the floor is the speed of memory: `limit: reading` sums up all numbers by
blocks. The notes say how much private memory each candidate needed. NumPy's products of blocks lose half of the
digits that our triangle keeps; they are what one would write by hand.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison import LIMIT, QUICK, SETTLE_BLAS, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

ROWS, FEATURES, BLOCK = (450_000 if QUICK else 10_000_000), 20, 4096
RATES = np.geomspace(1e-2, 1, 100)
Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: Any) -> Arrays:
    folder, rng = tmp_path_factory.mktemp("rows"), np.random.default_rng(0)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float64, (ROWS, FEATURES))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float64, (ROWS,))
    for start in range(0, ROWS, 100_000):
        part = rng.standard_normal((min(100_000, ROWS - start), FEATURES))
        X[start : start + len(part)] = part
        y[start : start + len(part)] = part @ np.arange(FEATURES) + rng.standard_normal(len(part))
    X.flush()
    y.flush()
    return np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r")


def blocks(X: np.ndarray, y: np.ndarray, many: int = BLOCK) -> Iterator[Arrays]:
    for start in range(0, ROWS, many):
        yield X[start : start + many], y[start : start + many]


def reading(X: np.ndarray, y: np.ndarray) -> float:
    return float(sum(inputs.sum() + targets.sum() for inputs, targets in blocks(X, y)))


def by_hand(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    products = np.zeros((FEATURES + 2, FEATURES + 2))
    for inputs, targets in blocks(X, y):
        table = np.column_stack([inputs, np.ones(len(inputs)), targets])
        products += table.T @ table
    return np.linalg.solve(products[:-1, :-1], products[:-1, -1])


def private_memory(call: Callable[[], Any]) -> str:
    """How far a call raises the process's private memory."""

    def now() -> int:
        fields = Path("/proc/self/status").read_text().split("RssAnon:")
        return int(fields[1].split()[0]) if len(fields) > 1 else 0

    before, most, ended = now(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            most.append(now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    ended.set()
    watcher.join()
    return f"{max(0, max(most) - before) / 1024:.0f} MB of private memory"


def measured(benchmark: Any, calls: dict[str, Callable[[], Any]], rows: float, what: str) -> None:
    """Compare calls, with their memory in the notes."""
    found = {
        name: Candidate(call, rows, private_memory(call), settle=SETTLE_BLAS)
        for name, call in calls.items()
    }
    about = {
        "table": "Rows in a file",
        "workload": f"{what}, {ROWS:,} rows x {FEATURES}",
        "threads": get_num_threads(),
        "unit": "row",
        "headline": True,
    }
    compare(benchmark, found, rounds=3, about=about)


def test_least_squares(benchmark: Any, mapped: Arrays) -> None:
    X, y = mapped
    calls: dict[str, Callable[[], Any]] = {
        "fastgd": lambda: gd.LeastSquares(X, y).solution,
        "fastgd, from blocks": lambda: gd.LeastSquares.from_blocks(blocks(X, y)).solution,
        "NumPy, products of blocks": lambda: by_hand(X, y),
    }
    dask = pytest.importorskip("dask.array") if not QUICK else None
    if dask is not None:
        table = dask.from_array(X, chunks=(100_000, FEATURES))
        calls["Dask, products"] = (table.T @ table).compute
    calls[LIMIT + "reading"] = lambda: reading(X, y)
    measured(benchmark, calls, ROWS, "least squares")


def test_full_pass(benchmark: Any, mapped: Arrays) -> None:
    """One update of logistic regression at one rate, and at 100 rates by the same pass."""
    X, y = mapped
    problem = gd.Logistic(X, np.asarray(y) > 0)
    points = {n: np.zeros((FEATURES + 1, n)) for n in (1, len(RATES))}

    def numpy_pass() -> np.ndarray:
        w, total = np.zeros(FEATURES), np.zeros(FEATURES)
        for inputs, targets in blocks(X, y):
            total += inputs.T @ (1 / (1 + np.exp(-(inputs @ w))) - (targets > 0))
        return total

    calls: dict[str, Callable[[], Any]] = {
        "fastgd": lambda: problem.slopes(points[1]),
        f"fastgd, {len(RATES)} rates": lambda: problem.slopes(points[len(RATES)]),
        "NumPy, one rate": numpy_pass,
        LIMIT + "reading": lambda: reading(X, y),
    }
    measured(benchmark, calls, ROWS, "a pass of logistic regression")


def test_epoch(benchmark: Any, mapped: Arrays) -> None:
    """An epoch in batches of 256 rows, blocks shuffled, at 100 rates; scikit-learn's has one rate and single rows."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = mapped
    problem = gd.LeastSquares(X, y, batch_size=256, shuffle="blocks")

    def ours(rates: np.ndarray) -> Any:
        most = problem.updates_per_epoch
        return gd.sweep(problem, gd.SGD(), {"lr": rates}, max_iter=most, tol=0)

    def theirs() -> Any:
        model = linear_model.SGDRegressor()
        for inputs, targets in blocks(X, y, 100_000):
            model.partial_fit(inputs, targets)
        return model

    calls: dict[str, Callable[[], Any]] = {
        "fastgd": lambda: ours(RATES[:1]),
        f"fastgd, {len(RATES)} rates": lambda: ours(RATES),
        "scikit-learn, partial_fit": theirs,
        LIMIT + "reading": lambda: reading(X, y),
    }
    measured(benchmark, calls, ROWS, "an epoch")
