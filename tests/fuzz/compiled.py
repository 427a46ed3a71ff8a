"""Sweeps that Numba compiles, by the bits of the NumPy engine: few combinations, since each compiles for seconds."""

import numpy as np
from fuzz import sweep, values
from fuzz.harness import refused, sometimes
from hypothesis import strategies as st

import fastgd as gd

OPTIMIZERS = {
    "sgd": gd.SGD(lr=0.1),
    "adam": gd.Adam(lr=0.1),
    "nag": gd.NAG(lr=0.1, l1=0.01),
    "lion": gd.Lion(lr=0.1, weight_decay=0.1),
    "clipped": gd.Momentum(lr=0.1, clip_norm=0.3, clip_value=0.2),
}
PROBLEMS = ("rows", "batches", "sequential", "logistic", "softmax", "quadratic")
#: Optimizers with problems; sequential updates have no look-ahead.
PAIRS = [
    (p, o) for k, p in enumerate(PROBLEMS) for j, o in enumerate(OPTIMIZERS) if (k + j) % 2 == 0
]
PAIRS = [pair for pair in PAIRS if pair != ("sequential", "nag")]
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes("x0", "rate", "updates"),
        "pair": st.sampled_from(PAIRS),
        "rows": st.integers(2, 300),
        "rates": sweep.RATES,
        "max_iter": st.integers(0, 130),
        "tol": st.sampled_from([0.0, 1e-3, 1.0]),
        "dtype": st.sampled_from(values.DTYPES),
        "n_threads": st.integers(1, 3),
        "seed": values.SEEDS,
    }
)


def problem_of(kind, rows, seed):
    """A problem of three features."""
    rng = np.random.default_rng(seed)
    X, noise = rng.normal(size=(rows, 3)), rng.normal(size=rows)
    y = X @ [1.0, -2.0, 0.5] + noise
    if kind == "quadratic":
        return gd.Quadratic(X[:3].T @ X[:3], noise[[0, 0, 0]])
    if kind in {"logistic", "softmax"}:
        return gd.Logistic(X, np.arange(rows) % (2 if kind == "logistic" or rows < 3 else 3))
    more = {"batches": {"batch_size": 1 + seed % rows}, "sequential": {"update": kind}}
    return gd.LeastSquares(X, y, statistics=False, **more.get(kind, {}))


def check(case):
    kind, optimizer = case["pair"]
    problem = problem_of(kind, case["rows"], case["seed"])
    options = {
        "axes": {"lr": case["rates"]},
        "max_iter": case["max_iter"],
        "tol": case["tol"],
        "dtype": case["dtype"],
        "n_threads": case["n_threads"],
    }
    optimizer = OPTIMIZERS[optimizer]
    if case["fault"]:
        wrong = options | sweep.faulty(case["fault"])
        refused(lambda: gd.sweep(problem, optimizer, backend="numba", **wrong))
        return
    found, wanted = (gd.sweep(problem, optimizer, backend=b, **options) for b in ("numba", "numpy"))
    for field in sweep.FIELDS:
        values.assert_same_bits(getattr(found, field), getattr(wanted, field), field)
