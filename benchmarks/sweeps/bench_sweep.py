"""Many descents: two-parameter least squares on 40 rows, every rate from tiny to almost unstable, float64.

The tolerance is 0, so that every run executes all iterations; the time of an iteration of a run is compared.
JAX and one of the NumPy peers get the sufficient statistics (the 2 x 2 Gram matrix), as `LeastSquares` does; the
loop over rows is that of a simple script. Peers that would take minutes do fewer
iterations, or fewer rates, and say so.
"""

from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare
from sweep_data import RULES, line, rates

import fastgd as gd
from fastgd.engines.config import get_num_threads

RUNS, ITERATIONS = (1_000, 10_000) if QUICK else (10_000, 100_000)
NUMPY_ITERATIONS = 1_000
LOOP_ITERATIONS = 500


def sweep(rule: str, n: int, iterations: int, **options: Any) -> gd.SweepResult:
    x, y = line()
    problem = gd.LeastSquares(x, y)
    out = gd.sweep(problem, RULES[rule](), {"lr": rates(n)}, max_iter=iterations, tol=0, **options)
    assert out.iterations.sum() == n * iterations  # executed, not merely asked for
    return out


def rivals(rule: str, n: int) -> tuple[dict[str, Any], dict[str, str]]:
    """For every peer its note and a function of the number of iterations that makes its call."""
    x, y = line()
    problem = gd.LeastSquares(x, y)
    statistics = (problem.hessian, problem.linear)
    found = {
        "NumPy, all rates at once": partial(peers.numpy_sweep, rule, *statistics, rates(n)),
        "loop of Python over NumPy": partial(peers.rows_sweep, rule, x, y, rates(n)[-1:]),
    }
    why = peers.missing("jax")
    if not why:
        found["JAX vmap+scan"] = partial(peers.jax_sweep, rule, *statistics, rates(n))
    return found, {"JAX": why} if why else {}


def disagreement(rule: str, n: int = 32, iterations: int = 200) -> dict[str, float]:
    """The largest relative difference of the parameters to the NumPy reference, by candidate."""
    reference = sweep(rule, n, iterations, backend="numpy").x
    found = {
        backend: sweep(rule, n, iterations, backend=backend).x for backend in ("cython", "numba")
    }
    found |= {name: make(iterations)() for name, make in rivals(rule, n)[0].items()}
    scale = np.abs(reference).max()
    return {
        name: float(np.abs(x - reference[-len(x) :]).max() / scale) for name, x in found.items()
    }


@pytest.mark.parametrize("rule", RULES)
def test_sweep(benchmark: Any, rule: str) -> None:
    difference = disagreement(rule)
    assert difference["cython"] == difference["numba"] == 0, difference
    assert max(difference.values()) < 1e-9, difference
    amount = float(RUNS * ITERATIONS)
    found = {
        "fastgd": Candidate(partial(sweep, rule, RUNS, ITERATIONS, backend="cython"), amount),
        "fastgd Numba": Candidate(partial(sweep, rule, RUNS, ITERATIONS, backend="numba"), amount),
        "fastgd 1 thread": Candidate(
            partial(sweep, rule, RUNS, ITERATIONS, backend="cython", n_threads=1), amount
        ),
    }
    others, skipped = rivals(rule, RUNS)
    for name, make in others.items():
        iterations, runs, note = ITERATIONS, RUNS, ""
        if name.startswith("NumPy"):
            iterations, note = NUMPY_ITERATIONS, f"{NUMPY_ITERATIONS} iterations"
        elif name.startswith("loop"):
            iterations, runs, note = LOOP_ITERATIONS, 1, f"one rate, {LOOP_ITERATIONS} iterations"
        found[name] = Candidate(make(iterations), float(runs * iterations), note)
    widths = {b: sweep(rule, 64, 64, backend=b).vector_width for b in ("cython", "numba")}
    about = {
        "table": "Sweep",
        "workload": f"{rule}, {RUNS:,} rates x {ITERATIONS:,} iterations",
        "threads": get_num_threads(),
        "unit": "iteration",
        "headline": True,
        "disagreement": difference,
        "vector bits": {backend: 64 * lanes for backend, lanes in widths.items()},
    }
    compare(benchmark, found, rounds=5, about=about, skipped=skipped)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_number_of_runs(benchmark: Any, rule: str) -> None:
    """The same sweep with few runs and with very many: what an iteration of a run costs."""
    most = 10**4 if QUICK else 10**6
    found = {"1,000 runs": _of_size(rule, 1_000)}
    n = 10
    while n <= most:
        if n != 1_000:
            found[f"{n:,} runs"] = _of_size(rule, n)
        n *= 10
    about = {
        "table": "Number of runs",
        "workload": rule,
        "threads": get_num_threads(),
        "unit": "iteration",
        "headline": True,
    }
    compare(benchmark, found, rounds=3, about=about)


def _of_size(rule: str, n: int) -> Candidate:
    """As many iterations as a few seconds allow, but enough that what a run costs once does not count."""
    most, least = (10**8, 1_000) if QUICK else (2 * 10**9, 20_000)
    if rule == "Adam":
        most, least = most // 10, least // 10
    iterations = int(np.clip(most // n, least, ITERATIONS))
    return Candidate(
        partial(sweep, rule, n, iterations), float(n * iterations), f"{iterations:,} iterations"
    )
